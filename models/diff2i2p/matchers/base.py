# SPDX-License-Identifier: Apache-2.0
"""What every matcher is asked, and what it answers."""

import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from diff2i2p.camera import View
from diff2i2p.correspondences import Correspondences
from diff2i2p.render import Surfaces


class StageTimer:
    """Milliseconds spent in each named stage, by a clock that counts seconds."""

    def __init__(self, clock=time.perf_counter):
        self.clock, self.milliseconds = clock, defaultdict(float)

    @contextmanager
    def __call__(self, stage: str):
        started = self.clock()
        yield
        self.milliseconds[stage] += 1e3 * (self.clock() - started)


@dataclass(frozen=True)
class MatchedPlace:
    """A place of the map that the image matches, and what its matcher can still tell of it.

    A matcher that can do more derives from it and keeps there what it computed for the image: who
    keeps an answer for longer than the image keeps the correspondences alone.
    """

    correspondences: Correspondences
    can_rematch: ClassVar[bool] = False

    def rematch(self, T_map_camera: np.ndarray, surfaces: Surfaces) -> Correspondences:
        """The image matched anew to the `surfaces` that the map shows at a pose (4, 4) nearby.

        Asked only where `can_rematch`.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot match again")

    def alternatives(self) -> Correspondences | None:
        """What else in the map is like the same pixels; None where the matcher cannot tell."""
        return None


class Matcher(Protocol):
    """Finds correspondences between an image and the map."""

    def match(self, view: View, prior: np.ndarray | None, timer: StageTimer) -> list[MatchedPlace]:
        """The places that match; asked once an image. `prior`: a pose (4, 4) to look near."""
