# SPDX-License-Identifier: Apache-2.0
"""What the weights of one site remember of its places: learned codes on grids over the map."""

import torch
from torch import nn
from torch.nn import functional as F

LEVELS, FINEST = 4, 0.2  # grids, each twice as coarse as the one before; cell of the finest, metres
CODES, CODE_DIM = 1 << 14, 16  # codes of a grid; cells share them by hash, so a site may be of any size
PRIMES = (1, 2_654_435_761, 805_459_861)  # of the hash, one per axis
SHIFT = 0.37  # of each grid against the one before, cells: no cell border runs through all of them
SPREAD = 0.5  # standard deviation of a new code: places differ before anything is learned


class PlaceMemory(nn.Module):
    """Adds to the features of a map what its places are remembered by (multi-resolution hash grid: Mueller et al., SIGGRAPH 2022).

    The point network tells places apart by their shape and shade; codes that are random to begin with are told apart at
    once, which is what gets site adaptation started.
    """

    def __init__(self, fine_dim: int, token_dim: int):
        super().__init__()
        self.codes = nn.Parameter(SPREAD * torch.randn(LEVELS * CODES, CODE_DIM))
        self.fine = nn.Linear(LEVELS * CODE_DIM, fine_dim)
        self.node = nn.Linear(LEVELS * CODE_DIM, token_dim)

    def of_points(self, points: torch.Tensor) -> torch.Tensor:
        """points (N, 3), map frame, metres -> (N, fine_dim)."""
        return self.fine(self._recall(points))

    def of_nodes(self, points: torch.Tensor) -> torch.Tensor:
        """points (M, 3), map frame, metres -> (M, token_dim)."""
        return self.node(self._recall(points))

    def _recall(self, points: torch.Tensor) -> torch.Tensor:
        """Trilinear interpolation in every grid: (N, LEVELS * CODE_DIM)."""
        level = torch.arange(LEVELS, device=points.device)
        place = points[:, None] / (FINEST * 2.0 ** level[:, None]) + SHIFT * level[:, None]  # (N, LEVELS, 3) in cells
        corner = torch.cartesian_prod(*[torch.arange(2, device=points.device)] * 3)  # (8, 3)
        cell = place.floor().long()[:, :, None] + corner
        weight = torch.where(corner.bool(), (place - place.floor())[:, :, None], 1 - (place - place.floor())[:, :, None]).prod(-1)
        x, y, z = (cell[..., axis] * prime for axis, prime in enumerate(PRIMES))
        index = ((x ^ y ^ z) & (CODES - 1)) + level[:, None] * CODES
        codes = F.embedding_bag(index.flatten(0, 1), self.codes, per_sample_weights=weight.flatten(0, 1).to(self.codes), mode="sum")
        return codes.view(len(points), -1)
