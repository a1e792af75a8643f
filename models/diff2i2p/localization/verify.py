# SPDX-License-Identifier: Apache-2.0
"""Is the pose right? Independent evidence, combined into one calibrated probability."""

from dataclasses import astuple, dataclass

import numpy as np

from diff2i2p.camera import View
from diff2i2p.localization.pnp import Pose
from diff2i2p.localization.result import Correspondences

GRID = 4  # the view is cut into GRID x GRID cells to see how far the inliers spread
CELL, SLACK = 16, 0.15  # pixels, share of the depth: a point this much behind the nearest of its cell is hidden


@dataclass(frozen=True)
class Evidence:
    """What speaks for a pose, each number larger for better poses."""

    inliers: float  # natural logarithm of their number
    inlier_ratio: float  # logarithm of the share of the matches
    spread: float  # share of the cells of the view that hold an inlier
    sharpness: float  # minus the logarithm of the standard deviation of the position, metres
    visible: float  # share of the inliers that no nearer map point hides


# logistic regression on Evidence, bias last: tests/benchmarks/fit_confidence.py on kitchen 500-699 and fr1_rpy 360-399,
# against images of the other site and of an office
COEFFICIENTS = {
    "network": (1.69, 1.40, 0.46, 1.27, 0.06, -11.02),
    "appearance": (1.37, 1.54, 0.44, 1.42, 0.87, -4.89),
}


def evidence(pose: Pose, correspondences: Correspondences, view: View, points: np.ndarray, up: np.ndarray) -> Evidence:
    """Evidence for `pose`, found from `correspondences` in `view`; points (N, 3): the map's, metres."""
    pixels = correspondences.pixels[pose.inliers]
    cells = np.unique((pixels * GRID / (view.camera.width, view.camera.height)).astype(int).clip(0, GRID - 1), axis=0)
    deviation = np.sqrt(np.trace(pose.covariance[:3, :3]))
    return Evidence(
        float(np.log(pose.inliers.sum())), float(np.log(pose.inliers.mean())), len(cells) / GRID**2, float(-np.log(deviation)),
        _visible_share(pose, correspondences.points[pose.inliers], view, points),
    )  # fmt: skip


def confidence(proof: Evidence, matcher: str) -> float:
    """Probability that the pose is within 0.25 m and 5 degrees."""
    *weights, bias = COEFFICIENTS[matcher]
    return float(1 / (1 + np.exp(-(np.dot(weights, astuple(proof)) + bias))))


def _visible_share(pose: Pose, inliers: np.ndarray, view: View, points: np.ndarray) -> float:
    """Share of the inlier points (M, 3) that lie in front of, or near, the nearest map point of their image cell."""
    columns = -(-view.camera.width // CELL)
    nearest = np.full(columns * -(-view.camera.height // CELL), np.inf)
    cell, depth = _cells(points, pose.T_map_camera, view, columns)
    np.minimum.at(nearest, cell, depth)
    cell, depth = _cells(inliers, pose.T_map_camera, view, columns)
    return float(np.mean(depth <= (1 + SLACK) * nearest[cell] + 0.2)) if len(cell) else 0.0


def _cells(points: np.ndarray, T_map_camera: np.ndarray, view: View, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Image cell and depth of the points (N, 3) that fall into the view."""
    x, y, z = ((points - T_map_camera[:3, 3]) @ T_map_camera[:3, :3]).T
    ahead = z > 0.05
    fx, fy, cx, cy = view.camera.K
    u, v = fx * x[ahead] / z[ahead] + cx, fy * y[ahead] / z[ahead] + cy
    inside = (u >= 0) & (v >= 0) & (u < view.camera.width) & (v < view.camera.height)
    return (v[inside] // CELL).astype(int) * columns + (u[inside] // CELL).astype(int), z[ahead][inside]
