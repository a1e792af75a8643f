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

# Share of the drawn cells that speak for a pose, from which on no other is drawn. All of 13 right
# poses have more, and 54 of 273 wrong ones. measured: `python benchmarks/bench_places.py --fit`
CONVINCING = 0.08
STAYS = np.array([0.01, np.radians(0.2)])  # metres, radians: a pose that moved by less is settled


def settle(
    hypotheses: list[Hypothesis], view: View, dense: DenseMap, config: Config
) -> list[Hypothesis]:
    """The hypotheses with most inliers drawn and matched again, most inliers first.

    First one after the other, until one convinces; then the best of them go on until their pose
    stays, until one convinces. Those of a matcher that cannot match again stay as they are.
    """
    rematchable = sorted((h for h in hypotheses if h.matched.can_rematch), key=_fewer_inliers)
    drawn = _until_one_convinces(
        lambda hypothesis: _rematched(hypothesis, view, dense, config),
        rematchable[: config.geometry.redrawn],
    )
    settled = _until_one_convinces(
        lambda hypothesis: _until_it_stays(hypothesis, view, dense, config),
        drawn[: config.geometry.settled],
    )
    rest = [h for h in drawn if not _is_among(settled, h)]
    return settled + rest + [h for h in hypotheses if not h.matched.can_rematch]


def _until_one_convinces(step, hypotheses: list[Hypothesis]) -> list[Hypothesis]:
    """What `step` makes of the hypotheses, one of each place, most inliers first."""
    found: list[Hypothesis] = []
    for hypothesis in hypotheses:
        again = step(hypothesis)
        if again and not _is_among(found, again):
            found.append(again)
            if _convinces(again):
                break
    return sorted(found, key=_fewer_inliers)


def _convinces(hypothesis: Hypothesis) -> bool:
    tried = hypothesis.correspondences.tried
    return tried > 0 and hypothesis.pose.inliers.sum() > CONVINCING * tried


def _is_among(hypotheses: list[Hypothesis], one: Hypothesis) -> bool:
    return any(same_place(one.T_map_camera, other.T_map_camera) for other in hypotheses)


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
