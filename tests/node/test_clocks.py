# SPDX-License-Identifier: Apache-2.0
"""map -> odom over real DDS while the clocks change under the node: it goes on."""

import time
from types import SimpleNamespace

import pytest
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from test_transforms import odometry

from diff2i2p_ros import convert
from diff2i2p_ros.localizer import session, stopwatch

NOW = 1.7e9  # seconds, stamps of a camera whose clock is the wall's
AHEAD = 0.5  # seconds, transform_tolerance


@pytest.fixture
def clock(graph, robot):
    """A function that publishes a time on /clock until the node has it."""
    publisher = robot.create_publisher(Clock, "/clock", 10)

    def set_time(seconds: float) -> None:
        message = Clock(clock=convert.stamp(seconds))
        now = graph.node.get_clock().now
        assert graph.until(publisher.get_subscription_count)

        def is_set() -> bool:
            publisher.publish(message)
            graph.spin(0.02)
            return now().to_msg() == message.clock

        assert graph.until(is_set)

    return set_time


def start(graph, robot, **parameters) -> None:
    graph.start(tf_mode="map_odom", transform_tolerance=AHEAD, **parameters)
    assert graph.until(lambda: robot.tf.get_subscription_count() >= 2)


def see(graph, robot, seconds: float) -> None:
    """An image with its odometry, whose map -> odom must follow; none may lie in a time to come."""
    robot.transforms.clear()
    robot.send_odometry(seconds, odometry(0.0))
    graph.answer(robot.send_image, seconds)
    assert graph.until(lambda: any(at >= seconds + AHEAD for at in stamps(robot)))
    graph.spin(0.2)
    check(robot, seconds)


def stamps(robot) -> list[float]:
    return [convert.seconds(transform.header.stamp) for transform in robot.transforms]


def check(robot, seconds: float) -> None:
    assert all(seconds - 1 < at < seconds + AHEAD + 5 for at in stamps(robot)), stamps(robot)


@pytest.mark.parametrize("begin", [50.0, NOW + 100.0], ids=["of a simulation", "of a bag"])
def test_a_clock_that_starts_late_neither_stops_map_to_odom_nor_puts_it_into_the_future(
    graph, robot, clock, begin
):
    start(graph, robot, use_sim_time=True)
    see(graph, robot, NOW)
    robot.transforms.clear()
    clock(begin)
    graph.spin(0.2)
    check(robot, NOW)
    see(graph, robot, NOW + 1.0)
    see(graph, robot, NOW + 2.0)


def test_use_sim_time_may_be_set_while_the_node_runs(graph, robot, clock):
    start(graph, robot)
    see(graph, robot, NOW)
    for now, is_simulated in enumerate((True, False, True), round(NOW)):
        graph.node.set_parameters([Parameter("use_sim_time", value=is_simulated)])
        if is_simulated:
            clock(50.0)
        robot.transforms.clear()
        graph.spin(0.2)
        check(robot, now)
        see(graph, robot, now + 1.0)


def test_a_playback_without_clock_that_pauses_goes_on_where_it_stopped(graph, robot, monkeypatch):
    start(graph, robot)
    see(graph, robot, 10.0)
    later = SimpleNamespace(monotonic_ns=lambda: time.monotonic_ns() + 60 * 10**9)
    monkeypatch.setattr(stopwatch, "time", later)
    assert graph.until(lambda: max(stamps(robot)) > 60)
    robot.send_odometry(10.1, odometry(0.0))
    graph.answer(robot.send_image, 10.1)
    assert graph.until(lambda: 10.1 + AHEAD <= stamps(robot)[-1] < 60)
    count = len(robot.transforms)
    assert graph.until(lambda: len(robot.transforms) > count + 3)
    assert stamps(robot)[count:] == sorted(stamps(robot)[count:]) and stamps(robot)[-1] < 60


def test_without_a_clock_simulated_time_is_missed_and_map_to_odom_goes_on(
    graph, robot, monkeypatch
):
    monkeypatch.setattr(session, "CLOCK_PATIENCE", 0.0)
    start(graph, robot, use_sim_time=True)
    see(graph, robot, NOW)
    count = len(robot.transforms)
    assert graph.until(lambda: len(robot.transforms) > count + 3)
    assert graph.until(lambda: robot.said("use_sim_time is set, and no time comes on /clock"))


def test_images_of_another_clock_than_the_simulated_one_are_told(graph, robot, clock):
    start(graph, robot, use_sim_time=True)
    clock(50.0)
    see(graph, robot, NOW)
    assert graph.until(lambda: robot.said("/image is stamped by another clock than /clock"))
    assert "OTHER_CLOCK" in robot.causes
    clock(NOW + 1)
    see(graph, robot, NOW + 1)
    assert graph.until(lambda: "OTHER_CLOCK" not in robot.causes)
