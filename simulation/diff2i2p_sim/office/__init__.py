# SPDX-License-Identifier: Apache-2.0
"""Offices: a floor plan, and what stands and hangs in its rooms."""
