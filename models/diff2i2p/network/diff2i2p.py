# SPDX-License-Identifier: Apache-2.0
"""The Diff2I2P network: image and point backbones, fusion, patch pyramid, tuning."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from diff2i2p.config import Config
from diff2i2p.mapping.pyramid import Pyramid
from diff2i2p.network.fusion import Fusion, PatchPyramid
from diff2i2p.network.image_backbone import ImageBackbone
from diff2i2p.network.layers import upsample
from diff2i2p.network.point_backbone import PointBackbone
from diff2i2p.network.tuning import CorrespondenceTuning


@dataclass(frozen=True)
class ImageFeatures:
    """What the network knows of an image before it has seen the map."""

    fine: torch.Tensor  # (B, fine_dim, H/4, W/4) unit vectors
    tokens: torch.Tensor  # (B, token_dim, h, w)


@dataclass(frozen=True)
class MapFeatures:
    """What the network knows of a map, computed once."""

    fine: torch.Tensor  # (N, fine_dim) unit vectors
    nodes: torch.Tensor  # (M, token_dim)


class Diff2I2P(nn.Module):
    """One network for every preset: widths and strides come from the configuration."""

    def __init__(self, config: Config):
        super().__init__()
        network = config.network
        self.config = config
        self.image_backbone = ImageBackbone(network)
        self.point_backbone = PointBackbone(network, config.map)
        self.image_proj = nn.Linear(network.image_channels[-1], network.token_dim)
        self.point_proj = nn.Linear(network.point_width * 2**config.map.levels, network.token_dim)
        self.fusion = Fusion(network)
        self.patches = PatchPyramid(network)
        self.tuning = CorrespondenceTuning(network, config.map.fine_voxel)
        self.log_sharpness = nn.Parameter(
            torch.tensor([3.0, 2.5, 2.5])
        )  # of fine, fused and pre-fusion similarities

    def encode_image(self, image: torch.Tensor) -> ImageFeatures:
        """image (B, 1, H, W) in [0, 1]; in mode rgbd (B, 4, H, W), the other channels the camera-frame xyz of the pixels in metres."""
        fine, coarse = self.image_backbone(image)
        if self.config.network.token_grid:
            coarse = upsample(coarse, self.config.network.token_grid)
        tokens = self.image_proj(coarse.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return ImageFeatures(F.normalize(fine.float(), dim=1), tokens.float())

    def encode_map(self, pyramid: Pyramid) -> MapFeatures:
        fine, coarse = self.point_backbone(pyramid)
        return MapFeatures(F.normalize(fine, dim=1), self.point_proj(coarse))

    def fuse(
        self, tokens: torch.Tensor, nodes: torch.Tensor, node_points: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """tokens (B or 1, C, h, w), nodes (B, M, C) at node_points (B, M, 3) -> unit vectors of patches (B, P, C) and nodes (B, M, C)."""
        fused, nodes = self.fusion(tokens, nodes, node_points)
        return self.patches(fused), F.normalize(nodes, dim=-1)

    def votes(self, tokens: torch.Tensor, nodes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The same unit vectors before fusion, trained by the multi-scale loss: image (B, P, C) and map (M, C)."""
        return self.patches(tokens), F.normalize(nodes, dim=-1)
