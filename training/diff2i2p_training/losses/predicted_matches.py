# SPDX-License-Identifier: Apache-2.0
"""The network's own matches, differentiable in the features: what tuning, pose and distillation losses are made of."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from diff2i2p.mapping.pyramid import Pyramid
from diff2i2p.network.coarse_to_fine import match_patches, patch_cells
from diff2i2p.network.diff2i2p import Diff2I2P, ImageFeatures, MapFeatures
from diff2i2p_training.data.pair_dataset import Batch
from diff2i2p_training.losses.differentiable_pnp import differentiable_pnp, ransac_start

MATCHES = 400  # of a view, the best ones
INLIER_PX = 0.02  # reprojection error of an inlier, in image widths
REGULAR, MISS = 0.2, 0.4  # weights of the two tuning losses
CHECKED = 512  # points that a pose is judged on


@dataclass(frozen=True)
class ViewMatches:
    """M matches of one view, best first."""

    cells: torch.Tensor  # (M,) fine cells
    pixels: torch.Tensor  # (M, 2) as (u, v)
    points: torch.Tensor  # (M, 3) map points, moved by the tuning
    offsets: torch.Tensor  # (M, 3) that they were moved by, metres
    scores: torch.Tensor  # (M,) cosine of the fine features, 0 where negative
    coarse: tuple[torch.Tensor, torch.Tensor]  # (K,) the patches and nodes that were compared


def match_views(
    network: Diff2I2P,
    image: ImageFeatures,
    site: MapFeatures,
    batch: Batch,
    limit: int | None = None,
) -> list[ViewMatches]:
    """The matches of every view, as at test time; scores and offsets carry gradients to the features, which matches are made does not."""
    levels = [level.to(image.fine.device) for level in patch_levels(network, image)]
    members = node_members(batch.pyramid, network.config.matching.node_points)
    return [
        _match_view(network, image, site, batch, view, levels, members, limit)
        for view in range(len(batch.images))
    ]


def patch_levels(network: Diff2I2P, image: ImageFeatures) -> list[torch.Tensor]:
    """Members of the image patches of every level, as of `patch_cells`."""
    return patch_cells(
        image.tokens.shape[-2:], image.fine.shape[-2:], network.config.network.patch_levels
    )


def _match_view(network, image, site, batch, view, levels, members, limit) -> ViewMatches:
    config, points = network.config, batch.pyramid.points[0]
    cells, width = image.fine[view].flatten(1).T, image.fine.shape[-1]
    with torch.no_grad():
        depth = batch.points[view].isfinite().all(-1) if config.network.query_depth else None
        patches, nodes = network.fuse(
            image.tokens[view : view + 1], site.nodes[None], batch.pyramid.nodes[None]
        )
        coarse, found = match_patches(
            patches[0], nodes[0], cells, site.fine, levels, members, config.matching, depth
        )
    cell, point = found.cells[:limit], found.points[:limit]
    a, b = cells[cell], site.fine[point]
    offsets = torch.zeros_like(points[point])
    if config.network.tuning:
        where, extent = (), None
        if config.network.query_depth:
            where = points[point], _seen_from(batch, view, cell)
        if config.network.tuning_extent:
            seen = (
                points
                if not where
                else _seen_from(batch, view, torch.arange(len(cells), device=cells.device))
            )
            extent = seen.amax(0) - seen.amin(0)
        offsets = network.tuning(a, b, *where, extent=extent)
    pixels = (
        torch.stack([cell % width, cell // width], 1) * batch.stride
        + config.network.fine_stride // 2
    )
    return ViewMatches(
        cell, pixels.float(), points[point] + offsets, offsets, (a * b).sum(1).clamp(min=0), coarse
    )


@dataclass(frozen=True)
class OwnMatches:
    """Up to N matches of each of B views; `weights` are 0 where there are fewer."""

    cells: torch.Tensor  # (B, N)
    pixels: torch.Tensor  # (B, N, 2)
    points: torch.Tensor  # (B, N, 3)
    offsets: torch.Tensor  # (B, N, 3)
    weights: torch.Tensor  # (B, N)


def own_matches(
    network: Diff2I2P, image: ImageFeatures, site: MapFeatures, batch: Batch
) -> OwnMatches:
    """The best MATCHES of every view, side by side."""
    views = match_views(network, image, site, batch, MATCHES)
    columns = (
        [getattr(view, name) for view in views]
        for name in ("cells", "pixels", "points", "offsets", "scores")
    )
    padded = [pad_sequence(column, batch_first=True) for column in columns]
    if padded[0].shape[1] == 0:  # no view has a match: one of weight 0 keeps the shapes sound
        padded = [part.new_zeros(len(views), 1, *part.shape[2:]) for part in padded]
    return OwnMatches(*padded)


def node_members(pyramid: Pyramid, limit: int) -> torch.Tensor:
    """Fine points of each node (M, most), those nearest to it where there are more than `limit`, padded with their number."""
    owners, count = pyramid.owners[0], len(pyramid.points[0])
    order = owners.argsort(stable=True)
    sizes = torch.bincount(owners, minlength=len(pyramid.nodes))
    rank = torch.arange(count, device=owners.device) - (sizes.cumsum(0) - sizes)[owners[order]]
    members = owners.new_full((len(sizes), int(sizes.max())), count)
    members[owners[order], rank] = order
    if members.shape[1] <= limit:
        return members
    away = F.pad(pyramid.points[0], (0, 0, 0, 1), value=1e6)[members] - pyramid.nodes[:, None]
    return members.gather(1, away.norm(dim=2).topk(limit, largest=False).indices)


def tuning_loss(matches: OwnMatches, batch: Batch) -> torch.Tensor:
    """Small offsets that bring every matched point onto what its pixel sees, wrong matches included (facts section 10).

    Both terms are in units of the fragment's extent, where the released code takes the extent of the query's depth.
    """
    points = batch.pyramid.points[0]
    extent = points.amax(0) - points.amin(0)
    seen = batch.points.gather(1, matches.cells[..., None].expand(-1, -1, 3))
    used = (matches.weights > 0) & seen.isfinite().all(-1)
    miss = torch.where(used[..., None], seen - matches.points, 0.0) / extent
    count = used.sum().clamp(min=1)
    size = (matches.offsets / extent).square().sum(-1)
    return (
        REGULAR * _root(size)[used].sum() / count
        + MISS * _root(miss.square().sum(-1))[used].sum() / count
    )


def predicted_poses(matches: OwnMatches, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """T_map_camera (B, 4, 4) by differentiable PnP on the matches that RANSAC keeps, and which of them (B,) are solved."""
    pixels, points, weights = (
        part.detach() for part in (matches.pixels, matches.points, matches.weights)
    )
    start, inliers = ransac_start(
        pixels, points, weights, batch.K, INLIER_PX * batch.images.shape[-1]
    )
    return differentiable_pnp(
        matches.pixels, matches.points, matches.weights * inliers, batch.K, start
    )


def pose_loss(T_map_camera: torch.Tensor, solved: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Mean of log(1 + d), d the voxels between where true and predicted pose (B, 4, 4) see a point of the fragment; 0 if none is solved.

    The logarithm keeps a view that is lost from drowning those that are nearly right.
    """
    points = batch.pyramid.points[0]
    points = points[:: max(1, len(points) // CHECKED)]
    apart = (_seen(points, T_map_camera) - _seen(points, batch.T_map_camera)).square().sum(-1)
    loss = torch.log1p(_root(apart) / batch.pyramid.voxel).mean(1)
    return torch.where(solved, loss, 0.0).sum() / solved.sum().clamp(min=1)


def _seen(points: torch.Tensor, T_map_camera: torch.Tensor) -> torch.Tensor:
    """Points (N, 3) in each camera's frame (B, N, 3)."""
    return (points - T_map_camera[:, None, :3, 3]) @ T_map_camera[:, :3, :3]


def _seen_from(batch: Batch, view: int, cells: torch.Tensor) -> torch.Tensor:
    """What cells see, camera frame (M, 3), zeros where the depth is not known; as mode rgbd is told at test time."""
    points = batch.points[view, cells].nan_to_num(0)
    known = batch.points[view, cells].isfinite().all(-1, keepdim=True)
    return torch.where(known, _seen(points, batch.T_map_camera[view : view + 1])[0], 0.0)


def _root(square: torch.Tensor) -> torch.Tensor:
    """Square root with a gradient at 0."""
    return (square + 1e-12).sqrt()
