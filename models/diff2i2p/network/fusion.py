# SPDX-License-Identifier: Apache-2.0
"""Cross-modal fusion of image tokens and map nodes, and the pyramid of image patches (facts file section 5)."""

import torch
from torch import nn
from torch.nn import functional as F

from diff2i2p.config import NetworkConfig
from diff2i2p.network.layers import BasicBlock, fourier


class AttentionLayer(nn.Module):
    """Post-norm transformer layer; self-attention when `memory` is the tokens themselves."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (
            nn.Linear(dim, dim),
            nn.Linear(dim, dim),
            nn.Linear(dim, dim),
        )
        self.linear = nn.Linear(dim, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.expand, self.squeeze = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)

    def forward(self, tokens: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        """tokens (B, N, C), memory (B, M, C) -> (B, N, C)."""
        split = [
            x.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for x in (self.query(tokens), self.key(memory), self.value(memory))
        ]
        message = F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)
        tokens = self.norm1(tokens + self.linear(message))
        return self.norm2(tokens + self.squeeze(F.relu(self.expand(tokens))))


class Fusion(nn.Module):
    """Image tokens and map nodes look at themselves and at each other; one layer's weights serve both sides."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        dim = config.token_dim
        self.octaves = config.position_octaves
        self.image_embedding = nn.Linear(2 * (1 + 2 * self.octaves), dim)
        self.point_embedding = nn.Linear(3 * (1 + 2 * self.octaves), dim)
        self.layers = nn.ModuleList(
            AttentionLayer(dim, config.fusion_heads) for _ in range(2 * config.fusion_blocks)
        )
        self.out_proj = nn.Linear(dim, dim)

    def forward(
        self, image: torch.Tensor, nodes: torch.Tensor, node_points: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """image (B, C, h, w), nodes (B, M, C) at node_points (B, M, 3) -> fused tokens (B, C, h, w), fused nodes (B, M, C).

        One image (1, C, h, w) may meet B views of the map: what does not depend on them is computed once.
        """
        height, width = image.shape[-2:]
        tokens = image.flatten(2).transpose(1, 2) + self.image_embedding(
            fourier(self._grid(image), self.octaves)
        )
        centred = node_points - node_points.mean(1, keepdim=True)
        nodes = nodes + self.point_embedding(fourier(centred, self.octaves))
        for self_layer, cross_layer in zip(self.layers[::2], self.layers[1::2], strict=True):
            tokens, nodes = self_layer(tokens, tokens), self_layer(nodes, nodes)
            tokens = cross_layer(tokens.expand(len(nodes), -1, -1), nodes)
            nodes = cross_layer(nodes, tokens)
        tokens, nodes = self.out_proj(tokens), self.out_proj(nodes)
        return tokens.transpose(1, 2).unflatten(2, (height, width)), nodes

    @staticmethod
    def _grid(image: torch.Tensor) -> torch.Tensor:
        """Normalised (row, column) of every token, 0 to 1 inclusive, row-major."""
        rows, columns = (torch.linspace(0, 1, n, device=image.device) for n in image.shape[-2:])
        return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).flatten(0, 1)


class PatchPyramid(nn.Module):
    """Tokens (B, C, h, w) -> unit vectors of the patches of every level (B, P, C), fine to coarse, row-major."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        dim = config.token_dim
        self.downs = nn.ModuleList(BasicBlock(dim, dim, 2) for _ in range(config.patch_levels - 1))
        self.heads = nn.ModuleList(nn.Conv2d(dim, dim, 1) for _ in range(config.patch_levels))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        levels = [tokens]
        for down in self.downs:
            levels.append(down(levels[-1]))
        patches = [  # 1x1 convolutions, as products: token maps are small, and lie in memory token by token
            F.linear(level.flatten(2).transpose(1, 2), head.weight.flatten(1), head.bias)
            for head, level in zip(self.heads, levels, strict=True)
        ]
        return F.normalize(torch.cat(patches, 1), dim=-1)
