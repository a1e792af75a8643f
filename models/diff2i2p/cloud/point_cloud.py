# SPDX-License-Identifier: Apache-2.0
"""Point clouds from any tool: reading, writing, cropping, thinning, and which way is up."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diff2i2p.cloud.content import CloudError, Columns, read_columns
from diff2i2p.cloud.gravity import up_from_planes

__all__ = ["CloudError", "PointCloud", "axis_up", "cloud_of", "find_up", "read_cloud", "write_cloud"]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
FARTHEST = 65536.0  # metres; beyond, float32 is coarser than 8 mm
INTENSITIES = ("intensity", "scalar_intensity", "intensities", "reflectance", "reflectivity", "scalar_reflectance", "i")


@dataclass(frozen=True)
class PointCloud:
    """N points, and what is known of their looks."""

    points: np.ndarray  # (N, 3) float32, metres
    colours: np.ndarray | None = None  # (N, 3) uint8 RGB
    intensity: np.ndarray | None = None  # (N,) float32 in [0, 1]

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, chosen) -> "PointCloud":
        """The points of a mask (N,) bool, an index array or a slice."""
        return PointCloud(*(None if part is None else part[chosen] for part in (self.points, self.colours, self.intensity)))

    @property
    def grey(self) -> np.ndarray | None:
        """(N,) float32 in [0, 1]: brightness of the colours, else the intensity, else None."""
        return self.intensity if self.colours is None else self.colours.astype(np.float32) @ (LUMA / 255)

    def crop(self, low, high) -> "PointCloud":
        """The points within the box from corner `low` (3,) to corner `high` (3,), metres."""
        return self[((self.points >= low) & (self.points <= high)).all(1)]

    def transformed(self, T: np.ndarray) -> "PointCloud":
        """The cloud moved by T (4, 4)."""
        R, t = T[:3, :3].astype(np.float32), T[:3, 3].astype(np.float32)
        return PointCloud(self.points @ R.T + t, self.colours, self.intensity)

    def voxel_downsample(self, voxel: float) -> "PointCloud":
        """One point per cube of `voxel` metres: the mean of what lies in it, looks included. Raises CloudError."""
        if len(self) == 0:
            return self
        order, starts = by_voxel(self.points, voxel)
        counts = np.diff(starts, append=len(self))

        def mean(values: np.ndarray) -> np.ndarray:
            return np.add.reduceat(values[order], starts, dtype=np.float64) / counts

        points = np.stack([mean(axis) for axis in self.points.T], 1).astype(np.float32)
        colours = None if self.colours is None else np.stack([mean(channel).round() for channel in self.colours.T], 1).astype(np.uint8)
        return PointCloud(points, colours, None if self.intensity is None else mean(self.intensity).astype(np.float32))


def read_cloud(path: Path | str) -> PointCloud:
    """Read .ply, .pcd, .las, .laz, .xyz, .txt, .csv; colour and intensity are kept, rows with NaN dropped. Raises CloudError."""
    return cloud_of(read_columns(Path(path)), str(path))


@np.errstate(invalid="ignore", over="ignore")  # signalling NaN in a damaged file
def cloud_of(columns: Columns, source: str) -> PointCloud:
    """The cloud of named columns (N,) from `source`, as `read_cloud` understands them. Raises CloudError."""
    if missing := [axis for axis in "xyz" if axis not in columns]:
        raise CloudError(f"{source} has no column {', '.join(missing)}: it is no point cloud")
    points = np.stack([columns[axis] if columns[axis].ndim == 1 else columns[axis][:, 0] for axis in "xyz"], 1)
    finite = np.isfinite(points).all(1)
    if not finite.any():
        raise CloudError(f"{source} holds no point with finite coordinates: export it again with its points")
    reach = np.abs(points[finite]).max()
    if reach > FARTHEST:
        raise CloudError(
            f"{source} has coordinates up to {reach:.0f} m, too far for millimetres in float32: subtract an origin near the site"
            " (georeferenced clouds), or remove the stray points"
        )
    cloud = PointCloud(points.astype(np.float32), _colours(columns), _intensity(columns))
    return cloud if finite.all() else cloud[finite]


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


def axis_up(name: str) -> np.ndarray:
    """(3,) float64 unit vector of 'x', 'y', 'z', '-x', '-y' or '-z'. Raises CloudError."""
    sign, axis = (-1.0, name[1:]) if name[:1] in ("-", "−") else (1.0, name.lstrip("+"))
    if axis not in ("x", "y", "z"):
        raise CloudError(f"the up axis is one of x, y, z, -x, -y, -z, not '{name}'")
    return sign * np.eye(3)["xyz".index(axis)]


def by_voxel(points: np.ndarray, voxel: float) -> tuple[np.ndarray, np.ndarray]:
    """Order (N,) that sorts points by their cube, and where each cube begins in it."""
    cells = np.floor((points - points.min(0)) / np.float32(voxel))
    if not cells.max() < 1 << 21:  # three numbers of 21 bits make one key
        raise CloudError(f"the cloud is too wide for voxels of {voxel:g} m: crop it, or choose larger voxels")
    x, y, z = cells.T.astype(np.int64)
    keys = (x << 42) | (y << 21) | z
    order = np.argsort(keys)
    keys = keys[order]
    return order, np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))


def _colours(columns: Columns) -> np.ndarray | None:
    """(N, 3) uint8 from three columns, or from PCL's packed rgb; None where all is black."""
    names = next(
        (n for n in (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue")) if {*n} <= {*columns}),
        None,
    )
    packed = next((columns[name] for name in ("rgb", "rgba") if name in columns), None)
    if names:
        colours = np.stack([columns[name] for name in names], 1)
    elif packed is not None and packed.dtype.itemsize >= 4 and packed.ndim == 1:
        words = _packed_words(packed)
        colours = np.stack([words >> 16 & 255, words >> 8 & 255, words & 255], 1)
    else:
        return None
    colours = np.nan_to_num(colours)
    brightest = colours.max(initial=0)
    if brightest <= 0:
        return None
    if colours.dtype.kind == "f" and brightest <= 1:
        colours = colours * 255
    elif brightest > 255:  # LAS and others store 16 bits
        colours = colours / 257
    return colours.clip(0, 255).round().astype(np.uint8)


def _packed_words(packed: np.ndarray) -> np.ndarray:
    """uint32 words 0x00RRGGBB, whose bits PCL calls a float; text files may hold the number itself."""
    if packed.dtype.kind in "iu":
        return packed.astype(np.uint32)
    if packed.dtype.itemsize == 4:
        return np.ascontiguousarray(packed).astype("<f4").view("<u4")
    numbers = np.nan_to_num(packed)
    return numbers.clip(0, 2**32 - 1).astype(np.uint32) if numbers.max(initial=0) >= 1 else numbers.astype("<f4").view("<u4")


def _intensity(columns: Columns) -> np.ndarray | None:
    """(N,) float32 in [0, 1]; sensors scale it to 1, 255 or anything else. None where all is zero."""
    name = next((name for name in INTENSITIES if name in columns and columns[name].ndim == 1), None)
    if name is None:
        return None
    values = np.nan_to_num(np.asarray(columns[name], np.float64), posinf=0, neginf=0)
    strongest = values.max(initial=0)
    if strongest <= 0:
        return None
    scale = 1 if strongest <= 1 else 255 if strongest <= 255 else max(np.percentile(values, 99.5), 1)
    return (values / scale).clip(0, 1).astype(np.float32)


def _ply_header(cloud: PointCloud) -> tuple[np.ndarray, str]:
    fields = [(axis, "<f4") for axis in "xyz"]
    if cloud.colours is not None:
        fields += [(channel, "u1") for channel in ("red", "green", "blue")]
    if cloud.intensity is not None:
        fields += [("intensity", "<f4")]
    properties = "".join(f"property {'uchar' if kind == 'u1' else 'float'} {name}\n" for name, kind in fields)
    records = _records(cloud, fields)
    return records, f"ply\nformat binary_little_endian 1.0\nelement vertex {len(cloud)}\n{properties}end_header\n"


def _pcd_header(cloud: PointCloud) -> tuple[np.ndarray, str]:
    fields = [(axis, "<f4") for axis in "xyz"]
    if cloud.colours is not None:
        fields += [("rgb", "<u4")]
    if cloud.intensity is not None:
        fields += [("intensity", "<f4")]
    names, sizes, ones = " ".join(name for name, _ in fields), " ".join("4" for _ in fields), " ".join("1" for _ in fields)
    kinds = " ".join("F" for _ in fields)  # PCL calls packed colours a float
    records = _records(cloud, fields)
    return records, (
        f"# .PCD v0.7\nVERSION 0.7\nFIELDS {names}\nSIZE {sizes}\nTYPE {kinds}\nCOUNT {ones}\n"
        f"WIDTH {len(cloud)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(cloud)}\nDATA binary\n"
    )


def _records(cloud: PointCloud, fields: list[tuple[str, str]]) -> np.ndarray:
    """(N,) structured array of the cloud's columns."""
    columns = dict(zip("xyz", cloud.points.T, strict=True))
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


def find_up(cloud: PointCloud) -> np.ndarray:
    """(3,) float64 unit vector against gravity, found from floors, ceilings and table tops. Raises CloudError when nothing is flat."""
    low, high = np.percentile(cloud.points[:: max(len(cloud) // 100_000, 1)], (2, 98), axis=0)
    voxel = float(np.clip(np.linalg.norm(high - low) / 150, 0.01, 0.25))  # metres; coarser, the floors of a large site are no planes
    up = up_from_planes(cloud.voxel_downsample(voxel).points)
    if up is None:
        raise CloudError("the cloud has no floor or other plane to tell which way is up: say it, e.g. --up z")
    return up
