# SPDX-License-Identifier: Apache-2.0
"""The paper's matching losses: circle losses on patches and nodes, before and after fusion, and on pixels and points (facts section 10).

    L = softplus(lse_p[a (d_p - m_p) [d_p - m_p]_+ w_p] + lse_n[a (m_n - d_n) [m_n - d_n]_+]) / a

over the positive distances d_p and negative distances d_n of a row, and of a column; the factors in brackets carry no gradient.
"""

import torch
from torch.nn import functional as F

from diff2i2p.network.coarse_to_fine import patch_cells
from diff2i2p.network.diff2i2p import Diff2I2P, ImageFeatures, MapFeatures
from diff2i2p_training.data.pair_dataset import Batch

POSITIVE, NEGATIVE = 0.1, 1.4  # margins m_p and m_n on distances of unit vectors
COARSE_SCALE, FINE_SCALE = 40.0, 24.0  # a
OVERLAPPING, APART = 0.3, 0.2  # patch and node are a positive pair above, a negative one below
PIXELS = 256  # true correspondences in the fine loss
NEAR, FAR = 1.5, 4.0  # voxels between pixel and point of a positive and of a negative pair, in 3D
NEAR_PX, FAR_PX = 8.0, 12.0  # and on an image of 640 columns, where a voxel has 2.5 cm


def circle_losses(
    network: Diff2I2P, image: ImageFeatures, site: MapFeatures, batch: Batch
) -> dict[str, torch.Tensor]:
    """Coarse, multi-scale and fine loss, each a mean over the views."""
    views = len(batch.images)
    patches, nodes = network.fuse(
        image.tokens, site.nodes.expand(views, -1, -1), batch.pyramid.nodes.expand(views, -1, -1)
    )
    early_patches, early_nodes = network.votes(image.tokens, site.nodes)
    levels = patch_cells(
        image.tokens.shape[-2:], image.fine.shape[-2:], network.config.network.patch_levels
    )
    losses = {"coarse": [], "votes": [], "fine": []}
    for view in range(views):
        shares = overlaps(batch, view, [level.to(image.fine.device) for level in levels])
        losses["coarse"].append(coarse_loss(patches[view], nodes[view], shares))
        losses["votes"].append(coarse_loss(early_patches[view], early_nodes, shares))
        losses["fine"].append(fine_loss(image.fine[view].flatten(1).T, site.fine, batch, view))
    return {name: torch.stack(values).mean() for name, values in losses.items()}


def coarse_loss(patches: torch.Tensor, nodes: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Of unit vectors (P, C) and (M, C) and the `overlaps` (P, M) between them."""
    distance = ((2 - 2 * patches @ nodes.T).clamp(min=0) + 1e-8).sqrt()
    return circle_loss(
        distance, shares.sqrt() * (shares > OVERLAPPING), shares < APART, COARSE_SCALE
    )


def fine_loss(cells: torch.Tensor, points: torch.Tensor, batch: Batch, view: int) -> torch.Tensor:
    """Of unit vectors (G, C) and (N, C), on up to PIXELS true correspondences; squared distances, as released."""
    cell, point = true_matches(batch, view)
    chosen = torch.randperm(len(cell), device=cell.device)[:PIXELS]
    cell, point = cell[chosen], point[chosen]
    distance = (2 - 2 * cells[cell] @ points[point].T).clamp(min=0)
    apart = (
        torch.cdist(batch.points[view, cell], batch.pyramid.points[0][point]) / batch.pyramid.voxel
    )
    apart_px = torch.cdist(
        *(
            project(batch, view, p)
            for p in (batch.points[view, cell], batch.pyramid.points[0][point])
        )
    ) / _pixel(batch)
    positive = (apart < NEAR) & (apart_px < NEAR_PX)
    return circle_loss(
        distance, positive.to(distance), (apart > FAR) | (apart_px > FAR_PX), FINE_SCALE
    )


def circle_loss(
    distance: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, scale: float
) -> torch.Tensor:
    """distance (P, N); positive (P, N) weights, 0 = not positive; negative (P, N) bool. 0 where no row or column has both kinds."""
    excess, lack = distance - POSITIVE, NEGATIVE - distance
    pull = (scale * excess * excess.detach().clamp(min=0) * positive).masked_fill(
        positive == 0, -torch.inf
    )
    push = (scale * lack * lack.detach().clamp(min=0)).masked_fill(~negative, -torch.inf)
    sides = []
    for dim in (1, 0):
        both = (positive > 0).any(dim) & negative.any(dim)
        a, b = (part.movedim(dim, 1)[both] for part in (pull, push))
        sides.append(
            F.softplus(a.logsumexp(1) + b.logsumexp(1)).sum() / both.sum().clamp(min=1) / scale
        )
    return (sides[0] + sides[1]) / 2


@torch.no_grad()
def overlaps(batch: Batch, view: int, levels: list[torch.Tensor]) -> torch.Tensor:
    """(P, M): share of what a patch and a node show that the other shows too, the smaller of the shares of both sides.

    levels: members of the patches, as of `patch_cells`. A cell and a point show the same when they are NEAR in 3D and on the
    image; only a cell's nearest points are looked at, which is enough where cells lie denser than points.
    """
    known, owners = batch.points[view].isfinite().all(-1), batch.pyramid.owners[0]
    nodes = len(batch.pyramid.nodes)
    owned = torch.bincount(owners, minlength=nodes).clamp(min=1)
    cell, point = _seen_together(batch, view)
    shares = []
    for patches in levels:
        members = F.pad(known, (0, 1))[patches].sum(1).clamp(min=1)  # cells with depth
        patch_of = torch.zeros(len(known) + 1, dtype=torch.long, device=cell.device)
        patch_of[patches] = torch.arange(len(patches), device=cell.device)[:, None].expand_as(
            patches
        )
        by_cell = torch.stack([cell, owners[point]]).unique(dim=1)
        by_point = torch.stack([patch_of[cell], point]).unique(dim=1)
        pairs = patch_of[by_cell[0]] * nodes + by_cell[1], by_point[0] * nodes + owners[by_point[1]]
        cells, points = (
            torch.bincount(pair, minlength=len(patches) * nodes).view(-1, nodes) for pair in pairs
        )
        shares.append(torch.minimum(cells / members[:, None], points / owned))
    return torch.cat(shares)


@torch.no_grad()
def true_matches(batch: Batch, view: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cells and points (C,) that are each other's nearest and NEAR; a point takes the nearest of the cells that it is nearest to."""
    nearest = batch.targets[view, :, 0]
    cell = (nearest >= 0).nonzero()[:, 0]
    point = nearest[cell]
    near = _near(batch, view, cell, point)
    cell, point = cell[near], point[near]
    distance = (batch.points[view, cell] - batch.pyramid.points[0][point]).norm(dim=1)
    best = distance.new_full((len(batch.pyramid.points[0]),), torch.inf).scatter_reduce(
        0, point, distance, "amin"
    )
    kept = distance == best[point]
    return cell[kept], point[kept]


def project(batch: Batch, view: int, points: torch.Tensor) -> torch.Tensor:
    """Pixels (N, 2) of map points (N, 3) in a view of the batch; far away for those behind it."""
    T = batch.T_map_camera[view]
    local = (points - T[:3, 3]) @ T[:3, :3]
    seen = local @ batch.K[view].T
    return torch.where(local[:, 2:] > 0.01, seen[:, :2] / seen[:, 2:].clamp(min=0.01), 1e6)


def _seen_together(batch: Batch, view: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs (E,) of cell and point that show the same."""
    targets = batch.targets[view]
    cell, rank = (targets >= 0).nonzero(as_tuple=True)
    point = targets[cell, rank]
    near = _near(batch, view, cell, point)
    return cell[near], point[near]


def _near(batch: Batch, view: int, cell: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    """(E,) whether cell and point are NEAR in 3D and on the image."""
    seen, points = batch.points[view, cell], batch.pyramid.points[0][point]
    apart_px = (project(batch, view, seen) - project(batch, view, points)).norm(dim=1)
    return ((seen - points).norm(dim=1) < NEAR * batch.pyramid.voxel) & (
        apart_px < NEAR_PX * _pixel(batch)
    )


def _pixel(batch: Batch) -> float:
    """Pixels of this batch that stand for one of the paper's: of 640 columns, at a voxel of 2.5 cm."""
    return batch.images.shape[-1] / 640 * batch.pyramid.voxel / 0.025
