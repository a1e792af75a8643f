# SPDX-License-Identifier: Apache-2.0
"""Tables of numbers in text, with a heading or without, as many tools write them."""

import re
from pathlib import Path

import numpy as np

from diff2i2p.cloud.content import CloudError, Columns, Content

PLAIN_COLUMNS = {  # columns of a text file without a header line
    3: ("x", "y", "z"),
    4: ("x", "y", "z", "intensity"),
    6: ("x", "y", "z", "red", "green", "blue"),
    7: ("x", "y", "z", "red", "green", "blue", "intensity"),
}
INTENSITY_FIRST = ("x", "y", "z", "intensity", "red", "green", "blue")  # as Leica's .pts has them


def read_text(path: Path) -> Columns:
    content = Content(path)
    rows = [_split(line) for line in content.first_lines(20)]
    first = next(
        (i for i, row in enumerate(rows) if len(row) >= 3 and all(map(_is_number, row))), None
    )
    if first is None:
        raise CloudError(
            "is no table of numbers: expected lines 'x y z', 'x y z intensity' or 'x y z r g b'"
        )
    width, table = len(rows[first]), content.table(first)
    headings = ([re.sub(r"[^a-z_0-9]", "", word.lower()) for word in row] for row in rows[:first])
    headed = [names for names in headings if len(names) == width and {"x", "y", "z"} <= {*names}]
    names = headed[-1] if headed else _plain_columns(table, path.suffix.lower())
    columns = dict(zip(names, table.T, strict=False))
    if (
        width == 6
        and "red" in columns
        and min(columns[c].min() for c in ("red", "green", "blue")) < 0
    ):
        return {axis: columns[axis] for axis in "xyz"}  # negatives are normals, not colours
    return columns


def _plain_columns(table: np.ndarray, suffix: str) -> tuple[str, ...]:
    """Names of the columns of a table (N, C) without a heading: of four beside x, y, z, that one

    is intensity which no colour can be; where both could, .pts has it first, CloudCompare last.
    """
    if table.shape[1] != 7:
        return PLAIN_COLUMNS.get(table.shape[1], PLAIN_COLUMNS[3])
    first, last = (_could_be_colour(table[:, column]) for column in (3, 6))
    intensity_first = suffix == ".pts" if first == last else last
    return INTENSITY_FIRST if intensity_first else PLAIN_COLUMNS[7]


def _could_be_colour(values: np.ndarray) -> bool:
    return bool(((values >= 0) & (values <= 255) & (values == np.floor(values))).all())


def _split(line: bytes) -> list[str]:
    return re.split(r"[\s,;]+", line.decode("latin-1").strip().lstrip("/# ").strip())


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
