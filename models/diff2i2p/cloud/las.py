# SPDX-License-Identifier: Apache-2.0
"""LAS, and LAZ where a decompressor is installed: points, looks, classes, and the unit of the projection."""

import importlib.util
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from diff2i2p.cloud.content import TRUNCATED, CloudError, Columns, Content

LAS_COLOURS = {
    2: 20,
    3: 28,
    5: 28,
    7: 30,
    8: 30,
    10: 30,
}  # point format -> where red, green and blue begin in a record
LOW_NOISE = 7  # ASPRS LAS 1.4 table 17
LONGEST_HEAD = 1 << 20  # bytes of a LAS file's head that are looked at
GEO_KEYS, WKT = 34735, 2112  # records of a LAS file's head that tell the projection
LINEAR_UNITS = 3076  # GeoTIFF key ProjLinearUnitsGeoKey
EPSG_UNITS = {9001: 1.0, 9002: 0.3048, 9003: 1200 / 3937}  # metre, foot, US survey foot
FOOT = re.compile(rb'UNIT\["[^"]*foot[^"]*",\s*(0\.3048\d*)', re.IGNORECASE)
UNPACK = """
import resource, sys, laspy
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]),) * 2)
laspy.read(sys.argv[1]).write(sys.argv[2], do_compress=False)
"""


def read_las(path: Path) -> Columns:
    content = Content(path)
    with open(path, "rb") as file:
        head = file.read(375).ljust(375, b"\0")
    start, extras, form, record, count = struct.unpack_from("<IIBHI", head, 96)
    count = count or struct.unpack_from("<Q", head, 247)[0]  # LAS 1.4 counts in 64 bits
    if head[:4] != b"LASF" or start > content.size or extras * 54 > start:
        raise CloudError(f"is no LAS file, or its header is cut off: {TRUNCATED}")
    if form & 0xC0:  # LAZ marks its point format
        return _read_laz(path, content.size)
    colours = LAS_COLOURS.get(form)
    kinds = dict.fromkeys("xyz", "<i4") | {
        "intensity": "<u2",
        "flags": "u1",
        "classification": "u1",
    }
    places = [0, 4, 8, 12, 15, 15 if form < 6 else 16]
    if colours:
        kinds |= dict.fromkeys(("red", "green", "blue"), "<u2")
        places += [colours, colours + 2, colours + 4]
    if record < places[-1] + 2:
        raise CloudError(
            f"has points of {record} bytes, too few for its LAS point format {form}: {TRUNCATED}"
        )
    content.at = start
    layout = {
        "names": list(kinds), "formats": list(kinds.values()), "offsets": places, "itemsize": record,
    }  # fmt: skip
    columns = content.binary(np.dtype(layout), count)
    scales, shifts = struct.unpack_from("<3d", head, 131), struct.unpack_from("<3d", head, 155)
    for axis, scale, shift in zip("xyz", scales, shifts, strict=True):
        columns[axis] = columns[axis] * scale + shift
    columns["classification"] = _las_classes(columns.pop("flags"), columns["classification"], form)
    metres = _las_unit(path, struct.unpack_from("<H", head, 94)[0], extras, start)
    return columns if metres is None else columns | {"unit": np.broadcast_to(metres, count)}


def _las_classes(flags: np.ndarray, classes: np.ndarray, form: int) -> np.ndarray:
    """(N,) uint8 classes; a point that is withheld counts as noise."""
    withheld = classes & 0x80 if form < 6 else flags & 0x04
    return np.where(withheld, LOW_NOISE, classes & 0x1F if form < 6 else classes).astype(np.uint8)


def _las_unit(path: Path, at: int, count: int, end: int) -> float | None:
    """Metres of the unit that the records of a LAS file's head say: GeoTIFF keys, or WKT."""
    with open(path, "rb") as file:
        head = file.read(min(end, LONGEST_HEAD))
    for _ in range(min(count, len(head) // 54)):
        record, size = struct.unpack_from("<HH", head[at : at + 54].ljust(54, b"\0"), 18)
        body, at = head[at + 54 : at + 54 + size], at + 54 + size
        if record == GEO_KEYS:
            keys = np.frombuffer(body[: len(body) // 8 * 8], "<u2").reshape(-1, 4)
            said = next((int(value) for key, _, _, value in keys if key == LINEAR_UNITS), None)
            if said in EPSG_UNITS:
                return EPSG_UNITS[said]
        elif record == WKT and (foot := FOOT.search(body)):
            return float(foot[1])
    return None


def _read_laz(path: Path, size: int) -> Columns:
    """Decompress into a temporary .las in a process of its own: decompressors abort theirs over a damaged file."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.las"
        memory = (1 << 31) + 300 * size  # bytes it may take
        run = subprocess.run(
            [sys.executable, "-c", UNPACK, path, plain, str(memory)],
            capture_output=True,
            check=False,
        )
        if run.returncode == 0:
            return {name: np.array(column) for name, column in read_las(plain).items()}
    if not any(map(importlib.util.find_spec, ("lazrs", "laszip"))):
        raise CloudError(
            "is compressed and no LAZ decompressor is installed: pip install lazrs, or export it as .las"
        )
    raise CloudError(f"is truncated or no LAZ file: {TRUNCATED}")
