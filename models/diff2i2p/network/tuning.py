# SPDX-License-Identifier: Apache-2.0
"""Deformable Correspondence Tuning (paper section 3.3): move each matched map point onto what its pixel sees."""

import torch
from torch import nn


class CorrespondenceTuning(nn.Module):
    """Offset of a matched point from the pair's fine features. Mono: the scale is the map's spacing, no query depth is needed."""

    def __init__(self, fine_dim: int, scale: float):
        super().__init__()
        self.scale = scale  # metres per unit of network output
        self.layers = nn.Sequential(nn.Linear(2 * fine_dim, 128), nn.ReLU(), nn.Linear(128, 3))
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, pixel_features: torch.Tensor, point_features: torch.Tensor) -> torch.Tensor:
        """Unit features (M, C) of pixels and of points -> offsets (M, 3) in metres, map frame."""
        return self.layers(torch.cat([pixel_features, point_features], -1)) * self.scale
