# SPDX-License-Identifier: Apache-2.0
"""The stand-in for tf2_ros does what the real one does: whichever is installed must pass."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

tf2_ros = pytest.importorskip("tf2_ros")
from geometry_msgs.msg import TransformStamped  # noqa: E402
from rclpy.duration import Duration  # noqa: E402
from rclpy.time import Time  # noqa: E402


def at(seconds: float) -> Time:
    return Time(nanoseconds=round(seconds * 1e9))


def transform(
    parent: str, child: str, seconds: float = 0.0, x: float = 0.0, yaw: float = 0.0
) -> TransformStamped:
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp = at(seconds).to_msg()
    message.transform.translation.x = x
    message.transform.rotation.z, message.transform.rotation.w = (
        math.sin(yaw / 2),
        math.cos(yaw / 2),
    )
    return message


def yaw(message: TransformStamped) -> float:
    return 2 * math.atan2(message.transform.rotation.z, message.transform.rotation.w)


@pytest.fixture
def buffer():
    """map -> odom from x = 1 at 10 s to x = 2, turned by 1 rad, at 11 s; odom -> base from 9 s to 10.5 s; a static camera."""
    buffer = tf2_ros.Buffer()
    for message in (
        transform("map", "odom", 10, x=1.0),
        transform("map", "odom", 11, x=2.0, yaw=1.0),
        transform("odom", "base", 9),
        transform("odom", "base", 10.5),
    ):
        buffer.set_transform(message, "test")
    buffer.set_transform_static(transform("base", "camera", x=0.5), "test")
    return buffer


def test_a_pose_between_two_stamps_is_interpolated(buffer):
    found = buffer.lookup_transform("map", "odom", at(10.25))
    assert found.transform.translation.x == pytest.approx(1.25)
    assert yaw(found) == pytest.approx(0.25)
    assert found.header.frame_id == "map" and found.child_frame_id == "odom"
    assert found.header.stamp == at(10.25).to_msg()


def test_links_compose_in_both_directions(buffer):
    down = buffer.lookup_transform("map", "camera", at(10.25)).transform.translation
    assert (down.x, down.y) == pytest.approx((1.25 + 0.5 * math.cos(0.25), 0.5 * math.sin(0.25)))
    up = buffer.lookup_transform("camera", "map", at(10.0)).transform.translation
    assert (up.x, up.y) == pytest.approx((-1.5, 0.0))


def test_time_zero_asks_for_the_latest_time_that_all_links_have(buffer):
    found = buffer.lookup_transform("map", "camera", Time())
    assert found.header.stamp == at(10.5).to_msg()
    assert yaw(found) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("target", "source", "seconds", "error"),
    [
        ("map", "nobody", 10, tf2_ros.LookupException),
        ("map", "camera", 10.75, tf2_ros.ExtrapolationException),
        ("map", "odom", 9.5, tf2_ros.ExtrapolationException),
        ("map", "island", 10, tf2_ros.ConnectivityException),
        ("/map", "odom", 10, tf2_ros.InvalidArgumentException),
    ],
)
def test_what_is_not_known_raises_and_says_why(buffer, target, source, seconds, error):
    buffer.set_transform_static(transform("sea", "island"), "test")
    with pytest.raises(error):
        buffer.lookup_transform(target, source, at(seconds))
    assert issubclass(error, tf2_ros.TransformException)
    possible, reason = buffer.can_transform(target, source, at(seconds), return_debug_tuple=True)
    assert not possible and reason


def test_transforms_are_forgotten_after_the_cache_time(buffer):
    for seconds in (20.5, 20.6):  # the first outdates the old ones, the second drops them
        buffer.set_transform(transform("map", "odom", seconds, x=3.0), "test")
    with pytest.raises(tf2_ros.ExtrapolationException):
        buffer.lookup_transform("map", "odom", at(10.25))


def test_clearing_keeps_static_transforms_only(buffer):
    buffer.clear()
    assert buffer.can_transform("base", "camera", Time())
    assert not buffer.can_transform("map", "odom", at(10.25))


def test_malformed_transforms_are_ignored(buffer):
    for broken in (
        transform("map", "odom", 12, x=math.nan),
        transform("odom", "odom", 12),
        TransformStamped(),
    ):
        buffer.set_transform(broken, "test")
    assert buffer.lookup_transform("map", "odom", Time()).header.stamp == at(11).to_msg()


@pytest.mark.skipif("standin" not in (tf2_ros.__file__ or ""), reason="the real tf2_ros waits")
def test_the_stand_in_refuses_to_block(buffer):
    with pytest.raises(ValueError, match="timeout"):
        buffer.lookup_transform("map", "odom", Time(), Duration(seconds=1))


BROADCAST = """
import sys
sys.path.insert(0, sys.argv[1])
import rclpy, tf2_ros
from test_tf2_standin import transform
rclpy.init()
node = rclpy.create_node("elsewhere")
tf2_ros.StaticTransformBroadcaster(node).sendTransform([transform("base", "camera", x=0.5), transform("base", "laser")])
moving = tf2_ros.TransformBroadcaster(node)
for tick in range(10_000):
    moving.sendTransform(transform("map", "base", 1 + tick, x=float(tick)))
    rclpy.spin_once(node, timeout_sec=0.02)
"""


def test_transforms_of_another_process_arrive_and_late_listeners_get_the_static_ones(
    ros, spin_until
):
    elsewhere = subprocess.Popen([sys.executable, "-c", BROADCAST, str(Path(__file__).parent)])
    try:
        for name in ("first", "late"):
            node, buffer = ros.create_node(name), tf2_ros.Buffer()
            listener = tf2_ros.TransformListener(buffer, node)
            assert spin_until(
                lambda buffer=buffer: buffer.can_transform("map", "camera", Time()), node
            )
            found = buffer.lookup_transform("map", "camera", Time())
            assert found.transform.translation.x == found.header.stamp.sec - 1 + 0.5
            listener.unregister()
    finally:
        elsewhere.kill()
        elsewhere.wait()
