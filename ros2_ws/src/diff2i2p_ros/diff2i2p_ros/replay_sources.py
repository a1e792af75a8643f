# SPDX-License-Identifier: Apache-2.0
"""What can be replayed: a sequence folder or a ROS 2 bag, as messages in the order of their times."""

import importlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosbags.interfaces import Connection
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster

from diff2i2p.datasets.bag import Bag
from diff2i2p.datasets.odometry import DriftingOdometry
from diff2i2p.datasets.sequences import Frame, Sequence
from diff2i2p.geometry import T_BODY_OPTICAL
from diff2i2p_ros import convert

# that the transforms of an image are given to arrive before it; the shipped DDS profile takes 0.02 s
ARRIVAL = Duration(seconds=0.2)
LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Event(NamedTuple):
    """What is published at one time."""

    stamp: float  # seconds
    messages: list[tuple[Publisher, Any]]
    image: str = ""  # exact stamp of the image among them that can be answered, if there is one


class SequenceSource:
    """A sequence folder as a camera: camera_info and image, or image/compressed with the bytes of the file; odometry if asked for."""

    def __init__(
        self,
        node: Node,
        sequence: Sequence,
        compressed: bool,
        frame_id: str,
        odometry: "OdometryPublisher | None",
    ):
        self._sequence, self._compressed, self._frame_id, self._odometry = (
            sequence,
            compressed,
            frame_id,
            odometry,
        )
        self._info = node.create_publisher(CameraInfo, "camera_info", 10)
        topic = node.resolve_topic_name("image") + ("/compressed" if compressed else "")
        self._image = node.create_publisher(CompressedImage if compressed else Image, topic, 10)

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens to the camera; both topics must be heard from the first message on."""
        return bool(self._info.get_subscription_count() and self._image.get_subscription_count())

    def flush(self) -> None:
        """Nothing that an image must wait for."""

    def __iter__(self) -> Iterator[Event]:
        for frame in self._sequence:
            header = Header(stamp=convert.image_stamp(frame.stamp), frame_id=self._frame_id)
            if self._odometry:
                self._odometry.publish(frame, header)
            info = convert.camera_info(self._sequence.camera, header)
            messages = [(self._info, info), (self._image, self._message(frame, header))]
            yield Event(frame.stamp, messages, convert.text(header.stamp))

    def _message(self, frame: Frame, header: Header) -> Image | CompressedImage:
        if not self._compressed:
            return convert.image_message(frame.image(), header)
        kind = "png" if frame.image_path.suffix == ".png" else "jpeg"
        return CompressedImage(header=header, format=kind, data=frame.image_path.read_bytes())


class OdometryPublisher:
    """odom -> base_link -> camera in TF, from the true poses, drifting."""

    def __init__(self, node: Node, drift: float, frame_id: str):
        self._odometry = DriftingOdometry(drift)
        self._broadcaster = TransformBroadcaster(node)
        self._static = StaticTransformBroadcaster(node)
        self._static.sendTransform(
            convert.transform(T_BODY_OPTICAL, convert.stamp(0.0), "base_link", frame_id)
        )

    def publish(self, frame: Frame, header: Header) -> None:
        """The next step; a frame without truth is one without a step."""
        T_odom_base = self._odometry.step(frame.T_map_camera)
        self._broadcaster.sendTransform(
            convert.transform(T_odom_base, header.stamp, "odom", "base_link")
        )


class BagSource:
    """A ROS 2 bag, sqlite3 or mcap, message by message as recorded: nothing is decoded. Raises BagError."""

    def __init__(self, node: Node, path: Path):
        self._bag = Bag(path)
        self._publishers: dict[str, Publisher | None] = {}  # by topic: files may number them anew
        for connection in self._bag.connections:
            if connection.topic not in self._publishers:
                self._publishers[connection.topic] = self._publisher(node, connection)
        made = [publisher for publisher in self._publishers.values() if publisher]
        self._images = [
            publisher for publisher in made if publisher.msg_type in (Image, CompressedImage)
        ]
        self._infos = [publisher for publisher in made if publisher.msg_type is CameraInfo]
        self._transforms = [publisher for publisher in made if publisher.msg_type is TFMessage]

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens to one of the cameras, and to one calibration where there is any."""
        return all(
            any(p.get_subscription_count() for p in topics)
            for topics in (self._images, self._infos)
            if topics
        )

    def flush(self) -> None:
        """Wait until the transforms sent have arrived: an image that overtakes them would be looked at without its odometry."""
        for publisher in self._transforms:
            publisher.wait_for_all_acked(ARRIVAL)

    def __iter__(self) -> Iterator[Event]:
        is_calibrated = not self._infos
        for connection, nanoseconds, data in self._bag.serialized(self._bag.connections):
            if publisher := self._publishers[connection.topic]:
                is_heard = publisher.get_subscription_count()
                is_calibrated |= publisher in self._infos and bool(is_heard)
                # an image before its calibration waits for that, and so must not be waited for
                is_awaited = publisher in self._images and is_heard and is_calibrated
                image = _stamp_text(data) if is_awaited else ""
                yield Event(nanoseconds * 1e-9, [(publisher, bytes(data))], image)

    def _publisher(self, node: Node, connection: Connection) -> Publisher | None:
        package, _, name = connection.msgtype.split("/")
        try:
            message_type = getattr(importlib.import_module(f"{package}.msg"), name)
        except (ImportError, AttributeError):
            node.get_logger().warning(
                f"{connection.topic} is left out: {connection.msgtype} is not installed"
            )
            return None
        offered = (qos.durability.name for qos in connection.ext.offered_qos_profiles)
        # a converted bag tells of no QoS; static transforms are latched by definition
        is_static = connection.topic.rpartition("/")[2] == "tf_static"
        latched = is_static or "TRANSIENT_LOCAL" in offered
        return node.create_publisher(message_type, connection.topic, LATCHED if latched else 10)


def _stamp_text(data: bytes) -> str:
    """The stamp of a serialized message that begins with a header, as `convert.text` gives it."""
    order = (
        "<" if data[1] & 1 else ">"
    )  # of the bytes, from the second one of the CDR encapsulation
    sec, nanosec = struct.unpack_from(f"{order}iI", data, 4)
    return convert.text(Time(sec=sec, nanosec=nanosec))
