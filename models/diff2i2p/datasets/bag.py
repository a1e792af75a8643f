# SPDX-License-Identifier: Apache-2.0
"""ROS 2 bags, sqlite3 and mcap, read without ROS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection
from rosbags.typesys import Stores, get_typestore

STORAGE = (".mcap", ".db3")
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA_INFO, TF, ODOMETRY = "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage", "nav_msgs/msg/Odometry"


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
        self.path = Path(path)
        try:
            self._reader = AnyReader([_storage(self.path)], default_typestore=get_typestore(Stores.ROS2_JAZZY))
            self._reader.open()
        except BagError:
            raise
        except Exception as error:  # of the reader, of sqlite, zstd, yaml: whatever the damage runs into
            raise self._damaged(error) from error
        self.connections = [connection for connection in self._reader.connections if connection.msgcount]

    @property
    def topics(self) -> dict[str, str]:
        """Message type of each topic that has messages."""
        return {connection.topic: connection.msgtype for connection in self.connections}

    def named(self, *types: str) -> list[str]:
        """Topics of these message types, sorted."""
        return sorted(topic for topic, msgtype in self.topics.items() if msgtype in types)

    def serialized(self, connections: list[Connection], start: int | None = None) -> Iterator[tuple[Connection, int, bytes]]:
        """(connection, nanoseconds received, bytes) of every message received from `start` on."""
        try:
            yield from self._reader.messages(connections, start=start) if connections else ()
        except Exception as error:
            raise self._damaged(error) from error

    def messages(self, *topics: str, start: int | None = None) -> Iterator[Message]:
        """Messages of these topics in the order they were received, from `start` (nanoseconds) on."""
        chosen = [connection for connection in self.connections if connection.topic in topics]
        for connection, received, data in self.serialized(chosen, start):
            try:
                content = self._reader.deserialize(data, connection.msgtype)
            except Exception as error:
                raise self._damaged(error) from error
            yield Message(connection.topic, received, content)

    def listed(self, *types: str) -> str:
        """The topics of these types in words, for errors."""
        topics = self.named(*types) if types else sorted(self.topics)
        return ", ".join(topics) or "none"

    def _damaged(self, error: Exception) -> BagError:
        reason = " ".join(str(error).split()).rstrip(".")[:200] or type(error).__name__
        return BagError(f"the bag {self.path} is truncated or damaged ({reason}): repair it with `mcap recover` or `ros2 bag reindex`")


def _storage(path: Path) -> Path:
    """What the reader opens: the folder of a bag, or its file where the folder lacks metadata.yaml because recording was cut short."""
    if not path.exists():
        raise BagError(f"there is no bag {path}: check the name")
    if path.suffix == ".bag":
        raise BagError(f"{path} is a bag of ROS 1: `rosbags-convert --src {path} --dst {path.stem}` makes one of ROS 2")
    if path.is_file() and path.suffix not in STORAGE:
        raise BagError(f"{path} is no bag: expected the folder that `ros2 bag record` wrote, or its .mcap or .db3 file")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        files = sorted(file for file in path.iterdir() if file.suffix in STORAGE)
        if len(files) != 1:
            raise BagError(f"{path} is no bag: it has neither metadata.yaml nor one .mcap or .db3 file")
        return files[0]
    return path


def seconds(stamp) -> float:
    """Seconds of a builtin_interfaces/Time."""
    return stamp.sec + stamp.nanosec * 1e-9
