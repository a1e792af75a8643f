# SPDX-License-Identifier: Apache-2.0
"""Camera relocalization in a prior point-cloud map: image-to-point-cloud registration after Diff2I2P (ICCV 2025)."""

__version__ = "0.1.0"
