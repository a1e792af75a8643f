# SPDX-License-Identifier: Apache-2.0
"""Endless batches of pairs: a few images of one fragment, with their true poses and the map point
behind every fine feature cell."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from torch.utils.data import IterableDataset, get_worker_info

from diff2i2p.camera import View
from diff2i2p.config import Config
from diff2i2p.mapping.pyramid import Pyramid, build_pyramid
from diff2i2p.matchers.point_network import back_project
from diff2i2p_training.data.pairs import Pair, PairSet
from diff2i2p_training.data.photometric import relight
from diff2i2p_training.data.synthesis import SiteView, turned
from diff2i2p_training.recipe import DataRecipe

# How a fragment is moved: radians, metres, metres.
TURN, SHIFT, NOISE = (0.1 * np.pi / np.sqrt(3), 0.1 / np.sqrt(3), 0.005)
FRAGMENTS = 256  # kept in memory
TARGETS = 3  # map points that share the label of a cell


@dataclass(frozen=True)
class Batch:
    """B views of one fragment."""

    images: torch.Tensor  # (B, 1, H, W) float32 in [0, 1]
    points: torch.Tensor  # (B, G, 3) float32 map point of each cell, NaN = not known
    targets: torch.Tensor  # (B, G, 3) int64 nearest points of the pyramid, -1 = none
    pyramid: Pyramid  # the fragment
    K: torch.Tensor  # (B, 3, 3) float32 pinhole cameras
    T_map_camera: torch.Tensor  # (B, 4, 4) float32
    stride: int  # pixels from one cell to the next


class PairDataset(IterableDataset):
    """Pairs drawn without end; an image is turned and relit, a fragment moved, as the recipe says."""

    def __init__(
        self, pairs: PairSet, config: Config, recipe: DataRecipe, seed: int = 0, step: int = 1
    ):
        """step: fine cells from one labelled cell to the next; outside training the network computes every fine_step-th."""
        self.pairs, self.config, self.recipe, self.seed = pairs, config, recipe, seed
        self.stride = config.network.fine_stride * step
        self.epoch = len(pairs) / recipe.batch  # steps

    def __iter__(self):
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            yield self.draw(rng)

    def draw(self, rng: np.random.Generator) -> Batch:
        """A pair of any, and others of the same fragment."""
        first = self.pairs.pairs[rng.integers(len(self.pairs))]
        others = self.pairs.by_cloud[first.cloud_path]
        return self.collate(
            [first, *(others[i] for i in rng.integers(len(others), size=self.recipe.batch - 1))],
            rng,
        )

    def collate(self, pairs: list[Pair], rng: np.random.Generator) -> Batch:
        """The batch of pairs of one fragment."""
        pyramid, tree = fragment(pairs[0].cloud_path, self.config)
        samples = [self._sample(self._view(pair, rng), tree, pyramid.voxel, rng) for pair in pairs]
        images, points, targets, K, T = (
            torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True)
        )
        if self.recipe.move:
            A = torch.from_numpy(_motion(tree.data.mean(0), rng)).float()
            points, T, pyramid = points @ A[:3, :3].T + A[:3, 3], A @ T, _moved(pyramid, A, rng)
        return Batch(images, points, targets, pyramid, K, T, self.stride)

    def _view(self, pair: Pair, rng: np.random.Generator) -> SiteView:
        view = pair.view(self.config.image.width)
        return turned(view, rng) if self.recipe.turn else view

    def _sample(self, view: SiteView, tree: cKDTree, voxel: float, rng: np.random.Generator):
        grey = (
            relight(view.grey, rng) if self.recipe.relight else view.grey.astype(np.float32) / 255
        )
        channels = grey[None]
        if self.config.network.query_depth:
            channels = np.concatenate(
                [channels, back_project(View(view.grey, view.camera, view.depth)).numpy()]
            )
        points, targets = label_cells(
            view, tree, 2 * voxel, self.config.network.fine_stride // 2, self.stride
        )
        return channels, points, targets, *pinhole(view)


@lru_cache(maxsize=FRAGMENTS)
def fragment(path: Path, config: Config) -> tuple[Pyramid, cKDTree]:
    """The pyramid of a fragment and a tree of its fine points."""
    grid = config.map
    pyramid = build_pyramid(
        np.load(path)[:, :3],
        None,
        grid.fine_voxel,
        grid.levels,
        grid.neighbours,
        grid.search_radius,
    )
    return pyramid, cKDTree(pyramid.points[0].numpy())


def _motion(centre: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(4, 4) small random motion about `centre` (3,)."""
    axis = rng.standard_normal(3)
    T = np.eye(4)
    T[:3, :3] = Rotation.from_rotvec(axis / np.linalg.norm(axis) * rng.uniform(0, TURN)).as_matrix()
    T[:3, 3] = centre - T[:3, :3] @ centre + rng.standard_normal(3) * SHIFT
    return T


def _moved(pyramid: Pyramid, A: torch.Tensor, rng: np.random.Generator) -> Pyramid:
    """The pyramid moved by A (4, 4), its fine points a little displaced; who neighbours whom stays."""
    points = [p @ A[:3, :3].T + A[:3, 3] for p in pyramid.points]
    points[0] = (
        points[0]
        + torch.from_numpy(rng.uniform(-0.5, 0.5, points[0].shape).astype(np.float32)) * NOISE
    )
    return replace(pyramid, points=tuple(points))


def label_cells(
    view: SiteView, tree: cKDTree, reach: float, first: int, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Map points (G, 3) float32 seen by the fine cells, NaN = not known, and their nearest points in `tree` (G, 3), -1 beyond `reach`.

    Cells lie at pixels first, first + stride, ... of both axes. Where every pixel is a cell, every second is labelled, along both axes.
    """
    rows, columns = (np.arange(first, size, stride) for size in view.grey.shape)
    rows, columns = (grid.ravel() for grid in np.meshgrid(rows, columns, indexing="ij"))
    points = view.points(rows, columns)
    if stride == 1:
        points[(rows % 2 == 1) | (columns % 2 == 1)] = np.nan
    targets = np.full((len(points), TARGETS), -1)
    known = np.isfinite(points[:, 0])
    distance, index = tree.query(points[known], TARGETS)
    index[distance[:, 0] > reach] = -1
    targets[known] = index
    return points, targets


def pinhole(view: SiteView) -> tuple[np.ndarray, np.ndarray]:
    """K (3, 3) and T_map_camera (4, 4) float32 of a view."""
    return view.camera.matrix.astype(np.float32), view.T_map_camera.astype(np.float32)
