# SPDX-License-Identifier: Apache-2.0
"""A place is matched again to the map as seen from the pose found there, until the pose stays."""

from dataclasses import replace

import numpy as np

from diff2i2p.camera import View
from diff2i2p.config import Config
from diff2i2p.geometry import motion_extent, same_place
from diff2i2p.localization.hypotheses import Hypothesis, solve
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.render import close_cracks

STAYS = np.array([0.01, np.radians(0.2)])  # metres, radians: a pose that moved by less is settled


def settle(
    hypotheses: list[Hypothesis], view: View, dense: DenseMap, config: Config
) -> list[Hypothesis]:
    """The hypotheses with most inliers drawn and matched again, most inliers first.

    All that settle on one pose are one place. The best goes on until its pose stays; the others
    only have to show that they are worse. Those of a matcher that cannot match again stay.
    """
    rematchable = sorted((h for h in hypotheses if h.matched.can_rematch), key=_fewer_inliers)
    settled: list[Hypothesis] = []
    for hypothesis in rematchable[: config.geometry.redrawn]:
        again = _rematched(hypothesis, view, dense, config)
        if again and not any(
            same_place(again.T_map_camera, other.T_map_camera) for other in settled
        ):
            settled.append(again)
    settled.sort(key=_fewer_inliers)
    best = [_until_it_stays(hypothesis, view, dense, config) for hypothesis in settled[:1]]
    return best + settled[1:] + [h for h in hypotheses if not h.matched.can_rematch]


def _fewer_inliers(hypothesis: Hypothesis) -> int:
    return -int(hypothesis.pose.inliers.sum())


def _until_it_stays(
    hypothesis: Hypothesis, view: View, dense: DenseMap, config: Config
) -> Hypothesis:
    for _ in range(config.geometry.rounds - 1):
        before = hypothesis.T_map_camera
        again = _rematched(hypothesis, view, dense, config)
        if again is None:
            break
        hypothesis = again
        if (motion_extent(np.linalg.inv(before) @ again.T_map_camera) < STAYS).all():
            break
    return hypothesis


def _rematched(
    hypothesis: Hypothesis, view: View, dense: DenseMap, config: Config
) -> Hypothesis | None:
    """None where the map drawn at the pose shows nothing of the image."""
    T_map_camera = hypothesis.T_map_camera
    surfaces = close_cracks(dense.render(view.camera, T_map_camera))
    matches = hypothesis.matched.rematch(T_map_camera, surfaces)
    return solve(replace(hypothesis.matched, correspondences=matches), view.camera, config.pnp)
