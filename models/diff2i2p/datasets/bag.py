# SPDX-License-Identifier: Apache-2.0
"""ROS 2 bags, sqlite3 and mcap, read without ROS."""

import re
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from heapq import merge
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from diff2i2p.datasets.bag_files import open_files

STORAGE = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd")
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA_INFO, TF, ODOMETRY = (
    "sensor_msgs/msg/CameraInfo",
    "tf2_msgs/msg/TFMessage",
    "nav_msgs/msg/Odometry",
)


class BagError(ValueError):
    """A bag that cannot be used: says why and what to do."""


class Message(NamedTuple):
    """One message of a bag, deserialized."""

    topic: str
    received: int  # nanoseconds, by the recorder's clock
    content: Any  # has the fields of the ROS message


class Bag:
    """An open bag. Raises BagError, whatever the reader stumbles over."""

    def __init__(self, path: Path | str):
        self.path, self._stack = Path(path), ExitStack()
        weakref.finalize(self, self._stack.close)
        try:
            folder, files = _storage(self.path)
            self._readers = open_files(files, folder, self._stack)
            found = [connection for reader in self._readers for connection in reader.connections]
        except BagError:
            raise
        except (
            Exception
        ) as error:  # of the reader, of sqlite, zstd, yaml: whatever the damage runs into
            raise self._damaged(error) from error
        self.connections = [c for c in found if c.msgcount and c.ext.serialization_format == "cdr"]
        self._stores: dict[str, Any] = {}

    @property
    def topics(self) -> dict[str, str]:
        """Message type of each topic that has messages."""
        return {connection.topic: connection.msgtype for connection in self.connections}

    def named(self, *types: str) -> list[str]:
        """Topics of these message types, sorted."""
        return sorted(topic for topic, msgtype in self.topics.items() if msgtype in types)

    def serialized(
        self, connections: list[Connection], start: int | None = None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """(connection, nanoseconds received, bytes) of every message received from `start` on."""
        try:
            readers = [(r, [c for c in connections if c.owner is r]) for r in self._readers]
            received = [r.messages(some, start, None) for r, some in readers if some]
            yield from merge(*received, key=lambda message: message[1])
        except Exception as error:
            raise self._damaged(error) from error

    def messages(self, *topics: str, start: int | None = None) -> Iterator[Message]:
        """Messages of these topics as they were received, from `start` (nanoseconds) on."""
        chosen = [connection for connection in self.connections if connection.topic in topics]
        for connection, received, data in self.serialized(chosen, start):
            try:
                content = self._store(connection).deserialize_cdr(data, connection.msgtype)
            except Exception as error:
                raise self._damaged(error) from error
            yield Message(connection.topic, received, content)

    def _store(self, connection: Connection):
        """Knows the message as the bag defines it, else as ROS 2 Jazzy does."""
        if connection.msgtype not in self._stores:
            store = jazzy()
            if connection.msgdef.format == MessageDefinitionFormat.MSG:
                store = get_typestore(Stores.EMPTY)
                store.register(get_types_from_msg(connection.msgdef.data, connection.msgtype))
            self._stores[connection.msgtype] = store
        return self._stores[connection.msgtype]

    def listed(self, *types: str) -> str:
        """The topics of these types in words, for errors."""
        topics = self.named(*types) if types else sorted(self.topics)
        return ", ".join(topics) or "none"

    def _damaged(self, error: Exception) -> BagError:
        reason = " ".join(str(error).split()).rstrip(".")[:200] or type(error).__name__
        return BagError(
            f"the bag {self.path} is truncated or damaged ({reason}): repair it with"
            " `mcap recover` or `ros2 bag reindex`"
        )


def _storage(path: Path) -> tuple[Path | None, list[Path]]:
    """The folder of a bag where metadata.yaml tells of its files, else its files themselves."""
    if not path.exists():
        raise BagError(f"there is no bag {path}: check the name")
    if path.suffix == ".bag":
        raise BagError(
            f"{path} is a bag of ROS 1: `rosbags-convert --src {path} --dst {path.stem}` makes one"
            " of ROS 2"
        )
    if path.is_file():
        if not path.name.endswith(STORAGE):
            raise BagError(
                f"{path} is no bag: expected the folder that `ros2 bag record` wrote, or its .mcap"
                " or .db3 file"
            )
        return None, [path]
    files = sorted((file for file in path.iterdir() if file.name.endswith(STORAGE)), key=_in_order)
    if (path / "metadata.yaml").is_file():
        return path, files
    if not files:
        raise BagError(f"{path} is no bag: it has neither metadata.yaml nor a .mcap or .db3 file")
    return None, files


def _in_order(file: Path) -> tuple[int, str]:
    """What files of a bag are sorted by: the number that the recorder gives them."""
    number = re.search(r"_(\d+)\.", file.name)
    return int(number[1]) if number else 0, file.name


@cache
def jazzy():
    """The message definitions of ROS 2 Jazzy."""
    return get_typestore(Stores.ROS2_JAZZY)


def seconds(stamp) -> float:
    """Seconds of a builtin_interfaces/Time."""
    return stamp.sec + stamp.nanosec * 1e-9


def pose_row(message: Message) -> tuple:
    """Stamp tx ty tz qx qy qz qw of a message with a header and a pose, with covariance or without.

    Without a stamp it is of when it was received.
    """
    content = message.content
    pose = getattr(content.pose, "pose", content.pose)
    p, q = pose.position, pose.orientation
    stamp = seconds(content.header.stamp) or message.received * 1e-9
    return (stamp, p.x, p.y, p.z, q.x, q.y, q.z, q.w)
