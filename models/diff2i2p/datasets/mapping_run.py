# SPDX-License-Identifier: Apache-2.0
"""The mapping run of a site, a folder or a bag: poses in time with images, the best of these."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from diff2i2p.datasets.bag import STORAGE
from diff2i2p.datasets.bag_sequence import BagChoice, BagSequence, read_bag
from diff2i2p.datasets.image_bytes import ImageError
from diff2i2p.datasets.lag import View, estimate_lag
from diff2i2p.datasets.sequences import Frame, Sequence, SequenceError, read_sequence

NEAR, TURNED = 0.1, np.cos(np.radians(5))  # metres, cosine: images from nearer show the same
UNREADABLE = -1.0  # sharpness of an image that cannot be decoded
TRIED = 5  # images of one place, whose sharpness is compared
WATCHED = 12.0  # seconds of the run by which the lag is estimated, those that turn most
LEAST_LAG = 0.005  # seconds that matter

Progress = Callable[[list], "Iterator"]  # as rich's track


def open_sequence(
    path: Path | str, choice: BagChoice = BagChoice(), map_frame: str = "map"
) -> Sequence:
    """A sequence folder, or a bag by `read_bag`. Raises SequenceError, BagError, CameraError."""
    if is_bag(Path(path)):
        sequence = read_bag(path, choice, map_frame)
        return _told(sequence, _lag(sequence), "poses are left as they are")
    if choice.truth:
        raise SequenceError(f"{path} is a folder, which has its poses in it: --truth is for bags")
    return read_sequence(path, choice.start, choice.stop)


def open_mapping_run(
    path: Path | str, choice: BagChoice = BagChoice(), map_frame: str = "map",
    progress: Progress = iter,
) -> Sequence:  # fmt: skip
    """The images of a mapping run that have a pose. Raises SequenceError, BagError, CameraError.

    Of a bag: sharp ones, apart from each other, posed by the trajectory of when they were taken.
    Its truth is TF, map -> camera, unless a topic is named so, or one given.
    """
    if is_bag(Path(path)):
        sequence = read_bag(path, replace(choice, poses_from_tf=True), map_frame)
        lag = _lag(sequence)
        if lag is not None and abs(lag) >= LEAST_LAG:
            frames = (replace(f, T_map_camera=sequence.truth(f.stamp + lag)) for f in sequence)
            sequence = replace(sequence, frames=tuple(frames))
        sequence = _told(sequence, lag, "taken into account")
    else:
        sequence = open_sequence(path, choice, map_frame)
    frames = [frame for frame in sequence if frame.T_map_camera is not None]
    if not frames:
        raise SequenceError(
            f"no image of {path} has a pose: give the mapping run with its poses in the cloud's"
            " frame (of a bag with --truth: a topic, tf, or a TUM file)"
        )
    if isinstance(sequence, BagSequence):
        frames = sharpest(frames, progress)
    return replace(sequence, frames=tuple(frames))


def is_bag(path: Path) -> bool:
    """Whether a path is that of a bag: its file, or a folder with its files."""
    if path.is_dir() and not (path / "rgb").is_dir():
        return any(file.name.endswith((*STORAGE, "metadata.yaml")) for file in path.iterdir())
    return path.name.endswith(STORAGE)


def sharpest(frames: list[Frame], progress: Progress = iter) -> list[Frame]:
    """Of every stretch of images from one place the sharpest; of a long one a few are compared."""
    stretches: list[list[Frame]] = []
    for frame in frames:
        if not stretches or _is_apart(stretches[-1][0], frame):
            stretches.append([])
        stretches[-1].append(frame)
    ranked = ([(_sharpness(f), f) for f in _some(stretch)] for stretch in progress(stretches))
    best = (max(stretch, key=lambda pair: pair[0]) for stretch in ranked)
    return [frame for sharpness, frame in best if sharpness > UNREADABLE]


def _is_apart(first: Frame, second: Frame) -> bool:
    a, b = first.T_map_camera, second.T_map_camera
    return bool(np.linalg.norm(a[:3, 3] - b[:3, 3]) > NEAR or a[:3, 2] @ b[:3, 2] < TURNED)


def _some(stretch: list[Frame]) -> list[Frame]:
    chosen = np.linspace(0, len(stretch) - 1, min(TRIED, len(stretch)))
    return [stretch[index] for index in chosen.round().astype(int)]


def _sharpness(frame: Frame) -> float:
    """Variance of the Laplacian, of the contrast that is there: light comes and goes."""
    try:
        image = frame.image()
    except ImageError:
        return UNREADABLE
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var() / max(float(grey.var()), 1.0))


def _lag(sequence: BagSequence) -> float | None:
    """Seconds by which the truth of a bag is late against its images, where its motion tells."""
    frames = _most_turning(sequence)
    if not frames:
        return None

    def views() -> Iterator[View]:
        for frame in frames:
            with suppress(ImageError):
                yield frame.stamp, frame.image(), frame.camera or sequence.camera

    return estimate_lag(views(), sequence.truth)


def _most_turning(sequence: BagSequence) -> list[Frame]:
    """The consecutive frames of WATCHED seconds in which the camera turns most, by its poses."""
    frames = [frame for frame in sequence if frame.T_map_camera is not None]
    if len(frames) < 2:
        return []
    ahead = np.array([frame.T_map_camera[:3, 2] for frame in frames])
    turned = np.append(0, np.cumsum(np.linalg.norm(np.diff(ahead, axis=0), axis=1)))
    stamps = np.array([frame.stamp for frame in frames])
    ends = np.searchsorted(stamps, stamps + WATCHED) - 1
    first = int((turned[ends] - turned).argmax())
    return frames[first : ends[first] + 1]


def _told(sequence: BagSequence, lag: float | None, use: str) -> BagSequence:
    """The sequence with a word about the lag among its sources."""
    if all(frame.T_map_camera is None for frame in sequence):
        return sequence
    late = "early" if lag is not None and lag < 0 else "late"
    told = "not known, the camera turns too little or too rarely"
    if lag is not None:
        told = f"the poses are {1e3 * abs(lag):.0f} ms {late} against the images: {use}"
    return replace(sequence, sources=sequence.sources | {"lag": told})
