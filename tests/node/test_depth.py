# SPDX-License-Identifier: Apache-2.0
"""Depth of the image's moment, and the up of level odometry, reach the localizer; what does not come is done without."""

import numpy as np
import pytest
from conftest import BEST_EFFORT
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from test_transforms import odometry

from diff2i2p.datasets.image_messages import ImageError
from diff2i2p_ros import convert


def depth_message(seconds: float, metres: float = 2.0) -> Image:
    header = Header(stamp=convert.stamp(seconds), frame_id="camera")
    return Image(
        header=header,
        height=48,
        width=64,
        encoding="16UC1",
        step=128,
        data=np.full((48, 64), 1000 * metres, np.uint16).tobytes(),
    )


@pytest.fixture
def send_depth(graph, robot):
    publisher = robot.create_publisher(Image, "depth", BEST_EFFORT)
    graph.start(use_depth=True)
    assert graph.until(publisher.get_subscription_count)
    return lambda *arguments: publisher.publish(depth_message(*arguments))


def seen(graph) -> list[float | None]:
    """The depth that came with each image, metres."""
    return [
        float(evidence["depth"].mean()) if evidence else None
        for evidence in graph.localizer.evidence
    ]


def test_an_image_is_localized_with_the_depth_of_its_moment_whichever_comes_first(
    graph, robot, send_depth
):
    graph.answer(lambda: (send_depth(1.01, 3.0), graph.spin(0.05), robot.send_image(1.0)))
    graph.answer(
        lambda: (
            robot.send_image(2.0),
            graph.spin(0.05),
            send_depth(1.9, 9.0),
            send_depth(2.01, 4.0),
        )
    )
    assert seen(graph) == pytest.approx([3.0, 4.0])


def test_an_image_whose_depth_does_not_come_is_localized_without_when_the_next_one_is_there(
    graph, robot, send_depth
):
    stamps = iter(np.arange(1.0, 100.0))
    assert graph.until(
        lambda: (
            robot.send_info()
            or robot.send_image(float(next(stamps)))
            or graph.spin(0.05)
            or len(robot.answers) >= 2
        )
    )
    assert set(seen(graph)) == {None} and robot.answers[-1]["status"] == "OK"
    assert graph.until(
        lambda: robot.said("nothing on /depth within 0.05 s of the image: localizing without")
    )


def test_the_up_of_level_odometry_is_given_in_the_axes_of_the_camera(graph, robot):
    graph.start(tf_mode="map_odom", odom_is_level=True)
    assert graph.until(lambda: robot.tf.get_subscription_count() >= 2)
    graph.answer(robot.send_image, 1.0)
    assert graph.localizer.evidence == [{}]  # nobody knows
    T_odom_camera = odometry(0.0)
    T_odom_camera[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]  # looking along odom's x
    robot.send_odometry(2.0, T_odom_camera)
    graph.answer(robot.send_image, 2.0)
    np.testing.assert_allclose(
        graph.localizer.evidence[-1]["up"], (0, -1, 0), atol=1e-9
    )  # y of the camera points down


def test_depth_in_metres_is_read_and_what_is_unknown_is_zero():
    metres = np.array([[1.5, np.nan], [np.inf, 0.0]], np.float32)
    message = Image(height=2, width=2, encoding="32FC1", step=8, data=metres.tobytes())
    np.testing.assert_array_equal(convert.depth(message), [[1.5, 0], [0, 0]])


def test_the_depth_that_we_publish_is_read_again_and_marks_the_unknown_as_others_do():
    metres = np.array([[1.5, 0.0, 7.25]], np.float32)
    message = convert.depth_message(metres, Header())
    assert np.isnan(np.frombuffer(message.data, np.float32)[1])
    np.testing.assert_array_equal(convert.depth(message), metres)


@pytest.mark.parametrize("changes", [{"encoding": "rgb8"}, {"step": 3}, {"data": b"short"}])
def test_what_is_no_depth_image_is_refused(changes):
    message = depth_message(0.0)
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(ImageError):
        convert.depth(message)
