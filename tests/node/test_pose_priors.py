# SPDX-License-Identifier: Apache-2.0
"""`initialpose` and the last pose say where to look first, and are believed only when that verifies."""

import json

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.parameter import Parameter
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from test_transforms import odometry

from diff2i2p.localization.result import Localization, Status
from diff2i2p_ros import convert
from diff2i2p_ros.frames import T_BODY_OPTICAL
from diff2i2p_ros.localizer.last_pose import LastPose
from diff2i2p_ros.localizer.pose_priors import TRIES


def here(x: float = 2.0) -> np.ndarray:
    T = np.eye(4)
    T[0, 3] = x
    return T


@pytest.fixture
def say_where(graph, robot):
    """A function that publishes on initialpose until the node has taken it in."""
    publisher = robot.create_publisher(PoseWithCovarianceStamped, "initialpose", 1)

    def say(T_map_base: np.ndarray, frame_id: str = "map") -> None:
        assert graph.until(publisher.get_subscription_count)
        publisher.publish(
            convert.pose_with_covariance(T_map_base, np.eye(6), Header(frame_id=frame_id))
        )
        graph.spin(0.1)

    say.publisher = publisher
    return say


def test_initialpose_is_looked_at_first_through_the_mounting_of_the_camera(graph, robot, say_where):
    graph.start(tf_mode="map_odom", base_frame="odom")
    assert graph.until(lambda: robot.tf.get_subscription_count() >= 2)
    robot.send_odometry(1.0, odometry(x=0.3))  # here the mounting: base is odom
    graph.answer(robot.send_image, 1.0)
    say_where(here(2.0))
    robot.transforms.clear()
    graph.spin(0.2)
    assert not robot.transforms  # what was known before is not told any more
    graph.answer(robot.send_image, 1.1)
    np.testing.assert_allclose(graph.localizer.priors[1], here(2.3), atol=1e-9)
    graph.answer(robot.send_image, 1.2)
    np.testing.assert_allclose(
        graph.localizer.priors[2], graph.localizer.T_map_camera, atol=1e-9
    )  # and then it has served


def test_without_a_robot_initialpose_is_the_cameras_own(graph, robot, say_where):
    graph.start()
    say_where(here())
    graph.answer(robot.send_image, 1.0)
    np.testing.assert_allclose(graph.localizer.priors[0], here() @ T_BODY_OPTICAL, atol=1e-9)


WHERE = {"initial_pose.x": 3.0, "initial_pose.y": -1.0, "initial_pose.yaw": np.pi / 2}


def turned_left(x: float, y: float) -> np.ndarray:
    T = here(x)
    T[1, 3], T[:2, :2] = y, [[0, -1], [1, 0]]
    return T


def test_where_the_robot_is_may_be_a_parameter_when_the_node_starts(graph, robot):
    graph.start(set_initial_pose=True, **WHERE)
    graph.answer(robot.send_image, 1.0)
    expected = turned_left(3.0, -1.0) @ T_BODY_OPTICAL
    np.testing.assert_allclose(graph.localizer.priors[0], expected, atol=1e-9)


def test_it_may_be_far_from_zero_in_a_georeferenced_map(graph, robot):
    east, north = 32_500_000.0, 5_300_000.0
    graph.start(set_initial_pose=True, **WHERE | {"initial_pose.x": east, "initial_pose.y": north})
    graph.answer(robot.send_image, 1.0)
    expected = turned_left(east, north) @ T_BODY_OPTICAL
    np.testing.assert_allclose(graph.localizer.priors[0], expected, rtol=0, atol=1e-6)


def test_a_last_pose_is_newer_than_the_parameter(graph, robot, tmp_path):
    file = tmp_path / "pose.json"
    kept = LastPose(str(file), "", print)
    kept.keep(here(7.0))
    graph.start(set_initial_pose=True, last_pose_file=str(file), **WHERE)
    graph.answer(robot.send_image, 1.0)
    np.testing.assert_allclose(graph.localizer.priors[0], here(7.0), atol=1e-9)


def test_a_service_says_that_the_robot_is_where_the_parameters_say_by_now(graph, robot):
    node = graph.start(autostart=False, wait=False)
    assert not robot.call(graph, Trigger, "set_initial_pose").success
    node.trigger_configure(), node.trigger_activate()
    assert graph.until(lambda: robot.image.get_subscription_count())
    assert graph.until(lambda: robot.count_publishers("status"))
    assert graph.answer(robot.send_image, 1.0)["state"] == "TRACKING"
    node.set_parameters([Parameter(name, value=value) for name, value in WHERE.items()])
    assert robot.call(graph, Trigger, "set_initial_pose").success
    graph.answer(robot.send_image, 1.1)
    expected = turned_left(3.0, -1.0) @ T_BODY_OPTICAL
    np.testing.assert_allclose(graph.localizer.priors[-1], expected, atol=1e-9)


def test_a_wrong_initialpose_costs_nothing_but_time(graph, robot, say_where):
    truth = graph.localizer.localize

    def localize(image, camera, prior=None):
        answer = truth(image, camera, prior)
        return answer if prior is None else Localization(Status.NO_MATCHES)

    graph.localizer.localize = localize
    graph.start()
    say_where(here(50.0))
    assert graph.answer(robot.send_image, 1.0)["status"] == "OK"
    assert [prior is None for prior in graph.localizer.priors] == [False, True]


def test_a_guess_that_never_helps_is_dropped(graph, robot, say_where):
    graph.localizer.status = Status.NO_MATCHES
    graph.start()
    say_where(here())
    for n in range(TRIES + 2):
        graph.answer(robot.send_image, 1.0 + n)
    assert sum(prior is not None for prior in graph.localizer.priors) == TRIES
    assert not robot.poses


@pytest.mark.parametrize(
    "spoil, reason",
    [("frame", "is in odom, not in map"), ("quaternion", "is no pose"), ("nan", "is no pose")],
)
def test_an_initialpose_that_cannot_be_used_is_refused_with_the_reason(
    graph, robot, say_where, spoil, reason
):
    graph.start()
    assert graph.until(say_where.publisher.get_subscription_count)
    message = convert.pose_with_covariance(
        here(), np.eye(6), Header(frame_id="odom" if spoil == "frame" else "map")
    )
    if spoil == "quaternion":
        message.pose.pose.orientation.w = 0.0
    if spoil == "nan":
        message.pose.pose.position.x = float("nan")
    say_where.publisher.publish(message)
    assert graph.until(lambda: robot.said(reason))
    graph.answer(robot.send_image, 1.0)
    assert graph.localizer.priors[0] is None


def test_the_last_pose_is_the_first_guess_after_a_restart_in_the_same_map(graph, robot, tmp_path):
    file = tmp_path / "state" / "last_pose.json"
    graph.start(last_pose_file=str(file))
    graph.answer(robot.send_image, 1.0)
    graph.node.destroy_node()
    assert graph.until(lambda: not robot.image.get_subscription_count())
    graph.start(last_pose_file=str(file))
    graph.localizer.status = Status.NO_MATCHES
    assert graph.answer(robot.send_image, 2.0)["status"] == "NO_MATCHES"
    np.testing.assert_allclose(graph.localizer.priors[1], graph.localizer.T_map_camera)
    assert graph.localizer.priors[2] is None  # where the robot is not, the whole map is searched


def test_the_last_pose_of_another_map_and_a_damaged_file_are_of_no_use(tmp_path):
    said = []
    file = tmp_path / "pose.json"
    for site in ("downstairs", "upstairs"):
        kept = LastPose(str(file), "downstairs", lambda *words: said.append(words))
        kept.keep(here())
        assert (LastPose(str(file), site, print).read() is not None) == (site == "downstairs")
    good = json.loads(file.read_text())
    for damage in (
        "",
        "[]",
        "null",
        json.dumps(good)[:40],
        json.dumps(good | {"T_map_camera": [[1, 2], [3]]}),
    ):
        file.write_text(damage)
        assert LastPose(str(file), "downstairs", lambda *words: said.append(words)).read() is None
        assert "cannot be read" in said.pop()[1]
    file.write_text(json.dumps(good | {"T_map_camera": (2 * np.eye(4)).tolist()}))
    assert LastPose(str(file), "downstairs", print).read() is None


def test_the_last_pose_is_written_seldom_and_whole_and_at_the_end(tmp_path):
    file = tmp_path / "pose.json"
    kept = LastPose(str(file), "site", print)
    kept.keep(here(1.0))
    kept.keep(here(2.0))
    assert LastPose(str(file), "site", print).read()[0, 3] == 1.0
    kept.write()
    assert LastPose(str(file), "site", print).read()[0, 3] == 2.0
    assert [path.name for path in tmp_path.iterdir()] == ["pose.json"]


def test_a_last_pose_that_cannot_be_written_is_told_and_nothing_else_happens(
    graph, robot, tmp_path
):
    (tmp_path / "file").touch()
    graph.start(last_pose_file=str(tmp_path / "file" / "pose.json"))
    assert graph.answer(robot.send_image, 1.0)["status"] == "OK"
    assert graph.until(lambda: robot.said("the last pose cannot be written"))
