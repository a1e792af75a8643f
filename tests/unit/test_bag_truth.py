# SPDX-License-Identifier: Apache-2.0
"""The truth and the odometry of a bag: topics, TF or a file, of any frame, at the time of each image."""

import numpy as np
import pytest
from bags import POSES, STAMPS, STATIC, between, film, odometry, posed, transform, write

from diff2i2p.datasets.bag import BagError
from diff2i2p.datasets.bag_sequence import BagChoice, read_bag
from diff2i2p.datasets.sequences import write_trajectory
from diff2i2p.datasets.trajectory import Trajectory
from diff2i2p.geometry import T_BODY_OPTICAL


def test_truth_is_found_by_its_name_and_interpolated(tmp_path):
    path = write(
        tmp_path / "bag",
        film()
        | {"/ground_truth/pose": between(), "/ekf/pose": between(lambda t, T: posed(t, np.eye(4)))},
    )
    sequence = read_bag(path)
    assert sequence.sources["truth"] == "/ground_truth/pose"
    np.testing.assert_allclose([frame.T_map_camera for frame in sequence], POSES, atol=1e-6)


def test_poses_whose_name_promises_nothing_are_no_truth_unless_they_are_chosen(tmp_path):
    path = write(tmp_path / "bag", film() | {"/ekf/pose": between()})
    assert all(frame.T_map_camera is None for frame in read_bag(path))
    np.testing.assert_allclose(
        [f.T_map_camera for f in read_bag(path, BagChoice(truth="/ekf/pose"))], POSES, atol=1e-6
    )


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
    np.testing.assert_allclose(
        read_bag(write(tmp_path / "a", film() | hall | link)).frames[2].T_map_camera,
        POSES[2],
        atol=1e-6,
    )
    alone = read_bag(write(tmp_path / "b", film() | hall))
    assert "'hall' taken for the map's 'map'" in alone.sources["truth"]
    np.testing.assert_allclose(
        alone.frames[2].T_map_camera, np.linalg.inv(lift) @ POSES[2], atol=1e-6
    )


def test_truth_comes_from_tf(tmp_path):
    path = write(
        tmp_path / "bag",
        film()
        | STATIC
        | {
            "/tf": between(
                lambda t, T: transform(t, "map", "base_link", T @ np.linalg.inv(T_BODY_OPTICAL))
            )
        },
    )
    for choice in ("tf", "tf:map:eye"):
        np.testing.assert_allclose(
            [f.T_map_camera for f in read_bag(path, BagChoice(truth=choice))], POSES, atol=1e-6
        )


def test_truth_comes_from_a_tum_file(bag, tmp_path):
    raised = POSES.copy()
    raised[:, 1, 3] = 9
    write_trajectory(tmp_path / "mocap.tum", Trajectory(STAMPS, raised))
    assert (
        read_bag(bag, BagChoice(truth=str(tmp_path / "mocap.tum"))).frames[3].T_map_camera[1, 3]
        == 9
    )


def test_frames_far_from_any_truth_have_none(tmp_path):
    path = write(tmp_path / "bag", film() | {"/truth": between()[:3]})
    assert [frame.T_map_camera is None for frame in read_bag(path)] == [
        False,
        False,
        True,
        True,
        True,
        True,
    ]


def test_odometry_messages_count_where_tf_has_none(tmp_path):
    wheels = between(lambda t, T: odometry(t, T @ np.linalg.inv(T_BODY_OPTICAL)))
    sequence = read_bag(write(tmp_path / "bag", film() | STATIC | {"/odom": wheels}))
    np.testing.assert_allclose(sequence.odometry(STAMPS[3]), POSES[3], atol=1e-6)
    assert sequence.odometry(300.0) is None and sequence.sources["odometry"] == "odom -> eye"
    other = read_bag(tmp_path / "bag", BagChoice(odom_frame="vio"))
    assert other.odometry(STAMPS[3]) is None and other.sources["odometry"] == "none"


def test_an_odom_frame_that_never_moves_is_no_odometry(tmp_path):
    still = {
        "/tf_static": [
            *STATIC["/tf_static"],
            (99.0, transform(99.0, "odom", "base_link", np.eye(4))),
        ]
    }
    sequence = read_bag(write(tmp_path / "bag", film() | still))
    assert sequence.odometry(STAMPS[3]) is None and sequence.sources["odometry"] == "none"


# --- several sources of one motion


def moving(stamps: np.ndarray, start: float = 0.0, message=odometry) -> list:
    """What says that the robot drives ahead from `start` on, 1 m/s, at these times."""
    poses = np.tile(POSES[0] @ np.linalg.inv(T_BODY_OPTICAL), (len(stamps), 1, 1))
    poses[:, 2, 3] = stamps - STAMPS[0] + start
    return [(stamp, message(stamp, T)) for stamp, T in zip(stamps, poses, strict=True)]


def base_in_odom(stamp: float, T):
    return transform(stamp, "odom", "base_link", T)


OFTEN, SELDOM = np.arange(99.9, 100.7, 0.02), np.arange(99.903, 100.7, 0.03)


def steps(sequence) -> np.ndarray:
    """How far odometry moves between one image and the next, metres."""
    places = np.array([sequence.odometry(stamp)[:3, 3] for stamp in STAMPS])
    return np.linalg.norm(np.diff(places, axis=0), axis=1)


def test_of_two_odometries_one_is_used_and_the_choice_told(tmp_path):
    two = {"/wheels": moving(OFTEN), "/filtered": moving(SELDOM, start=7.0)}
    path = write(tmp_path / "bag", film() | STATIC | two)
    sequence = read_bag(path)
    np.testing.assert_allclose(steps(sequence), 0.1, atol=1e-6)
    assert sequence.sources["odometry"] == (
        "odom -> eye, by /wheels (--odom-topic chooses another: /filtered)"
    )
    other = read_bag(path, BagChoice(odom_topic="/filtered"))
    np.testing.assert_allclose(steps(other), 0.1, atol=1e-6)
    assert other.odometry(STAMPS[0])[2, 3] == pytest.approx(7.0)
    with pytest.raises(
        BagError, match="no odometry on /gps that TF lacks; there is: /filtered, /wh"
    ):
        read_bag(path, BagChoice(odom_topic="/gps"))


def test_of_two_robots_the_one_that_carries_the_camera_or_is_named_is_used(tmp_path):
    robots = {
        "/cam/tf": moving(OFTEN, message=base_in_odom),
        "/other/tf": moving(SELDOM, 7.0, base_in_odom),
    }
    path = write(tmp_path / "bag", film() | STATIC | robots)
    np.testing.assert_allclose(steps(read_bag(path)), 0.1, atol=1e-6)
    assert read_bag(path, BagChoice(robot="other")).odometry(STAMPS[0])[2, 3] == pytest.approx(7.0)
    with pytest.raises(BagError, match="no TF of the robot /third; there is that of: /cam, /other"):
        read_bag(path, BagChoice(robot="/third"))


def test_of_two_robots_that_do_not_carry_the_camera_by_name_one_must_be_named(tmp_path):
    robots = {
        "/a/tf": moving(OFTEN, message=base_in_odom),
        "/b/tf": moving(SELDOM, 7.0, base_in_odom),
    }
    sequence = read_bag(write(tmp_path / "bag", film() | STATIC | robots))
    assert sequence.odometry(STAMPS[2]) is None
    said = "none; TF is of several robots, choose with --robot: /a, /b"
    assert sequence.sources["odometry"] == said
    assert read_bag(tmp_path / "bag", BagChoice(robot="/a")).odometry(STAMPS[2]) is not None


def test_poses_and_transforms_without_a_stamp_are_of_when_they_were_received(tmp_path):
    truth = [(stamp, posed(0.0, T)) for stamp, T in zip(STAMPS, POSES, strict=True)]
    moved = [
        (stamp, odometry(0.0, T @ np.linalg.inv(T_BODY_OPTICAL)))
        for stamp, T in zip(STAMPS, POSES, strict=True)
    ]
    sequence = read_bag(
        write(tmp_path / "bag", film() | STATIC | {"/truth": truth, "/odom": moved})
    )
    np.testing.assert_allclose([frame.T_map_camera for frame in sequence], POSES, atol=1e-6)
    np.testing.assert_allclose(steps(sequence), 0.1, atol=1e-6)


def test_frames_may_begin_with_a_slash(tmp_path):
    wheels = between(
        lambda t, T: odometry(t, T @ np.linalg.inv(T_BODY_OPTICAL), "/odom", "/base_link")
    )
    path = write(tmp_path / "bag", film() | STATIC | {"/odom": wheels})
    sequence = read_bag(path, BagChoice(odom_frame="/odom"))
    np.testing.assert_allclose(sequence.odometry(STAMPS[3]), POSES[3], atol=1e-6)


def test_images_stamped_in_a_body_frame_are_told(tmp_path):
    level = np.linalg.inv(T_BODY_OPTICAL)  # poses of level cameras in a level odom
    rise = [
        (t, odometry(t, T_BODY_OPTICAL @ T @ level)) for t, T in zip(STAMPS, POSES, strict=True)
    ]
    optical = read_bag(write(tmp_path / "a", film() | STATIC | {"/odom": rise}))
    assert optical.sources["odometry"] == "odom -> eye" and "camera frame" not in optical.sources
    mount = {"/tf_static": [(99.0, transform(99.0, "base_link", "eye", np.eye(4)))]}
    body = read_bag(write(tmp_path / "b", film() | mount | {"/odom": rise}))
    assert "eye, whose z axis points up as a body's does" in body.sources["camera frame"]
