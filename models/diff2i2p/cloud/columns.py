# SPDX-License-Identifier: Apache-2.0
"""The columns of a cloud's file -> points in metres with their looks, without what does not belong to them."""

from pathlib import Path

import numpy as np

from diff2i2p.cloud.content import CloudError, Columns
from diff2i2p.cloud.las import read_las
from diff2i2p.cloud.pcd import read_pcd
from diff2i2p.cloud.ply import read_ply
from diff2i2p.cloud.point_cloud import PointCloud
from diff2i2p.cloud.text import read_text

FARTHEST = 65536.0  # metres; beyond, float32 is coarser than 8 mm
NEAR = 4096.0  # metres from zero, up to which float32 is good to half a millimetre
INTENSITIES = (
    "intensity", "scalar_intensity", "intensities", "reflectance", "reflectivity",
    "scalar_reflectance", "i",
)  # fmt: skip
CLASSES = ("classification", "scalar_classification", "class")
NOISE = (7, 18)  # low and high noise, ASPRS LAS 1.4 table 17
SPLAT_COLOURS = ("f_dc_0", "f_dc_1", "f_dc_2")  # harmonics of degree 0 in a Gaussian splat file
HARMONIC = 0.28209479177387814  # the constant one, 1 / (2 sqrt(pi))
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048}  # metres
PERCENTILES = (1, 98)  # of intensity, that become black and white: reflectors outshine the rest
RANGES = (1, 255, 65535)  # that intensity is kept in where it fills
FILLED = 0.45  # of the range; laser scanners that keep the upper half for reflectors do not
BULK = (0.5, 99.5)  # percentiles of the coordinates, between which all but strays lie
STRAY = 20  # sizes of the bulk, beyond which a point is a stray one
ENOUGH = 1000  # points by which the unit is judged, and
ALONE = 9  # of them within 2 units of one, that are too few for metres
READERS = {".ply": read_ply, ".pcd": read_pcd, ".las": read_las, ".laz": read_las} | dict.fromkeys(
    (".xyz", ".txt", ".csv", ".asc", ".pts"), read_text
)


def read_cloud(path: Path | str, unit: str | None = None) -> PointCloud:
    """Read .ply, .pcd, .las, .laz, .xyz, .txt, .csv: points, colour and intensity. Raises CloudError.

    Rows with NaN, noise and strays are dropped. unit: one of UNITS; metres, or what the file says,
    unless given.
    """
    return cloud_of(read_columns(Path(path)), str(path), unit)


def read_columns(path: Path) -> Columns:
    """The columns of a .ply, .pcd, .las, .laz or text file. Raises CloudError."""
    if path.is_dir():
        raise CloudError(f"{path} is a folder: name one .ply, .pcd, .las or .xyz file in it")
    if not path.is_file():
        raise CloudError(f"there is no cloud {path}: check the name")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise CloudError(
            f"{path} is none of {', '.join(READERS)}: export the cloud as .ply or .pcd"
        )
    try:
        return reader(path)
    except CloudError as error:
        raise CloudError(f"{path} {error}") from error
    except OSError as error:
        raise CloudError(
            f"{path} cannot be read ({error.strerror or error}): check its permissions"
        ) from error


@np.errstate(invalid="ignore", over="ignore")  # signalling NaN in a damaged file
def cloud_of(columns: Columns, source: str, unit: str | None = None) -> PointCloud:
    """The cloud of named columns (N,) from `source`, as `read_cloud` reads them. Raises CloudError."""
    if missing := [axis for axis in "xyz" if axis not in columns]:
        raise CloudError(f"{source} has no column {', '.join(missing)}: it is no point cloud")
    axes = [columns[axis] if columns[axis].ndim == 1 else columns[axis][:, 0] for axis in "xyz"]
    points, remarks = np.stack(axes, 1), []
    metres = _metres(columns, unit, remarks)
    kept = np.isfinite(points).all(1)
    if not kept.any():
        raise CloudError(
            f"{source} holds no point with finite coordinates: export it again with its points"
        )
    kept &= ~_noise(columns, kept, remarks)
    kept[kept] = ~_strays(points[kept], remarks)
    points = points[kept] if metres in (None, 1) else points[kept] * metres
    if metres is None:
        _check_unit(points, source)
    points, origin = _near_zero(points, source)
    columns = columns if kept.all() else {name: values[kept] for name, values in columns.items()}
    colours, intensity = _colours(columns), _intensity(columns)
    if colours is not None and _is_flat(colours):
        instead = "it is left out" if intensity is None else "its intensity is used instead"
        remarks.append(f"all its points have one colour, which says nothing: {instead}")
        colours = None
    if colours is None and "scale_0" in columns:
        remarks.append("it is a splat file without colours (f_dc_0, f_dc_1, f_dc_2)")
    return PointCloud(points, colours, intensity, origin, tuple(remarks))


def _metres(columns: Columns, unit: str | None, remarks: list[str]) -> float | None:
    """Length of the coordinates' unit: given, or what the file says, or not known."""
    if unit and unit not in UNITS:
        raise CloudError(f"the unit is one of {', '.join(UNITS)}, not '{unit}'")
    if unit or not len(columns.get("unit", ())):
        return UNITS[unit] if unit else None
    said = float(columns["unit"][0])
    if said != 1:
        remarks.append(f"its header says that its unit is {said:.6g} m: made metres")
    return said


def _noise(columns: Columns, known: np.ndarray, remarks: list[str]) -> np.ndarray:
    """(N,) bool: what its maker has classified as noise, unless that is all there is."""
    named = next((name for name in CLASSES if name in columns and columns[name].ndim == 1), None)
    noise = np.zeros(len(known), bool) if named is None else np.isin(columns[named], NOISE)
    if not noise.any() or noise[known].all():
        return np.zeros(len(known), bool)
    remarks.append(f"{noise.sum():,} points classified as noise are left out")
    return noise


def _strays(points: np.ndarray, remarks: list[str]) -> np.ndarray:
    """(N,) bool: the few points that lie many times the size of the cloud away from it."""
    low, high = np.percentile(points[:: max(len(points) // 100_000, 1)], BULK, axis=0)
    margin = STRAY * max((high - low).max(), 1.0)
    strays = ((points < low - margin) | (points > high + margin)).any(1)
    if strays.any():
        away = np.abs(points[strays] - (low + high) / 2).max()
        remarks.append(f"{strays.sum():,} stray points, up to {away:.0f} away, are left out")
    return strays


def _check_unit(points: np.ndarray, source: str) -> None:
    """Raise CloudError where points lie so far from each other that these can be no metres."""
    if len(points) < ENOUGH:
        return
    some = points[:: len(points) // 16][:16]
    around = [(np.abs(points - place) < 2).all(1).sum() for place in some]
    if np.median(around) > ALONE:
        return
    size = np.ptp(points[:: max(len(points) // 100_000, 1)], axis=0).max()
    raise CloudError(
        f"{source} is {size:.0f} m wide and has hardly two points within a metre of each other:"
        f" are these {'millimetres' if size > 1000 else 'centimetres'}? Say so with --unit mm"
        " (cm, ft), or --unit m if they are metres"
    )


def _near_zero(points: np.ndarray, source: str) -> tuple[np.ndarray, tuple[float, float, float]]:
    """The points as float32, and the origin that they are then relative to. Raises CloudError."""
    reach = np.abs(points).max()
    if reach <= NEAR:
        return points.astype(np.float32), (0.0, 0.0, 0.0)
    if points.dtype == np.float32 and reach > FARTHEST:
        raise CloudError(
            f"{source} stores coordinates of {reach:.0f} m in single precision, in steps of"
            f" {np.spacing(np.float32(reach)):.2g} m: export it with double precision, or"
            " subtract an origin near the site"
        )
    middle = np.median(points[:: max(len(points) // 100_000, 1)].astype(float), axis=0)
    origin = np.round(middle, -3)  # metres; a number that people can read
    width = np.abs(points - origin).max()
    if width > FARTHEST:
        raise CloudError(
            f"{source} is {width:.0f} m wide, too far for millimetres in float32: crop it to the"
            " site, or give its unit with --unit"
        )
    return (points - origin).astype(np.float32), tuple(origin.tolist())


def _colours(columns: Columns) -> np.ndarray | None:
    """(N, 3) uint8 from three columns, PCL's packed rgb, or splats; None where all is black."""
    triples = (
        ("red", "green", "blue"), ("r", "g", "b"),
        ("diffuse_red", "diffuse_green", "diffuse_blue"), SPLAT_COLOURS,
    )  # fmt: skip
    names = next((triple for triple in triples if {*triple} <= {*columns}), None)
    packed = next((columns[name] for name in ("rgb", "rgba") if name in columns), None)
    if names:
        colours = np.stack([columns[name] for name in names], 1)
    elif packed is not None and packed.dtype.itemsize >= 4 and packed.ndim == 1:
        words = _packed_words(packed)
        colours = np.stack([words >> 16 & 255, words >> 8 & 255, words & 255], 1)
    else:
        return None
    colours = np.nan_to_num(colours)
    if names == SPLAT_COLOURS:
        colours = (0.5 + HARMONIC * colours.astype(float)).clip(0, 1)
    brightest = colours.max(initial=0)
    if brightest <= 0:
        return None
    if colours.dtype.kind == "f" and brightest <= 1:
        colours = colours * 255
    elif brightest > 255:  # LAS and others store 16 bits
        colours = colours / 257
    return colours.clip(0, 255).round().astype(np.uint8)


def _is_flat(values: np.ndarray) -> bool:
    """Whether all but stray values (N, ...) are the same."""
    low, high = np.percentile(values[:: max(len(values) // 100_000, 1)], (1, 99), axis=0)
    return bool((low == high).all())


def _packed_words(packed: np.ndarray) -> np.ndarray:
    """uint32 words 0x00RRGGBB, whose bits PCL calls a float; text files may hold the number itself."""
    if packed.dtype.kind in "iu":
        return packed.astype(np.uint32)
    if packed.dtype.itemsize == 4:
        return np.ascontiguousarray(packed).astype("<f4").view("<u4")
    numbers = np.nan_to_num(packed)
    return (
        numbers.clip(0, 2**32 - 1).astype(np.uint32)
        if numbers.max(initial=0) >= 1
        else numbers.astype("<f4").view("<u4")
    )


def _intensity(columns: Columns) -> np.ndarray | None:
    """(N,) float32 in [0, 1] by the distribution of the values, whatever their scale: sensors use

    0..1, 0..31 with reflectors at 255, 12 or 16 bits, decibels. None where all are the same.
    """
    name = next((name for name in INTENSITIES if name in columns and columns[name].ndim == 1), None)
    if name is None:
        return None
    values = np.asarray(columns[name], np.float64)
    known = np.isfinite(values)
    if not known.any() or _is_flat(values[known]):
        return None
    dark, bright = np.percentile(values[known], PERCENTILES)
    spread = bright - dark
    full = next((f for f in RANGES if dark >= 0 and bright <= f and spread >= FILLED * f), None)
    black, white = (0.0, full) if full else (dark, bright)
    if white <= black:  # most are the same, and the others reflectors
        black, white = values[known].min(), values[known].max()
    values = np.where(known, values, black)
    return np.nan_to_num((values - black) / (white - black)).clip(0, 1).astype(np.float32)
