# SPDX-License-Identifier: Apache-2.0
"""The bytes of a cloud's file; what its header says is checked before memory is taken."""

import re
from pathlib import Path

import numpy as np

TRUNCATED = "copy it again, or export it again from the tool that made it"
Columns = dict[str, np.ndarray]  # lower-case name -> (N,) array as stored


class CloudError(ValueError):
    """A point cloud that cannot be used: says why and what to do."""


class Content:
    """The bytes of a file and how far they have been read."""

    def __init__(self, path: Path):
        self.size = path.stat().st_size
        if self.size == 0:
            raise CloudError(f"is empty: {TRUNCATED}")
        self.path, self.at = path, 0

    def first_lines(self, count: int) -> list[bytes]:
        with open(self.path, "rb") as file:
            return [file.readline(4096) for _ in range(count)]

    def header(self, first: bytes, last: bytes) -> list[list[str]]:
        """The words of the header lines up to the one that begins with `last`; data begin after it."""
        with open(self.path, "rb") as file:
            head = file.read(1 << 16)
        end = re.search(rb"^" + last + rb"[^\n]*\n", head, re.MULTILINE)
        if end is None or not head.startswith(first):
            raise CloudError(
                f"is no {self.path.suffix[1:].upper()} file, or its header is cut off: {TRUNCATED}"
            )
        self.at = end.end()
        lines = (line.split() for line in head[: self.at].decode("latin-1").splitlines())
        return [words for words in lines if words]

    def skip(self, lines: int, size: int) -> None:
        self.at += size
        with open(self.path, "rb") as file:
            file.seek(min(self.at, self.size))
            while lines and (line := file.readline()):
                self.at, lines = self.at + len(line), lines - 1

    def binary(self, dtype: np.dtype, count: int) -> Columns:
        if count * dtype.itemsize > self.size - self.at:
            raise CloudError(short(max(self.size - self.at, 0) // dtype.itemsize, count))
        records = (
            np.memmap(self.path, dtype, "r", self.at, (count,))
            if count and dtype.itemsize
            else np.zeros(0, dtype)
        )
        return {name.lower(): records[name] for name in dtype.names or ()}

    def text(self, fields: list[tuple], count: int) -> Columns:
        """Rows of numbers; integer columns are cast so that packed colours keep their bits."""
        widths = [int(np.prod(field[2])) if len(field) > 2 else 1 for field in fields]
        if count * 2 * sum(widths) > self.size - self.at + 1:
            raise CloudError(f"is truncated, it is too small for its {count} points: {TRUNCATED}")
        table = self.table(0, count) if count else np.zeros((0, sum(widths)))
        if len(table) < count or table.shape[1] != sum(widths):
            raise CloudError(short(len(table), count))
        starts = np.cumsum([0, *widths[:-1]])
        columns = {
            field[0]: (table[:, start], np.dtype(field[1]))
            for field, start in zip(fields, starts, strict=True)
        }
        return {
            name.lower(): column if kind.kind == "f" else _to_integers(column, kind)
            for name, (column, kind) in columns.items()
        }

    def table(self, skipped: int, count: int | None = None) -> np.ndarray:
        """(N, C) float64 numbers from here on, separated by blanks, commas or semicolons."""
        with open(self.path, encoding="latin-1") as file:
            file.seek(self.at)
            for _ in range(skipped):
                file.readline()
            start = file.tell()
            line = file.readline()
            file.seek(start)
            separator = next((mark for mark in ",;" if mark in line), None)
            try:
                return np.loadtxt(file, ndmin=2, max_rows=count, comments=None, delimiter=separator)
            except ValueError as error:
                raise CloudError(
                    f"has a line that is no row of numbers ({str(error)[:80]}): {TRUNCATED}"
                ) from error


def _to_integers(column: np.ndarray, kind: np.dtype) -> np.ndarray:
    limits = np.iinfo(kind)
    return np.nan_to_num(column).clip(limits.min, limits.max).astype(kind)


def unique(fields: list[tuple]) -> list[tuple]:
    """Fields with unique names; PCL pads with several '_'."""
    seen: set[str] = set()
    return [
        (name if not (name in seen or seen.add(name)) else f"{name}#{i}", *rest)
        for i, (name, *rest) in enumerate(fields)
    ]


def count_of(word: str) -> int:
    if not word.isdigit() or len(word) > 15:
        raise CloudError(
            f"has '{word:.40}' in its header where a number of points belongs: {TRUNCATED}"
        )
    return int(word)


def short(found: int, promised: int) -> str:
    return f"is truncated, it holds {found} of {promised} points: {TRUNCATED}"
