# SPDX-License-Identifier: Apache-2.0
"""Official downloads -> fragments, and the pairs of image and fragment that overlap, in the layout that `pairs` reads."""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import cKDTree

from diff2i2p.camera import Camera
from diff2i2p.datasets.sequences import Frame
from diff2i2p.geometry import in_map
from diff2i2p.mapping.pyramid import voxel_mean
from diff2i2p_training.data.downloads import Run, read_official
from diff2i2p_training.data.pairs import MAX_DEPTH, SPLITS, Pair, PairsError, write_pairs

FRAMES = 25  # consecutive depth images that make a fragment; one image of as many is a query
VOXEL = 0.025  # metres, spacing of a fragment
REACH = 0.0375  # metres within which a fragment explains a pixel
MIN_OVERLAP = 0.3  # of the pairs kept; 7-Scenes is then read from 0.5 on
SAMPLES = 1000  # pixels that an overlap is measured on
DEPTH_COLUMNS = 320  # of a depth image that go into a fragment: 1 cm apart at 3 m


@dataclass(frozen=True)
class Fragment:
    """Consecutive depth images fused."""

    path: Path
    points: np.ndarray  # (N, 3) float32, frame of its first camera, metres
    T_map_fragment: np.ndarray  # (4, 4) float64 to the scene's map


@dataclass(frozen=True)
class Shot:
    """An image with what it sees."""

    scene: str
    frame: Frame  # its files are in the layout already, its pose is in the scene's map
    camera: Camera
    own: Path  # the fragment its depth is part of
    points: np.ndarray  # (SAMPLES, 3) float32, camera frame, metres


def prepare(
    download: Path | str,
    out: Path | str,
    scenes: Iterable[str] = (),
    progress: Callable[[list], Iterable] = iter,
) -> dict[str, int]:
    """Build ROOT `out` from a download; gives the number of pairs of each split. Raises PairsError, SequenceError."""
    out, groups = Path(out), {}
    for run in read_official(download, scenes):
        groups.setdefault((run.scene, run.split), []).append(run)
    pairs: dict[str, list[Pair]] = {split: [] for split in SPLITS}
    for (scene, split), runs in progress(list(groups.items())):
        folder = out / "data" / scene
        write_intrinsics(folder, runs[0].camera)
        fragments = [fragment for run in runs for fragment in build_fragments(run, folder)]
        shots = [shot for run in runs for shot in take_shots(run, folder)]
        pairs[split] += overlapping(shots, fragments)
    for split in (split for split, found in pairs.items() if found):
        write_pairs(out, split, pairs[split])
    return {split: len(found) for split, found in pairs.items()}


def write_intrinsics(folder: Path, camera: Camera) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.savetxt(folder / "camera-intrinsics.txt", camera.matrix)


def build_fragments(run: Run, folder: Path) -> list[Fragment]:
    """The fragments of a run, written to FOLDER/RUN; a rest of less than half a fragment is left out."""
    (folder / run.name).mkdir(parents=True, exist_ok=True)
    fragments = []
    for start in range(0, len(run.frames), FRAMES):
        frames = run.frames[start : start + FRAMES]
        if len(frames) >= FRAMES / 2:
            points = fuse(frames, run.camera)
            path = _cloud_path(folder, run, start)
            np.save(path, points)
            fragments.append(Fragment(path, points, frames[0].T_map_camera))
    return fragments


def fuse(frames: Iterable[Frame], camera: Camera) -> np.ndarray:
    """(N, 3) float32 points of several depth images, VOXEL apart, in the frame of the first camera. Raises PairsError."""
    frames = list(frames)
    T_fragment_map = np.linalg.inv(frames[0].T_map_camera)
    clouds = []
    for frame in frames:
        T = (T_fragment_map @ frame.T_map_camera).astype(np.float32)
        clouds.append(in_map(back_project(frame, camera), T))
    return voxel_mean(np.concatenate(clouds), None, VOXEL)[0]


def take_shots(run: Run, folder: Path, every: int = FRAMES) -> list[Shot]:
    """Every so many images of a run, copied to FOLDER/RUN with their depth images."""
    (folder / run.name).mkdir(parents=True, exist_ok=True)
    shots = []
    for index in range(0, len(run.frames), every):
        frame = run.frames[index]
        image = folder / run.name / f"color_{index // every:03d}{frame.image_path.suffix}"
        depth = folder / run.name / f"depth_{index // every:03d}.png"
        points = back_project(frame, run.camera)
        points = points[np.random.default_rng(index).integers(len(points), size=SAMPLES)]
        shutil.copyfile(frame.image_path, image)
        cv2.imwrite(str(depth), (frame.depth() * 1000).round().astype(np.uint16))
        copied = replace(frame, image_path=image, depth_path=depth, depth_scale=1000.0)
        shots.append(Shot(run.scene, copied, run.camera, _cloud_path(folder, run, index), points))
    return shots


def overlapping(shots: list[Shot], fragments: list[Fragment]) -> list[Pair]:
    """The pairs that overlap by at least MIN_OVERLAP; an image is never paired with the fragment that its own depth is part of."""
    trees = [cKDTree(fragment.points) for fragment in fragments]
    pairs = []
    for shot in shots:
        for fragment, tree in zip(fragments, trees, strict=True):
            T_fragment_camera = np.linalg.inv(fragment.T_map_fragment) @ shot.frame.T_map_camera
            share = (
                overlap(shot.points, T_fragment_camera, tree) if shot.own != fragment.path else 0.0
            )
            if share >= MIN_OVERLAP:
                pairs.append(
                    Pair(
                        shot.scene,
                        replace(shot.frame, T_map_camera=T_fragment_camera),
                        shot.camera,
                        fragment.path,
                        share,
                    )
                )
    return pairs


def overlap(points: np.ndarray, T_fragment_camera: np.ndarray, tree: cKDTree) -> float:
    """Share of the camera-frame `points` (P, 3) that lie within REACH of the fragment in `tree`."""
    moved = in_map(points, T_fragment_camera)
    return float(np.isfinite(tree.query(moved, distance_upper_bound=REACH)[0]).mean())


def back_project(frame: Frame, camera: Camera) -> np.ndarray:
    """(N, 3) float32 camera-frame points of the pixels with depth, metres. Raises PairsError where there are none."""
    depth = frame.depth()
    if depth is None:
        raise PairsError(
            f"{frame.image_path} has no depth image beside it: fragments are made of depth"
        )
    fx, fy, cx, cy = camera.resized(depth.shape[1]).K
    step = max(1, depth.shape[1] // DEPTH_COLUMNS)
    depth = np.where(depth <= MAX_DEPTH, depth, 0)[::step, ::step]
    rows, columns = np.nonzero(depth)
    if not len(rows):
        raise PairsError(
            f"the depth image {frame.depth_path} is empty: copy it again, or leave the frame out"
        )
    z = depth[rows, columns]
    return np.stack([(step * columns - cx) / fx * z, (step * rows - cy) / fy * z, z], 1).astype(
        np.float32
    )


def _cloud_path(folder: Path, run: Run, index: int) -> Path:
    return folder / run.name / f"cloud_{index // FRAMES:03d}.npy"
