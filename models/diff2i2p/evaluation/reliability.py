# SPDX-License-Identifier: Apache-2.0
"""Is the confidence what it says, and does the covariance hold? Pure functions for reports and benchmarks."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

BINS = 10  # defined: of a reliability plot
DIMENSIONS = 6  # defined: of a pose


@dataclass(frozen=True)
class Reliability:
    """Answers in bins of confidence; empty bins are left out."""

    confidence: np.ndarray  # (B,) mean of the bin
    right: np.ndarray  # (B,) share of its answers that are right
    count: np.ndarray  # (B,)

    @property
    def expected_calibration_error(self) -> float:
        """Mean distance between confidence and share of right answers, bins weighted by their answers (Guo et al., ICML 2017)."""
        return float(
            (np.abs(self.confidence - self.right) * self.count).sum() / max(self.count.sum(), 1)
        )


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> Reliability:
    """confidence (N,) in [0, 1], right (N,) bool, in `bins` bins of equal width."""
    confidence, right = np.asarray(confidence, float), np.asarray(right, bool)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = np.flatnonzero(count)
    means = [
        np.bincount(place, values, bins)[filled] / count[filled] for values in (confidence, right)
    ]
    return Reliability(*means, count[filled])


def pose_difference(T_true: np.ndarray, T_map_camera: np.ndarray) -> np.ndarray:
    """(6,) metres and radians that lead from a pose to the true one, in the order and axes of `Pose.covariance`."""
    turn = Rotation.from_matrix(T_true[:3, :3] @ T_map_camera[:3, :3].T).as_rotvec()
    return np.concatenate([T_true[:3, 3] - T_map_camera[:3, 3], turn])


def nees(differences: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """(N,) normalised squared errors of differences (N, 6) under covariances (N, 6, 6): chi-square with 6 degrees of freedom."""
    return np.einsum(
        "ni,ni->n",
        differences,
        np.linalg.solve(covariances, np.asarray(differences)[..., None])[..., 0],
    )


def nees_band(count: int, share: float = 0.95) -> tuple[float, float]:
    """Between which values the mean NEES of `count` consistent poses lies with probability `share` (Bar-Shalom et al., 2001)."""
    tail = (1 - share) / 2
    low, high = chi2.ppf((tail, 1 - tail), DIMENSIONS * count) / count
    return float(low), float(high)
