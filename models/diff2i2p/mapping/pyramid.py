# SPDX-License-Identifier: Apache-2.0
"""The voxel pyramid of a map: ever coarser points, and who neighbours whom."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial import cKDTree

UPSAMPLING_NEIGHBOURS = 3


@dataclass(frozen=True)
class Pyramid:
    """Points of every level, fine to coarse, and index tables between them.

    A table entry equal to the number of support points is padding. `nodes` are the points of the last level.
    """

    points: tuple[torch.Tensor, ...]  # L x (N_l, 3) float32, map frame, metres
    neighbours: tuple[torch.Tensor, ...]  # L x (N_l, K) int64 into level l, nearest first
    pools: tuple[torch.Tensor, ...]  # (L-1) x (N_{l+1}, K) int64 into level l
    rises: tuple[torch.Tensor, ...]  # (L-1) x (N_l, K') int64 into level l+1
    owners: tuple[torch.Tensor, ...]  # L x (N_l,) int64: the node each point belongs to
    grey: torch.Tensor | None  # (N_0,) float32 in [0, 1]
    voxel: float  # spacing of level 0, metres

    @property
    def nodes(self) -> torch.Tensor:
        return self.points[-1]

    def crop(self, node_mask: torch.Tensor) -> "Pyramid":
        """The pyramid of the points that belong to the nodes in `node_mask` (N_L,) bool."""
        keep = [node_mask[owner] for owner in self.owners]
        index = [_renumber(mask) for mask in keep]
        levels = range(len(self.points))
        return replace(
            self,
            points=tuple(self.points[level][keep[level]] for level in levels),
            neighbours=tuple(index[level][self.neighbours[level][keep[level]]] for level in levels),
            pools=tuple(index[level][self.pools[level][keep[level + 1]]] for level in levels[:-1]),
            rises=tuple(index[level + 1][self.rises[level][keep[level]]] for level in levels[:-1]),
            owners=tuple(index[-1][self.owners[level][keep[level]]] for level in levels),
            grey=None if self.grey is None else self.grey[keep[0]],
        )


def build_pyramid(
    points: np.ndarray,
    grey: np.ndarray | None,
    voxel: float,
    levels: int,
    neighbours: int,
    radius: float = 0.0,
) -> Pyramid:
    """Thin `points` (N, 3) to one per voxel, and on by doubling; `grey` (N,) in [0, 1] is averaged along.

    With a `radius` in voxels of the finer level only neighbours within it count, and a point rises from all within twice that.
    """
    stack, shade = [], grey
    for level in range(levels):
        points, mean_shade = voxel_mean(points, shade if level == 0 else None, voxel * 2**level)
        shade = mean_shade if level == 0 else shade
        stack.append(points)
    trees = [cKDTree(p) for p in stack]
    reach = [radius * voxel * 2**i or np.inf for i in range(levels)]
    nearest = [_nearest(trees[i], stack[i], neighbours, reach[i]) for i in range(levels)]
    pools = [_nearest(trees[i], stack[i + 1], neighbours, reach[i]) for i in range(levels - 1)]
    above = neighbours if radius else UPSAMPLING_NEIGHBOURS
    rises = [_nearest(trees[i + 1], stack[i], above, reach[i + 1]) for i in range(levels - 1)]
    owners = [_nearest(trees[-1], p, 1)[:, 0] for p in stack]
    return Pyramid(
        tuple(torch.from_numpy(p) for p in stack), tuple(nearest), tuple(pools), tuple(rises), tuple(owners),
        None if grey is None else torch.from_numpy(shade), voxel,
    )  # fmt: skip


def voxel_mean(
    points: np.ndarray, grey: np.ndarray | None, voxel: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """Mean point (and shade) of every occupied voxel, in a fixed order."""
    cells = np.floor((points - points.min(0)) / voxel).astype(np.int64)
    size = cells.max(0) + 1
    keys = (cells[:, 0] * size[1] + cells[:, 1]) * size[2] + cells[:, 2]
    _, member, count = np.unique(keys, return_inverse=True, return_counts=True)

    def mean(values):
        return (np.bincount(member, values, len(count)) / count).astype(np.float32)

    return np.stack([mean(points[:, i]) for i in range(3)], 1), None if grey is None else mean(grey)


def _nearest(tree: cKDTree, queries: np.ndarray, k: int, reach: float = np.inf) -> torch.Tensor:
    index = tree.query(queries, k, distance_upper_bound=reach, workers=-1)[
        1
    ]  # missing neighbours come back as tree.n: the padding index
    return torch.from_numpy(np.asarray(index, np.int64).reshape(len(queries), k))


def _renumber(mask: torch.Tensor) -> torch.Tensor:
    """New index of every kept entry; dropped entries and the padding index become the new padding index."""
    kept = int(mask.sum())
    index = torch.full((len(mask) + 1,), kept, dtype=torch.int64)
    index[:-1][mask] = torch.arange(kept)
    return index
