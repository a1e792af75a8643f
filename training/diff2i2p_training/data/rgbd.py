# SPDX-License-Identifier: Apache-2.0
"""Folders of RGB-D images, posed or not: depth makes the map that the photos are looked for in.

FOLDER/rgb/NAME.jpg
FOLDER/depth/NAME.png      uint16, mm
FOLDER/pose/NAME.txt       4x4, camera to world; optional
FOLDER/intrinsics.json     width, height, fx, fy, cx, cy, the same with depth_ before their names,
                           and per_frame: a list of what differs
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from diff2i2p.camera import Camera, View, rectify
from diff2i2p.cloud import PointCloud
from diff2i2p.config import Config
from diff2i2p.datasets.sequences import IMAGES, Frame, read_image
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.viewpoints import EYE
from diff2i2p_training.data.drawn_pairs import DrawnPair, draw_pairs, mapped_view

TOGETHER = 24  # consecutive posed images whose depth makes one map
EACH, REACH = 5, 0.7  # pairs of a photo, and how far off: such maps end soon
ALONE, ALONE_REACH = 8, 0.4  # the same of a photo in the map of its own depth image
MAPPED = (0.2, 6.0)  # metres of depth that count
STEP = 0.02, 0.04  # metres, and share of the depth, between neighbours that are no one surface
VOXEL = (0.012, 0.04)  # metres, of maps
FEWEST = 2000  # points of a map
COLUMNS = ("width", "height", "fx", "fy", "cx", "cy")


class RgbdError(ValueError):
    """A folder of RGB-D images that cannot be used: says why and what to do."""


@dataclass(frozen=True)
class RgbdImage:
    """A photo and a depth image from the same place."""

    view: View  # rectified
    depth: np.ndarray  # (H, W) float32 metres, 0 = not known
    depth_camera: Camera
    T_map_camera: np.ndarray | None  # (4, 4) float64


def rgbd_pairs(folder: Path | str, seed: int = 0) -> Iterator[DrawnPair]:
    """The pairs of a folder, a map at a time. Raises RgbdError, SequenceError."""
    folder = Path(folder)
    rng = np.random.default_rng(seed)
    for images in _groups(read_rgbd(folder)):
        cloud = fused(images, float(np.exp(rng.uniform(*np.log(VOXEL)))))
        if len(cloud) < FEWEST:
            continue
        dense = DenseMap.build(cloud)
        views = [mapped_view(dense, image.view, image.T_map_camera) for image in images]
        each, reach = (EACH, REACH) if len(images) > 1 else (ALONE, ALONE_REACH)
        yield from draw_pairs(dense, views, rng, folder.resolve().name, each, reach)


def read_rgbd(folder: Path) -> list[RgbdImage]:
    """The images of a folder that have depth, by name. Raises RgbdError, SequenceError."""
    intrinsics = _intrinsics(folder)
    paths = sorted(p for p in (folder / "rgb").glob("*") if p.suffix.lower() in IMAGES)
    images = [
        _read(path, intrinsics, number)
        for number, path in enumerate(paths)
        if (folder / "depth" / f"{path.stem}.png").is_file()
    ]
    if not images:
        raise RgbdError(
            f"{folder} holds no photo in rgb/ with depth/NAME.png beside it: is it RGB-D?"
        )
    return images


def fused(images: list[RgbdImage], voxel: float) -> PointCloud:
    """The depth of all images as one cloud in the photos' grey, thinned to `voxel` metres."""
    parts = [_lifted(image) for image in images]
    points, grey = (np.concatenate(column) for column in zip(*parts, strict=True))
    return PointCloud(points, np.repeat(grey[:, None], 3, 1), None).voxel_downsample(voxel)


def _groups(images: list[RgbdImage]) -> list[list[RgbdImage]]:
    """Images that make one map: neighbours with poses; without a pose each by itself."""
    posed = [image for image in images if image.T_map_camera is not None]
    alone = [replace(i, T_map_camera=np.eye(4)) for i in images if i.T_map_camera is None]
    together = [posed[begin : begin + TOGETHER] for begin in range(0, len(posed), TOGETHER)]
    return [*together, *([image] for image in alone)]


def _lifted(image: RgbdImage) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) float32, map frame, of the depth image away from its steps; their grey (N,)."""
    depth, square = image.depth, np.ones((3, 3))
    step = cv2.dilate(depth, square) - cv2.erode(np.where(depth > 0, depth, np.float32(99)), square)
    smooth = step < STEP[0] + STEP[1] * depth
    v, u = np.nonzero((depth > MAPPED[0]) & (depth < MAPPED[1]) & smooth)
    local = image.depth_camera.rays(np.stack([u, v], 1)) * depth[v, u, None]
    T, camera = image.T_map_camera, image.view.camera
    last = np.array([camera.width, camera.height]) - 1
    columns, rows = camera.project(local).round().clip(0, last).astype(int).T
    return (local @ T[:3, :3].T + T[:3, 3]).astype(np.float32), image.view.grey[rows, columns]


def _read(path: Path, intrinsics: dict, number: int) -> RgbdImage:
    folder = path.parents[1]
    each = intrinsics.get("per_frame") or []
    changed = intrinsics | (each[number] if number < len(each) else {})
    frame = Frame(number, path.stem, 0.0, path, depth_path=folder / "depth" / f"{path.stem}.png")
    view = rectify(read_image(path), _camera(changed, ""), EYE.width, Config().image.max_fov)
    depth_camera = _camera(changed, "depth_").resized(EYE.width)
    size = depth_camera.width, depth_camera.height
    depth = cv2.resize(frame.depth(), size, interpolation=cv2.INTER_NEAREST)
    return RgbdImage(view, depth, depth_camera, _pose(folder / "pose" / f"{path.stem}.txt"))


def _intrinsics(folder: Path) -> dict:
    path = folder / "intrinsics.json"
    try:
        intrinsics = json.loads(path.read_text())
        _camera(intrinsics, ""), _camera(intrinsics, "depth_")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise RgbdError(
            f"{path} does not say how photos and depth were taken: {why:.200}"
        ) from error
    return intrinsics


def _camera(intrinsics: dict, kind: str) -> Camera:
    """The pinhole camera of photos, or of 'depth_'. Raises KeyError, ValueError, TypeError."""
    width, height, *K = (intrinsics[kind + column] for column in COLUMNS)
    return Camera(int(width), int(height), tuple(float(value) for value in K))


def _pose(path: Path) -> np.ndarray | None:
    """T_map_camera (4, 4), None where it is not known. Raises RgbdError."""
    if not path.is_file():
        return None
    try:
        T = np.loadtxt(path, dtype=float).reshape(4, 4)
    except ValueError as error:
        raise RgbdError(
            f"{path} is no 4x4 matrix ({str(error)[:80]}): remove or mend it"
        ) from error
    return T if np.isfinite(T).all() else None
