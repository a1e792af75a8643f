# SPDX-License-Identifier: Apache-2.0
"""Is the pose right? Independent evidence, combined into one calibrated probability."""

from dataclasses import astuple, dataclass

import numpy as np

from diff2i2p.camera import View
from diff2i2p.localization.compare import Comparison, agreement, edge_rank, visible_share
from diff2i2p.localization.hypotheses import Hypothesis
from diff2i2p.localization.pnp import Pose

GRID = 4  # the view is cut into GRID x GRID cells to see how far the inliers spread
SLACK = 0.15  # share of the depth: a point this much behind what the map shows there is hidden
NO_RIVAL = 6  # matches that any wrong pose may explain


@dataclass(frozen=True)
class Evidence:
    """What speaks for a pose, each number larger for better poses."""

    inliers: float  # natural logarithm of their number
    inlier_ratio: float  # logarithm of the share of the matches
    spread: float  # share of the cells of the view that hold an inlier
    sharpness: float  # minus the logarithm of the standard deviation of the position by the matches, metres
    visible: float  # share of the inliers that no nearer surface of the map hides
    margin: float  # logarithm of inliers over those of the best pose elsewhere
    edges: float  # how much the image has edges where the map's depth jumps, -0.5 to 0.5
    agreement: float  # share of the map's corners that the image shows where the pose puts them


# logistic regression on Evidence, bias last: tests/benchmarks/fit_confidence.py
COEFFICIENTS = {
    "network": (1.69, 1.40, 0.46, 1.27, 0.06, 0.0, 0.0, 0.0, -11.02),
    "appearance": (1.37, 1.54, 0.44, 1.42, 0.87, 0.0, 0.0, 0.0, -4.89),
}


def evidence(pose: Pose, hypothesis: Hypothesis, comparison: Comparison, view: View) -> Evidence:
    """Evidence for `pose`, which is that of `hypothesis` or its refinement; `comparison` was made at the former."""
    matches, camera, T = hypothesis.correspondences, view.camera, pose.T_map_camera
    pixels, count = matches.pixels[pose.inliers], max(int(pose.inliers.sum()), 1)
    cells = np.unique((pixels * GRID / (camera.width, camera.height)).astype(int).clip(0, GRID - 1), axis=0)
    deviation = np.sqrt(np.trace(hypothesis.pose.covariance[:3, :3]))
    return Evidence(
        inliers=float(np.log(count)),
        inlier_ratio=float(np.log(count / len(matches))),
        spread=len(cells) / GRID**2,
        sharpness=float(-np.log(deviation)),
        visible=visible_share(comparison, matches.points[pose.inliers], camera, T, SLACK),
        margin=float(np.log(count / max(hypothesis.rival, NO_RIVAL))),
        edges=edge_rank(comparison, view) - 0.5,
        agreement=agreement(comparison, camera, T),
    )


def confidence(proof: Evidence, matcher: str) -> float:
    """Probability that the pose is within 0.25 m and 5 degrees."""
    *weights, bias = COEFFICIENTS[matcher]
    return float(1 / (1 + np.exp(-(np.dot(weights, astuple(proof)) + bias))))
