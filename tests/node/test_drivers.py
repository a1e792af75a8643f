# SPDX-License-Identifier: Apache-2.0
"""What drivers get wrong: topics, stamps, frames are understood, or named with the remedy."""

import time

import numpy as np
import pytest
import rclpy
from conftest import CAMERA
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_msgs.msg import Header

from diff2i2p.datasets.odometry import T_BODY_OPTICAL
from diff2i2p_ros import convert
from diff2i2p_ros.frames import odom_lean
from diff2i2p_ros.parameters import NodeConfig

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


# --- topics


@pytest.fixture
def driver():
    """A node of another process, as far as DDS is concerned: a participant has one type a topic."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("driver", context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


def test_images_of_another_type_on_the_topic_are_named_with_the_remedy(graph, robot, driver):
    robot.destroy_publisher(robot.image)
    graph.start(wait=False)
    driver.create_publisher(CompressedImage, "image", 10)
    assert graph.until(lambda: robot.said("no image on /image"))
    told = "CompressedImage is published there, not sensor_msgs/msg/Image; set image_transport to"
    assert graph.until(lambda: robot.said(told))


def test_a_camera_that_is_only_compressed_is_named(graph, robot):
    graph.start(wait=False)
    robot.destroy_publisher(robot.image)
    told = "there is /image/compressed; set image_transport to compressed"
    assert graph.until(lambda: robot.said(told))


def test_a_camera_info_that_came_once_and_latched_is_heard(graph, robot):
    robot.destroy_publisher(robot.camera_info)
    latched = robot.create_publisher(CameraInfo, "camera_info", LATCHED)
    latched.publish(convert.camera_info(CAMERA, Header(frame_id="camera")))
    graph.start(wait=False)
    assert graph.until(lambda: robot.image.get_subscription_count())
    for second in range(40):
        robot.send_image(10.0 + second)
        if graph.until(lambda: robot.answers, seconds=0.5):
            break
    assert robot.answers[0]["status"] == "OK"


def test_a_camera_info_that_came_once_and_is_lost_is_told(graph, robot):
    graph.start()
    robot.send_image(1.0)
    told = "nothing on /camera_info, though it has a publisher: if that publishes once"
    assert graph.until(lambda: robot.said(told))


def test_rectified_images_are_seen_with_the_projection_matrix(graph, robot):
    cameras, localize = [], graph.localizer.localize
    graph.localizer.localize = lambda image, camera, *rest, **more: (
        cameras.append(camera) or localize(image, camera, *rest, **more)
    )
    graph.start(wait=False, remap=("image:=/cam/image_rect",))
    robot.image = robot.create_publisher(
        type(convert.image_message(np.zeros((2, 2)), Header())), "/cam/image_rect", 10
    )
    assert graph.until(robot.image.get_subscription_count)
    raw = {"d": [-0.3, 0.1, 0.0, 0.0, 0.0], "p": [50.0, 0.0, 31, 0, 0, 51.0, 24, 0, 0, 0, 1, 0]}
    send, robot.send_info = robot.send_info, lambda: send(**raw)
    graph.answer(robot.send_image, 10.0)
    assert cameras[0].is_pinhole and cameras[0].K == (50, 51, 31, 24)


# --- stamps


def test_images_without_a_stamp_are_of_when_they_arrive_and_that_is_told(graph, robot):
    graph.start(tf_mode="map_odom", transform_tolerance=0.5)
    now = time.time()
    robot.send_odometry(now - 60, np.eye(4))
    robot.send_odometry(now + 60, np.eye(4))
    answer = graph.answer(robot.send_image, 0.0)
    assert answer["status"] == "OK" and float(answer["stamp"]) == 0
    assert graph.until(lambda: robot.poses and robot.transforms)
    for header in (robot.poses[-1].header, robot.transforms[-1].header):
        assert abs(convert.seconds(header.stamp) - now) < 60
    assert robot.said("the images have no stamp") and "NO_STAMPS" in robot.causes
    graph.answer(robot.send_image, time.time())
    assert graph.until(lambda: "NO_STAMPS" not in robot.causes)


# --- frames


@pytest.mark.parametrize("frame", ["map_frame", "odom_frame", "base_frame", "camera_frame"])
def test_frames_of_parameters_may_begin_with_a_slash(frame):
    assert getattr(NodeConfig(**{frame: "/somewhere"}), frame) == "somewhere"


def test_the_pose_is_in_a_frame_that_tf2_takes(graph, robot):
    graph.start(map_frame="/map")
    graph.answer(robot.send_image, 10.0)
    assert graph.until(lambda: robot.poses and robot.transforms)
    assert robot.poses[0].header.frame_id == "map" == robot.transforms[0].header.frame_id


def test_a_pose_contradicts_a_body_frame_that_the_images_are_stamped_in(graph, robot):
    graph.localizer.map.up = np.array([0, 0, 1.0])
    graph.start(tf_mode="map_odom")
    for seconds in (10.0, 11.0):
        robot.send_odometry(seconds, np.eye(4))
    graph.answer(robot.send_image, 10.5)
    told = "odom's vertical far off the map's, and level if camera is a body frame"
    assert graph.until(lambda: robot.said(told))
    assert "BODY_FRAME" in robot.causes and "NO_ODOMETRY" not in robot.causes
    assert robot.values["odometry"] == "odom's vertical is 90 deg off the map's"


def test_an_optical_frame_contradicts_nothing(graph, robot):
    graph.localizer.map.up, graph.localizer.T_map_camera = np.array([0, 0, 1.0]), T_BODY_OPTICAL
    graph.start(tf_mode="map_odom")
    for seconds in (10.0, 11.0):
        robot.send_odometry(seconds, T_BODY_OPTICAL)
    graph.answer(robot.send_image, 10.5)
    assert graph.until(lambda: robot.said("localized") and robot.transforms)
    assert not robot.said("body frame")


def test_odometry_leans_by_what_lies_between_its_vertical_and_the_maps():
    up = np.array([0, 0, 1.0])
    assert odom_lean(T_BODY_OPTICAL, T_BODY_OPTICAL, up) == pytest.approx(0, abs=1e-5)
    assert odom_lean(T_BODY_OPTICAL, np.eye(4), up) == pytest.approx(90)
    assert odom_lean(T_BODY_OPTICAL, T_BODY_OPTICAL, -up) == pytest.approx(180)
