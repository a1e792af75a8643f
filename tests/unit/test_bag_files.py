# SPDX-License-Identifier: Apache-2.0
"""Bags as recorders, converters and crashes leave them are read whole, or refused with a reason."""

import shutil
import sqlite3
import struct

import numpy as np
import pytest
from bags import POSES, STAMPS, STORE, film, header, new, posed, write
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.rosbag2.reader import zstd

from diff2i2p.datasets.bag import Bag, BagError
from diff2i2p.datasets.bag_sequence import read_bag


def whole() -> dict:
    """Six images with their truth."""
    return film() | {"/truth": [(t, posed(t, T)) for t, T in zip(STAMPS, POSES, strict=True)]}


def assert_whole(path) -> None:
    frames = read_bag(path).frames
    assert [round(frame.image().mean() / 40) for frame in frames] == list(range(6))
    np.testing.assert_allclose([frame.T_map_camera for frame in frames], POSES, atol=1e-9)


# --- sqlite


@pytest.mark.parametrize("metadata", [True, False])
def test_what_a_crashed_recorder_left_in_the_write_ahead_log_is_read(tmp_path, metadata):
    write(tmp_path / "bag", whole(), StoragePlugin.SQLITE3)
    file = next((tmp_path / "bag").glob("*.db3"))
    database = sqlite3.connect(file)
    rows = database.execute("SELECT topic_id, timestamp, data FROM messages").fetchall()
    database.execute("DELETE FROM messages WHERE timestamp > 100250000000")
    database.commit()
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA wal_autocheckpoint=0")
    late = [row for row in rows if row[1] > 100250000000]
    database.executemany("INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)", late)
    database.commit()
    (tmp_path / "left").mkdir()
    for name in (file.name, f"{file.name}-wal", *(["metadata.yaml"] if metadata else [])):
        shutil.copy(file.parent / name, tmp_path / "left" / name)
    database.close()
    before = {path: path.read_bytes() for path in (tmp_path / "left").iterdir()}
    assert_whole(tmp_path / "left")
    assert {path: path.read_bytes() for path in (tmp_path / "left").iterdir()} == before


def test_a_damaged_write_ahead_log_is_no_worse_than_none(tmp_path):
    write(tmp_path / "bag", whole(), StoragePlugin.SQLITE3)
    file = next((tmp_path / "bag").glob("*.db3"))
    file.with_name(f"{file.name}-wal").write_bytes(b"no log at all" * 100)
    assert_whole(tmp_path / "bag")


# --- several files, compression


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_bag_of_several_files_without_metadata_is_read_in_their_order(tmp_path, storage):
    (tmp_path / "bag").mkdir()
    for part, (begin, end) in enumerate([(0, 2), (2, 4), (4, 6)]):
        topics = {topic: messages[begin:end] for topic, messages in whole().items()}
        topics["/cam/camera_info"] = film()["/cam/camera_info"]
        write(tmp_path / "part", topics, storage)
        file = next(path for path in (tmp_path / "part").iterdir() if path.suffix != ".yaml")
        file.rename(tmp_path / "bag" / f"run_{part + 9}{file.suffix}")  # 9, 10, 11
        shutil.rmtree(tmp_path / "part")
    assert_whole(tmp_path / "bag")


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize("metadata", [True, False])
def test_a_bag_that_is_compressed_whole_is_read(tmp_path, storage, metadata):
    writer = Writer(tmp_path / "bag", version=9, storage_plugin=storage)
    if metadata:
        writer.set_compression(CompressionMode.FILE, CompressionFormat.ZSTD)
    with writer:
        for topic, messages in whole().items():
            kind = messages[0][1].__msgtype__
            connection = writer.add_connection(topic, kind, typestore=STORE)
            for stamp, message in messages:
                writer.write(connection, round(stamp * 1e9), STORE.serialize_cdr(message, kind))
    if not metadata:
        (tmp_path / "bag/metadata.yaml").unlink()
        plain = next((tmp_path / "bag").iterdir())
        plain.with_name(f"{plain.name}.zstd").write_bytes(zstd.compress(plain.read_bytes()))
        plain.unlink()
    assert [path.suffix for path in (tmp_path / "bag").iterdir() if path.suffix != ".yaml"] == [
        ".zstd"
    ]
    assert_whole(tmp_path / "bag")


def test_a_folder_without_any_bag_file_is_refused(tmp_path):
    with pytest.raises(BagError, match="neither metadata.yaml nor a .mcap or .db3 file"):
        Bag(tmp_path)


# --- MCAP of other recorders


def text(value) -> bytes:
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<I", len(data)) + data


def record(code: int, content: bytes) -> bytes:
    return bytes([code]) + struct.pack("<Q", len(content)) + content


def mcap(path, profile: str = "ros2", extra: tuple = ()) -> None:
    """A file of plain records: `whole`, and channels of another recorder.

    extra: schema, its encoding and data, encoding of the messages.
    """
    parts = [b"\x89MCAP0\r\n", record(1, text(profile) + text("by hand"))]
    topics = {topic: (m[0][1].__msgtype__, "ros2msg", None, "cdr") for topic, m in whole().items()}
    topics |= {f"/extra{n}": channel for n, channel in enumerate(extra)}
    for number, (topic, (name, encoding, data, messages)) in enumerate(topics.items(), 1):
        if data is None:
            data = STORE.generate_msgdef(name, ros_version=2)[0]
        schema = struct.pack("<H", number) + text(name) + text(encoding) + text(data)
        channel = struct.pack("<HH", number, number) + text(topic) + text(messages) + text(b"")
        parts += [record(3, schema), record(4, channel)]
    said = [(t, n, bytes(STORE.serialize_cdr(m, m.__msgtype__)))
            for n, some in enumerate(whole().values(), 1) for t, m in some]  # fmt: skip
    said += [(100.0, len(whole()) + n, b'{"a": 1}') for n in range(1, len(extra) + 1)]
    for stamp, number, data in sorted(said):
        ns = round(stamp * 1e9)
        parts.append(record(5, struct.pack("<HIQQ", number, 0, ns, ns) + data))
    parts += [record(15, bytes(4)), record(2, bytes(20)), b"\x89MCAP0\r\n"]
    path.write_bytes(b"".join(parts))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"profile": ""},
        {"extra": (("foxglove.Log", "jsonschema", '{"type": "object"}', "json"),)},
        {"extra": (("x.Radar", "protobuf", b"\x0a\x00", "protobuf"),)},
        {"extra": (("std_msgs/String", "ros1msg", "string data", "ros1"),)},
        {"extra": (("my/msg/X", "ros2msg", "other_msgs/Measurement m\n", "cdr"),)},
        {"extra": (("my/msg/X", "ros2msg", "no definition of my/msg/X", "cdr"),)},
        {"extra": (("my/msg/X", "", "", "cdr"),)},
    ],
    ids=["plain", "no profile", "json", "protobuf", "ros1", "missing type", "no type", "no schema"],
)
def test_channels_of_other_kinds_do_not_keep_the_images_from_being_read(tmp_path, options):
    mcap(tmp_path / "a.mcap", **options)
    assert_whole(tmp_path / "a.mcap")


def test_a_message_that_cannot_be_understood_is_refused_where_it_is_asked_for(tmp_path):
    strange = new("sensor_msgs/msg/Image", header=header(100.0, "eye"))
    write(tmp_path / "bag", film())
    bag = Bag(tmp_path / "bag")
    data = STORE.serialize_cdr(strange, "sensor_msgs/msg/Image")[:9]
    bag.serialized = lambda connections, start=None: iter([(connections[0], 0, bytes(data))])
    with pytest.raises(BagError, match="truncated or damaged"):
        next(bag.messages("/cam/image_raw"))
