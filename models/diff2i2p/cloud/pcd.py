# SPDX-License-Identifier: Apache-2.0
"""PCD of the Point Cloud Library: ASCII, binary, and compressed."""

from pathlib import Path

import numpy as np

from diff2i2p.cloud.content import TRUNCATED, CloudError, Columns, Content, count_of, unique

PCD_TYPES = {
    f"{kind}{size}": f"{code}{size}"
    for kind, code in zip("FIU", "fiu", strict=True)
    for size in (1, 2, 4, 8)
    if kind != "F" or size > 2
}


def read_pcd(path: Path) -> Columns:
    content = Content(path)
    header = {words[0]: words[1:] for words in content.header(b"", b"DATA")}
    try:
        names, sizes, kinds = header["FIELDS"], header["SIZE"], header["TYPE"]
        counts = [count_of(c) for c in header.get("COUNT", ["1"] * len(names))]
        fields = [
            (n, "<" + PCD_TYPES[k + s], (c,))
            for n, s, k, c in zip(names, sizes, kinds, counts, strict=True)
            if c
        ]
        fields = [
            (name, kind) if shape == (1,) else (name, kind, shape)
            for name, kind, shape in unique(fields)
        ]
        points, data, record = count_of(header["POINTS"][0]), header["DATA"][0], np.dtype(fields)
    except (KeyError, IndexError, ValueError) as error:
        raise CloudError(
            f"has a PCD header that cannot be understood ({str(error)[:80]}): {TRUNCATED}"
        ) from error
    if data == "ascii":
        return content.text(fields, points)
    if data == "binary":
        return content.binary(record, points)
    if data == "binary_compressed":
        return _compressed(content, record, points)
    raise CloudError(f"has the unknown PCD data format '{data:.40}': export it as binary")


def _compressed(content: Content, dtype: np.dtype, count: int) -> Columns:
    """PCL's binary_compressed: two uint32 sizes, then LZF of the columns one after the other."""
    with open(content.path, "rb") as file:
        file.seek(content.at)
        data = file.read()
    packed, size = np.frombuffer(data[:8].ljust(8, b"\0"), "<u4").tolist()
    if packed > len(data) - 8 or size != count * dtype.itemsize or size > 100 * packed:
        raise CloudError(
            f"is truncated: its compressed points are cut off or do not fit its header; {TRUNCATED}"
        )
    columns, at, flat = {}, 0, _decompress_lzf(data[8 : 8 + packed], size)
    for name in dtype.names:
        kind, shape = (dtype[name].base, dtype[name].shape)
        columns[name.lower()] = np.frombuffer(flat, kind, count * int(np.prod(shape)), at).reshape(
            count, *shape
        )
        at += count * dtype[name].itemsize
    return columns


def _decompress_lzf(data: bytes, size: int) -> bytes:
    """LZF as liblzf writes it: runs of literals, and copies from earlier output."""
    out, at, end = bytearray(), 0, len(data)
    while at < end and len(out) <= size:
        control = data[at]
        at += 1
        if control < 32:
            out += data[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7 and at < end:
            length += data[at]
            at += 1
        start = len(out) - ((control & 31) << 8) - (data[at] if at < end else 0) - 1
        at += 1
        if start < 0:
            break
        chunk = out[start : start + length + 2]
        out += (chunk * (length // len(chunk) + 3))[
            : length + 2
        ]  # a copy may run into what it writes
    if len(out) != size:
        raise CloudError(f"holds damaged compressed points: {TRUNCATED}")
    return bytes(out)
