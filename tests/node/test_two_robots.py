# SPDX-License-Identifier: Apache-2.0
"""Two localizers at once, each in its namespace, in one ROS graph: neither hears the other's camera, each tells its own pose."""

import json

import numpy as np
import pytest
import rclpy
from conftest import CAMERA, StubLocalizer
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage

from diff2i2p_ros import convert
from diff2i2p_ros.localizer_node import LocalizerNode


class Robot:
    """A camera and a localizer in a namespace, and what is heard of them."""

    def __init__(self, name: str, observer):
        self.name, self.localizer = name, StubLocalizer()
        self.localizer.T_map_camera = np.eye(4)
        self.localizer.T_map_camera[0, 3] = len(name)
        parameters = {
            "map_file": f"{name}.i2pmap",
            "tf_mode": "map_camera",
            "camera_frame": f"{name}/camera",
        }
        overrides = [Parameter(key, value=value) for key, value in parameters.items()]
        self.node = LocalizerNode(self.localizer, namespace=name, parameter_overrides=overrides)
        self.image = observer.create_publisher(Image, f"/{name}/image", 1)
        self.info = observer.create_publisher(CameraInfo, f"/{name}/camera_info", 1)
        self.poses, self.answers = [], []
        observer.create_subscription(
            PoseWithCovarianceStamped, f"/{name}/pose", self.poses.append, 10
        )
        observer.create_subscription(
            String, f"/{name}/status", lambda m: self.answers.append(json.loads(m.data)), 10
        )

    def send(self, shade: int) -> None:
        header = Header(stamp=convert.stamp(1.0 + shade), frame_id="camera")
        self.info.publish(convert.camera_info(CAMERA, header))
        self.image.publish(convert.image_message(np.full((48, 64, 3), shade, np.uint8), header))


@pytest.fixture
def observer(ros):
    node = rclpy.create_node("observer")
    yield node
    node.destroy_node()


def test_two_robots_in_one_graph_keep_apart(observer):
    transforms, told = [], set()
    observer.create_subscription(TFMessage, "/tf", lambda m: transforms.extend(m.transforms), 100)
    observer.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: told.add(m.status[0].name), 10
    )
    robots = [Robot(name, observer) for name in ("ada", "marvin")]
    executor = SingleThreadedExecutor()
    for node in (observer, *(robot.node for robot in robots)):
        executor.add_node(node)

    def until(condition) -> bool:
        for _ in range(2000):
            if condition():
                return True
            executor.spin_once(timeout_sec=0.02)
        return False

    for shade, robot in enumerate(robots, 10):
        assert until(
            lambda robot=robot: (
                robot.image.get_subscription_count() and robot.info.get_subscription_count()
            )
        )
        assert until(lambda robot=robot: observer.count_publishers(f"/{robot.name}/status"))
        assert until(lambda robot=robot, shade=shade: robot.send(shade) or robot.answers)
    for shade, robot in enumerate(robots, 10):
        assert {int(image.mean()) for image in robot.localizer.images} == {shade}
        assert until(lambda robot=robot: robot.poses) and robot.poses[
            0
        ].pose.pose.position.x == len(robot.name)
        assert until(
            lambda robot=robot: f"{robot.name}/camera" in {t.child_frame_id for t in transforms}
        )
    assert until(
        lambda: {"/ada/localizer: localization", "/marvin/localizer: localization"} <= told
    )
    executor.shutdown()
    for robot in robots:
        robot.node.destroy_node()
