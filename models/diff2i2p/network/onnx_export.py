# SPDX-License-Identifier: Apache-2.0
"""The paper's network as two ONNX graphs of fixed shapes: the image, and fusion with matching."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from diff2i2p.config import Config, MatchingConfig
from diff2i2p.network.coarse_to_fine import OPPOSITE, patch_cells
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.network.onnx_graphs import NO_MATCH, write_graph
from diff2i2p.parameters import ConfigError


@dataclass(frozen=True)
class Shapes:
    """What a pair of graphs is made for."""

    height: int  # of the rectified image
    width: int
    views: int  # candidate views matched at once
    nodes: int  # map nodes of each
    members: int  # fine points of one node, padding included


class ImageSide(nn.Module):
    """image (1, 1, H, W) in [0, 1] -> unit fine features (1, D, h', w'), tokens (1, C, h, w), unit patches before fusion (P, C)."""

    def __init__(self, network: Diff2I2P):
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self.network.encode_image(image)
        return features.fine, features.tokens, self.network.patches(features.tokens)[0]


class Matching(nn.Module):
    """Fusion, coarse and fine matching of V candidate views, every step at its largest size: what is no match has score NO_MATCH."""

    def __init__(self, network: Diff2I2P, config: MatchingConfig, grid, fine_grid):
        """grid, fine_grid: (rows, columns) of the tokens and of the fine features."""
        super().__init__()
        self.network, self.config = network, config
        (cells,) = patch_cells(grid, fine_grid, 1)
        self.register_buffer("inside", cells < fine_grid[0] * fine_grid[1])
        self.register_buffer("patch_cells", cells.clamp(max=fine_grid[0] * fine_grid[1] - 1))

    def forward(
        self, tokens, cells, nodes, node_points, members, filled
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """tokens (1, C, h, w), cells (G, D); of every view nodes (V, M, C) at node_points (V, M, 3), their members' features
        (V, M, B, D), filled (V, M, B) bool.

        Gives for every cell of every patch (V, P, A) the score of its best point, and which it is: (view * M + node) * B + member.
        """
        patches, fused = self.network.fuse(tokens, nodes, node_points)
        node, wanted = self._coarse(patches @ fused.transpose(1, 2), filled)
        pixels = cells[self.patch_cells.flatten()].unflatten(0, self.patch_cells.shape)  # (P, A, D)
        # one more channel holds the padding down: cheaper than a mask over every similarity
        pixels = torch.cat([pixels, torch.ones_like(pixels[..., :1])], 2)
        members = torch.cat(
            [members, 2 * NO_MATCH * (1 - filled.to(members))[..., None]], 3
        ).transpose(2, 3)  # (V, M, D + 1, B)
        node = node + len(nodes[0]) * torch.arange(len(nodes), device=node.device)[:, None, None]
        # view by view: the similarities of all at once are hundreds of megabytes, and slower on a CPU
        found = (
            self._fine(pixels, members.flatten(0, 1), *view)
            for view in zip(node, wanted, strict=True)
        )
        scores, choices = zip(*found, strict=True)
        return torch.stack(scores), torch.stack(choices)

    def _fine(self, pixels, members, node, wanted) -> tuple[torch.Tensor, torch.Tensor]:
        """Score and choice (P, A) of one view: pixels (P, A, D + 1), members of all nodes (V * M, D + 1, B), node and wanted (P, K)."""
        similarity = pixels[:, None] @ members[node]  # (P, K, A, B)
        best, partner = similarity.max(3)  # (P, K, A)
        rival = (
            similarity
            if self.inside.all()
            else torch.where(self.inside[:, None, :, None], similarity, NO_MATCH)
        ).amax(2)  # (P, K, B)
        scores = torch.where(
            (best >= rival.gather(2, partner)) & wanted[..., None] & self.inside[:, None],
            best,
            NO_MATCH,
        )
        score, rank = scores.max(1, keepdim=True)  # (P, 1, A)
        choice = node[..., None] * members.shape[2] + partner
        return score[:, 0], choice.gather(1, rank)[:, 0]

    def _coarse(
        self, similarity: torch.Tensor, filled: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Of similarities (V, P, M): the nodes each patch likes best (V, P, K), and whether the node wants the patch."""
        if self.config.min_node_points:
            enough = filled.to(similarity).sum(2) >= self.config.min_node_points
            similarity = torch.where(enough[:, None], similarity, NO_MATCH)
        value, node = similarity.topk(min(self.config.nodes_per_patch, similarity.shape[2]), 2)
        rank = min(self.config.patches_per_node, similarity.shape[1])
        least = similarity.transpose(1, 2).topk(rank, 2).values[..., -1]  # (V, M)
        return node, (value >= least.gather(1, node.flatten(1)).view_as(node)) & (value > NO_MATCH)


def require_exportable(config: Config) -> None:
    """Raise ConfigError where the fixed graphs cannot do what the configuration asks."""
    matching, network = config.matching, config.network
    for wrong, what in (
        (network.query_depth, "weights of mode rgbd"),
        (network.patch_levels != 1, "a pyramid of image patches (network.patch_levels)"),
        (matching.partners != 1, "matching.partners other than 1"),
        (not matching.one_per_pixel, "matching.one_per_pixel: false"),
        (matching.max_distance < OPPOSITE, "matching.max_distance below 2"),
    ):
        if wrong:
            raise ConfigError(f"{what} cannot run as ONNX graphs: use runtime torch")


@torch.no_grad()
def export_image_side(
    network: Diff2I2P, config: MatchingConfig, shapes: Shapes, path: Path
) -> None:
    """Write the graph of the image side, which no matching setting changes."""
    inputs = {"image": torch.zeros(1, 1, shapes.height, shapes.width)}
    write_graph(ImageSide(network), inputs, ("fine", "tokens", "votes"), path)


@torch.no_grad()
def export_matching(network: Diff2I2P, config: MatchingConfig, shapes: Shapes, path: Path) -> None:
    """Write the graph of fusion and matching."""
    fine, tokens, _ = ImageSide(network)(torch.zeros(1, 1, shapes.height, shapes.width))
    inputs = {
        "tokens": tokens,
        "cells": fine[0].flatten(1).T.contiguous(),
        "nodes": torch.randn(shapes.views, shapes.nodes, tokens.shape[1]),
        "node_points": torch.randn(shapes.views, shapes.nodes, 3),
        "members": torch.randn(shapes.views, shapes.nodes, shapes.members, fine.shape[1]),
        "filled": torch.ones(shapes.views, shapes.nodes, shapes.members, dtype=torch.bool),
    }
    write_graph(
        Matching(network, config, tokens.shape[-2:], fine.shape[-2:]),
        inputs,
        ("scores", "choices"),
        path,
    )
