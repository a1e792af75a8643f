# SPDX-License-Identifier: Apache-2.0
"""The real node in a process of its own, over real DDS: what no camera should send, maps that change under it, an end in mid-image."""

import json
import os
import signal
import struct
import time

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped, TransformStamped
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage

from diff2i2p.camera import Camera
from diff2i2p.cloud import PointCloud
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p_ros import convert
from diff2i2p_ros.node_runner import end, start

CAMERA = Camera(160, 120, (130.0, 130.0, 79.5, 59.5))
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
BLOTCHES = (
    np.random.default_rng(5).integers(0, 256, (30, 40, 3), np.uint8).repeat(4, 0).repeat(4, 1)
)
JPEG_OF_GIGABYTES = (
    b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, 65535, 65535, 3) + bytes(9) + b"\xff\xd9"
)
# a home that nobody can write to, root included
NOWHERE = {
    "HOME": "/proc",
    "ROS_HOME": "",
    "ROS_LOG_DIR": "",
    "XDG_CACHE_HOME": "",
    "MPLCONFIGDIR": "",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A compiled map of a room in blotches of colour."""
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 1, (30000, 3)) * (4, 4, 3)
    side = rng.integers(0, 6, len(points))
    points[np.arange(len(points)), side % 3] = (side // 3) * np.array([4, 4, 3])[side % 3]
    colours = rng.integers(0, 256, (20, 20, 20, 3), np.uint8)[tuple((points / 0.25).astype(int).T)]
    path = tmp_path_factory.mktemp("site") / "room.i2pmap"
    compile_map(PointCloud(points.astype(np.float32), colours), path, up=np.array([0, 0, 1.0]))
    return path


class Camerawoman(rclpy.node.Node):
    """Sends what she is told to, and hears what comes of it."""

    def __init__(self):
        super().__init__("camerawoman")
        kinds = {"image": Image, "image/compressed": CompressedImage, "camera_info": CameraInfo}
        self.out = {
            topic: self.create_publisher(kind, topic, BEST_EFFORT) for topic, kind in kinds.items()
        }
        self.out |= {"/tf": self.create_publisher(TFMessage, "/tf", 10)}
        self.out |= {
            "initialpose": self.create_publisher(PoseWithCovarianceStamped, "initialpose", 10)
        }
        self.answers, self.diagnostics, self.stamp = [], [], 1.0
        self.create_subscription(
            String, "status", lambda message: self.answers.append(json.loads(message.data)), 10
        )
        self.create_subscription(
            DiagnosticArray, "/diagnostics", lambda message: self.diagnostics.append(message), 10
        )

    def header(self) -> Header:
        self.stamp += 0.1
        return Header(stamp=convert.stamp(self.stamp), frame_id="camera")

    def image(self, topic: str = "image"):
        """A whole image, never the same twice."""
        pixels = np.roll(BLOTCHES, int(self.stamp * 10), 1)
        if topic == "image":
            return convert.image_message(pixels, self.header())
        import cv2

        return CompressedImage(
            header=self.header(), format="png", data=cv2.imencode(".png", pixels)[1].tobytes()
        )

    def answer_to(self, message, topic: str = "image", seconds: float = 60.0) -> dict:
        """Send an image, with its camera_info, until it is answered: best effort may lose some."""
        stamp, until = convert.text(message.header.stamp), time.monotonic() + seconds
        while time.monotonic() < until:
            self.out["camera_info"].publish(convert.camera_info(CAMERA, message.header))
            self.out[topic].publish(message)
            for _ in range(10):
                rclpy.spin_once(self, timeout_sec=0.1)
                if found := [answer for answer in self.answers if answer["stamp"] == stamp]:
                    return found[0]
        raise AssertionError("the node does not answer")


@pytest.fixture
def woman(ros):
    node = Camerawoman()
    yield node
    node.destroy_node()


@pytest.fixture
def node(site, woman, tmp_path, monkeypatch):
    """A function that starts the node with these parameters, in a home that nobody can write to, and waits until it listens."""
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    processes = []

    def starting(topic: str = "image", **parameters):
        settings = {
            "map_file": str(site),
            "tf_mode": "map_odom",
            "image_transport": "raw" if topic == "image" else "compressed",
        }
        processes.append(start("localizer_node", settings | parameters, tmp_path / "log"))
        until = time.monotonic() + 120
        while (
            not woman.out[topic].get_subscription_count()
            and time.monotonic() < until
            and processes[-1].poll() is None
        ):
            rclpy.spin_once(woman, timeout_sec=0.1)
        assert woman.out[topic].get_subscription_count(), (tmp_path / "log").read_text()
        return processes[-1]

    yield starting
    for process in processes:
        end(process)


def test_sigterm_in_the_middle_of_an_image_ends_with_0_and_without_a_traceback_in_a_read_only_home(
    node, woman, tmp_path
):
    process = node()
    woman.answer_to(woman.image())
    for _ in range(5):  # more than it can look at: one is at work
        woman.out["image"].publish(woman.image())
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("topic", ["image", "image/compressed"])
def test_no_message_takes_the_node_down_and_each_unusable_image_is_answered_with_a_reason(
    node, woman, topic, tmp_path
):
    process = node(topic)
    assert woman.answer_to(woman.image(topic), topic)["status"] != "UNUSABLE_IMAGE"
    for damage, reason in UNUSABLE[topic]:
        message = woman.image(topic)
        for field, value in damage.items():
            setattr(message, field, value)
        answer = woman.answer_to(message, topic)
        assert answer["status"] == "UNUSABLE_IMAGE" and reason in answer["reason"], answer
    for nonsense in (
        b"",
        b"\0\1\0\0",
        b"\0\1\0\0" + bytes(range(256)) * 40,
        serialize_message(woman.image(topic))[:-7],
    ):
        for publisher in woman.out.values():
            publisher.publish(nonsense)  # goes out as it is, to be taken for a message there
    woman.out["/tf"].publish(
        TFMessage(
            transforms=[TransformStamped(header=Header(frame_id="odom"), child_frame_id="camera")]
        )
    )
    lost = PoseWithCovarianceStamped(header=Header(frame_id="map"))
    lost.pose.pose.position.x = float("nan")
    lost.pose.pose.orientation.w = 0.0
    woman.out["initialpose"].publish(lost)
    assert woman.answer_to(woman.image(topic), topic)["status"] != "UNUSABLE_IMAGE"
    assert process.poll() is None
    assert "Traceback" not in (tmp_path / "log").read_text()


UNUSABLE = {
    "image": [
        ({"width": 4_000_000_000, "height": 4_000_000_000}, "cannot have"),
        ({"data": b""}, "cannot have"),
        ({"encoding": "x" * 100_000}, "is not a camera image"),
        ({"width": 1, "height": 57600, "step": 1, "encoding": "mono8"}, "57600"),
        ({"width": 80, "step": 240, "height": 240}, "its camera_info says 160x120"),
    ],
    "image/compressed": [
        ({"data": JPEG_OF_GIGABYTES}, "claims to be of 65535x65535 pixels"),
        ({"data": bytes(4_000_000)}, "neither JPEG nor PNG"),
        (
            {
                "data": b"\x89PNG\r\n\x1a\n"
                + bytes(8)
                + struct.pack(">2I", 1 << 31, 1 << 31)
                + b"IEND"
            },
            "claims to be of",
        ),
    ],
}


def test_a_map_replaced_under_the_running_node_changes_nothing_until_it_is_loaded_again(
    node, woman, site, tmp_path
):
    mine = tmp_path / "mine.i2pmap"
    mine.write_bytes(site.read_bytes())
    process = node(map_file=str(mine))
    woman.answer_to(woman.image())
    (tmp_path / "next").write_bytes(b"no map at all")
    os.replace(tmp_path / "next", mine)  # as compile-map and mv do
    for _ in range(3):
        assert woman.answer_to(woman.image())["status"] != "UNUSABLE_IMAGE"
    assert process.poll() is None
