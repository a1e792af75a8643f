# SPDX-License-Identifier: Apache-2.0
"""The network that reads geometry: cells of a photo and of a drawing of the map that speak alike.

It knows no site: the map is shown to it as normals, inverse depth and depth edges from where a
camera could stand, its grey values or intensities as one more channel that may be missing.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from diff2i2p.mapping.drawn_geometry import CHANNELS
from diff2i2p.network.trunk import DIM, STRIDE, Trunk

# defined: a cell and those around it
NEIGHBOURS = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1))


@dataclass(frozen=True)
class Cells:
    """What a branch makes of its images: one cell per STRIDE pixels."""

    features: torch.Tensor  # (B, DIM, h, w) unit vectors
    reliability: torch.Tensor  # (B, 1, h, w) in [0, 1]: how likely the cell is matched rightly

    def flat(self, image: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (h w, DIM) and reliability (h w,) of one image, row by row."""
        return self.features[image].flatten(1).T, self.reliability[image].flatten()


class GeometryNetwork(nn.Module):
    """Two branches and the tuning of what they match."""

    def __init__(self):
        super().__init__()
        self.photo = Trunk(1, (4, 8, 8))
        self.geometry = Trunk(CHANNELS, (16, 24, 24))
        self.tuning = CellTuning()
        self.log_sharpness = nn.Parameter(torch.tensor(2.7))  # of the similarities, in training

    def encode_photo(self, grey: torch.Tensor) -> Cells:
        """grey (B, 1, H, W), any range."""
        return _cells(*self.photo(F.instance_norm(grey)))

    def encode_geometry(self, drawn: torch.Tensor) -> Cells:
        """drawn (B, CHANNELS, H, W) as `draw_geometry` makes it."""
        return _cells(*self.geometry(drawn))


class CellTuning(nn.Module):
    """Deformable Correspondence Tuning in the image: where around its cell a surface is seen.

    The paper (section 3.3) moves the matched point by an offset that it learns from the pair's
    features; a map drawn from a pose has its points on a raster, so here the pixel moves: to the
    soft maximum of the similarities around it, and on by what the features tell.
    """

    def __init__(self, width: int = 96):
        super().__init__()
        self.log_sharpness = nn.Parameter(torch.tensor(2.5))
        self.layers = nn.Sequential(
            nn.Linear(2 * DIM + len(NEIGHBOURS), width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 2),
        )
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)
        steps = torch.tensor([(column, row) for row, column in NEIGHBOURS], dtype=torch.float32)
        self.register_buffer("steps", steps, persistent=False)

    def forward(
        self, photo: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, features: torch.Tensor
    ) -> torch.Tensor:
        """Offsets (M, 2) in pixels, (u, v), from the middles of the photo's cells.

        photo (DIM, h, w): unit features; rows, columns (M,): its cells; features (M, DIM): what
        is matched to them.
        """
        padded, width = F.pad(photo, (1, 1, 1, 1)).flatten(1), photo.shape[-1] + 2
        around = [
            padded[:, (rows + 1 + down) * width + columns + 1 + right].T
            for down, right in NEIGHBOURS
        ]
        similarity = torch.stack([(cell * features).sum(1) for cell in around], 1)
        likeliest = torch.softmax(self.log_sharpness.exp() * similarity, 1) @ self.steps
        own = around[len(NEIGHBOURS) // 2]
        return STRIDE * (likeliest + self.layers(torch.cat([own, features, similarity], 1)))


def cell_middles(height: int, width: int) -> torch.Tensor:
    """(h w, 2) pixels (u, v) of the middles of the cells of an image, row by row."""
    rows, columns = (torch.arange(0, size, STRIDE) + (STRIDE - 1) / 2 for size in (height, width))
    v, u = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([u, v], -1).reshape(-1, 2)


def _cells(features: torch.Tensor, reliability: torch.Tensor) -> Cells:
    return Cells(F.normalize(features, dim=1), reliability)
