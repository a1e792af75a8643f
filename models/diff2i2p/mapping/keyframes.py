# SPDX-License-Identifier: Apache-2.0
"""Posed photographs of the mapping run: the colour of a cloud that has none, and how the map looks in them."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from diff2i2p.camera import Camera, View, rectify
from diff2i2p.cloud import PointCloud
from diff2i2p.config import Config
from diff2i2p.geometry import translated
from diff2i2p.mapping.compiled_map import MapError
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.descriptor_index import FAINT, describe, index
from diff2i2p.render import close_cracks, render_cloud

NOTHING_SEEN = "the posed images show nothing of the cloud: give them poses T_map_camera in its frame, in metres"
# Metres, cosine: a photograph from nearer than both shows nothing new.
APART, TURNED = (0.3, np.cos(np.radians(15)))


class Photograph(NamedTuple):
    """A posed image."""

    read: Callable[[], np.ndarray]  # gives the image, (H, W, 3) uint8 RGB
    camera: Camera
    T_map_camera: np.ndarray  # (4, 4)

    def moved(self, offset: np.ndarray) -> "Photograph":
        """In a frame whose coordinates are `offset` (3,), metres, larger."""
        return self._replace(T_map_camera=translated(self.T_map_camera, offset))

    def view(self, config: Config) -> View:
        return rectify(self.read(), self.camera, config.image.width, config.image.max_fov)


def photographs_of(sequence) -> list[Photograph]:
    """The images of an `datasets.sequences.Sequence` that have a pose."""
    return [
        Photograph(f.image, f.camera or sequence.camera, f.T_map_camera)
        for f in sequence
        if f.T_map_camera is not None
    ]


def keyframes(photographs: Iterable[Photograph]) -> list[Photograph]:
    """Those taken APART from, or looking otherwise than, every one chosen before."""
    chosen: list[Photograph] = []
    poses = np.zeros((0, 4, 4))
    for photograph in photographs:
        T = photograph.T_map_camera
        near = np.linalg.norm(poses[:, :3, 3] - T[:3, 3], axis=1) < APART
        if not (near & (poses[:, :3, 2] @ T[:3, 2] > TURNED)).any():
            chosen.append(photograph)
            poses = np.concatenate([poses, T[None]])
    return chosen


def build_photographs(
    photographs: list[Photograph], dense: DenseMap, config: Config, progress=None
) -> dict[str, np.ndarray]:
    """Index of the SIFT features of photographs, lifted by the map's depth: the arrays that `build_appearance` makes of rendered views.

    progress: called as progress(done, total, what). Raises MapError when they show nothing of the map.
    """
    views = []
    for number, photograph in enumerate(photographs):
        view = photograph.view(config)
        surfaces = close_cracks(dense.render(view.camera, photograph.T_map_camera))
        views.append(
            describe(
                view.grey,
                surfaces,
                view.camera,
                photograph.T_map_camera,
                config.appearance.features,
                FAINT,
            )
        )
        if progress:
            progress(number + 1, len(photographs), "photographs")
    if not any(len(features.points) for features in views):
        raise MapError(NOTHING_SEEN)
    return index(views)


def painted(cloud: PointCloud, photographs: list[Photograph], config: Config) -> PointCloud:
    """The points of `cloud`, thinned as the dense map is, in the mean grey of the photographs that see them; others as their neighbours."""
    dense = DenseMap.build(cloud, colour=False)
    sums, counts = np.zeros(len(dense.points)), np.zeros(len(dense.points))
    for photograph in photographs:
        view = photograph.view(config)
        near = dense.in_view(view.camera, photograph.T_map_camera)
        numbers = np.arange(1, len(near) + 1, dtype=np.int32)
        shown = render_cloud(
            dense.points[near], numbers, view.camera, photograph.T_map_camera, dense.spacing
        ).image
        seen = near[shown[shown > 0] - 1]
        np.add.at(sums, seen, view.grey[shown > 0])
        np.add.at(counts, seen, 1)
    known = np.flatnonzero(counts)
    if not len(known):
        raise MapError(NOTHING_SEEN)
    shades = sums[known] / counts[known]
    nearest = cKDTree(dense.points[known]).query(dense.points)[1]
    return PointCloud(dense.points, np.repeat(shades[nearest, None].round().astype(np.uint8), 3, 1))
