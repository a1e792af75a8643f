# SPDX-License-Identifier: Apache-2.0
"""Point clouds from any tool: reading, writing, cropping, thinning."""
