# SPDX-License-Identifier: Apache-2.0
"""What can be replayed: a sequence folder or a ROS 2 bag, as messages in the order of their times."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, ReaderError
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster

from diff2i2p.evaluation.sequences import Frame, Sequence
from diff2i2p_ros import convert
from diff2i2p_ros.frames import T_BODY_OPTICAL, inverse

LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class SourceError(ValueError):
    """Nothing to replay: says why and what to do."""


class Event(NamedTuple):
    """What is published at one time."""

    stamp: float  # seconds
    messages: list[tuple[Publisher, Any]]


class SequenceSource:
    """A sequence folder as a camera: camera_info and image, or image/compressed with the bytes of the file; odometry if asked for."""

    def __init__(self, node: Node, sequence: Sequence, compressed: bool, frame_id: str, odometry: "DriftingOdometry | None"):
        self._sequence, self._compressed, self._frame_id, self._odometry = sequence, compressed, frame_id, odometry
        self._info = node.create_publisher(CameraInfo, "camera_info", 10)
        topic = node.resolve_topic_name("image") + ("/compressed" if compressed else "")
        self._image = node.create_publisher(CompressedImage if compressed else Image, topic, 10)
        self.awaited = [self._info, self._image]  # they must be heard from the first message on

    def __iter__(self) -> Iterator[Event]:
        for frame in self._sequence:
            header = Header(stamp=convert.stamp(frame.stamp), frame_id=self._frame_id)
            if self._odometry:
                self._odometry.publish(frame, header)
            info = convert.camera_info(self._sequence.camera, header)
            yield Event(frame.stamp, [(self._info, info), (self._image, self._message(frame, header))])

    def _message(self, frame: Frame, header: Header) -> Image | CompressedImage:
        if not self._compressed:
            return convert.image_message(frame.image(), header)
        kind = "png" if frame.image_path.suffix == ".png" else "jpeg"
        return CompressedImage(header=header, format=kind, data=frame.image_path.read_bytes())


class DriftingOdometry:
    """odom -> base_link -> camera in TF, from the true poses, every step too long by a share `drift`: what wheels would say."""

    def __init__(self, node: Node, drift: float, frame_id: str):
        self._scale = 1 + drift
        self._broadcaster = TransformBroadcaster(node)
        self._static = StaticTransformBroadcaster(node)
        self._static.sendTransform(convert.transform(T_BODY_OPTICAL, convert.stamp(0.0), "base_link", frame_id))
        self._T_map_camera: np.ndarray | None = None
        self._T_odom_camera = T_BODY_OPTICAL

    def publish(self, frame: Frame, header: Header) -> None:
        """The next step; a frame without truth is one without a step."""
        if frame.T_map_camera is not None:
            if self._T_map_camera is not None:
                step = inverse(self._T_map_camera) @ frame.T_map_camera
                step[:3, 3] *= self._scale
                self._T_odom_camera = self._T_odom_camera @ step
            self._T_map_camera = frame.T_map_camera
        T_odom_base = self._T_odom_camera @ inverse(T_BODY_OPTICAL)
        self._broadcaster.sendTransform(convert.transform(T_odom_base, header.stamp, "odom", "base_link"))


class BagSource:
    """A ROS 2 bag, sqlite3 or mcap, message by message as recorded: nothing is decoded. Raises SourceError."""

    def __init__(self, node: Node, path: Path):
        try:
            self._reader = Reader(path)
            self._reader.open()
        except (ReaderError, OSError) as error:
            raise SourceError(f"cannot read the bag {path}: {error} (a ROS 1 bag becomes one of ROS 2 with `rosbags-convert`)") from error
        self._publishers = {connection.id: self._publisher(node, connection) for connection in self._reader.connections}
        self.awaited = [p for p in self._publishers.values() if p and p.msg_type in (Image, CompressedImage, CameraInfo)]

    def __iter__(self) -> Iterator[Event]:
        for connection, nanoseconds, data in self._reader.messages():
            if publisher := self._publishers[connection.id]:
                yield Event(nanoseconds * 1e-9, [(publisher, bytes(data))])

    def _publisher(self, node: Node, connection: Connection) -> Publisher | None:
        package, _, name = connection.msgtype.split("/")
        try:
            message_type = getattr(importlib.import_module(f"{package}.msg"), name)
        except (ImportError, AttributeError):
            node.get_logger().warning(f"{connection.topic} is left out: {connection.msgtype} is not installed")
            return None
        latched = any(qos.durability.name == "TRANSIENT_LOCAL" for qos in connection.ext.offered_qos_profiles)
        return node.create_publisher(message_type, connection.topic, LATCHED if latched else 10)
