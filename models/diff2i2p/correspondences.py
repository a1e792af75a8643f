# SPDX-License-Identifier: Apache-2.0
"""Matches between an image and the map: what every matcher gives and every pose solver takes."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Correspondences:
    """M matches between the rectified view and the map, best first."""

    pixels: np.ndarray  # (M, 2) float64 as (u, v), rectified view
    points: np.ndarray  # (M, 3) float64, map frame, metres
    scores: np.ndarray  # (M,) float32 in [0, 1], comparable within one matcher
    matcher: str  # "network", "appearance", or "tracks" from where the camera is expected
    tried: int = 0  # points of the map that were looked for; 0 where the matcher does not count

    @classmethod
    def none(cls, matcher: str) -> "Correspondences":
        """No match at all."""
        return cls(np.zeros((0, 2)), np.zeros((0, 3)), np.zeros(0, np.float32), matcher)

    def __len__(self) -> int:
        return len(self.pixels)

    def moved(self, offset: np.ndarray) -> "Correspondences":
        """The same in a frame whose coordinates are `offset` (3,), metres, larger."""
        return replace(self, points=self.points + offset)
