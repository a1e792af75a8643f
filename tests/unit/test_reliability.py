# SPDX-License-Identifier: Apache-2.0
"""Calibration and the consistency of covariances, on cases whose answer is known."""

import numpy as np
from scipy.spatial.transform import Rotation

from diff2i2p.evaluation.reliability import nees, nees_band, pose_difference, reliability


def test_a_confidence_that_is_a_probability_has_no_calibration_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0, 1, 20000)
    honest = reliability(confidence, rng.uniform(0, 1, 20000) < confidence)
    boastful = reliability(np.sqrt(confidence), rng.uniform(0, 1, 20000) < confidence)
    assert honest.expected_calibration_error < 0.02 < 0.1 < boastful.expected_calibration_error
    assert honest.count.sum() == 20000 and len(honest.count) == 10


def test_bins_without_answers_are_left_out():
    bins = reliability([0.05, 0.95, 1.0], [False, True, True])
    assert bins.count.tolist() == [1, 2] and bins.right.tolist() == [0, 1]
    assert reliability([], []).expected_calibration_error == 0


def test_errors_drawn_from_their_covariance_are_consistent():
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(500, 6, 6))
    errors = (roots @ rng.normal(size=(500, 6, 1)))[..., 0]
    covariances = roots @ roots.transpose(0, 2, 1)
    low, high = nees_band(500)
    assert low < nees(errors, covariances).mean() < high
    assert (
        nees(errors, covariances / 4).mean() > high and nees(errors, 4 * covariances).mean() < low
    )


def test_the_difference_of_poses_is_in_the_axes_of_the_map():
    T, true = np.eye(4), np.eye(4)
    T[:3, :3] = Rotation.from_euler("xyz", (0.4, -1, 2)).as_matrix()
    true[:3, :3], true[:3, 3] = Rotation.from_rotvec((0, 0, 0.1)).as_matrix() @ T[:3, :3], (1, 2, 3)
    assert np.allclose(pose_difference(true, T), (1, 2, 3, 0, 0, 0.1))
