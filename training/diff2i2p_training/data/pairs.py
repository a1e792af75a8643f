# SPDX-License-Identifier: Apache-2.0
"""Image and fragment pairs of the benchmarks, in the folder layout of 2D3D-MATR.

ROOT/metadata/{train,val,test}.pkl or {train,val,test}-full.pkl    a list of dictionaries, one a pair
ROOT/data/SCENE/camera-intrinsics.txt                              3x3, of colour and depth alike
ROOT/data/...                                                      images, depth images (uint16, mm), clouds (.npy) that the list names
"""

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import cv2
import numpy as np

from diff2i2p.camera import Camera, View, rectify
from diff2i2p.datasets.sequences import Frame, read_image
from diff2i2p_training.data.plain_pickle import read_plain_pickle
from diff2i2p_training.data.synthesis import SiteView

SPLITS = ("train", "val", "test")
MAX_DEPTH = 6.0  # metres; what the sensors say beyond is not believed
IMAGES = 512  # kept in memory


class PairsError(ValueError):
    """A folder of pairs that cannot be used: says why and what to do."""


@dataclass(frozen=True, eq=False)
class Pair:
    """An image and the fragment of a cloud that it overlaps; the fragment is the frame's map."""

    scene: str
    frame: Frame
    camera: Camera
    cloud_path: Path
    overlap: float  # share of the image's pixels with depth that the fragment explains

    @property
    def T_camera_map(self) -> np.ndarray:
        """(4, 4) float64, fragment to camera."""
        return np.linalg.inv(self.frame.T_map_camera)

    def cloud(self) -> np.ndarray:
        """(N, 3) float32 points of the fragment, metres. Raises PairsError."""
        try:
            points = np.load(self.cloud_path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise PairsError(
                f"the fragment {self.cloud_path} cannot be read ({error}): copy it again"
            ) from error
        if points.ndim != 2 or points.shape[1] < 3 or not len(points):
            raise PairsError(
                f"{self.cloud_path} is no fragment: expected an array (N, 3), found {points.shape}"
            )
        return np.ascontiguousarray(points[:, :3], np.float32)

    def view(self, width: int) -> SiteView:
        """The image, grey, resized to `width`, with the depth behind every pixel. Raises SequenceError, CameraError."""
        view = _view(self.frame.image_path, self.frame.depth_path, self.camera, width)
        return SiteView(view.grey, view.depth, view.camera, self.frame.T_map_camera)


@dataclass(frozen=True)
class PairSet:
    """The pairs of one split."""

    name: str
    pairs: tuple[Pair, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    @cached_property
    def by_cloud(self) -> dict[Path, tuple[Pair, ...]]:
        """The pairs of every fragment."""
        groups: dict[Path, list[Pair]] = {}
        for pair in self.pairs:
            groups.setdefault(pair.cloud_path, []).append(pair)
        return {path: tuple(group) for path, group in groups.items()}


def read_pairs(
    root: Path | str, split: str, min_overlap: float = 0.0, scenes: Iterable[str] = ()
) -> PairSet:
    """The pairs of a split with at least `min_overlap`, of all scenes or of those named. Raises PairsError, PlainPickleError."""
    root = Path(root)
    names = [root / "metadata" / f"{split}{ending}.pkl" for ending in ("", "-full")]
    path = next((name for name in names if name.is_file()), None)
    if path is None:
        raise PairsError(
            f"{root} has no pairs for {split}: expected metadata/{split}.pkl; make it with 'diff2i2p-train prepare'"
        )
    cameras: dict[str, Camera] = {}
    pairs = [_pair(root / "data", row, path, cameras) for row in _rows(path)]
    chosen = tuple(
        p for p in pairs if p.overlap >= min_overlap and (not scenes or p.scene in scenes)
    )
    if not chosen:
        raise PairsError(
            f"{path} has no pair of the scenes asked for with an overlap of {min_overlap:g}; it has {len(pairs)} in all"
        )
    return PairSet(f"{root.name} {split}", chosen)


def write_pairs(root: Path, split: str, pairs: Iterable[Pair]) -> None:
    """Write ROOT/metadata/SPLIT.pkl, names relative to ROOT/data."""
    data = root / "data"
    rows = [
        {
            "scene_name": pair.scene,
            "image_file": str(pair.frame.image_path.relative_to(data)),
            "depth_file": str(pair.frame.depth_path.relative_to(data)),
            "cloud_file": str(pair.cloud_path.relative_to(data)),
            "overlap": float(pair.overlap),
            "cloud_to_image": pair.T_camera_map,
        }
        for pair in pairs
    ]
    (root / "metadata").mkdir(parents=True, exist_ok=True)
    (root / "metadata" / f"{split}.pkl").write_bytes(pickle.dumps(rows, protocol=4))


@lru_cache(maxsize=IMAGES)
def _view(image: Path, depth: Path, camera: Camera, width: int) -> View:
    """One image with its depth, 0 = unknown; it is in several pairs."""
    frame = Frame(0, image.stem, 0.0, image, depth_path=depth)
    view = rectify(frame.image(), camera, width)
    metres = cv2.resize(frame.depth(), view.grey.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return View(view.grey, view.camera, np.where(metres <= MAX_DEPTH, metres, np.float32(0)))


def _rows(path: Path) -> list[dict]:
    rows = read_plain_pickle(path)
    if not isinstance(rows, list | tuple) or not all(isinstance(row, dict) for row in rows):
        raise PairsError(
            f"{path} is no list of pairs: expected the metadata of 2D3D-MATR, a list of dictionaries"
        )
    return list(rows)


def _pair(data: Path, row: dict, path: Path, cameras: dict[str, Camera]) -> Pair:
    try:
        scene, T = str(row["scene_name"]), np.asarray(row["cloud_to_image"], float).reshape(4, 4)
        image, depth, cloud = (
            data / str(row[key]) for key in ("image_file", "depth_file", "cloud_file")
        )
        overlap = float(row["overlap"])
    except (KeyError, TypeError, ValueError) as error:
        raise PairsError(
            f"{path} has a pair that is not complete ({type(error).__name__}: {error})"
        ) from error
    if not np.isfinite(T).all() or abs(np.linalg.det(T[:3, :3]) - 1) > 0.01:
        raise PairsError(f"{path}: cloud_to_image of {image.name} is no rigid transform")
    if scene not in cameras:
        cameras[scene] = read_intrinsics(data / scene / "camera-intrinsics.txt", image)
    frame = Frame(0, image.stem, 0.0, image, np.linalg.inv(T), depth)
    return Pair(scene, frame, cameras[scene], cloud, overlap)


def read_intrinsics(path: Path, image: Path) -> Camera:
    """The camera of a scene from its 3x3 matrix; the size is that of an `image` of it. Raises PairsError, SequenceError."""
    try:
        K = np.loadtxt(path).reshape(3, 3)
    except (OSError, ValueError) as error:
        raise PairsError(
            f"{path} is missing or no 3x3 matrix ({error}): the layout needs one for every scene"
        ) from error
    height, width = read_image(image).shape[:2]
    return Camera.from_calibration(width, height, K)
