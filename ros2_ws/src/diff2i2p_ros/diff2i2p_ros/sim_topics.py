# SPDX-License-Identifier: Apache-2.0
"""What a simulated robot says: camera, odometry, TF, clock, and the truth. The names are those that ros_gz_bridge gives Gazebo's."""

from collections import deque

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster

from diff2i2p.camera import Camera
from diff2i2p_ros import convert
from diff2i2p_sim.robot.model import Robot
from diff2i2p_sim.robot.simulation import OdometryConfig, Place

MAP = "map"  # frame of the world, and of a map compiled from its scan
QUALITY = 90  # of the JPEGs


class SimTopics:
    """The publishers of one robot."""

    def __init__(self, node: Node, robot: Robot, clock: bool, depth: bool):
        self._robot = robot
        self._clock = node.create_publisher(Clock, "/clock", 10) if clock else None
        self._info = node.create_publisher(CameraInfo, "camera_info", 10)
        self._image = node.create_publisher(Image, "image", 10)
        self._compressed = node.create_publisher(
            CompressedImage, node.resolve_topic_name("image") + "/compressed", 10
        )
        self._depth = node.create_publisher(Image, "depth", 10) if depth else None
        self._odometry = node.create_publisher(Odometry, "odometry", 50)
        self._truth = node.create_publisher(Odometry, "ground_truth", 50)
        self._broadcaster = TransformBroadcaster(node)
        self._static = StaticTransformBroadcaster(node)
        self._static.sendTransform(
            convert.transform(robot.T_base_camera, Time(), robot.base_frame, robot.camera_frame)
        )
        self._late: deque[tuple[float, TransformStamped]] = deque()  # when it is due, seconds

    @property
    def is_watched(self) -> bool:
        """Whether anybody looks at the images; else none need be made."""
        return any(
            topic.get_subscription_count()
            for topic in (self._image, self._compressed, self._depth)
            if topic
        )

    def tell_motion(
        self, seconds: float, truth: Place, believed: Place, error: OdometryConfig
    ) -> None:
        """Clock, odometry and truth at a time."""
        stamp = convert.stamp(seconds)
        if self._clock:
            self._clock.publish(Clock(clock=stamp))
        odom, base = self._robot.odom_frame, self._robot.base_frame
        self._odometry.publish(_odometry(believed, stamp, odom, base))
        self._truth.publish(_odometry(truth, stamp, MAP, base))
        if error.tf:
            self._late.append(
                (seconds + error.lag, convert.transform(believed.matrix, stamp, odom, base))
            )
        while self._late and self._late[0][0] <= seconds + 1e-6:
            self._broadcaster.sendTransform(self._late.popleft()[1])

    def show(self, seconds: float, camera: Camera, pixels: np.ndarray, depth: np.ndarray) -> None:
        """camera_info, and the image in the forms that somebody listens to, and its depth."""
        header = Header(stamp=convert.stamp(seconds), frame_id=self._robot.camera_frame)
        self._info.publish(convert.camera_info(camera, header))
        if self._image.get_subscription_count():
            self._image.publish(convert.image_message(pixels, header))
        if self._depth and self._depth.get_subscription_count():
            self._depth.publish(convert.depth_message(depth, header))
        if self._compressed.get_subscription_count():
            jpeg = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[
                1
            ].tobytes()
            self._compressed.publish(CompressedImage(header=header, format="jpeg", data=jpeg))


def _odometry(place: Place, stamp: Time, frame: str, child: str) -> Odometry:
    message = Odometry(header=Header(stamp=stamp, frame_id=frame), child_frame_id=child)
    message.pose.pose = convert.pose(place.matrix)
    return message
