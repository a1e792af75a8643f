# SPDX-License-Identifier: Apache-2.0
"""Point-cloud files -> named columns. Headers are not believed: sizes are checked against the file before memory is taken."""

import importlib.util
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

TRUNCATED = "copy it again, or export it again from the tool that made it"
PLY_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4", "double": "f8",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip
PCD_TYPES = {
    f"{kind}{size}": f"{code}{size}" for kind, code in zip("FIU", "fiu", strict=True) for size in (1, 2, 4, 8) if kind != "F" or size > 2
}
PLAIN_COLUMNS = {  # columns of a text file without a header line
    3: ("x", "y", "z"),
    4: ("x", "y", "z", "intensity"),
    6: ("x", "y", "z", "red", "green", "blue"),
    7: ("x", "y", "z", "red", "green", "blue", "intensity"),
}
INTENSITY_FIRST = ("x", "y", "z", "intensity", "red", "green", "blue")  # as Leica's .pts has them
LAS_COLOURS = {2: 20, 3: 28, 5: 28, 7: 30, 8: 30, 10: 30}  # point format -> where red, green and blue begin in a record
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
Columns = dict[str, np.ndarray]  # lower-case name -> (N,) array as stored


class CloudError(ValueError):
    """A point cloud that cannot be used: says why and what to do."""


def read_columns(path: Path) -> Columns:
    """The columns of a .ply, .pcd, .las, .laz or text file. Raises CloudError."""
    if path.is_dir():
        raise CloudError(f"{path} is a folder: name one .ply, .pcd, .las or .xyz file in it")
    if not path.is_file():
        raise CloudError(f"there is no cloud {path}: check the name")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise CloudError(f"{path} is none of {', '.join(READERS)}: export the cloud as .ply or .pcd")
    try:
        return reader(path)
    except CloudError as error:
        raise CloudError(f"{path} {error}") from error
    except OSError as error:
        raise CloudError(f"{path} cannot be read ({error.strerror or error}): check its permissions") from error


def _read_ply(path: Path) -> Columns:
    content = _Content(path)
    lines = content.header(b"ply", b"end_header")
    layout = next((words[1] for words in lines if words[0] == "format" and len(words) > 1), "")
    if layout not in ("ascii", "binary_little_endian", "binary_big_endian"):
        raise CloudError(f"has the unknown PLY format '{layout:.40}': export it as binary PLY")
    for name, count, fields in _ply_elements(lines, ">" if layout == "binary_big_endian" else "<"):
        if name == "vertex":
            return content.text(fields, count) if layout == "ascii" else content.binary(np.dtype(fields), count)
        if any(kind == "list" for _, kind in fields):
            raise CloudError(f"stores lists ('{name:.40}') before its points: export it as a plain point cloud")
        content.skip(count if layout == "ascii" else 0, 0 if layout == "ascii" else count * np.dtype(fields).itemsize)
    raise CloudError("is a PLY without points: it has no element 'vertex'")


def _ply_elements(lines: list[list[str]], order: str) -> list[tuple[str, int, list[tuple[str, str]]]]:
    elements = []
    for words in lines:
        if words[0] == "element" and len(words) == 3:
            elements.append((words[1], _count(words[2]), []))
        elif words[0] == "property" and elements and len(words) >= 3:
            kind = "list" if words[1] == "list" else PLY_TYPES.get(words[1])
            if kind is None:
                raise CloudError(f"has a property of the unknown type '{words[1]:.40}': export it as binary PLY")
            if kind == "list" and elements[-1][0] == "vertex":
                raise CloudError("stores lists in its points: export it as a plain point cloud")
            elements[-1][2].append((words[-1], kind if kind == "list" else order + kind))
    return [(name, count, _unique(fields)) for name, count, fields in elements]


def _read_pcd(path: Path) -> Columns:
    content = _Content(path)
    header = {words[0]: words[1:] for words in content.header(b"", b"DATA")}
    try:
        names, sizes, kinds = header["FIELDS"], header["SIZE"], header["TYPE"]
        counts = [_count(c) for c in header.get("COUNT", ["1"] * len(names))]
        fields = [(n, "<" + PCD_TYPES[k + s], (c,)) for n, s, k, c in zip(names, sizes, kinds, counts, strict=True) if c]
        fields = [(name, kind) if shape == (1,) else (name, kind, shape) for name, kind, shape in _unique(fields)]
        points, data, record = _count(header["POINTS"][0]), header["DATA"][0], np.dtype(fields)
    except (KeyError, IndexError, ValueError) as error:
        raise CloudError(f"has a PCD header that cannot be understood ({str(error)[:80]}): {TRUNCATED}") from error
    if data == "ascii":
        return content.text(fields, points)
    if data == "binary":
        return content.binary(record, points)
    if data == "binary_compressed":
        return content.compressed(record, points)
    raise CloudError(f"has the unknown PCD data format '{data:.40}': export it as binary")


def _read_las(path: Path) -> Columns:
    content = _Content(path)
    with open(path, "rb") as file:
        head = file.read(375).ljust(375, b"\0")
    start, extras, form, record, count = struct.unpack_from("<IIBHI", head, 96)
    count = count or struct.unpack_from("<Q", head, 247)[0]  # LAS 1.4 counts in 64 bits
    if head[:4] != b"LASF" or start > content.size or extras * 54 > start:
        raise CloudError(f"is no LAS file, or its header is cut off: {TRUNCATED}")
    if form & 0xC0:  # LAZ marks its point format
        return _read_laz(path, content.size)
    colours = LAS_COLOURS.get(form)
    kinds = dict.fromkeys("xyz", "<i4") | {"intensity": "<u2", "flags": "u1", "classification": "u1"}
    places = [0, 4, 8, 12, 15, 15 if form < 6 else 16]
    if colours:
        kinds |= dict.fromkeys(("red", "green", "blue"), "<u2")
        places += [colours, colours + 2, colours + 4]
    if record < places[-1] + 2:
        raise CloudError(f"has points of {record} bytes, too few for its LAS point format {form}: {TRUNCATED}")
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
        run = subprocess.run([sys.executable, "-c", UNPACK, path, plain, str(memory)], capture_output=True, check=False)
        if run.returncode == 0:
            return {name: np.array(column) for name, column in _read_las(plain).items()}
    if not any(map(importlib.util.find_spec, ("lazrs", "laszip"))):
        raise CloudError("is compressed and no LAZ decompressor is installed: pip install lazrs, or export it as .las")
    raise CloudError(f"is truncated or no LAZ file: {TRUNCATED}")


def _read_text(path: Path) -> Columns:
    content = _Content(path)
    rows = [_split(line) for line in content.first_lines(20)]
    first = next((i for i, row in enumerate(rows) if len(row) >= 3 and all(map(_is_number, row))), None)
    if first is None:
        raise CloudError("is no table of numbers: expected lines 'x y z', 'x y z intensity' or 'x y z r g b'")
    width, table = len(rows[first]), content.table(first)
    headings = ([re.sub(r"[^a-z_0-9]", "", word.lower()) for word in row] for row in rows[:first])
    headed = [names for names in headings if len(names) == width and {"x", "y", "z"} <= {*names}]
    names = headed[-1] if headed else _plain_columns(table, path.suffix.lower())
    columns = dict(zip(names, table.T, strict=False))
    if width == 6 and "red" in columns and min(columns[c].min() for c in ("red", "green", "blue")) < 0:
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


READERS = {".ply": _read_ply, ".pcd": _read_pcd, ".las": _read_las, ".laz": _read_las} | dict.fromkeys(
    (".xyz", ".txt", ".csv", ".asc", ".pts"), _read_text
)


class _Content:
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
        """The words of the header lines, the one that begins with `last` included; the data begin after it."""
        with open(self.path, "rb") as file:
            head = file.read(1 << 16)
        end = re.search(rb"^" + last + rb"[^\n]*\n", head, re.MULTILINE)
        if end is None or not head.startswith(first):
            raise CloudError(f"is no {self.path.suffix[1:].upper()} file, or its header is cut off: {TRUNCATED}")
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
            raise CloudError(_short(max(self.size - self.at, 0) // dtype.itemsize, count))
        records = np.memmap(self.path, dtype, "r", self.at, (count,)) if count and dtype.itemsize else np.zeros(0, dtype)
        return {name.lower(): records[name] for name in dtype.names or ()}

    def compressed(self, dtype: np.dtype, count: int) -> Columns:
        """PCL's binary_compressed: two uint32 sizes, then LZF of the columns one after the other."""
        with open(self.path, "rb") as file:
            file.seek(self.at)
            data = file.read()
        packed, size = np.frombuffer(data[:8].ljust(8, b"\0"), "<u4").tolist()
        if packed > len(data) - 8 or size != count * dtype.itemsize or size > 100 * packed:
            raise CloudError(f"is truncated: its compressed points are cut off or do not fit its header; {TRUNCATED}")
        columns, at, flat = {}, 0, _decompress_lzf(data[8 : 8 + packed], size)
        for name in dtype.names:
            kind, shape = (dtype[name].base, dtype[name].shape)
            columns[name.lower()] = np.frombuffer(flat, kind, count * int(np.prod(shape)), at).reshape(count, *shape)
            at += count * dtype[name].itemsize
        return columns

    def text(self, fields: list[tuple], count: int) -> Columns:
        """Rows of numbers; integer columns are cast so that packed colours keep their bits."""
        widths = [int(np.prod(field[2])) if len(field) > 2 else 1 for field in fields]
        if count * 2 * sum(widths) > self.size - self.at + 1:
            raise CloudError(f"is truncated, it is too small for its {count} points: {TRUNCATED}")
        table = self.table(0, count) if count else np.zeros((0, sum(widths)))
        if len(table) < count or table.shape[1] != sum(widths):
            raise CloudError(_short(len(table), count))
        starts = np.cumsum([0, *widths[:-1]])
        columns = {field[0]: (table[:, start], np.dtype(field[1])) for field, start in zip(fields, starts, strict=True)}
        return {name.lower(): column if kind.kind == "f" else _to_integers(column, kind) for name, (column, kind) in columns.items()}

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
                raise CloudError(f"has a line that is no row of numbers ({str(error)[:80]}): {TRUNCATED}") from error


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
        out += (chunk * (length // len(chunk) + 3))[: length + 2]  # a copy may run into what it writes
    if len(out) != size:
        raise CloudError(f"holds damaged compressed points: {TRUNCATED}")
    return bytes(out)


def _to_integers(column: np.ndarray, kind: np.dtype) -> np.ndarray:
    limits = np.iinfo(kind)
    return np.nan_to_num(column).clip(limits.min, limits.max).astype(kind)


def _unique(fields: list[tuple]) -> list[tuple]:
    """Fields with unique names; PCL pads with several '_'."""
    seen: set[str] = set()
    return [(name if not (name in seen or seen.add(name)) else f"{name}#{i}", *rest) for i, (name, *rest) in enumerate(fields)]


def _count(word: str) -> int:
    if not word.isdigit() or len(word) > 15:
        raise CloudError(f"has '{word:.40}' in its header where a number of points belongs: {TRUNCATED}")
    return int(word)


def _short(found: int, promised: int) -> str:
    return f"is truncated, it holds {found} of {promised} points: {TRUNCATED}"


def _split(line: bytes) -> list[str]:
    return re.split(r"[\s,;]+", line.decode("latin-1").strip().lstrip("/# ").strip())


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
