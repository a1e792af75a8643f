# SPDX-License-Identifier: Apache-2.0
"""The two ways of putting a fix into TF: map -> camera, or map -> odom as REP-105 wants it. Nothing here ever waits for a transform."""

from collections import deque
from typing import NamedTuple

import numpy as np
from builtin_interfaces.msg import Time as Stamp
from rclpy.node import Node
from rclpy.time import Time
from tf2_ros import Buffer, TransformBroadcaster, TransformException, TransformListener

from diff2i2p_ros import convert
from diff2i2p_ros.frames import T_BODY_OPTICAL, map_to_odom, odom_lean
from diff2i2p_ros.parameters import NodeConfig

LEANING, LEVEL = 45.0, 20.0  # degrees off the vertical, that are no odometry's, and that may be
PATIENCE = 2.0  # seconds after which odometry for an image no longer comes


class Fix(NamedTuple):
    """A pose found, as TF needs it."""

    T_map_camera: np.ndarray  # (4, 4)
    stamp: Stamp  # of the image
    camera_frame: str
    age: int  # nanoseconds by this node's clock when the image arrived; large, and constant, when a bag plays without /clock
    found: int  # nanoseconds by this node's clock


class MapToCamera:
    """map -> camera, once per fix, at the stamp of its image."""

    problem = ""

    def __init__(self, node: Node):
        self._broadcaster = TransformBroadcaster(node)

    def enter(self, settings: NodeConfig, map_frame: str, up: np.ndarray) -> None:
        """Use these settings, in this map, from now on. up: (3,) unit vector against gravity."""
        self._map_frame = map_frame

    def odometry(self, stamp: Stamp, camera_frame: str) -> None:
        """Never known."""

    def mount(self, camera_frame: str) -> np.ndarray:
        """T_base_camera (4, 4): there is no robot, the base is the camera's own body."""
        return T_BODY_OPTICAL

    def add(self, fix: Fix) -> None:
        self.problem = "" if fix.camera_frame else "the images name no frame: set camera_frame"
        if fix.camera_frame:
            self._broadcaster.sendTransform(convert.transform(fix.T_map_camera, fix.stamp, self._map_frame, fix.camera_frame))

    def tick(self) -> None:
        """Nothing is repeated: a camera that moves is not where it was."""

    def reset(self) -> None:
        """Nothing is kept."""

    def forget_time(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is listened to."""


class MapToOdom:
    """map -> odom from odometry at the image's stamp, repeated `transform_tolerance` ahead of the images, as AMCL does.

    A fix waits until TF has the odometry of its image; `tick` asks again, and repeats the last transform.
    """

    def __init__(self, node: Node):
        self.problem = ""
        self._clock = node.get_clock()
        self._logger = node.get_logger()
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, node)
        self._broadcaster = TransformBroadcaster(node)
        self.reset()

    def enter(self, settings: NodeConfig, map_frame: str, up: np.ndarray) -> None:
        """Use these settings, in this map, from now on. up: (3,) unit vector against gravity."""
        self._up = up
        self._frames, self._base_frame = (map_frame, settings.odom_frame), settings.base_frame
        self._ahead = round(settings.transform_tolerance * 1e9)

    def forget_time(self) -> None:
        """The clock jumped back: odometry of a time to come would be refused, or wrong."""
        self._buffer.clear()

    def reset(self) -> None:
        """Forget where the robot was. No TF until the next fix."""
        self._waiting: deque[Fix] = deque(maxlen=10)
        self._T_map_odom: np.ndarray | None = None
        self._age = self._sent = 0  # nanoseconds

    def close(self) -> None:
        self._listener.unregister()

    def odometry(self, stamp: Stamp, camera_frame: str) -> np.ndarray | None:
        """T_odom_camera (4, 4) at `stamp`, else the latest, else None: good enough to expect a pose from.

        None where odom never moves, either: a static transform in place of odometry says nothing of how the robot moved.
        """
        if self._is_static(camera_frame):
            return None
        for moment in (Time.from_msg(stamp), Time()):
            try:
                return self._lookup(moment, camera_frame)
            except TransformException:
                continue
        return None

    def mount(self, camera_frame: str) -> np.ndarray:
        """T_base_camera (4, 4) of TF; where TF does not tell, the camera's own body stands for the base, and that is said."""
        try:
            return convert.matrix(self._buffer.lookup_transform(self._base_frame, camera_frame, Time()).transform)
        except TransformException as error:
            self._logger.warning(f"initialpose is taken for the camera's, looking along x: TF does not tell where it is mounted ({error})")
            return T_BODY_OPTICAL

    def add(self, fix: Fix) -> None:
        self._waiting.append(fix)
        self.tick()

    def tick(self) -> None:
        self._resolve()
        self._broadcast()

    def _resolve(self) -> None:
        """Take the newest fix whose odometry is there; older ones are then of no use."""
        now = self._clock.now().nanoseconds  # simulated time may be slow, or stand still: then odometry may be late, too
        while self._waiting and now - self._waiting[0].found > PATIENCE * 1e9:
            self._waiting.popleft()
        for place, fix in reversed(list(enumerate(self._waiting))):
            try:
                T_odom_camera = self._lookup(Time.from_msg(fix.stamp), fix.camera_frame)
            except TransformException as error:
                self.problem = f"no odometry {self._frames[1]} -> {fix.camera_frame} in TF at the image's time: {error}"
                continue
            self.problem = self._contradiction(fix, T_odom_camera)
            self._T_map_odom, self._age = map_to_odom(fix.T_map_camera, T_odom_camera), fix.age
            for _ in range(place + 1):
                self._waiting.popleft()
            return

    def _contradiction(self, fix: Fix, T_odom_camera: np.ndarray) -> str:
        """What a pose says against the frame that the images are stamped in; empty: nothing."""
        lean = odom_lean(fix.T_map_camera, T_odom_camera, self._up)
        as_body = odom_lean(fix.T_map_camera, T_odom_camera @ T_BODY_OPTICAL, self._up)
        if lean < LEANING or as_body > LEVEL:
            return ""
        return (
            f"the pose found and TF leave odom's vertical {lean:.0f} deg off the map's, and level if"
            f" {fix.camera_frame} is a body frame (x ahead): set camera_frame to the camera's optical"
            " frame (x right, y down, z ahead), or map -> odom is wrong"
        )

    def _broadcast(self) -> None:
        if self._T_map_odom is None:
            return
        stamp = self._clock.now().nanoseconds - self._age + self._ahead
        if stamp > self._sent:  # tf2 refuses a stamp that it has; a clock that was set back is noticed by the images, and then all is reset
            self._sent = stamp
            self._broadcaster.sendTransform(convert.transform(self._T_map_odom, Time(nanoseconds=stamp).to_msg(), *self._frames))

    def _is_static(self, camera_frame: str) -> bool:
        """Whether TF knows where the camera is in odom at the end of time."""
        try:
            return self._lookup(Time(seconds=2**31 - 1), camera_frame) is not None
        except TransformException:
            return False

    def _lookup(self, moment: Time, camera_frame: str) -> np.ndarray:
        return convert.matrix(self._buffer.lookup_transform(self._frames[1], camera_frame, moment).transform)


MODES = {"map_camera": MapToCamera, "map_odom": MapToOdom}
