# SPDX-License-Identifier: Apache-2.0
"""Coarse-to-fine matching: image patches to map nodes, then pixels to points inside each pair (facts file section 6)."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from diff2i2p.config import MatchingConfig
from diff2i2p.network.point_backbone import AT_ONCE, gather, in_parts

OPPOSITE = 2.0  # distance of opposite unit vectors
WINDOW = 4  # fine cells to either side of where a pose puts a point


@dataclass(frozen=True)
class Crop:
    """A candidate view: nodes of the map, and the fine points that belong to them."""

    nodes: torch.Tensor  # (M, C) before fusion
    node_points: torch.Tensor  # (M, 3) map frame, metres
    fine: torch.Tensor  # (N, D) unit features of the points
    points: torch.Tensor  # (N, 3) map frame, metres
    members: torch.Tensor  # (M, B) points of each node, padded with N


@dataclass(frozen=True)
class PixelMatches:
    """M matched (pixel, point) pairs, best first."""

    cells: torch.Tensor  # (M,) index into the row-major fine feature grid
    points: torch.Tensor  # (M,) index into the candidate's fine points
    scores: torch.Tensor  # (M,) cosine similarity


def match_patches(
    patches: torch.Tensor, nodes: torch.Tensor, cells: torch.Tensor, points: torch.Tensor, levels: list[torch.Tensor],
    members: torch.Tensor, config: MatchingConfig, known: torch.Tensor | None = None,
) -> tuple[tuple[torch.Tensor, torch.Tensor], PixelMatches]:  # fmt: skip
    """Coarse pairs (patch, node), then the matches inside them, level by level of the patches.

    patches (P, C), nodes (M, C), cells (G, D), points (N, D): unit features. levels: members of the patches, as of `patch_cells`.
    members (M, B): points of each node, padded with N. known (G,) bool: cells with depth, without which a patch is not matched.
    """
    filled = ((members < len(points)).sum(1) >= config.min_node_points).nonzero()[:, 0]
    valid = torch.arange(len(patches), device=cells.device)
    if known is not None:
        valid = torch.cat([F.pad(known, (0, 1))[level].any(1) for level in levels]).nonzero()[:, 0]
    patch, node = match_coarse(patches[valid], nodes[filled], config)
    patch, node = valid[patch], filled[node]
    parts, first = [], 0
    for level in levels:
        own = (patch >= first) & (patch < first + len(level))
        parts.append(
            match_fine(cells, points, level[patch[own] - first], members[node[own]], config)
        )
        first += len(level)
    return (patch, node), gather_matches(parts, len(points), config)


def match_coarse(
    patches: torch.Tensor, nodes: torch.Tensor, config: MatchingConfig
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs (patch, node) of unit vectors (P, C), (N, C) that each rank high with the other and are near, or the nearest of them."""
    similarity = patches @ nodes.T
    chosen = torch.zeros_like(similarity, dtype=torch.bool)
    chosen.scatter_(1, similarity.topk(min(config.nodes_per_patch, len(nodes)), 1).indices, True)
    wanted = torch.zeros_like(chosen)
    wanted.scatter_(0, similarity.topk(min(config.patches_per_node, len(patches)), 0).indices, True)
    patch, node = (chosen & wanted).nonzero(as_tuple=True)
    if config.max_distance >= OPPOSITE:
        return patch, node
    distance = ((2 - 2 * similarity[patch, node]).clamp(min=0) + 1e-8).sqrt()
    near = distance <= config.max_distance
    if near.sum() < config.min_pairs:
        near = distance.topk(min(config.min_pairs, len(patch)), largest=False).indices
    return patch[near], node[near]


def match_fine(
    cells: torch.Tensor,
    points: torch.Tensor,
    patch_cells: torch.Tensor,
    node_points: torch.Tensor,
    config: MatchingConfig,
) -> PixelMatches:
    """Pixels and points that rank high with each other inside each of the K coarse pairs.

    cells (G, C), points (N, C): unit fine features. patch_cells (K, A), node_points (K, B): members of each pair's two
    sides, padded with G and, at the end, with N.
    """
    sizes = (node_points < len(points)).sum(1)
    order = (
        sizes.argsort()
    )  # nodes of one size together need little padding, and a few pairs at a time stay in the cache
    parts = []
    for part in order.split(
        max(1, AT_ONCE // (max(patch_cells.shape[1], node_points.shape[1]) * points.shape[1]))
    ):
        most = max([config.partners, *sizes[part].tolist()])
        parts.append(
            _match_pairs(cells, points, patch_cells[part], node_points[part, :most], config)
        )
    return _joined(parts)


def _match_pairs(cells, points, patch_cells, node_points, config: MatchingConfig) -> PixelMatches:
    pixels, candidates = (
        gather(cells, patch_cells.clamp(max=len(cells) - 1)),
        gather(points, node_points.clamp(max=len(points) - 1)),
    )
    similarity = pixels @ candidates.transpose(1, 2)  # (K, A, B)
    similarity.masked_fill_(
        (patch_cells == len(cells))[:, :, None] | (node_points == len(points))[:, None], -2
    )
    alone = config.partners == 1  # several times faster than a rank
    best, partner = (
        similarity.max(2, keepdim=True) if alone else similarity.topk(config.partners, 2)
    )  # (K, A, partners)
    # (K, B): what a pixel must reach for the point to want it
    rival = similarity.amax(1) if alone else similarity.topk(config.partners, 1).values[:, -1]
    keep = (best >= rival.gather(1, partner.flatten(1)).view_as(best)) & (best >= config.min_score)
    matched_points = node_points.gather(1, partner.flatten(1)).view_as(partner)
    return PixelMatches(
        patch_cells[..., None].expand_as(partner)[keep], matched_points[keep], best[keep]
    )


def match_around(
    cells: torch.Tensor, width: int, points: torch.Tensor, expected: torch.Tensor
) -> PixelMatches:
    """Every point with the cell most like it, within WINDOW of where it is expected.

    cells (G, C), points (N, C): unit fine features, of a grid `width` columns wide; expected (N, 2): column and row of a cell.
    """
    steps = torch.arange(-WINDOW, WINDOW + 1, device=cells.device)
    near = expected[:, None] + torch.cartesian_prod(steps, steps)  # (N, cells of the window, 2)
    inside = ((near >= 0) & (near < near.new_tensor([width, len(cells) // width]))).all(2)
    index = torch.where(inside, near[..., 1] * width + near[..., 0], len(cells))
    similarity = in_parts(
        lambda padded, point, cell: (gather(padded, cell) @ point[:, :, None])[..., 0],
        cells,
        points,
        index,
    )
    scores, best = similarity.masked_fill(~inside, -OPPOSITE).max(1)
    return PixelMatches(
        index.gather(1, best[:, None])[:, 0], torch.arange(len(points), device=cells.device), scores
    )


def gather_matches(parts: list[PixelMatches], points: int, config: MatchingConfig) -> PixelMatches:
    """All matches best first, none twice; of one pixel only the best where the configuration says so. points: how many there are."""
    found = _joined(parts)
    cells, matched, scores = found.cells, found.points, found.scores
    order = scores.argsort(descending=True)
    cells, matched, scores = cells[order], matched[order], scores[order]
    key = cells if config.one_per_pixel else cells * points + matched
    by_key = torch.argsort(key, stable=True)
    first = torch.ones_like(cells, dtype=torch.bool)
    first[1:] = key[by_key][1:] != key[by_key][:-1]
    kept = by_key[first].sort().values[: config.max_matches]
    return PixelMatches(cells[kept], matched[kept], scores[kept])


def _joined(parts: list[PixelMatches]) -> PixelMatches:
    return PixelMatches(
        *(
            torch.cat([getattr(part, name) for part in parts])
            for name in ("cells", "points", "scores")
        )
    )


def patch_cells(grid, fine_grid, levels: int) -> list[torch.Tensor]:
    """Indices of the fine cells in every patch, row-major, per level (P, A), padded with the number of cells.

    grid, fine_grid: (rows, columns) of the tokens and of the fine features; each level's patches are twice as wide.
    """
    height, width = fine_grid
    size, found = -(-height // grid[0]), []
    for level in range(levels):
        step = size * 2**level
        rows = (
            torch.arange(0, height, step)[:, None, None, None]
            + torch.arange(step)[None, None, :, None]
        )
        columns = (
            torch.arange(0, width, step)[None, :, None, None]
            + torch.arange(step)[None, None, None, :]
        )
        cells = torch.where(
            (rows < height) & (columns < width), rows * width + columns, height * width
        )
        found.append(cells.flatten(2).flatten(0, 1))
    return found
