# SPDX-License-Identifier: Apache-2.0
"""Rigid motions: what several parts of the project compute of them, once."""

import numpy as np


def motion_extent(motion: np.ndarray) -> np.ndarray:
    """(metres, radians) of a motion (4, 4)."""
    angle = np.arccos(np.clip((np.trace(motion[:3, :3]) - 1) / 2, -1, 1))
    return np.array([np.linalg.norm(motion[:3, 3]), angle])
