# SPDX-License-Identifier: Apache-2.0
"""The tree of frames over time, and lookups in it that never wait."""

import math
import threading

from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
from rclpy.logging import get_logger
from rclpy.time import Time
from scipy.spatial.transform import RigidTransform, Rotation

from tf2_ros.exceptions import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)
from tf2_ros.history import History, Link, StaticHistory


class Buffer:
    """Remembers the transforms of the last `cache_time` (10 s) and composes them. May be used from several threads."""

    def __init__(self, cache_time: Duration | None = None):
        self._length = (cache_time or Duration(seconds=10)).nanoseconds
        self._histories: dict[str, History | StaticHistory] = {}  # by child frame
        self._frames: set[str] = set()
        self._lock = threading.Lock()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Take a moving transform in; a malformed or much too old one is logged and ignored."""
        if not (accepted := _read(transform, authority)):
            return
        child, link = accepted
        stamp = Time.from_msg(transform.header.stamp).nanoseconds
        with self._lock:
            self._frames |= {child, link.parent}
            history = self._histories.get(child)
            if not isinstance(history, History):
                history = self._histories[child] = History(self._length)
            if not history.insert(stamp, link):
                get_logger("tf2").warning(
                    f"TF_OLD_DATA ignoring data from the past for frame {child} according to authority {authority}"
                )

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Take a transform in that holds at all times."""
        if accepted := _read(transform, authority):
            child, link = accepted
            with self._lock:
                self._frames |= {child, link.parent}
                self._histories[child] = StaticHistory(link)

    def clear(self) -> None:
        """Forget all moving transforms, as after a jump of the clock."""
        with self._lock:
            for history in self._histories.values():
                history.clear()

    def lookup_transform(
        self, target_frame: str, source_frame: str, time: Time, timeout: Duration = Duration()
    ) -> TransformStamped:
        """T_target_source at `time`; time 0 asks for the latest that all links have. Raises a TransformException.

        A `timeout` would block the executor that brings the transforms (ros2/geometry2#327): this stand-in refuses one with ValueError.
        """
        if timeout.nanoseconds:
            raise ValueError(
                "this tf2_ros does not wait: ask again later instead of giving a timeout"
            )
        with self._lock:
            self._check_name(target_frame, "target_frame")
            self._check_name(source_frame, "source_frame")
            stamp = time.nanoseconds or self._path(target_frame, source_frame, 0)[1]
            T_target_source, _ = self._path(target_frame, source_frame, stamp)
        return _write(T_target_source, target_frame, source_frame, stamp)

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time,
        timeout: Duration = Duration(),
        return_debug_tuple: bool = False,
    ):
        """Whether `lookup_transform` would answer; as a tuple with the reason if it would not."""
        try:
            self.lookup_transform(target_frame, source_frame, time, timeout)
            answer = True, ""
        except TransformException as error:
            answer = False, str(error)
        return answer if return_debug_tuple else answer[0]

    def _check_name(self, frame: str, argument: str) -> None:
        if not frame or frame.startswith("/"):
            raise InvalidArgumentException(
                f'Invalid argument "{frame}" passed to lookupTransform argument {argument}'
            )
        if frame not in self._frames:
            raise LookupException(
                f'"{frame}" passed to lookupTransform argument {argument} does not exist. '
            )

    def _path(self, target: str, source: str, stamp: int) -> tuple[RigidTransform, int]:
        """T_target_source through their first common ancestor, and the latest time [ns] known on the way (0: static all along)."""
        from_source, source_error = self._ancestors(source, stamp)
        from_target, target_error = self._ancestors(target, stamp)
        common = next((frame for frame in from_source if frame in from_target), None)
        if common is None:
            raise _no_path(target, source, target_error or source_error)
        T_common_source, source_newest = from_source[common]
        T_common_target, target_newest = from_target[common]
        newest = min(source_newest, target_newest)
        return T_common_target.inv() * T_common_source, 0 if newest == math.inf else newest

    def _ancestors(
        self, frame: str, stamp: int
    ) -> tuple[dict[str, tuple[RigidTransform, float]], ExtrapolationException | None]:
        """Of each ancestor, nearest first: T_ancestor_frame and the latest time on the way; and why the walk ended before the root."""
        T_ancestor_frame, newest = RigidTransform.identity(), math.inf
        found = {frame: (T_ancestor_frame, newest)}
        while history := self._histories.get(frame):
            try:
                link = history.at(stamp)
            except ExtrapolationException as error:
                return found, error
            if link.parent in found:
                raise LookupException("The tf tree is invalid because it contains a loop.")
            T_ancestor_frame, newest, frame = (
                link.T_parent_child * T_ancestor_frame,
                min(newest, history.newest),
                link.parent,
            )
            found[frame] = T_ancestor_frame, newest
        return found, None


def _no_path(target: str, source: str, error: ExtrapolationException | None) -> TransformException:
    if error:
        return ExtrapolationException(
            f"{error}, when looking up transform from frame [{source}] to frame [{target}]"
        )
    return ConnectivityException(
        f"Could not find a connection between '{target}' and '{source}' because they are not part of the same tree."
        "Tf has two or more unconnected trees."
    )


def _read(message: TransformStamped, authority: str) -> tuple[str, Link] | None:
    """Child frame and link of a message; None, and a line in the log, when tf2 would ignore it."""
    parent, child = (
        message.header.frame_id.removeprefix("/"),
        message.child_frame_id.removeprefix("/"),
    )
    t, q = message.transform.translation, message.transform.rotation
    numbers = t.x, t.y, t.z, q.x, q.y, q.z, q.w
    if not parent or not child or parent == child:
        reason = "its two frames are not two names"
    elif any(math.isnan(number) for number in numbers):
        reason = "of a nan value in it"
    elif abs(sum(number**2 for number in numbers[3:]) - 1) >= 0.01:
        reason = "its quaternion is not of unit length"
    else:
        return child, Link(
            parent, RigidTransform.from_components(numbers[:3], Rotation.from_quat(numbers[3:]))
        )
    get_logger("tf2").error(
        f"Ignoring transform from '{parent}' to '{child}' from authority '{authority}' because {reason}"
    )
    return None


def _write(
    T_target_source: RigidTransform, target: str, source: str, stamp: int
) -> TransformStamped:
    message = TransformStamped(child_frame_id=source)
    message.header.frame_id = target
    message.header.stamp = Time(nanoseconds=stamp).to_msg()
    t, q = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = T_target_source.translation.tolist()
    q.x, q.y, q.z, q.w = T_target_source.rotation.as_quat().tolist()
    return message
