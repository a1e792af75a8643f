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

STAYS = np.array([0.01, np.radians(0.2)])  # metres, radians: a pose that moved by less is settled


def settle(places: list[Hypothesis], view: View, dense: DenseMap, config: Config) -> list[Hypothesis]:
    """The best places settled, one of each that several settle on, most inliers first; those of a matcher that cannot match again stay."""
    settled: list[Hypothesis] = []
    rematchable = [place for place in places if place.correspondences.around]
    for place in rematchable[: config.geometry.redrawn]:
        found = _settled(place, view, dense, config)
        if found and not any(same_place(found.pose.T_map_camera, other.pose.T_map_camera) for other in settled):
            settled.append(found)
    settled.sort(key=lambda place: -place.pose.inliers.sum())
    return settled + [place for place in places if not place.correspondences.around]


def _settled(place: Hypothesis, view: View, dense: DenseMap, config: Config) -> Hypothesis | None:
    """None where the map drawn at the pose shows nothing of the image."""
    for _ in range(config.geometry.rounds):
        before = place.pose.T_map_camera
        matches = place.correspondences.around(before, close_cracks(dense.render(view.camera, before)))
        pose = solve_pnp(matches, view.camera, config.pnp)
        if pose is None:
            return None
        place = Hypothesis(replace(pose, covariance=SHARED[matches.matcher] * pose.covariance), matches)
        if (motion_extent(np.linalg.inv(before) @ pose.T_map_camera) < STAYS).all():
            break
    return place
