# SPDX-License-Identifier: Apache-2.0
"""Correspondences -> the places they speak for, and how much speaks for another place."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from diff2i2p.camera import Camera
from diff2i2p.config import PnpConfig
from diff2i2p.localization.aliasing import find_twin
from diff2i2p.localization.result import Correspondences
from diff2i2p.pose.pnp import Pose, reprojection_errors, solve_pnp
from diff2i2p.pose.render_compare import TRACKS_SHARED

SAME_PLACE, SAME_VIEW = 0.5, np.cos(np.radians(15))  # metres, cosine: nearer poses are one place
APART = 4  # matches within so many times the largest error belong to the place, not to a rival
RIVAL_ITERATIONS = 300  # of RANSAC, in search of a rival
HOPELESS = 0.25  # share of the most inliers up to which a place is not considered
CHANCE = 8  # matches that some pose elsewhere explains by chance
# The map, and the network more so, make matches err together: variance of a pose over that by independent ones. Appearance:
# bench_uncertainty.py; network: the same NEES on the poses that its confidence is fitted on.
SHARED = {"appearance": 10.0, "network": 50.0, "tracks": TRACKS_SHARED}
TILT = np.cos(np.radians(10))  # cosine between true and measured gravity


@dataclass(frozen=True)
class Rival:
    """The best pose elsewhere."""

    T_map_camera: np.ndarray  # (4, 4)
    matches: int  # pixels that speak for it


@dataclass(frozen=True)
class Hypothesis:
    """One place where the camera may be."""

    pose: Pose
    correspondences: Correspondences

    @cached_property
    def twin(self) -> Rival | None:
        """Where the map holds this place once more, by what else in it looks like the matches."""
        found = find_twin(self.pose, self.correspondences) if self.correspondences.echoes else None
        return Rival(*found) if found else None


def propose(matched: list[Correspondences], camera: Camera, config: PnpConfig, level=None) -> list[Hypothesis]:
    """The places that `matched` speak for, the one pinned down best first; each matcher names a place once.

    level: (up_camera, up_map), unit vectors against gravity; a pose that tilts one away from the other is none.
    """
    solved = [(solve_pnp(c, camera, config), c) for c in matched if len(c) >= config.min_inliers]
    solved = [(replace(pose, covariance=SHARED[c.matcher] * pose.covariance), c) for pose, c in solved if pose is not None]
    solved = [(pose, c) for pose, c in solved if level is None or upright(pose.T_map_camera, *level)]
    enough = HOPELESS * max((pose.inliers.sum() for pose, _ in solved), default=0)
    solved = [(pose, c) for pose, c in solved if pose.inliers.sum() > enough]
    solved.sort(key=lambda found: np.trace(found[0].covariance[:3, :3]))
    places: list[Hypothesis] = []
    for pose, c in solved:
        theirs = [place for place in places if place.correspondences.matcher == c.matcher]
        if not any(same_place(pose.T_map_camera, place.pose.T_map_camera) for place in theirs):
            places.append(Hypothesis(pose, c))
    return places


def find_rival(place: Hypothesis, found: list[Hypothesis], camera: Camera, config: PnpConfig) -> Rival | None:
    """How much speaks for another place: a twin of this one; without one the pose elsewhere that explains most matches.

    It is among the `found` places of the same matcher, or in what this one leaves over. None where only chance speaks for another.
    """
    pose, c = place.pose, place.correspondences
    if place.twin:
        return place.twin
    theirs = [other.pose for other in found if other.correspondences.matcher == c.matcher]
    rivals = [Rival(other.T_map_camera, int(other.inliers.sum())) for other in theirs]
    rivals += filter(None, [_second(pose, c, camera, config)])
    elsewhere = [r for r in rivals if r.matches > CHANCE and not same_place(pose.T_map_camera, r.T_map_camera)]
    return max(elsewhere, key=lambda rival: rival.matches, default=None)


def same_place(T_a: np.ndarray, T_b: np.ndarray) -> bool:
    """Whether two poses (4, 4) may be taken for one."""
    cosine = (np.trace(T_a[:3, :3].T @ T_b[:3, :3]) - 1) / 2
    return bool(np.linalg.norm(T_a[:3, 3] - T_b[:3, 3]) < SAME_PLACE and cosine > SAME_VIEW)


def upright(T_map_camera: np.ndarray, up_camera: np.ndarray, up_map: np.ndarray) -> bool:
    """Whether a pose agrees with gravity: (3,) unit vectors against it, in the camera's frame and in the map's."""
    return bool((T_map_camera[:3, :3] @ np.asarray(up_camera, float)) @ up_map > TILT)


def _second(pose: Pose, c: Correspondences, camera: Camera, config: PnpConfig) -> Rival | None:
    """The best pose for the matches that `pose` leaves over, with the pixels it explains."""
    errors = reprojection_errors(c.pixels, c.points, camera, pose.T_map_camera[:3, :3].T, pose.T_map_camera[:3, 3])
    left = errors > APART * config.max_error
    others = Correspondences(c.pixels[left], c.points[left], c.scores[left], c.matcher)
    lenient = replace(config, max_iterations=min(RIVAL_ITERATIONS, config.max_iterations), min_inliers=6)
    second = solve_pnp(others, camera, lenient)
    return None if second is None else Rival(second.T_map_camera, len(np.unique(others.pixels[second.inliers], axis=0)))
