# SPDX-License-Identifier: Apache-2.0
"""The ways of putting a pose into TF: map -> camera, map -> odom as REP-105 wants it, or none.

Nothing here ever waits for a transform.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
from builtin_interfaces.msg import Time as Stamp
from rclpy.node import Node
from rclpy.time import Time
from tf2_ros import Buffer, TransformBroadcaster, TransformException, TransformListener

from diff2i2p.localization.track import JUMP
from diff2i2p_ros import convert
from diff2i2p_ros.frames import T_BODY_OPTICAL, map_to_odom, odom_lean
from diff2i2p_ros.localizer.stopwatch import Moment, Stopwatch
from diff2i2p_ros.parameters import NodeConfig

LEANING, LEVEL = 45.0, 20.0  # degrees off the vertical, that are no odometry's, and that may be
PATIENCE = 2.0  # seconds after which odometry for an image no longer comes
END_OF_TIME = 2**31 * 10**9  # nanoseconds: no stamp can hold them


class Fix(NamedTuple):
    """A pose found, as TF needs it."""

    T_map_camera: np.ndarray  # (4, 4)
    stamp: Stamp  # of the image
    camera_frame: str
    arrived: Moment  # when the image did
    found: Moment  # when the pose was


class MapToCamera:
    """map -> camera, once per fix, at the stamp of its image."""

    problem = contradiction = detail = ""

    def __init__(self, node: Node, stopwatch: Stopwatch):
        self._broadcaster = TransformBroadcaster(node)

    def enter(self, settings: NodeConfig, map_frame: str, up: np.ndarray) -> None:
        """Use these settings, in this map, from now on. up: (3,) unit vector against gravity."""
        self._map_frame = map_frame

    def odometry(self, stamp: Stamp, camera_frame: str) -> None:
        """Never known."""

    def mount(self, camera_frame: str) -> None:
        """Never known: there is no robot."""

    def add(self, fix: Fix) -> None:
        if fix.camera_frame:
            frames = self._map_frame, fix.camera_frame
            message = convert.transform(fix.T_map_camera, fix.stamp, *frames)
            self._broadcaster.sendTransform(message)

    def tick(self) -> None:
        """Nothing is repeated: a camera that moves is not where it was."""

    def reset(self) -> None:
        """Nothing is kept."""

    def forget_time(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is listened to."""


class Odometry:
    """What TF tells of the robot. It puts nothing there: another node owns map -> odom."""

    problem = contradiction = detail = ""

    def __init__(self, node: Node, stopwatch: Stopwatch):
        self._logger = node.get_logger()
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, node)

    def enter(self, settings: NodeConfig, map_frame: str, up: np.ndarray) -> None:
        """Use these settings, in this map, from now on. up: (3,) unit vector against gravity."""
        self._odom_frame, self._base_frame = settings.odom_frame, settings.base_frame

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

    def mount(self, camera_frame: str) -> np.ndarray | None:
        """T_base_camera (4, 4), where TF tells it."""
        try:
            return self._between(self._base_frame, camera_frame, Time())
        except TransformException:
            return None

    def add(self, fix: Fix) -> None:
        """Nothing is sent."""

    def tick(self) -> None:
        """Nothing is repeated."""

    def reset(self) -> None:
        """Nothing is kept."""

    def forget_time(self) -> None:
        """The clock jumped back: odometry of a time to come would be refused, or wrong."""
        self._buffer.clear()

    def close(self) -> None:
        self._listener.unregister()

    def _is_static(self, camera_frame: str) -> bool:
        """Whether TF knows where the camera is in odom at the end of time."""
        try:
            return self._lookup(Time(seconds=2**31 - 1), camera_frame) is not None
        except TransformException:
            return False

    def _lookup(self, moment: Time, camera_frame: str) -> np.ndarray:
        return self._between(self._odom_frame, camera_frame, moment)

    def _between(self, target: str, source: str, moment: Time) -> np.ndarray:
        return convert.matrix(self._buffer.lookup_transform(target, source, moment).transform)


class MapToOdom(Odometry):
    """map -> odom from odometry at the image's stamp, repeated ahead of the images, as AMCL does.

    `transform_tolerance` is how far ahead. A fix waits until TF has the odometry of its image;
    `tick` asks again, and repeats the last transform.
    """

    def __init__(self, node: Node, stopwatch: Stopwatch):
        super().__init__(node, stopwatch)
        self._stopwatch = stopwatch
        self._broadcaster = TransformBroadcaster(node)
        self.reset()

    def enter(self, settings: NodeConfig, map_frame: str, up: np.ndarray) -> None:
        super().enter(settings, map_frame, up)
        self._map_frame, self._up = map_frame, up
        self._ahead = round(settings.transform_tolerance * 1e9)

    def reset(self) -> None:
        """Forget where the robot was. No TF until the next fix."""
        self.problem = self.contradiction = self.detail = ""
        self._waiting: deque[Fix] = deque(maxlen=10)
        self._fixed: tuple[Fix, np.ndarray] | None = None  # and T_map_odom (4, 4)
        self._sent = 0  # nanoseconds, the last stamp

    def add(self, fix: Fix) -> None:
        self._waiting.append(fix)
        self.tick()

    def tick(self) -> None:
        self._resolve()
        self._broadcast()

    def _resolve(self) -> None:
        """Take the newest fix whose odometry is there; older ones are then of no use."""
        while self._waiting and self._stopwatch.since(self._waiting[0].found) > PATIENCE * 1e9:
            self._waiting.popleft()
        for place, fix in reversed(list(enumerate(self._waiting))):
            try:
                T_odom_camera = self._lookup(Time.from_msg(fix.stamp), fix.camera_frame)
            except TransformException as error:
                way = f"{self._odom_frame} -> {fix.camera_frame}"
                self.problem = f"no odometry {way} in TF at the images' time"
                self.detail = str(error).strip()
                continue
            self.problem = self.detail = ""
            self._compare(fix, T_odom_camera)
            self._take(fix, map_to_odom(fix.T_map_camera, T_odom_camera))
            for _ in range(place + 1):
                self._waiting.popleft()
            return

    def _compare(self, fix: Fix, T_odom_camera: np.ndarray) -> None:
        """Whether a pose contradicts the frame that the images are stamped in."""
        lean = odom_lean(fix.T_map_camera, T_odom_camera, self._up)
        as_body = odom_lean(fix.T_map_camera, T_odom_camera @ T_BODY_OPTICAL, self._up)
        self.contradiction = ""
        if lean < LEANING or as_body > LEVEL:
            return
        self.contradiction = (
            "the poses found and TF leave odom's vertical far off the map's, and level if"
            f" {fix.camera_frame} is a body frame (x ahead): set camera_frame to the camera's optical"
            " frame (x right, y down, z ahead), or map -> odom is wrong"
        )
        self.detail = f"odom's vertical is {lean:.0f} deg off the map's"

    def _take(self, fix: Fix, T_map_odom: np.ndarray) -> None:
        """From now on send this one; where the images' time has stood still, by their time."""
        self._fixed = fix, T_map_odom
        back = self._sent - self._due()
        if back > JUMP * 1e9:
            why = "the images stood still while the clock did not"
            self._logger.warning(f"map -> odom goes back by {back * 1e-9:.1f} s: {why}")
            self._sent = 0

    def _due(self) -> int:
        """The stamp [ns] that map -> odom has now."""
        fix, _ = self._fixed
        at = convert.nanoseconds(fix.stamp)
        return at + self._stopwatch.since(fix.arrived) + self._ahead

    def _broadcast(self) -> None:
        if self._fixed is None:
            return
        stamp = self._due()
        if self._sent < stamp < END_OF_TIME:  # tf2 refuses a stamp that it has
            self._sent = stamp
            frames = self._map_frame, self._odom_frame
            message = convert.transform(self._fixed[1], Time(nanoseconds=stamp).to_msg(), *frames)
            self._broadcaster.sendTransform(message)


MODES = {"map_camera": MapToCamera, "map_odom": MapToOdom, "none": Odometry}
