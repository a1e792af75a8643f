# SPDX-License-Identifier: Apache-2.0
"""map -> odom over real DDS: odometry of the image's time, stamped ahead, and nothing before the first fix."""

from functools import partial

import numpy as np
import pytest
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from tf2_ros import StaticTransformBroadcaster

from diff2i2p.localization.result import Status
from diff2i2p_ros import convert


def odometry(x: float) -> np.ndarray:
    """T_odom_camera of a camera that has moved x metres along odom's x."""
    T = np.eye(4)
    T[0, 3] = x
    return T


def knows(graph, seconds: float, x: float) -> bool:
    """Whether the node has heard of this odometry."""
    T_odom_camera = graph.node._session.transforms.odometry(convert.stamp(seconds), "camera")
    return T_odom_camera is not None and np.allclose(T_odom_camera, odometry(x))


def T_map_odom(robot) -> np.ndarray:
    return convert.matrix(robot.transforms[-1].transform)


@pytest.fixture
def started(graph, robot):
    """The node in map_odom mode, hearing the robot's odometry."""
    graph.start(tf_mode="map_odom", transform_tolerance=0.5)
    assert graph.until(
        lambda: robot.tf.get_subscription_count() >= 2
    )  # the node and the robot itself
    return graph


def test_map_to_odom_uses_the_odometry_at_the_stamp_of_the_image_not_the_latest(started, robot):
    for seconds in (10.0, 11.0, 12.0):
        robot.send_odometry(seconds, odometry(x=seconds))
    started.answer(robot.send_image, 10.25)
    assert started.until(lambda: robot.transforms)
    assert (robot.transforms[-1].header.frame_id, robot.transforms[-1].child_frame_id) == (
        "map",
        "odom",
    )
    np.testing.assert_allclose(
        T_map_odom(robot) @ odometry(10.25), started.localizer.T_map_camera, atol=1e-9
    )


def test_a_fix_waits_for_odometry_that_comes_late(started, robot):
    started.answer(robot.send_image, 10.5)
    started.spin(0.3)
    assert robot.poses and not robot.transforms
    robot.send_odometry(10.0, odometry(1.0))
    robot.send_odometry(11.0, odometry(2.0))
    assert started.until(lambda: robot.transforms)
    np.testing.assert_allclose(
        T_map_odom(robot) @ odometry(1.5), started.localizer.T_map_camera, atol=1e-9
    )


def test_an_odom_frame_that_never_moves_does_not_forbid_the_robot_to(started, robot):
    StaticTransformBroadcaster(robot).sendTransform(
        convert.transform(np.eye(4), convert.stamp(0.0), "odom", "camera")
    )
    started.spin(0.3)
    for second in range(4):
        started.localizer.T_map_camera = odometry(float(second))
        started.answer(robot.send_image, 10.0 + second)
    assert len(robot.poses) == 4
    assert started.until(lambda: robot.transforms and np.allclose(T_map_odom(robot), odometry(3.0)))


def test_missing_odometry_is_said_on_diagnostics_and_the_pose_is_published_all_the_same(
    started, robot
):
    started.answer(robot.send_image, 10.5)
    assert started.until(lambda: robot.said("no odometry odom -> camera in TF"))
    assert robot.poses and not robot.transforms


def test_no_transform_leaves_before_the_first_good_fix(started, robot):
    started.localizer.status = Status.REJECTED_LOW_CONFIDENCE
    robot.send_odometry(10.0, odometry(0.0))
    started.answer(robot.send_image, 10.0)
    started.spin(0.3)
    assert not robot.transforms


def test_map_to_odom_is_repeated_ahead_of_the_images_with_rising_stamps(started, robot):
    now = started.node.get_clock().now().nanoseconds * 1e-9
    robot.send_odometry(now - 1, odometry(0.0))
    robot.send_odometry(now + 1, odometry(0.0))
    started.answer(robot.send_image, now)
    assert started.until(lambda: len(robot.transforms) >= 8)
    stamps = [convert.seconds(t.header.stamp) for t in robot.transforms]
    assert all(later > earlier for earlier, later in zip(stamps[:-1], stamps[1:], strict=True))
    assert stamps[0] == pytest.approx(now + 0.5, abs=0.25)
    assert stamps[-1] - stamps[0] == pytest.approx(0.05 * (len(stamps) - 1), abs=0.25)


def test_how_far_ahead_and_how_often_may_change_while_the_node_runs(started, robot):
    now = started.node.get_clock().now().nanoseconds * 1e-9
    robot.send_odometry(now - 1, odometry(0.0))
    robot.send_odometry(now + 1, odometry(0.0))
    started.answer(robot.send_image, now)
    assert started.until(lambda: robot.transforms)
    changes = {"transform_tolerance": 5.0, "broadcast_rate": 1.0}
    assert all(
        answer.successful
        for answer in started.node.set_parameters(
            [Parameter(name, value=v) for name, v in changes.items()]
        )
    )

    def stamps() -> list[float]:
        return [
            seconds
            for t in robot.transforms
            if (seconds := convert.seconds(t.header.stamp)) > now + 5.0
        ]

    assert started.until(lambda: len(stamps()) >= 3)
    assert stamps()[2] - stamps()[1] > 0.5  # it was 0.05


def test_a_bag_played_without_a_clock_is_stamped_ahead_of_its_own_time(started, robot):
    robot.send_odometry(10.0, odometry(0.0))
    started.answer(robot.send_image, 10.0)
    assert started.until(lambda: len(robot.transforms) >= 3)
    assert convert.seconds(robot.transforms[0].header.stamp) == pytest.approx(10.5, abs=0.25)


def test_when_the_bag_starts_again_the_old_transform_and_old_odometry_are_forgotten(started, robot):
    robot.send_odometry(100.0, odometry(5.0))
    started.answer(robot.send_image, 100.0)
    assert started.until(lambda: robot.transforms)
    started.localizer.status = Status.NO_MATCHES
    started.answer(robot.send_image, 3.0)
    robot.transforms.clear()
    started.spin(0.3)
    assert not robot.transforms
    started.localizer.status = Status.OK
    robot.send_odometry(3.1, odometry(7.0))
    started.answer(robot.send_image, 3.1)
    assert started.until(lambda: robot.transforms)
    np.testing.assert_allclose(
        T_map_odom(robot) @ odometry(7.0), started.localizer.T_map_camera, atol=1e-9
    )


def test_odometry_moves_the_prior_of_the_next_image(started, robot):
    robot.send_odometry(1.0, odometry(0.0))
    started.answer(robot.send_image, 1.0)
    robot.send_odometry(2.0, odometry(0.4))
    started.answer(robot.send_image, 2.0)
    expected = started.localizer.T_map_camera @ odometry(0.4)
    np.testing.assert_allclose(started.localizer.priors[-1], expected, atol=1e-9)


def test_a_fix_is_remembered_with_the_odometry_of_its_image_though_that_came_late(started, robot):
    robot.send_odometry(1.0, odometry(0.0))
    started.answer(robot.send_image, 1.0)
    started.localizer.free.clear()
    robot.send_image(2.0)
    assert started.until(lambda: len(started.localizer.images) == 2)
    robot.send_odometry(2.0, odometry(0.4))
    assert started.until(lambda: knows(started, 2.0, 0.4))
    started.localizer.free.set()
    assert started.until(lambda: len(robot.answers) == 2)
    robot.send_odometry(3.0, odometry(0.6))
    assert started.until(lambda: knows(started, 3.0, 0.6))
    started.answer(robot.send_image, 3.0)
    expected = started.localizer.T_map_camera @ np.linalg.inv(odometry(0.4)) @ odometry(0.6)
    np.testing.assert_allclose(started.localizer.priors[-1], expected, atol=1e-9)


def test_while_the_localizer_is_busy_transforms_and_diagnostics_go_on(started, robot):
    robot.send_odometry(10.0, odometry(0.0))
    started.answer(robot.send_image, 10.0)
    assert started.until(lambda: robot.transforms)
    started.localizer.free.clear()
    robot.send_image(10.1)
    assert started.until(lambda: len(started.localizer.images) == 2)
    transforms, reports = len(robot.transforms), len(robot.diagnostics)
    assert started.until(
        lambda: len(robot.transforms) > transforms + 3 and len(robot.diagnostics) > reports
    )
    assert len(robot.answers) == 1


@pytest.fixture
def simulated(graph, robot):
    """The node in simulated time: simulated(seconds) sets it, and waits until the node knows."""
    graph.start(tf_mode="map_odom", transform_tolerance=0.5, use_sim_time=True)
    clock = robot.create_publisher(Clock, "/clock", 10)
    assert graph.until(
        lambda: clock.get_subscription_count() and robot.tf.get_subscription_count() >= 2
    )

    def set_time(seconds: float) -> None:
        message = Clock(clock=convert.stamp(seconds))
        now = graph.node.get_clock().now
        assert graph.until(
            lambda: clock.publish(message) or graph.spin(0.02) or now().to_msg() == message.clock
        )

    return set_time


def test_in_simulated_time_stamps_follow_the_clock_and_stand_still_with_it(graph, robot, simulated):
    simulated(50.0)
    robot.send_odometry(50.0, odometry(0.0))
    graph.answer(robot.send_image, 50.0)
    assert graph.until(lambda: robot.transforms)
    graph.spin(0.3)
    assert [convert.seconds(transform.header.stamp) for transform in robot.transforms] == [50.5]
    simulated(51.0)
    assert graph.until(lambda: len(robot.transforms) == 2)
    assert convert.seconds(robot.transforms[-1].header.stamp) == 51.5


def test_in_simulated_time_a_fix_waits_for_its_odometry_by_the_clock_and_not_by_the_wall(
    graph, robot, simulated, monkeypatch
):
    monkeypatch.setattr("diff2i2p_ros.localizer.transforms.PATIENCE", 0.2)
    for begin, elapsed, used in ((50.0, 0.0, True), (60.0, 0.3, False)):
        simulated(begin)
        robot.transforms.clear()
        graph.answer(robot.send_image, begin + 0.5)
        simulated(begin + elapsed)
        graph.spin(0.4)
        for seconds in (begin, begin + 1.0):
            robot.send_odometry(seconds, odometry(seconds))
        seconds = 30.0 if used else 0.2
        assert used == graph.until(partial(is_anchored, graph, odometry(begin + 0.5)), seconds)


def is_anchored(graph, T_odom_camera: np.ndarray) -> bool:
    """Whether a transform of those sent puts the odometry's camera where the localizer found it."""
    found = graph.localizer.T_map_camera
    return any(
        np.allclose(convert.matrix(t.transform) @ T_odom_camera, found)
        for t in graph.robot.transforms
    )


def test_when_the_clock_jumps_back_the_transform_ends_before_an_image_comes(
    graph, robot, simulated
):
    simulated(50.0)
    robot.send_odometry(50.0, odometry(0.0))
    graph.answer(robot.send_image, 50.0)
    assert graph.until(lambda: robot.transforms)
    simulated(20.0)
    robot.transforms.clear()
    simulated(90.0)
    graph.spin(0.3)
    assert not robot.transforms
