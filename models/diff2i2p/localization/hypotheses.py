# SPDX-License-Identifier: Apache-2.0
"""Matched places -> hypotheses: the poses that their correspondences speak for."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from diff2i2p.camera import Camera
from diff2i2p.config import PnpConfig
from diff2i2p.correspondences import Correspondences
from diff2i2p.geometry import same_place
from diff2i2p.localization.aliasing import RunnerUp, find_alias, find_runner_up
from diff2i2p.localization.calibration import calibration
from diff2i2p.matchers.base import MatchedPlace
from diff2i2p.pose.pnp import Pose, solve_pnp

HOPELESS = 0.25  # share of the most inliers up to which a hypothesis is not considered
TILT = np.cos(np.radians(10))  # cosine between true and measured gravity


@dataclass(frozen=True)
class Hypothesis:
    """One place where the camera may be."""

    pose: Pose
    matched: MatchedPlace

    @property
    def T_map_camera(self) -> np.ndarray:
        return self.pose.T_map_camera

    @property
    def correspondences(self) -> Correspondences:
        return self.matched.correspondences

    @property
    def matcher(self) -> str:
        return self.correspondences.matcher

    @cached_property
    def alias(self) -> RunnerUp | None:
        """Where the map holds this place once more, by what else in it is like the matches."""
        alternatives = self.matched.alternatives()
        return (
            None
            if alternatives is None
            else find_alias(self.pose, self.correspondences, alternatives)
        )

    def runner_up(
        self, found: Iterable["Hypothesis"], camera: Camera, config: PnpConfig
    ) -> RunnerUp | None:
        """What most speaks for another place: the alias, or another pose of the same matcher."""
        poses = [other.pose for other in found if other.matcher == self.matcher]
        return self.alias or find_runner_up(self.pose, self.correspondences, poses, camera, config)


def propose(
    matched: list[MatchedPlace],
    camera: Camera,
    config: PnpConfig,
    gravity: tuple[np.ndarray, np.ndarray] | None = None,
) -> list[Hypothesis]:
    """The poses that `matched` speak for, the one pinned down best first.

    Each matcher names a place once. gravity: (up_camera, up_map), unit vectors against it; a pose
    that tilts one away from the other is none.
    """
    solved = [hypothesis for place in matched if (hypothesis := solve(place, camera, config))]
    if gravity is not None:
        solved = [hypothesis for hypothesis in solved if upright(hypothesis.T_map_camera, *gravity)]
    enough = HOPELESS * max((hypothesis.pose.inliers.sum() for hypothesis in solved), default=0)
    solved = [hypothesis for hypothesis in solved if hypothesis.pose.inliers.sum() > enough]
    solved.sort(key=lambda hypothesis: np.trace(hypothesis.pose.covariance[:3, :3]))
    hypotheses: list[Hypothesis] = []
    for found in solved:
        same = (other for other in hypotheses if other.matcher == found.matcher)
        if not any(same_place(found.T_map_camera, other.T_map_camera) for other in same):
            hypotheses.append(found)
    return hypotheses


def solve(place: MatchedPlace, camera: Camera, config: PnpConfig) -> Hypothesis | None:
    """The pose of a matched place, its covariance calibrated; None where its matches fix none."""
    pose = solve_pnp(place.correspondences, camera, config)
    if pose is None:
        return None
    return Hypothesis(calibration().matched(pose, place.correspondences.matcher), place)


def upright(T_map_camera: np.ndarray, up_camera: np.ndarray, up_map: np.ndarray) -> bool:
    """Whether a pose agrees with gravity: (3,) unit vectors against it, in camera and map."""
    return bool((T_map_camera[:3, :3] @ np.asarray(up_camera, float)) @ up_map > TILT)
