# SPDX-License-Identifier: Apache-2.0
"""PLY, ASCII and binary of both byte orders."""

from pathlib import Path

import numpy as np

from diff2i2p.cloud.content import CloudError, Columns, Content, count_of, unique

PLY_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4", "double": "f8",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip


def read_ply(path: Path) -> Columns:
    content = Content(path)
    lines = content.header(b"ply", b"end_header")
    layout = next((words[1] for words in lines if words[0] == "format" and len(words) > 1), "")
    if layout not in ("ascii", "binary_little_endian", "binary_big_endian"):
        raise CloudError(f"has the unknown PLY format '{layout:.40}': export it as binary PLY")
    for name, count, fields in _ply_elements(lines, ">" if layout == "binary_big_endian" else "<"):
        if name == "vertex":
            return (
                content.text(fields, count)
                if layout == "ascii"
                else content.binary(np.dtype(fields), count)
            )
        if any(kind == "list" for _, kind in fields):
            raise CloudError(
                f"stores lists ('{name:.40}') before its points: export it as a plain point cloud"
            )
        content.skip(
            count if layout == "ascii" else 0,
            0 if layout == "ascii" else count * np.dtype(fields).itemsize,
        )
    raise CloudError("is a PLY without points: it has no element 'vertex'")


def _ply_elements(
    lines: list[list[str]], order: str
) -> list[tuple[str, int, list[tuple[str, str]]]]:
    elements = []
    for words in lines:
        if words[0] == "element" and len(words) == 3:
            elements.append((words[1], count_of(words[2]), []))
        elif words[0] == "property" and elements and len(words) >= 3:
            kind = "list" if words[1] == "list" else PLY_TYPES.get(words[1])
            if kind is None:
                raise CloudError(
                    f"has a property of the unknown type '{words[1]:.40}': export it as binary PLY"
                )
            if kind == "list" and elements[-1][0] == "vertex":
                raise CloudError("stores lists in its points: export it as a plain point cloud")
            elements[-1][2].append((words[-1], kind if kind == "list" else order + kind))
    return [(name, count, unique(fields)) for name, count, fields in elements]
