# SPDX-License-Identifier: Apache-2.0
"""What the stages of localization hand to each other."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np

from diff2i2p.geometry import translated


class Status(Enum):
    """The answer, or why there is none."""

    OK = "ok"
    NO_CANDIDATES = "no part of the map resembles the image"
    NO_MATCHES = "too few correspondences between image and map"
    PNP_FAILED = "no pose explains enough of the correspondences"
    REJECTED_LOW_CONFIDENCE = "a pose was found but the evidence for it is too weak"
    REJECTED_MOTION = "a pose was found but the robot cannot have moved there"


@dataclass(frozen=True)
class Correspondences:
    """M matches between the rectified view and the map, best first."""

    pixels: np.ndarray  # (M, 2) float64 as (u, v), rectified view
    points: np.ndarray  # (M, 3) float64, map frame, metres
    scores: np.ndarray  # (M,) float32 in [0, 1], comparable within one matcher
    matcher: str  # "network", "appearance", or "tracks" followed from where the camera is expected
    echoes: "Callable[[], Correspondences] | None" = None  # looks up what else in the map is like the same pixels
    # matches anew what is seen from T_map_camera (4, 4), known roughly, where depth (H, W) in metres hides nothing
    around: "Callable[[np.ndarray, np.ndarray], Correspondences] | None" = None

    def __len__(self) -> int:
        return len(self.pixels)

    def alone(self) -> "Correspondences":
        """These matches without the means to look up others, which hold on to all that was computed for the image."""
        return replace(self, echoes=None, around=None)


@dataclass(frozen=True)
class Localization:
    """Where the camera is in the map, or why that is not known. Failure never carries a pose, but may tell what was withheld."""

    status: Status
    T_map_camera: np.ndarray | None = None  # (4, 4) float64
    covariance: np.ndarray | None = None  # (6, 6), ROS order x y z rx ry rz, map axes, m^2 and rad^2
    confidence: float = 0.0  # probability of being within 0.25 m and 5 deg
    matcher: str = ""  # whose correspondences gave the pose
    correspondences: Correspondences | None = None
    inliers: np.ndarray | None = None  # (M,) bool over the correspondences
    view: object = None  # camera.View that the correspondences' pixels lie in
    milliseconds: dict[str, float] = field(default_factory=dict)  # per stage
    doubted: "Localization | None" = None  # the answer that was withheld: found, but not believed

    @property
    def ok(self) -> bool:
        return self.status is Status.OK

    def moved(self, offset: np.ndarray) -> "Localization":
        """This answer in a frame whose coordinates are `offset` (3,), metres, larger."""
        if not np.any(offset):
            return self
        known, matches = self.T_map_camera is not None, self.correspondences
        if matches is not None:
            matches = replace(matches, points=matches.points + offset)
        return replace(
            self, correspondences=matches,
            T_map_camera=translated(self.T_map_camera, offset) if known else None,
            doubted=self.doubted.moved(offset) if self.doubted else None,
        )  # fmt: skip

    def withheld(self, status: Status) -> "Localization":
        """This answer's rejection, for the reason `status`."""
        return replace(self, status=status, T_map_camera=None, covariance=None, doubted=self)
