# SPDX-License-Identifier: Apache-2.0
"""Deformable Correspondence Tuning (paper section 3.3): move each matched map point onto what its pixel sees."""

import torch
from torch import nn

from diff2i2p.config import NetworkConfig


class CorrespondenceTuning(nn.Module):
    """Offset of a matched point from the pair's fine features, in mode rgbd also from where point and pixel are."""

    def __init__(self, config: NetworkConfig, spacing: float):
        super().__init__()
        self.spacing = spacing  # metres per unit of network output: the map's, so that no query depth is needed
        inputs = 2 * config.fine_dim + (6 if config.query_depth else 0)
        self.layers = nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 3))
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(
        self,
        pixel_features: torch.Tensor,
        point_features: torch.Tensor,
        *positions: torch.Tensor,
        extent: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Unit features (M, C) of pixels and of points -> offsets (M, 3) in metres, map frame.

        positions, in mode rgbd: points (M, 3) in the map frame, then pixels (M, 3) in the camera frame. extent (3,): metres per unit of
        network output along each axis, as in the released network; the map's spacing unless given.
        """
        offsets = self.layers(torch.cat([pixel_features, point_features, *positions], -1))
        return offsets * (self.spacing if extent is None else extent)
