# SPDX-License-Identifier: Apache-2.0
"""What comes of an image: a pose or why there is none, with all that was verified on the way."""

from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np

from diff2i2p.correspondences import Correspondences
from diff2i2p.geometry import translated
from diff2i2p.localization.evidence import Evidence
from diff2i2p.pose.pnp import Pose


class Status(Enum):
    """The answer, or why there is none."""

    OK = "ok"
    NO_CANDIDATES = "no part of the map resembles the image"
    NO_MATCHES = "too few correspondences between image and map"
    PNP_FAILED = "no pose explains enough of the correspondences"
    REJECTED_LOW_CONFIDENCE = "a pose was found but the evidence for it is too weak"
    REJECTED_MOTION = "a pose was found but the robot cannot have moved there"


@dataclass(frozen=True)
class VerifiedPose:
    """A pose with what speaks for it."""

    pose: Pose
    evidence: Evidence
    confidence: float  # probability of being within 0.25 m and 5 deg


@dataclass(frozen=True)
class VerifiedHypothesis:
    """One place that was verified."""

    correspondences: Correspondences
    poses: tuple[VerifiedPose, ...]  # as matched first, then each refinement that was tried

    @property
    def matcher(self) -> str:
        return self.correspondences.matcher

    @property
    def best(self) -> VerifiedPose:
        """The last of those that verify best: a refinement that verifies no worse is sharper."""
        return max(reversed(self.poses), key=lambda verified: verified.confidence)

    @property
    def merit(self) -> tuple[float, int]:
        """What hypotheses are compared by."""
        return self.best.confidence, int(self.best.pose.inliers.sum())

    def moved(self, offset: np.ndarray) -> "VerifiedHypothesis":
        """The same in a frame whose coordinates are `offset` (3,), metres, larger."""
        poses = tuple(
            replace(verified, pose=verified.pose.moved(offset)) for verified in self.poses
        )
        return VerifiedHypothesis(self.correspondences.moved(offset), poses)

    def refined(self, pose: VerifiedPose) -> "VerifiedHypothesis":
        """With one more refinement."""
        return replace(self, poses=(*self.poses, pose))


@dataclass(frozen=True)
class Localization:
    """Where the camera is in the map, or why that is not known.

    Failure never carries a pose, but may tell what was withheld.
    """

    status: Status
    T_map_camera: np.ndarray | None = None  # (4, 4) float64
    # (6, 6), ROS order x y z rx ry rz, map axes, m^2 and rad^2
    covariance: np.ndarray | None = None
    confidence: float = 0.0  # probability of being within 0.25 m and 5 deg
    matcher: str = ""  # whose correspondences gave the pose
    correspondences: Correspondences | None = None
    inliers: np.ndarray | None = None  # (M,) bool over the correspondences
    view: object = None  # camera.View that the correspondences' pixels lie in
    milliseconds: dict[str, float] = field(default_factory=dict)  # per stage
    rejected: "Localization | None" = None  # the answer that was withheld: found, but not verified
    hypotheses: tuple[VerifiedHypothesis, ...] = ()  # the places that were verified, best first

    @property
    def ok(self) -> bool:
        return self.status is Status.OK

    def moved(self, offset: np.ndarray) -> "Localization":
        """This answer in a frame whose coordinates are `offset` (3,), metres, larger."""
        if not np.any(offset):
            return self
        known, matches = self.T_map_camera is not None, self.correspondences
        return replace(
            self,
            correspondences=matches and matches.moved(offset),
            T_map_camera=translated(self.T_map_camera, offset) if known else None,
            rejected=self.rejected and self.rejected.moved(offset),
            hypotheses=tuple(hypothesis.moved(offset) for hypothesis in self.hypotheses),
        )

    def withheld(self, status: Status) -> "Localization":
        """This answer's rejection, for the reason `status`."""
        return replace(self, status=status, T_map_camera=None, covariance=None, rejected=self)
