# SPDX-License-Identifier: Apache-2.0
"""Endless batches of views with the map point behind every fine feature cell."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch.utils.data import IterableDataset, get_worker_info

from diff2i2p.mapping.pyramid import Pyramid
from diff2i2p_training.data.photometric import relight
from diff2i2p_training.data.synthesis import SiteView, ViewSynthesizer

TARGETS = 3  # map points that share the label of a cell
INSIDE = 0.8  # share of what a view sees that lies in the part of the map it is matched to
FIRST = 100  # images that training begins with, of one corner of the site


@dataclass(frozen=True)
class Batch:
    """B views of one map, or of one part of it."""

    images: torch.Tensor  # (B, 1, H, W) float32 in [0, 1]
    points: torch.Tensor  # (B, G, 3) float32 map point of each cell, NaN = not known
    targets: torch.Tensor  # (B, G, 3) int64 nearest points of the pyramid, -1 = none
    pyramid: Pyramid  # the map, or the part of it that the views are matched to
    nodes: torch.Tensor  # (M,) bool which nodes of the whole map that part has
    site: int  # which map it is
    K: torch.Tensor  # (B, 3, 3) float32 pinhole cameras
    T_map_camera: torch.Tensor  # (B, 4, 4) float32
    stride: int  # pixels from one cell to the next


class SiteDataset(IterableDataset):
    """Views of one site, drawn anew each time."""

    def __init__(self, synthesizer: ViewSynthesizer, pyramid: Pyramid, batch_size: int, fine_stride: int, max_nodes: int, seed: int = 0):
        self.synthesizer, self.pyramid = synthesizer, pyramid
        self.batch_size, self.stride, self.max_nodes, self.seed = batch_size, fine_stride, max_nodes, seed
        # how hard the views are, and from how much of the site, 0 to 1; training raises it, workers read it
        self.effort = torch.ones(()).share_memory_()
        self.tree = cKDTree(pyramid.points[0].numpy())
        self.owners = pyramid.owners[0].numpy()
        self.seen = [self._seen_nodes(view) for view in synthesizer.views]
        self.useful = self._from_a_corner_on()

    def __iter__(self):
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            yield self.draw(rng)

    def draw(self, rng: np.random.Generator) -> Batch:
        anchors, nodes = self._neighbourhood(rng)
        effort = self.effort.item()
        samples = [self._sample(self.synthesizer.draw(rng, anchor, effort), rng, effort) for anchor in anchors]
        images, points, targets, K, T = (torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True))
        pyramid, targets = _cropped(self.pyramid, nodes, targets)
        return Batch(images[:, None], points, targets, pyramid, nodes, self.seed, K, T, self.stride)

    def _from_a_corner_on(self) -> np.ndarray:
        """The views that see anything, first those that see what the first one sees, the furthest from that last."""
        useful, nodes = np.flatnonzero([len(nodes) for nodes in self.seen]), self.pyramid.nodes.numpy()
        if not len(useful):
            raise ValueError("no image sees anything of the cloud: poses have to be T_map_camera, optical frame, in the cloud's frame")
        middles = np.stack([nodes[self.seen[view]].mean(0) for view in useful])
        return useful[np.argsort(np.linalg.norm(middles - middles[0], axis=1), kind="stable")]

    def _neighbourhood(self, rng: np.random.Generator) -> tuple[np.ndarray, torch.Tensor]:
        """Views that see one part of the map, and the nodes of that part: all of a small map.

        Down a long corridor every view sees more than a part can hold: then those are taken that see least beside it.
        """
        count = len(self.pyramid.nodes)
        views = self.useful[: max(FIRST, round(self.effort.item() * len(self.useful)))]
        if count <= self.max_nodes:
            return rng.choice(views, self.batch_size), torch.ones(count, dtype=torch.bool)
        centre = self.pyramid.nodes.numpy()[self.seen[rng.choice(views)]].mean(0)
        distance = np.linalg.norm(self.pyramid.nodes.numpy() - centre, axis=1)
        nodes = distance <= np.partition(distance, self.max_nodes - 1)[self.max_nodes - 1]
        share = np.array([nodes[self.seen[view]].mean() for view in views])
        return rng.choice(views[share >= min(INSIDE, share.max())], self.batch_size), torch.from_numpy(nodes)

    def _sample(self, view: SiteView, rng: np.random.Generator, effort: float):
        points, targets = self._labels(view)
        return relight(view.grey, rng, effort), points, targets, *pinhole(view)

    def _labels(self, view: SiteView) -> tuple[np.ndarray, np.ndarray]:
        return label_cells(view, self.tree, 2 * self.pyramid.voxel, self.stride // 2, self.stride)

    def _seen_nodes(self, view) -> np.ndarray:
        targets = self._labels(view)[1][:, 0]
        return np.unique(self.owners[targets[targets >= 0]])


def label_cells(view: SiteView, tree: cKDTree, reach: float, first: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
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


def _cropped(pyramid: Pyramid, nodes: torch.Tensor, targets: torch.Tensor) -> tuple[Pyramid, torch.Tensor]:
    """The part of the map that belongs to `nodes`, and the labels in that part; what lies outside has none."""
    if nodes.all():
        return pyramid, targets
    inside = nodes[pyramid.owners[0]]
    index = torch.where(inside, inside.cumsum(0) - 1, -1)
    targets = torch.where(targets >= 0, index[targets.clamp(min=0)], -1)
    whole = (targets >= 0).all(-1, keepdim=True)
    return pyramid.crop(nodes), torch.where(whole, targets, -1)
