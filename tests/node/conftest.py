# SPDX-License-Identifier: Apache-2.0
"""The real node, a robot that hears all it says, real DDS between them; and a localizer whose answers are known."""

import gc
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage

from diff2i2p.camera import Camera, rectify
from diff2i2p.datasets.sequences import write_sequence
from diff2i2p.localization.result import Localization, Status
from diff2i2p_ros import convert
from diff2i2p_ros.localizer_node import LocalizerNode

BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
CAMERA = Camera(64, 48, (60.0, 60.0, 31.5, 23.5))
T_MAP_CAMERA = np.eye(4)
T_MAP_CAMERA[:3, :3] = Rotation.from_euler("xyz", [-90, 0, -40], degrees=True).as_matrix()
T_MAP_CAMERA[:3, 3] = 1.0, -2.0, 0.5


class StubLocalizer:
    """Finds every camera at T_map_camera, unless told otherwise."""

    T_map_camera = T_MAP_CAMERA

    def __init__(self):
        points = np.arange(12, dtype=np.float32).reshape(4, 3)
        up = T_MAP_CAMERA[:3, 2]  # odometry here has the axes of the camera
        self.map = SimpleNamespace(
            points=points, grey=None, frame_id="map", up=up, header={}, origin=np.zeros(3)
        )
        self.status, self.seconds, self.opens = Status.OK, 0.0, lambda map_file: None
        self.images, self.priors, self.evidence = [], [], []
        self.free = threading.Event()  # cleared: an image is looked at until it is set
        self.free.set()

    def __call__(self, map_file, weights, config):
        self.config = config
        return self.opens(map_file) or self

    def localize(self, image, camera, prior=None, **evidence) -> Localization:
        self.evidence.append(evidence)
        rectify(image, camera, 32)
        self.images.append(image)
        self.priors.append(prior)
        self.free.wait(60)
        time.sleep(self.seconds)
        if self.status is not Status.OK:
            return Localization(self.status)
        covariance, times = np.eye(6) * 1e-3, {"match": 1.5}
        return Localization(self.status, self.T_map_camera, covariance, 0.97, milliseconds=times)


def changed(message, changes: dict):
    for field, value in changes.items():
        setattr(message, field, value)
    return message


class Robot(Node):
    """Publishes camera topics, keeps what comes back."""

    camera = CAMERA

    def __init__(self):
        super().__init__("robot")
        self.image = self.create_publisher(Image, "image", BEST_EFFORT)
        self.compressed = self.create_publisher(CompressedImage, "image/compressed", BEST_EFFORT)
        self.camera_info = self.create_publisher(CameraInfo, "camera_info", BEST_EFFORT)
        self.tf = self.create_publisher(TFMessage, "/tf", 10)
        self.poses, self.transforms, self.answers, self.diagnostics = [], [], [], []
        self.create_subscription(PoseWithCovarianceStamped, "pose", self.poses.append, 10)
        self.create_subscription(TFMessage, "/tf", self._on_tf, 100)
        self.create_subscription(
            String, "status", lambda m: self.answers.append(json.loads(m.data)), 10
        )
        self.create_subscription(
            DiagnosticArray, "/diagnostics", lambda m: self.diagnostics.append(m.status[0]), 10
        )

    def _on_tf(self, message: TFMessage) -> None:
        self.transforms += [t for t in message.transforms if t.header.frame_id == "map"]

    def send_info(self, **changes) -> None:
        self.camera_info.publish(
            changed(convert.camera_info(CAMERA, Header(frame_id="camera")), changes)
        )

    def send_image(self, seconds: float, **changes) -> None:
        header = Header(stamp=convert.stamp(seconds), frame_id="camera")
        self.image.publish(
            changed(convert.image_message(np.full((48, 64, 3), 7, np.uint8), header), changes)
        )

    def send_compressed(self, seconds: float, data: bytes) -> None:
        self.compressed.publish(
            CompressedImage(
                header=Header(stamp=convert.stamp(seconds), frame_id="camera"),
                format="jpeg",
                data=data,
            )
        )

    def send_odometry(self, seconds: float, T_odom_camera: np.ndarray) -> None:
        self.tf.publish(
            TFMessage(
                transforms=[
                    convert.transform(T_odom_camera, convert.stamp(seconds), "odom", "camera")
                ]
            )
        )

    def call(self, graph: "Graph", kind, name: str, request=None):
        """The answer of a service, from the node in `graph`."""
        future = self.call_later(graph, kind, name, request)
        assert graph.until(future.done)
        return future.result()

    def call_later(self, graph: "Graph", kind, name: str, request=None):
        """The future of an answer; the request is on its way."""
        client = self.create_client(kind, name)
        assert graph.until(client.service_is_ready)
        return client.call_async(request or kind.Request())

    @property
    def values(self) -> dict[str, str]:
        """Those of the node's newest diagnostics."""
        return {v.key: v.value for v in self.diagnostics[-1].values} if self.diagnostics else {}

    @property
    def causes(self) -> set[str]:
        """What is wrong by the node's newest diagnostics."""
        return set(self.values["causes"].split()) if self.diagnostics else {"NOTHING HEARD"}

    def said(self, text: str) -> bool:
        """Whether the node's diagnostics contained `text`."""
        return any(text in status.message for status in self.diagnostics)


class Graph:
    """The real node and the robot in one executor."""

    LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

    def __init__(self):
        self.executor = SingleThreadedExecutor()
        self.localizer = StubLocalizer()
        self.robot = Robot()
        self.executor.add_node(self.robot)
        self.node = None

    def start(
        self, wait: bool = True, params_file: str = "", remap: tuple[str, ...] = (), **parameters
    ) -> LocalizerNode:
        """Start the node and, unless told otherwise, wait until it and the robot hear each other."""
        parameters = {"map_file": "stub.i2pmap", "tf_mode": "map_camera"} | parameters
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        arguments = [
            "--ros-args",
            *(["--params-file", params_file] if params_file else []),
            *(word for r in remap for word in ("-r", r)),
        ]
        self.node = LocalizerNode(self.localizer, parameter_overrides=overrides, cli_args=arguments)
        self.executor.add_node(self.node)
        if wait:
            image = (
                self.robot.compressed
                if parameters.get("image_transport") == "compressed"
                else self.robot.image
            )
            assert self.until(
                lambda: (
                    image.get_subscription_count()
                    and self.robot.camera_info.get_subscription_count()
                )
            )
            assert self.until(
                lambda: (
                    self.robot.count_publishers("pose") and self.robot.count_publishers("status")
                )
            )
        return self.node

    def until(self, condition, seconds: float = 30.0) -> bool:
        """Spin until a condition holds, at most `seconds`; whether it does."""
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)
        return bool(condition())

    def spin(self, seconds: float) -> None:
        self.until(lambda: False, seconds)

    def streams(self, condition, first: float = 1000.0) -> bool:
        """Send images, one after the other from the stamp `first` on, until a condition holds."""
        stamps = iter(first + 0.1 * np.arange(100_000))

        def send_and_look() -> bool:
            self.robot.send_info()
            self.robot.send_image(float(next(stamps)))
            return condition()

        return self.until(send_and_look)

    def answer(self, send, *arguments, **changes) -> dict:
        """Send camera_info and an image until it is answered (best effort may lose one); the answer."""
        before = len(self.robot.answers)
        for _ in range(20):
            self.robot.send_info()
            send(*arguments, **changes)
            if self.until(lambda: len(self.robot.answers) > before, seconds=0.5):
                return self.robot.answers[-1]
        raise AssertionError("the node does not answer")

    def close(self) -> None:
        """A lifecycle node stays in the ROS graph until it is collected, and would be taken for one of the next test."""
        if isinstance(self.localizer, StubLocalizer):
            self.localizer.free.set()
        self.executor.shutdown()
        if self.node:
            self.node.destroy_node()
        self.robot.destroy_node()
        self.executor = self.node = self.robot = None
        gc.collect()


@pytest.fixture
def graph():
    gc.freeze()  # the collection at the end looks only at what the test has made
    rclpy.init()
    graph = Graph()
    yield graph
    graph.close()
    rclpy.try_shutdown()


@pytest.fixture
def robot(graph) -> Robot:
    return graph.robot


@pytest.fixture
def sequence(tmp_path):
    """A sequence folder: six images, 0.1 s apart from 100 s on, each 30 grey levels brighter and 0.1 m further on."""
    poses = np.tile(np.eye(4), (6, 1, 1))
    poses[:, 2, 3] = 0.1 * np.arange(6)
    images = [np.full((48, 64, 3), 30 * n, np.uint8) for n in range(6)]
    write_sequence(tmp_path / "walk", CAMERA, images, 100.0 + 0.1 * np.arange(6), poses)
    return tmp_path / "walk"


CAMERA_PROCESS = """
import json, sys, time
import cv2, numpy as np, rclpy
from conftest import BEST_EFFORT, CAMERA
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from tf2_ros import StaticTransformBroadcaster
from diff2i2p_ros import convert

asked = json.loads(sys.argv[1])
rclpy.init()
node = rclpy.create_node("camera_" + asked["image"].split("/")[1])
pixels = np.full((48, 64, 3), 7, np.uint8)
jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
compressed = asked["image"].endswith("/compressed")
image = node.create_publisher(CompressedImage if compressed else Image, asked["image"], BEST_EFFORT)
info = node.create_publisher(CameraInfo, asked["info"], BEST_EFFORT) if asked["info"] else None
depth = node.create_publisher(Image, asked["depth"], BEST_EFFORT) if asked["depth"] else None
clock = node.create_publisher(Clock, "/clock", 1) if asked["simulated"] else None
began = time.time() - 50.0 if clock else asked["seconds_late"]
if asked["odometry"]:
    broadcaster = StaticTransformBroadcaster(node)
    broadcaster.sendTransform(convert.transform(np.eye(4), convert.stamp(0.0), "odom", "camera"))

def shoot():
    header = Header(stamp=convert.stamp(time.time() - began), frame_id="camera")
    if clock:
        clock.publish(Clock(clock=header.stamp))
    image.publish(CompressedImage(header=header, format="jpeg", data=jpeg) if compressed else convert.image_message(pixels, header))
    if info:
        info.publish(convert.camera_info(CAMERA, header))
    if depth:
        depth.publish(convert.image_message(pixels, header))

node.create_timer(0.05, shoot)
rclpy.spin(node)
"""


@pytest.fixture
def camera_process():
    """A function that starts a camera in a process of its own: 20 images a second, calibration, and odom -> camera in TF if asked."""
    processes = []

    def start(
        image: str, info: str | None = None, odometry: bool = False, depth: str = "",
        seconds_late: float = 0.0, simulated: bool = False,
    ) -> None:  # fmt: skip
        info = (
            image.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"
            if info is None
            else info
        )
        asked = {"image": image, "info": info, "odometry": odometry, "depth": depth}
        asked |= {"seconds_late": seconds_late, "simulated": simulated}
        command = [sys.executable, "-c", CAMERA_PROCESS, json.dumps(asked)]
        processes.append(
            subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)})
        )

    yield start
    for process in processes:
        process.kill()
        process.wait()
