# SPDX-License-Identifier: Apache-2.0
"""Coarse-to-fine matching: image patches to map nodes, then pixels to points inside each pair (facts file section 6)."""

from dataclasses import dataclass

import torch

from diff2i2p.config import MatchingConfig


@dataclass(frozen=True)
class PixelMatches:
    """M matched (pixel, point) pairs, best first."""

    cells: torch.Tensor  # (M,) index into the row-major fine feature grid
    points: torch.Tensor  # (M,) index into the candidate's fine points
    scores: torch.Tensor  # (M,) cosine similarity


def match_coarse(patches: torch.Tensor, nodes: torch.Tensor, config: MatchingConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs (patch, node) of unit vectors (P, C), (N, C) that each rank high with the other."""
    similarity = patches @ nodes.T
    chosen = torch.zeros_like(similarity, dtype=torch.bool)
    chosen.scatter_(1, similarity.topk(min(config.nodes_per_patch, len(nodes)), 1).indices, True)
    wanted = torch.zeros_like(chosen)
    wanted.scatter_(0, similarity.topk(min(config.patches_per_node, len(patches)), 0).indices, True)
    return (chosen & wanted).nonzero(as_tuple=True)


def match_fine(
    cells: torch.Tensor, points: torch.Tensor, patch_cells: torch.Tensor, node_points: torch.Tensor, config: MatchingConfig
) -> PixelMatches:
    """Mutual nearest neighbours inside each of the K coarse pairs; a pixel keeps only its best point.

    cells (G, C), points (N, C): unit fine features. patch_cells (K, A), node_points (K, B): members of each pair's two
    sides, padded with G and N.
    """
    pixels = torch.cat([cells, cells.new_zeros(1, cells.shape[1])])[patch_cells]
    candidates = torch.cat([points, points.new_zeros(1, points.shape[1])])[node_points]
    similarity = pixels @ candidates.transpose(1, 2)  # (K, A, B)
    similarity.masked_fill_((patch_cells == len(cells))[:, :, None] | (node_points == len(points))[:, None], -2)
    best, partner = similarity.max(2)
    mutual = similarity.argmax(1).gather(1, partner) == torch.arange(similarity.shape[1], device=cells.device)
    keep = mutual & (best >= config.min_score)
    matched_points = node_points.gather(1, partner)
    return _best_per_pixel(patch_cells[keep], matched_points[keep], best[keep], config.max_matches)


def _best_per_pixel(cells: torch.Tensor, points: torch.Tensor, scores: torch.Tensor, limit: int) -> PixelMatches:
    order = scores.argsort(descending=True)
    cells, points, scores = cells[order], points[order], scores[order]
    by_cell = torch.argsort(cells, stable=True)
    first = torch.ones_like(cells, dtype=torch.bool)
    first[1:] = cells[by_cell][1:] != cells[by_cell][:-1]
    kept = by_cell[first].sort().values[:limit]
    return PixelMatches(cells[kept], points[kept], scores[kept])
