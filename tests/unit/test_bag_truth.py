# SPDX-License-Identifier: Apache-2.0
"""The truth and the odometry of a bag: topics, TF or a file, of any frame, at the time of each image."""

import numpy as np
from bags import POSES, STAMPS, STATIC, between, film, odometry, posed, transform, write

from diff2i2p.datasets.bag_sequence import BagChoice, read_bag
from diff2i2p.datasets.sequences import write_trajectory
from diff2i2p.datasets.trajectory import Trajectory
from diff2i2p.geometry import T_BODY_OPTICAL


def test_truth_is_found_by_its_name_and_interpolated(tmp_path):
    path = write(tmp_path / "bag", film() | {"/ground_truth/pose": between(), "/ekf/pose": between(lambda t, T: posed(t, np.eye(4)))})
    sequence = read_bag(path)
    assert sequence.sources["truth"] == "/ground_truth/pose"
    np.testing.assert_allclose([frame.T_map_camera for frame in sequence], POSES, atol=1e-6)


def test_poses_whose_name_promises_nothing_are_no_truth_unless_they_are_chosen(tmp_path):
    path = write(tmp_path / "bag", film() | {"/ekf/pose": between()})
    assert all(frame.T_map_camera is None for frame in read_bag(path))
    np.testing.assert_allclose([f.T_map_camera for f in read_bag(path, BagChoice(truth="/ekf/pose"))], POSES, atol=1e-6)


def test_true_odometry_is_of_the_robot_and_tf_leads_to_the_camera(tmp_path):
    robot = between(lambda t, T: odometry(t, T @ np.linalg.inv(T_BODY_OPTICAL), parent="map"))
    sequence = read_bag(write(tmp_path / "bag", film() | STATIC | {"/robot/truth": robot}))
    np.testing.assert_allclose([frame.T_map_camera for frame in sequence], POSES, atol=1e-6)


def test_the_frame_that_a_pose_is_of_can_be_named(tmp_path):
    robot = between(lambda t, T: posed(t, T @ np.linalg.inv(T_BODY_OPTICAL)))
    path = write(tmp_path / "bag", film() | STATIC | {"/robot/truth": robot})
    sequence = read_bag(path, BagChoice(truth_frame="base_link"))
    np.testing.assert_allclose([frame.T_map_camera for frame in sequence], POSES, atol=1e-6)


def test_truth_in_another_frame_goes_through_tf_or_is_said_to_be_taken_for_the_map(tmp_path):
    lift = np.eye(4)
    lift[:3, 3] = 5, 6, 7
    link = {"/tf_static": [(99.0, transform(99.0, "map", "hall", lift))]}
    hall = {"/truth": between(lambda t, T: posed(t, np.linalg.inv(lift) @ T, "hall"))}
    np.testing.assert_allclose(read_bag(write(tmp_path / "a", film() | hall | link)).frames[2].T_map_camera, POSES[2], atol=1e-6)
    alone = read_bag(write(tmp_path / "b", film() | hall))
    assert "'hall' taken for the map's 'map'" in alone.sources["truth"]
    np.testing.assert_allclose(alone.frames[2].T_map_camera, np.linalg.inv(lift) @ POSES[2], atol=1e-6)


def test_truth_comes_from_tf(tmp_path):
    path = write(
        tmp_path / "bag",
        film() | STATIC | {"/tf": between(lambda t, T: transform(t, "map", "base_link", T @ np.linalg.inv(T_BODY_OPTICAL)))},
    )
    for choice in ("tf", "tf:map:eye"):
        np.testing.assert_allclose([f.T_map_camera for f in read_bag(path, BagChoice(truth=choice))], POSES, atol=1e-6)


def test_truth_comes_from_a_tum_file(bag, tmp_path):
    raised = POSES.copy()
    raised[:, 1, 3] = 9
    write_trajectory(tmp_path / "mocap.tum", Trajectory(STAMPS, raised))
    assert read_bag(bag, BagChoice(truth=str(tmp_path / "mocap.tum"))).frames[3].T_map_camera[1, 3] == 9


def test_frames_far_from_any_truth_have_none(tmp_path):
    path = write(tmp_path / "bag", film() | {"/truth": between()[:3]})
    assert [frame.T_map_camera is None for frame in read_bag(path)] == [False, False, True, True, True, True]


def test_odometry_messages_count_where_tf_has_none(tmp_path):
    wheels = between(lambda t, T: odometry(t, T @ np.linalg.inv(T_BODY_OPTICAL)))
    sequence = read_bag(write(tmp_path / "bag", film() | STATIC | {"/odom": wheels}))
    np.testing.assert_allclose(sequence.odometry(STAMPS[3]), POSES[3], atol=1e-6)
    assert sequence.odometry(300.0) is None and sequence.sources["odometry"] == "odom -> eye"
    other = read_bag(tmp_path / "bag", BagChoice(odom_frame="vio"))
    assert other.odometry(STAMPS[3]) is None and other.sources["odometry"] == "none"


def test_an_odom_frame_that_never_moves_is_no_odometry(tmp_path):
    still = {"/tf_static": [*STATIC["/tf_static"], (99.0, transform(99.0, "odom", "base_link", np.eye(4)))]}
    sequence = read_bag(write(tmp_path / "bag", film() | still))
    assert sequence.odometry(STAMPS[3]) is None and sequence.sources["odometry"] == "none"
