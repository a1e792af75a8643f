# SPDX-License-Identifier: Apache-2.0
"""Trained weights: files, the table of those that are shipped, and the released checkpoints of the paper."""

from diff2i2p.weights.files import (
    GENERIC,
    SHIPPED,
    Network,
    WeightsError,
    find_weights,
    load_weights,
    save_weights,
    sha256,
    shipped_weights,
)

__all__ = ["GENERIC", "Network", "SHIPPED", "WeightsError", "find_weights", "load_weights", "save_weights", "sha256", "shipped_weights"]
