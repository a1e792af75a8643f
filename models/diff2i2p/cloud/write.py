# SPDX-License-Identifier: Apache-2.0
"""Clouds written as binary PLY or PCD."""

import os
from pathlib import Path

import numpy as np

from diff2i2p.cloud.content import CloudError
from diff2i2p.cloud.point_cloud import PointCloud


def write_cloud(path: Path | str, cloud: PointCloud) -> None:
    """Write binary .ply or .pcd, atomically. Raises CloudError."""
    path = Path(path)
    headers = {".ply": _ply_header, ".pcd": _pcd_header}
    if path.suffix.lower() not in headers:
        raise CloudError(f"clouds are written as .ply or .pcd, not '{path.name}'")
    records, header = headers[path.suffix.lower()](cloud)
    partial = path.with_name(path.name + ".part")
    try:
        with open(partial, "wb") as file:
            file.write(header.encode())
            records.tofile(file)
        os.replace(partial, path)
    except OSError as error:
        raise CloudError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _ply_header(cloud: PointCloud) -> tuple[np.ndarray, str]:
    fields = _coordinates(cloud)
    if cloud.colours is not None:
        fields += [(channel, "u1") for channel in ("red", "green", "blue")]
    if cloud.intensity is not None:
        fields += [("intensity", "<f4")]
    names = {"u1": "uchar", "<f4": "float", "<f8": "double"}
    properties = "".join(f"property {names[kind]} {name}\n" for name, kind in fields)
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(cloud)}\n"
    return _records(cloud, fields), f"{head}{properties}end_header\n"


def _pcd_header(cloud: PointCloud) -> tuple[np.ndarray, str]:
    fields = _coordinates(cloud)
    if cloud.colours is not None:
        fields += [("rgb", "<u4")]
    if cloud.intensity is not None:
        fields += [("intensity", "<f4")]
    names, sizes = " ".join(name for name, _ in fields), " ".join(kind[-1] for _, kind in fields)
    ones = " ".join("1" for _ in fields)
    kinds = " ".join("F" for _ in fields)  # PCL calls packed colours a float
    records = _records(cloud, fields)
    return records, (
        f"# .PCD v0.7\nVERSION 0.7\nFIELDS {names}\nSIZE {sizes}\nTYPE {kinds}\nCOUNT {ones}\n"
        f"WIDTH {len(cloud)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(cloud)}\nDATA binary\n"
    )


def _coordinates(cloud: PointCloud) -> list[tuple[str, str]]:
    """The columns x, y, z: in double precision where they are large."""
    return [(axis, "<f8" if any(cloud.origin) else "<f4") for axis in "xyz"]


def _records(cloud: PointCloud, fields: list[tuple[str, str]]) -> np.ndarray:
    """(N,) structured array of the cloud's columns."""
    points = cloud.points + np.array(cloud.origin) if any(cloud.origin) else cloud.points
    columns = dict(zip("xyz", points.T, strict=True))
    if cloud.colours is not None:
        columns |= dict(zip(("red", "green", "blue"), cloud.colours.T, strict=True))
        red, green, blue = cloud.colours.T.astype(np.uint32)
        columns["rgb"] = red << 16 | green << 8 | blue
    if cloud.intensity is not None:
        columns["intensity"] = cloud.intensity
    records = np.empty(len(cloud), fields)
    for name, _ in fields:
        records[name] = columns[name]
    return records
