# SPDX-License-Identifier: Apache-2.0
"""Rigid motions: what several parts of the project compute of them, once."""

import numpy as np


def translated(T: np.ndarray, offset) -> np.ndarray:
    """A pose (4, 4) whose place is `offset` (3,) further on, in double precision."""
    moved = np.array(T, float)
    moved[:3, 3] += offset
    return moved
