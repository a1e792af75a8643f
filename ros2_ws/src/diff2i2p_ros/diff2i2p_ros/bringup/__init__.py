# SPDX-License-Identifier: Apache-2.0
"""Getting started on a robot: find its topics, check what they carry, bring the localizer up."""
