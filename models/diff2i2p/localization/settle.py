# SPDX-License-Identifier: Apache-2.0
"""A place is matched again to the map as it is seen from the pose found there, until the pose stays."""

from dataclasses import replace

import numpy as np

from diff2i2p.camera import View
from diff2i2p.config import Config
from diff2i2p.geometry import motion_extent
from diff2i2p.localization.hypotheses import SHARED, Hypothesis, same_place
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.pose.pnp import solve_pnp
from diff2i2p.render import close_cracks

CONVINCING = 0.08  # share of the cells drawn that speak for a pose, from which on no further place is drawn
STAYS = np.array([0.01, np.radians(0.2)])  # metres, radians: a pose that moved by less is settled


def settle(places: list[Hypothesis], view: View, dense: DenseMap, config: Config) -> list[Hypothesis]:
    """The places with most inliers drawn and matched again, those of a matcher that cannot match again as they are.

    All that settle on one pose are one place. The best goes on until its pose stays; the others only have to show that they are worse.
    """
    rematchable = sorted((place for place in places if place.correspondences.around), key=_support)
    settled: list[Hypothesis] = []
    for place in rematchable[: config.geometry.redrawn]:
        again = _rematched(place, view, dense, config)
        if again and not any(same_place(again.pose.T_map_camera, other.pose.T_map_camera) for other in settled):
            settled.append(again)
            if again.pose.inliers.sum() > CONVINCING * again.correspondences.tried:
                break
    settled.sort(key=_support)
    best = [_until_it_stays(place, view, dense, config) for place in settled[:1]]
    return best + settled[1:] + [place for place in places if not place.correspondences.around]


def _support(place: Hypothesis) -> int:
    return -int(place.pose.inliers.sum())


def _until_it_stays(place: Hypothesis, view: View, dense: DenseMap, config: Config) -> Hypothesis:
    for _ in range(config.geometry.rounds - 1):
        again = _rematched(place, view, dense, config)
        if again is None:
            break
        moved = motion_extent(np.linalg.inv(place.pose.T_map_camera) @ again.pose.T_map_camera)
        place = again
        if (moved < STAYS).all():
            break
    return place


def _rematched(place: Hypothesis, view: View, dense: DenseMap, config: Config) -> Hypothesis | None:
    """None where the map drawn at the pose shows nothing of the image."""
    T_map_camera = place.pose.T_map_camera
    matches = place.correspondences.around(T_map_camera, close_cracks(dense.render(view.camera, T_map_camera)))
    pose = solve_pnp(matches, view.camera, config.pnp)
    return pose and Hypothesis(replace(pose, covariance=SHARED[matches.matcher] * pose.covariance), matches)
