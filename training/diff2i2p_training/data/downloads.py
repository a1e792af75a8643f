# SPDX-License-Identifier: Apache-2.0
"""The data sets of the paper as their makers offer them for download: runs of posed RGB-D frames by scene and split."""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera
from diff2i2p.datasets.sequences import SEVEN_SCENES, Frame, read_sequence
from diff2i2p_training.data.pairs import PairsError, read_intrinsics

# Asus Xtion, as the data set is commonly used.
RGBD_SCENES = Camera(640, 480, (570.3, 570.3, 320.0, 240.0))
RGBD_SPLITS = {
    "train": range(1, 9),
    "val": range(9, 11),
    "test": range(11, 15),
}  # scene numbers, by 2D3D-MATR
VALIDATION_SHARE = 0.2  # of every 7-Scenes training run, its end; in 2D3D-MATR 1,011 of 5,059 pairs


@dataclass(frozen=True)
class Run:
    """Consecutive frames of one camera, all in one split."""

    scene: str
    name: str
    split: str
    camera: Camera
    frames: tuple[Frame, ...]


def read_official(root: Path | str, scenes=()) -> list[Run]:
    """All runs of a download, of all scenes or of those named. Raises PairsError, SequenceError.

    7-Scenes: SCENE/seq-NN/frame-NNNNNN.{color.png,depth.png,pose.txt} with SCENE/TrainSplit.txt and TestSplit.txt; the
    3DMatch packaging of either data set (the same, with camera-intrinsics.txt) too. RGB-D Scenes V2: imgs/scene_NN and pc/NN.pose.
    """
    root = Path(root)
    if not root.is_dir():
        raise PairsError(f"there is no download {root}: check the name")
    if (root / "imgs").is_dir() and (root / "pc").is_dir():
        runs = list(_rgbd_scenes(root))
    else:
        runs = list(_seven_scenes(root))
    known = sorted({run.scene for run in runs})
    if not runs:
        raise PairsError(
            f"{root} is no download of a known data set: expected SCENE/seq-NN/frame-*.color.png (7-Scenes), or imgs/scene_NN with"
            " pc/NN.pose (RGB-D Scenes V2); unpack the archives first"
        )
    if missing := [scene for scene in scenes if scene not in known]:
        raise PairsError(f"{root} has no scene {', '.join(missing)}; it has {', '.join(known)}")
    return [run for run in runs if not scenes or run.scene in scenes]


def _seven_scenes(root: Path) -> Iterator[Run]:
    for folder in sorted(root.glob("*/seq-*")):
        if not any(folder.glob("frame-*.color.*")):
            continue
        frames = tuple(
            _with_depth(frame) for frame in read_sequence(folder) if frame.T_map_camera is not None
        )
        split = _split(folder.parent, folder.name)
        kept = round(len(frames) * (1 - VALIDATION_SHARE)) if split == "train" else len(frames)
        for name, part, chosen in (
            (folder.name, split, frames[:kept]),
            (f"{folder.name}-val", "val", frames[kept:]),
        ):
            if chosen:
                yield Run(folder.parent.name, name, part, _camera(folder.parent, chosen[0]), chosen)


def _with_depth(frame: Frame) -> Frame:
    """The data set's own depth image, taken as the benchmarks do: as if it were registered to the colour camera."""
    depth = frame.image_path.with_name(f"{frame.name}.depth.png")
    return (
        frame
        if frame.depth_path or not depth.is_file()
        else dataclasses.replace(frame, depth_path=depth)
    )


def _camera(scene: Path, frame: Frame) -> Camera:
    path = scene / "camera-intrinsics.txt"
    return read_intrinsics(path, frame.image_path) if path.is_file() else SEVEN_SCENES


def _split(scene: Path, sequence: str) -> str:
    """By the scene's TestSplit.txt ('sequence3' is seq-03), or, in 3DMatch's packaging of RGB-D Scenes V2, by its number."""
    path = scene / "TestSplit.txt"
    if path.is_file():
        return (
            "test"
            if int(re.sub(r"\D", "", sequence)) in map(int, re.findall(r"\d+", path.read_text()))
            else "train"
        )
    number = re.fullmatch(r"rgbd-scenes-v2-scene_(\d+)", scene.name)
    if number is None:
        raise PairsError(
            f"{scene} has no TestSplit.txt: it belongs to the download of 7-Scenes, copy it there"
        )
    return _rgbd_split(int(number[1]), scene)


def _rgbd_split(number: int, folder: Path) -> str:
    split = next((name for name, numbers in RGBD_SPLITS.items() if number in numbers), None)
    if split is None:
        raise PairsError(f"{folder} is scene {number}, but RGB-D Scenes V2 has scenes 1 to 14")
    return split


def _rgbd_scenes(root: Path) -> Iterator[Run]:
    for folder in sorted((root / "imgs").glob("scene_*")):
        number = int(folder.name.removeprefix("scene_"))
        split = _rgbd_split(number, folder)
        poses = _poses(root / "pc" / f"{number:02d}.pose")
        images = sorted(folder.glob("*-color.png"))
        if len(poses) < len(images):
            raise PairsError(
                f"{folder} has {len(images)} images but pc/{number:02d}.pose only {len(poses)} poses: download it again"
            )
        frames = tuple(
            Frame(
                i,
                image.stem,
                i / 30,
                image,
                T,
                image.with_name(image.name.replace("-color", "-depth")),
            )
            for i, (image, T) in enumerate(zip(images, poses, strict=False))
        )
        if frames:
            yield Run(f"rgbd-scenes-v2-{folder.name}", "seq-01", split, RGBD_SCENES, frames)


def _poses(path: Path) -> list[np.ndarray]:
    """T_map_camera (4, 4) of every line 'w x y z tx ty tz'."""
    try:
        table = np.loadtxt(path, ndmin=2)
        rotations = Rotation.from_quat(table[:, [1, 2, 3, 0]]).as_matrix()
    except (OSError, ValueError, IndexError) as error:
        raise PairsError(
            f"{path} is missing or holds no poses 'w x y z tx ty tz' ({error})"
        ) from error
    poses = np.tile(np.eye(4), (len(table), 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = rotations, table[:, 4:7]
    return list(poses)
