# SPDX-License-Identifier: Apache-2.0
"""Image sequences with true poses: 7-Scenes and TUM folders read, TUM folders written."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera, CameraError
from diff2i2p.datasets.image_bytes import ImageError, decode_bytes, to_8_bits
from diff2i2p.datasets.trajectory import Trajectory
from diff2i2p.geometry import translated

MAX_GAP = 0.02  # seconds between an image and the depth that is taken for it
UNITS = {1e17: 1e-9, 1e14: 1e-6, 1e11: 1e-3}  # times since 1970 from here on are in ns, us, ms
SEVEN_SCENES = Camera(640, 480, (585.0, 585.0, 320.0, 240.0))  # what the data set's page gives
SEVEN_SCENES_RATE = 30.0  # Hz
IMAGES = (".jpg", ".jpeg", ".png")


class SequenceError(ValueError):
    """A sequence folder or image that cannot be used: says why and what to do."""


@dataclass(frozen=True)
class Frame:
    """One image of a sequence, on disk, with what is known of it."""

    index: int
    name: str
    stamp: float  # seconds
    image_path: Path
    T_map_camera: np.ndarray | None = None  # (4, 4) float64 truth
    depth_path: Path | None = None
    depth_scale: float = 1000.0  # units per metre
    camera: Camera | None = None  # of this image, where it may differ from the sequence's

    def moved(self, offset: np.ndarray) -> "Frame":
        """In a frame whose coordinates are `offset` (3,), metres, larger."""
        known = self.T_map_camera is not None
        return replace(self, T_map_camera=translated(self.T_map_camera, offset)) if known else self

    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB. Raises SequenceError when the file is missing or cut off."""
        return read_image(self.image_path)

    def depth(self) -> np.ndarray | None:
        """(H, W) float32 metres, 0 = unknown, or None without a depth image. Raises SequenceError."""
        if self.depth_path is None:
            return None
        depth = _decode(self.depth_path, cv2.IMREAD_UNCHANGED)
        if depth.ndim != 2 or depth.dtype != np.uint16:
            raise SequenceError(
                f"{self.depth_path} is no depth image: expected one channel of 16 bits"
            )
        return np.where(depth == 65535, 0, depth).astype(np.float32) / np.float32(self.depth_scale)


@dataclass(frozen=True)
class Sequence:
    """Frames of one camera in the order they were taken."""

    name: str
    camera: Camera
    frames: tuple[Frame, ...]

    def moved(self, offset: np.ndarray) -> "Sequence":
        """In a frame whose coordinates are `offset` (3,), metres, larger."""
        if not np.any(offset):
            return self
        return replace(self, frames=tuple(frame.moved(offset) for frame in self.frames))

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)


def read_sequence(
    directory: Path | str, start: int | None = None, stop: int | None = None
) -> Sequence:
    """Read a sequence folder; only frames with start <= index < stop are kept. Raises SequenceError, CameraError.

    TUM layout: rgb/STAMP.*, depth/, groundtruth.txt; index = place among the images. 7-Scenes layout: frame-NNNNNN.color.*
    with .pose.txt each, or poses.txt. The camera is camera.yaml (ROS), else calibration.json, else the data set's own.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise SequenceError(f"there is no sequence folder {directory}: check the name")
    if (directory / "rgb").is_dir():
        frames, default = _read_tum(directory), None
    elif folder := next(
        (
            d
            for d in (directory, *sorted(directory.glob("seq-*")))
            if any(d.glob("frame-*.color.*"))
        ),
        None,
    ):
        frames, default = _read_seven_scenes(directory, folder), SEVEN_SCENES
    else:
        raise SequenceError(
            f"{directory} is no sequence: expected rgb/ with groundtruth.txt (TUM), or frame-NNNNNN.color.* (7-Scenes)"
        )
    camera = _read_camera(directory, default)
    chosen = tuple(
        f
        for f in frames
        if (start is None or f.index >= start) and (stop is None or f.index < stop)
    )
    if not chosen:
        span = f"; it has frames {frames[0].index} to {frames[-1].index}" if frames else ""
        raise SequenceError(f"{directory} has no images in the range asked for{span}")
    return Sequence(directory.resolve().name, camera, chosen)


def read_image(path: Path | str) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a JPEG or PNG. Raises SequenceError when it is missing or cut off."""
    pixels = _decode(Path(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    return cv2.cvtColor(to_8_bits(pixels), cv2.COLOR_BGR2RGB)


def read_trajectory(path: Path | str) -> Trajectory:
    """Read a TUM file, 'stamp tx ty tz qx qy qz qw' a line. Raises SequenceError when it is missing or something else."""
    table = _pose_table(Path(path))
    if table is None:
        raise SequenceError(f"there is no trajectory {path}: check the name")
    return Trajectory.from_rows(table)


def write_trajectory(path: Path | str, trajectory: Trajectory) -> None:
    """Write a TUM file, as evo reads it."""
    lines = [
        "{:.6f} {:.6f} {:.6f} {:.6f} {:.8f} {:.8f} {:.8f} {:.8f}".format(*row)
        for row in trajectory.rows
    ]
    Path(path).write_text("\n".join(["# timestamp tx ty tz qx qy qz qw", *lines]) + "\n")


def write_sequence(
    directory: Path | str, camera: Camera, images: Iterable[np.ndarray], stamps, T_map_cameras, depths: Iterable[np.ndarray] | None = None
) -> None:  # fmt: skip
    """Write the TUM layout: rgb/ (JPEG), depth/ (uint16, 5000 per metre), groundtruth.txt, camera.yaml.

    images: (H, W[, 3]) uint8 RGB; stamps: (F,) seconds; T_map_cameras: (F, 4, 4); depths: (H, W) metres.
    """
    directory = Path(directory)
    for name in ("rgb", "depth") if depths is not None else ("rgb",):
        (directory / name).mkdir(parents=True, exist_ok=True)
    camera.to_yaml(directory / "camera.yaml")
    depths = iter(depths) if depths is not None else None
    for image, stamp in zip(images, stamps, strict=True):
        _encode(
            directory / "rgb" / f"{stamp:.6f}.jpg",
            cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image,
        )
        if depths is not None:
            _encode(
                directory / "depth" / f"{stamp:.6f}.png",
                (np.nan_to_num(next(depths)) * 5000).clip(0, 65534).round().astype(np.uint16),
            )
    write_trajectory(
        directory / "groundtruth.txt",
        Trajectory(np.asarray(stamps, float), np.asarray(T_map_cameras, float)),
    )


def _read_tum(directory: Path) -> list[Frame]:
    images, depths = _stamped(directory / "rgb"), _stamped(directory / "depth")
    scale = float(_calibration(directory).get("depth_scale", 5000.0))
    stamps, depth_stamps = np.array([s for s, _ in images]), np.array([s for s, _ in depths])
    truth = (
        read_trajectory(directory / "groundtruth.txt")
        if (directory / "groundtruth.txt").is_file()
        else None
    )
    frames = []
    for index, (stamp, path) in enumerate(images):
        nearest = int(np.abs(depth_stamps - stamp).argmin()) if depths else -1
        depth = (
            depths[nearest][1] if depths and abs(depth_stamps[nearest] - stamp) <= MAX_GAP else None
        )
        T_map_camera = truth.at(stamp, truth.gap) if truth else None
        frames.append(
            Frame(index, path.stem, float(stamps[index]), path, T_map_camera, depth, scale)
        )
    if frames and truth and all(frame.T_map_camera is None for frame in frames):
        raise SequenceError(
            f"no image of {directory / 'rgb'} has a pose in {directory / 'groundtruth.txt'}: the"
            f" images are named {_span(stamps)}, the poses are of {_span(truth.stamps)}; are both in"
            " seconds (or nanoseconds) of the same clock?"
        )
    return frames


def _span(stamps: np.ndarray) -> str:
    return f"{stamps[0]:.3f} to {stamps[-1]:.3f} s" if len(stamps) else "no time"


def in_seconds(text: str) -> float:
    """Seconds of a time as it is written: in seconds, or in ns, us or ms since 1970. Raises ValueError."""
    value = float(text)
    unit = next((unit for least, unit in UNITS.items() if abs(value) >= least), 1.0)
    return int(text) * unit if unit == 1e-9 and text.strip().isdigit() else value * unit


def _read_seven_scenes(directory: Path, folder: Path) -> list[Frame]:
    table = _pose_table(directory / "poses.txt")
    poses = {int(row[0]): _matrix(row[1:]) for row in table} if table is not None else {}
    frames = []
    for path in sorted(p for p in folder.glob("frame-*.color.*") if p.suffix.lower() in IMAGES):
        name = path.name.split(".")[0]
        number = re.fullmatch(r"frame-(\d+)", name)
        if number is None:
            raise SequenceError(f"{path} has no frame number: expected frame-NNNNNN.color.*")
        index = int(number[1])
        pose = poses.get(index) if table is not None else _pose_file(folder / f"{name}.pose.txt")
        depth = (
            folder / f"{name}.rdepth.png"
        )  # registered to the colour camera; the data set's own .depth.png is not
        frames.append(
            Frame(
                index,
                name,
                index / SEVEN_SCENES_RATE,
                path,
                pose,
                depth if depth.is_file() else None,
            )
        )
    return frames


def _stamped(folder: Path) -> list[tuple[float, Path]]:
    """(stamp, path) of the images of a folder that is named by time."""
    paths = (
        [path for path in folder.glob("*") if path.suffix.lower() in IMAGES]
        if folder.is_dir()
        else []
    )
    try:
        return sorted((in_seconds(path.stem), path) for path in paths)
    except ValueError as error:
        raise SequenceError(
            f"{folder} has an image that is not named by its time in seconds ({error})"
        ) from error


def _read_camera(directory: Path, default: Camera | None) -> Camera:
    if (directory / "camera.yaml").is_file():
        return Camera.from_yaml(directory / "camera.yaml")
    info = _calibration(directory)
    info = info.get("color", info)
    if not info and default is None:
        raise SequenceError(
            f"{directory} has no camera.yaml: write the camera's calibration there as ROS camera_info YAML"
        )
    try:
        D = info.get("dist_k1k2p1p2k3") or info.get("distortion") or ()
        return (
            Camera(
                info["width"],
                info["height"],
                tuple(float(info[k]) for k in ("fx", "fy", "cx", "cy")),
                tuple(D),
            )
            if info
            else default
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, CameraError):
            raise
        raise SequenceError(
            f"{directory / 'calibration.json'} is no camera calibration ({error}): write a camera.yaml"
        ) from error


def _calibration(directory: Path) -> dict:
    path = directory / "calibration.json"
    try:
        info = json.loads(path.read_text()) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise SequenceError(
            f"{path} cannot be read as JSON ({error}): write a camera.yaml"
        ) from error
    return info if isinstance(info, dict) else {}


def _pose_table(path: Path) -> np.ndarray | None:
    """(F, 8) rows of a key and tx ty tz qx qy qz qw, or None without such a file."""
    if not path.is_file():
        return None
    try:
        lines = [
            line
            for line in path.read_text().splitlines()
            if line.strip() and not line.lstrip().startswith("#")
        ]
        rows = [line.replace(",", " ").split() for line in lines]
        numbers = [[in_seconds(row[0]), *map(float, row[1:])] for row in rows]
        table = np.array(numbers).reshape(len(lines), -1)
    except (OSError, ValueError) as error:
        raise SequenceError(
            f"{path} is no table of poses 'time tx ty tz qx qy qz qw' ({str(error)[:80]})"
        ) from error
    if len(table) and (table.shape[1] != 8 or not np.isfinite(table[:, 0]).all()):
        raise SequenceError(
            f"{path} is no table of poses: expected 8 numbers a line, 'time tx ty tz qx qy qz qw'"
        )
    return table.reshape(-1, 8)


def _pose_file(path: Path) -> np.ndarray | None:
    """The 4x4 matrix of 7-Scenes; None where it is missing or was never measured."""
    if not path.is_file():
        return None
    try:
        T = np.loadtxt(path, dtype=float).reshape(4, 4)
    except ValueError as error:
        raise SequenceError(f"{path} is no 4x4 matrix ({str(error)[:80]})") from error
    return T if np.isfinite(T).all() and abs(np.linalg.det(T[:3, :3]) - 1) < 0.01 else None


def _matrix(row: np.ndarray) -> np.ndarray | None:
    """(4, 4) of tx ty tz qx qy qz qw; None where the tracker had lost it."""
    norm = np.linalg.norm(row[3:])
    if not np.isfinite(row).all() or not 0.5 < norm < 2:
        return None
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.from_quat(row[3:]).as_matrix(), row[:3]
    return T


def _decode(path: Path, flags: int) -> np.ndarray:
    try:
        return decode_bytes(path.read_bytes(), flags)
    except OSError as error:
        raise SequenceError(
            f"the image {path} cannot be read: {error.strerror or error}"
        ) from error
    except ImageError as error:
        raise SequenceError(f"the image {path} {error}: copy it again") from error


def _encode(path: Path, image: np.ndarray) -> None:
    done, data = cv2.imencode(
        path.suffix, image, [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix == ".jpg" else []
    )
    path.write_bytes(data.tobytes())
