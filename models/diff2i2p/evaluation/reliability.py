# SPDX-License-Identifier: Apache-2.0
"""Is the confidence what it says, what does the gate cost, and does the covariance hold? Pure functions for reports and benchmarks."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

BINS = 10
DIMENSIONS = 6  # of a pose


@dataclass(frozen=True)
class Reliability:
    """Answers in bins of confidence; empty bins are left out."""

    confidence: np.ndarray  # (B,) mean of the bin
    right: np.ndarray  # (B,) share of its answers that are right
    count: np.ndarray  # (B,)

    @property
    def expected_calibration_error(self) -> float:
        """Mean distance between confidence and share of right answers, bins weighted by their answers (Guo et al., ICML 2017)."""
        return float((np.abs(self.confidence - self.right) * self.count).sum() / max(self.count.sum(), 1))


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> Reliability:
    """confidence (N,) in [0, 1], right (N,) bool, in `bins` bins of equal width."""
    confidence, right = np.asarray(confidence, float), np.asarray(right, bool)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = np.flatnonzero(count)
    means = [np.bincount(place, values, bins)[filled] / count[filled] for values in (confidence, right)]
    return Reliability(*means, count[filled])


@dataclass(frozen=True)
class Gate:
    """What publishing only answers from a confidence on does, for every confidence."""

    confidence: np.ndarray  # (K,) descending
    precision: np.ndarray  # (K,) share of the published poses that are right
    recall: np.ndarray  # (K,) share of the images of the place that get a right pose
    false_share: np.ndarray  # (K,) published false poses, share of all images


def gate_curve(confidence: np.ndarray, right: np.ndarray, false: np.ndarray, images: int, known: int) -> Gate:
    """One answer per image that has any: confidence (N,), right (N,) bool, false (N,) bool (badly wrong).

    images: how many were shown, unanswered ones too; known: how many of them show the place.
    """
    order = np.argsort(-np.asarray(confidence, float), kind="stable")
    confidence = np.asarray(confidence, float)[order]
    hits, misses = (np.cumsum(np.asarray(flags, bool)[order]) for flags in (right, false))
    last = np.append(confidence[1:] != confidence[:-1], True) if len(confidence) else np.zeros(0, bool)  # ties pass the gate together
    published = np.arange(1, len(confidence) + 1)
    curves = (hits / published, hits / max(known, 1), misses / max(images, 1))
    return Gate(confidence[last], *(curve[last] for curve in curves))


def pose_difference(T_true: np.ndarray, T_map_camera: np.ndarray) -> np.ndarray:
    """(6,) metres and radians that lead from a pose to the true one, in the order and axes of `Pose.covariance`."""
    turn = Rotation.from_matrix(T_true[:3, :3] @ T_map_camera[:3, :3].T).as_rotvec()
    return np.concatenate([T_true[:3, 3] - T_map_camera[:3, 3], turn])


def nees(differences: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """(N,) normalised squared errors of differences (N, 6) under covariances (N, 6, 6): chi-square with 6 degrees of freedom."""
    return np.einsum("ni,ni->n", differences, np.linalg.solve(covariances, np.asarray(differences)[..., None])[..., 0])


def nees_band(count: int, share: float = 0.95) -> tuple[float, float]:
    """Between which values the mean NEES of `count` consistent poses lies with probability `share` (Bar-Shalom et al., 2001)."""
    tail = (1 - share) / 2
    low, high = chi2.ppf((tail, 1 - tail), DIMENSIONS * count) / count
    return float(low), float(high)
