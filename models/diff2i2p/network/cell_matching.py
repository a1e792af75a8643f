# SPDX-License-Identifier: Apache-2.0
"""Cells of a photo against cells of drawings: retrieval, mutual neighbours, tuned positions."""

from dataclasses import dataclass

import torch

from diff2i2p.network.geometry_network import CellTuning
from diff2i2p.network.trunk import STRIDE

# defined: similarity from which a match speaks for a view
SURPLUS = 0.5


@dataclass(frozen=True)
class CellMatches:
    """M mutual matches, best first."""

    photo: torch.Tensor  # (M,) int64 cell of the photo
    drawn: torch.Tensor  # (M,) int64 row of the features it was matched to
    scores: torch.Tensor  # (M,) cosine similarity


def vote(photo: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
    """(V,) how much each of the views (V, K, D) resembles the photo (Q, D); all unit vectors.

    A view with fewer than K has zero rows. Every feature of a view speaks for its best cell of the
    photo, one feature a cell, by the square of its surplus similarity.
    """
    count, kept, dim = views.shape
    similarity = views.reshape(-1, dim) @ photo.T
    best, cell = similarity.max(1)
    worth = (best - SURPLUS).clamp(min=0).square().reshape(count, kept)
    slots = worth.new_zeros(count, len(photo))
    return slots.scatter_reduce(1, cell.reshape(count, kept), worth, "amax").sum(1)


def match_cells(photo: torch.Tensor, drawn: torch.Tensor) -> CellMatches:
    """Mutual nearest neighbours of unit features (Q, D) and (N, D)."""
    similarity = photo @ drawn.T
    best, nearest = similarity.max(1)
    mutual = torch.nonzero(
        similarity.argmax(0)[nearest] == torch.arange(len(photo), device=photo.device)
    )[:, 0]
    order = mutual[best[mutual].argsort(descending=True)]
    return CellMatches(order, nearest[order], best[order])


def tuned_pixels(
    tuning: CellTuning, photo: torch.Tensor, cells: torch.Tensor, features: torch.Tensor
) -> torch.Tensor:
    """(M, 2) pixels of the photo where features (M, DIM) that match its cells (M,) are seen.

    photo (DIM, h, w): unit features.
    """
    height, width = photo.shape[-2:]
    every = torch.arange(height, device=cells.device), torch.arange(width, device=cells.device)
    # looked up, not divided: a graph for TensorRT does without Mod
    rows, columns = (index.flatten()[cells] for index in torch.meshgrid(*every, indexing="ij"))
    middles = STRIDE * torch.stack([columns, rows], 1) + (STRIDE - 1) / 2
    return middles + tuning(photo, rows, columns, features)
