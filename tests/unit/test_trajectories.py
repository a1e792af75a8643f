# SPDX-License-Identifier: Apache-2.0
"""Poses between their stamps, errors of trajectories, transforms along a recorded TF tree."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.datasets.odometry import DriftingOdometry, drifting_odometry
from diff2i2p.datasets.trajectory import Trajectory, ape_rpe
from diff2i2p.datasets.transform_tree import TransformTree
from diff2i2p.evaluation.alignment import fit


def pose(x: float, degrees: float = 0.0) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3], T[0, 3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix(), x
    return T


def walk(count: int, step: float = 1.0) -> Trajectory:
    return Trajectory(np.arange(count) / 10, np.array([pose(step * n, n) for n in range(count)]))


def row(stamp: float, T: np.ndarray) -> tuple:
    return stamp, *T[:3, 3], *Rotation.from_matrix(T[:3, :3]).as_quat()


def test_a_pose_between_two_is_interpolated_within_the_gap():
    trajectory = Trajectory(np.array([0.0, 1.0]), np.array([pose(0, 0), pose(4, 40)]))
    np.testing.assert_allclose(trajectory.at(0.25), pose(1, 10), atol=1e-9)
    assert trajectory.at(0.25, gap=0.5) is None and trajectory.at(1.5) is None
    np.testing.assert_allclose(trajectory.at(1.015), pose(4, 40))  # near enough to stand for it


def test_rows_are_sorted_and_what_is_no_pose_is_left_out():
    rows = [
        row(2, pose(2)),
        row(1, pose(1)),
        (3, 0, 0, 0, 0, 0, 0, 0),
        (4, np.nan, 0, 0, 0, 0, 0, 1),
    ]
    trajectory = Trajectory.from_rows(rows)
    assert trajectory.stamps.tolist() == [1, 2]
    np.testing.assert_allclose(Trajectory.from_rows(trajectory.rows).poses, trajectory.poses)


def test_ape_and_rpe_are_those_of_evo():
    truth, shifted = walk(5), walk(5)
    moved = Trajectory(shifted.stamps, shifted.poses + np.array([0, 0, 0, 0.3]) * np.eye(4)[:, [1]])
    errors = ape_rpe(truth, moved)
    assert errors["ape_m"]["rmse"] == pytest.approx(0.3) and errors["ape_deg"][
        "max"
    ] == pytest.approx(0, abs=1e-4)
    assert errors["rpe_m"]["max"] == pytest.approx(0, abs=1e-6)
    jump = moved.poses.copy()
    jump[2, 0, 3] += 1
    assert ape_rpe(truth, Trajectory(truth.stamps, jump))["rpe_m"]["max"] == pytest.approx(
        1.0, abs=1e-6
    )
    assert (
        set(ape_rpe(walk(0), walk(0)).values()) == {None}
        and ape_rpe(walk(1), walk(1))["rpe_m"] is None
    )


def test_transforms_are_chained_through_the_nearest_common_frame():
    tree = TransformTree()
    tree.add("odom", "/base", row(1.0, pose(1)))
    tree.add("odom", "base", row(2.0, pose(2)))
    tree.add("base", "eye", row(0.0, pose(10)), static=True)
    tree.add("base", "arm", row(0.0, pose(-3)), static=True)
    np.testing.assert_allclose(tree.lookup("odom", "eye", 1.5), pose(11.5))
    np.testing.assert_allclose(tree.lookup("eye", "odom", 1.5), pose(-11.5))
    np.testing.assert_allclose(tree.lookup("arm", "eye", 99.0), pose(13))  # static: at any time
    assert tree.lookup("odom", "eye", 5.0) is None and tree.lookup("odom", "moon", 1.5) is None
    np.testing.assert_allclose(tree.lookup("moon", "moon", 1.5), np.eye(4))
    assert tree.frames == ["arm", "base", "eye", "odom"]


def test_a_frame_moves_in_another_unless_all_between_them_is_static():
    tree = TransformTree()
    tree.add("odom", "base", row(0.0, pose(0)), static=True)
    tree.add("base", "eye", row(0.0, pose(1)), static=True)
    tree.add("base", "arm", row(0.0, pose(1)))
    assert not tree.moves("odom", "eye") and not tree.moves("eye", "eye")
    assert tree.moves("odom", "arm") and tree.moves("arm", "eye")
    assert not tree.moves("odom", "moon")


def test_a_loop_of_frames_ends():
    tree = TransformTree()
    tree.add("a", "b", row(0.0, pose(1)), static=True)
    tree.add("b", "a", row(0.0, pose(1)), static=True)
    assert tree.lookup("c", "a", 0.0) is None


def test_the_steps_of_drifting_odometry_are_too_long_and_stand_still_without_truth():
    odometry = DriftingOdometry(0.5)
    places = [odometry.step(T)[:3, 3].copy() for T in (pose(5), pose(6), None, pose(7))]
    travelled = np.linalg.norm(np.diff(places, axis=0), axis=1)
    np.testing.assert_allclose(travelled, (1.5, 0, 1.5), atol=1e-9)
    track = drifting_odometry(walk(11), 0.0, 50.0)
    assert track.stamps[-1] == pytest.approx(1.0) and np.diff(track.stamps).max() <= 0.02 + 1e-9


def test_the_turns_of_drifting_odometry_are_too_far():
    odometry = DriftingOdometry(0.5)
    before, after = (odometry.step(pose(0, yaw)) for yaw in (0, 20))
    assert np.degrees(
        Rotation.from_matrix(before[:3, :3].T @ after[:3, :3]).magnitude()
    ) == pytest.approx(30)


def test_the_fit_of_truth_to_answers_is_not_misled_by_wrong_ones():
    T_map_truth = pose(3, 70)
    truth = walk(9, 0.2)
    answers = T_map_truth @ truth.poses
    answers[[1, 5, 6], :3, 3] += (2, -1, 4)
    np.testing.assert_allclose(
        fit(truth, Trajectory(truth.stamps, answers)), T_map_truth, atol=1e-9
    )
