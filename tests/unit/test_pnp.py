# SPDX-License-Identifier: Apache-2.0
"""The pose solver finds the pose, knows how good it is, and gives none where none is fixed."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera
from diff2i2p.config import PnpConfig
from diff2i2p.correspondences import Correspondences
from diff2i2p.pose.pnp import solve_pnp

CAMERA = Camera(320, 240, (262.0, 262.0, 159.5, 119.5))
CONFIG = PnpConfig()


def random_pose(rng) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.random(random_state=rng).as_matrix(), rng.uniform(-5, 5, 3)
    return T


def matches(rng, T_map_camera, count=120, noise=1.0, wrong=0, origin=0.0) -> Correspondences:
    """Points 1 to 5 m ahead, seen with Gaussian noise; `wrong` more that belong nowhere, with lower scores on average."""
    pixels = rng.uniform((0, 0), (320, 240), (count + wrong, 2))
    local = CAMERA.rays(pixels) * rng.uniform(1, 5, (len(pixels), 1))
    points = local @ T_map_camera[:3, :3].T + T_map_camera[:3, 3] + origin
    points[count:] = rng.permutation(points[count:] + rng.normal(0, 2, (wrong, 3)))
    scores = np.concatenate([rng.uniform(0.3, 1, count), rng.uniform(0, 0.7, wrong)])
    order = np.argsort(-scores)
    return Correspondences(
        (pixels + rng.normal(0, noise, pixels.shape))[order],
        points[order],
        scores[order],
        "network",
    )


def error(pose, T) -> np.ndarray:
    """(6,) from the estimate to the truth in the parametrisation of Pose."""
    turn = Rotation.from_matrix(T[:3, :3] @ pose.T_map_camera[:3, :3].T).as_rotvec()
    return np.concatenate([T[:3, 3] - pose.T_map_camera[:3, 3], turn])


@pytest.mark.parametrize("wrong", [0, 120, 480])
def test_the_pose_is_found_among_wrong_matches(wrong):
    rng = np.random.default_rng(wrong)
    for _ in range(10):
        T = random_pose(rng)
        pose = solve_pnp(matches(rng, T, wrong=wrong), CAMERA, CONFIG)
        assert np.abs(error(pose, T)[:3]).max() < 0.05
        assert np.abs(error(pose, T)[3:]).max() < np.radians(1)
        assert 110 <= pose.inliers.sum() <= 130


def test_every_match_has_its_say_however_many_there_are():
    T = random_pose(np.random.default_rng(2))
    many, few = (
        solve_pnp(matches(np.random.default_rng(4), T, count=count, wrong=count), CAMERA, CONFIG)
        for count in (2400, 240)
    )
    assert many.inliers.sum() > 2300
    assert np.trace(many.covariance) < np.trace(few.covariance) / 5


def test_the_covariance_is_that_of_the_errors():
    rng = np.random.default_rng(7)
    nees, scaled = [], []
    for _ in range(400):
        T = random_pose(rng)
        pose = solve_pnp(matches(rng, T, noise=1.5, wrong=40), CAMERA, CONFIG)
        e = error(pose, T)
        nees.append(e @ np.linalg.solve(pose.covariance, e))
        scaled.append(e / np.sqrt(np.diag(pose.covariance)))
    # 6 expected; +-0.6 is 3.5 standard errors of the mean, and robust weighting costs 5 %
    assert 5.4 < np.mean(nees) < 7.0
    assert (np.abs(np.std(scaled, 0) - 1) < 0.15).all()


def test_exact_matches_leave_the_floor_of_the_covariance():
    exact, noisy = (
        solve_pnp(matches(np.random.default_rng(3), np.eye(4), noise=n), CAMERA, CONFIG)
        for n in (0.0, 0.5)
    )
    ratio = np.sqrt(np.diag(exact.covariance) / np.diag(noisy.covariance))
    assert (ratio > 0.8).all() and (ratio < 1.3).all()


def test_a_georeferenced_map_gives_the_same_pose():
    origin = np.array([4.6e5, 5.4e6, 300.0])
    near, far = (
        solve_pnp(matches(np.random.default_rng(5), np.eye(4), origin=o), CAMERA, CONFIG)
        for o in (0.0, origin)
    )
    np.testing.assert_allclose(
        far.T_map_camera[:3, 3] - origin, near.T_map_camera[:3, 3], atol=1e-4
    )


def test_points_of_one_plane_are_enough():
    rng = np.random.default_rng(9)
    pixels = rng.uniform((0, 0), (320, 240), (60, 2))
    pose = solve_pnp(
        Correspondences(pixels, CAMERA.rays(pixels) * 2.0, np.ones(60), "network"), CAMERA, CONFIG
    )
    np.testing.assert_allclose(pose.T_map_camera, np.eye(4), atol=1e-6)


def on_a_line(rng):
    points = np.array([0, 0, 3.0]) + rng.uniform(-1, 1, (50, 1)) * np.array([1.0, 0.5, 0.3])
    return CAMERA.project(points), points


def all_the_same(rng):
    return np.full((50, 2), 100.0), np.full((50, 3), 1.0)


def nowhere(rng):
    return rng.uniform(0, 240, (50, 2)), np.full((50, 3), np.nan)


def at_infinity(rng):
    return rng.uniform(0, 240, (50, 2)), np.where(
        np.arange(50)[:, None] % 2, np.inf, rng.normal(size=(50, 3)) * 1e30
    )


def unrelated(rng):
    return rng.uniform(0, 240, (50, 2)), rng.normal(size=(50, 3))


def three(rng):
    return rng.uniform(0, 240, (3, 2)), rng.normal(size=(3, 3))


def none_at_all(rng):
    return np.zeros((0, 2)), np.zeros((0, 3))


@pytest.mark.parametrize(
    "degenerate", [on_a_line, all_the_same, nowhere, at_infinity, unrelated, three, none_at_all]
)
def test_there_is_no_pose_where_the_matches_fix_none(degenerate):
    pixels, points = degenerate(np.random.default_rng(2))
    assert (
        solve_pnp(Correspondences(pixels, points, np.ones(len(pixels)), "network"), CAMERA, CONFIG)
        is None
    )


def test_matches_without_a_place_are_left_out():
    rng = np.random.default_rng(4)
    good = matches(rng, np.eye(4))
    points = good.points.copy()
    points[::7] = np.nan
    pose = solve_pnp(Correspondences(good.pixels, points, good.scores, "network"), CAMERA, CONFIG)
    assert np.abs(error(pose, np.eye(4))[:3]).max() < 0.05
    assert not pose.inliers[::7].any()
