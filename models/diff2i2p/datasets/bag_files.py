# SPDX-License-Identifier: Apache-2.0
"""The files of a bag as recorders leave them: cut short, split, compressed, with more in them."""

import io
import shutil
import sqlite3
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from rosbags.rosbag2.errors import ReaderError
from rosbags.rosbag2.reader import DirectoryReader, zstd
from rosbags.rosbag2.storage_mcap import McapReader
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader

PACKED = ".zstd"  # ending of a file that is compressed whole
PROFILE_AT, NO_PROFILE, ROS_2 = 17, bytes(4), b"\x04\0\0\0ros2"  # of an MCAP file's header
DEFINITIONS = ("ros2msg", "ros2idl", "omgidl", "")  # encodings of schemas that are of ROS 2
JOURNALS = ("-wal", "-journal")  # what sqlite keeps beside a database that was not closed


def open_files(paths: list[Path], folder: Path | None, stack: ExitStack) -> list:
    """Readers of rosbags, open until `stack` is closed.

    folder: that of the bag where metadata.yaml tells of its files; these are read one by one where
    there is none, or where it tells of messages that are no ROS 2.
    """
    if folder is not None:
        try:
            return [_opened(_Folder(folder), stack)]
        except ReaderError as error:
            if "Serialization format" not in str(error):
                raise
    return [_opened(_reader(path, stack), stack) for path in paths]


def _reader(path: Path, stack: ExitStack):
    if path.suffix == PACKED:
        path = _unpacked(path, Path(stack.enter_context(TemporaryDirectory())))
    return _Folder.STORAGE_PLUGINS["mcap" if path.suffix == ".mcap" else "sqlite3"](path)


def _opened(reader, stack: ExitStack):
    reader.open()
    stack.callback(reader.close)
    return reader


def _unpacked(path: Path, folder: Path) -> Path:
    with open(path, "rb") as file, zstd.open(file, "rb") as packed:
        with open(folder / path.stem, "wb") as plain:
            shutil.copyfileobj(packed, plain)
    return folder / path.stem


class _Schemas(dict):
    """Schemas of an MCAP file; of another encoding than ROS 2 has, none of use."""

    def __setitem__(self, key: int, schema) -> None:
        known = schema.encoding in DEFINITIONS
        super().__setitem__(key, schema if known else schema._replace(encoding="", data=""))


class _Profiled(io.BufferedReader):
    """An MCAP file whose header names no profile, read as if it named that of ROS 2."""

    def read(self, size: int = -1) -> bytes:
        at = self.tell()
        data = super().read(size)
        low, high = max(at, PROFILE_AT), min(at + len(data), PROFILE_AT + len(ROS_2))
        if low >= high:
            return data
        told = ROS_2[low - PROFILE_AT : high - PROFILE_AT]
        return data[: low - at] + told + data[high - at :]


class _McapPath:
    """What `McapReader` needs of a path."""

    def __init__(self, path: Path):
        self._path = path

    def open(self, mode: str) -> io.BufferedReader:
        file = self._path.open(mode)
        file.seek(PROFILE_AT)
        unnamed = file.read(len(NO_PROFILE)) == NO_PROFILE
        file.seek(0)
        return _Profiled(file.detach()) if unnamed else file

    def __str__(self) -> str:
        return str(self._path)


class _Mcap(McapReader):
    """Channels of any encoding, and a header without a profile, may be in the file."""

    def __init__(self, path: Path):
        super().__init__(_McapPath(path))
        self.schemas = _Schemas()


class _Sqlite(Sqlite3Reader):
    """A database that was not closed is read with its journal, in a copy: the bag stays as it is."""

    def __init__(self, path: Path):
        super().__init__(path)
        self._scratch: TemporaryDirectory | None = None

    def open(self) -> None:
        beside = [Path(f"{self.path}{ending}") for ending in JOURNALS]
        journals = [file for file in beside if file.is_file() and file.stat().st_size]
        if journals:
            self._scratch = TemporaryDirectory()
            for file in (self.path, *journals):
                shutil.copy(file, self._scratch.name)
            self.path = Path(self._scratch.name) / self.path.name
        try:
            if journals:
                _close_properly(self.path)
            super().open()
        except BaseException:
            self._forget()
            raise

    def close(self) -> None:
        super().close()
        self._forget()

    def _forget(self) -> None:
        if self._scratch:
            self._scratch.cleanup()


def _close_properly(database: Path) -> None:
    """Take what a database's journal says into it."""
    connection = sqlite3.connect(database)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    finally:
        connection.close()


class _Folder(DirectoryReader):
    """The folder of a bag, with metadata.yaml."""

    STORAGE_PLUGINS = {"mcap": _Mcap, "sqlite3": _Sqlite}
