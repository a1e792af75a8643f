# SPDX-License-Identifier: Apache-2.0
"""Is the pose right? Independent evidence, combined into one calibrated probability."""

from dataclasses import astuple, dataclass

import numpy as np

from diff2i2p.localization.hypotheses import Hypothesis, Rival
from diff2i2p.localization.similarity import layout, likeness
from diff2i2p.pose.pnp import Pose
from diff2i2p.pose.render_compare import Comparison, agreement, visible_share

GRID = 4  # the view is cut into GRID x GRID cells to see how far the inliers spread
DISTINCT = 6.0  # how much a difference of resemblances, which scatter like counts, tells; chosen on floors that no figure is reported on
SLACK = 0.15  # share of the depth: a point this much behind what the map shows there is hidden


@dataclass(frozen=True)
class Evidence:
    """What speaks for a pose, each number larger for better poses."""

    inliers: float  # natural logarithm of their number
    inlier_ratio: float  # logarithm of the share of the matches
    spread: float  # share of the cells of the view that hold an inlier
    sharpness: float  # minus the logarithm of the standard deviation of the position by the matches, metres
    visible: float  # share of the inliers that no nearer surface of the map hides
    edges: float  # how much the image has edges where the map's depth jumps, -0.5 to 0.5
    agreement: float  # share of the map's corners that the image shows where the pose puts them
    explained: float  # share of the image's corners that the map shows there
    likeness: float  # correlation of the map's shades with the image's, over all parts of the view
    layout: float  # correlation of where the view is light and where it is dark
    alone: float  # how far the image resembles another place less: 0.5 where that is as good, towards 1 where nothing is like it


# Logistic regression on all Evidence but the last, which caps it; bias last (benchmarks/fit_confidence.py). Where the map has looks
# they tell all: synthetic offices, poses by appearance; matches tell nothing more there. On a bare map: kitchen 500-529 and a day in the
# demo office that no figure is reported on, against images of other places, by weights half trained, because good ones give too few
# wrong poses to learn from.
BY_LOOKS = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.71, 6.3, 5.6, 3.5, -6.5)
BY_MATCHES = (1.29, 1.63, 0.57, 2.40, 0.91, 0.95, 0.0, 0.0, 0.0, 0.0, -8.59)


def evidence(
    pose: Pose, hypothesis: Hypothesis, comparison: Comparison, elsewhere: float = 0.0, rival: Rival | None = None
) -> Evidence:  # fmt: skip
    """Evidence for `pose`, which is that of `hypothesis` or its refinement; `comparison` was made at the former.

    elsewhere: the best resemblance of the image with another place. rival: the place that most speaks for besides.
    """
    matches, camera, T = hypothesis.correspondences, comparison.view.camera, pose.T_map_camera
    pixels, count = matches.pixels[pose.inliers], max(int(pose.inliers.sum()), 1)
    cells = np.unique((pixels * GRID / (camera.width, camera.height)).astype(int).clip(0, GRID - 1), axis=0)
    deviation = np.sqrt(np.trace(hypothesis.pose.covariance[:3, :3]))
    agrees, alike = agreement(comparison.tracks, camera, T), likeness(comparison, T)
    return Evidence(
        inliers=float(np.log(count)),
        inlier_ratio=float(np.log(count / len(matches))),
        spread=len(cells) / GRID**2,
        sharpness=float(-np.log(deviation)),
        visible=visible_share(comparison, matches.points[pose.inliers], T, SLACK),
        edges=comparison.edge_rank - 0.5,
        agreement=agrees,
        explained=agreement(comparison.back, camera, T),
        likeness=alike,
        layout=layout(comparison, T),
        alone=_alone(rival, count, agrees * alike, elsewhere),
    )


def confidence(proof: Evidence, looks: bool = True) -> float:
    """Probability that the pose is within 0.25 m and 5 degrees; looks: whether the map has colour or intensity."""
    *weights, bias = BY_LOOKS if looks else BY_MATCHES
    *figures, alone = astuple(proof)
    return float(min(1 / (1 + np.exp(-(np.dot(weights, figures) + bias))), alone))


def resemblances(comparison: Comparison) -> list[tuple[float, np.ndarray]]:
    """Agreement times likeness of image and map where the map was rendered, and where the tracks lead to from there, with both poses."""
    camera, sharper = comparison.view.camera, comparison.pose
    poses = [comparison.T_map_camera] if sharper is None else [comparison.T_map_camera, sharper.T_map_camera]
    return [(agreement(comparison.tracks, camera, T) * likeness(comparison, T), T) for T in poses]


def _alone(rival: Rival | None, inliers: int, resembles: float, elsewhere: float) -> float:
    """How far other places leave a pose alone: by their looks, or by their matches where the map has no looks or shows nothing."""
    if resembles + elsewhere > 0:
        return float(1 / (1 + np.exp(-DISTINCT * (resembles - elsewhere) / np.sqrt(resembles + elsewhere))))
    return inliers / (inliers + rival.matches) if rival else 1.0
