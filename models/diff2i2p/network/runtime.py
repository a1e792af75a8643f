# SPDX-License-Identifier: Apache-2.0
"""Inference: the network on one view and one compiled map."""

import numpy as np
import torch
from torch.nn import functional as F

from diff2i2p.camera import View
from diff2i2p.config import Config
from diff2i2p.localization.result import Correspondences
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.mapping.retrieve import retrieve
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.network.matching import match_coarse, match_fine


class NetworkMatcher:
    """Correspondences between a view and the map, by the network."""

    def __init__(self, network: Diff2I2P, site: CompiledMap, config: Config):
        self.network, self.config = network, config
        self.device = next(network.parameters()).device
        tensors = site.tensors
        self.points = tensors["points"]
        self.fine = tensors["fine"]
        self.node_starts = tensors["node_starts"]
        self.node_points = tensors["node_points"].to(self.device)
        self.nodes = tensors["nodes"].to(self.device).float()
        self.unit_nodes = F.normalize(self.nodes, dim=1)

    @torch.inference_mode()
    def match(self, view: View, prior: np.ndarray | None, timer) -> list[Correspondences]:
        """Correspondences of every candidate view; `prior` (4, 4) T_map_camera narrows the search to what it sees."""
        with timer("image_backbone"):
            image = self.network.encode_image(torch.from_numpy(view.grey)[None, None].to(self.device) / 255)
        with timer("retrieve"):
            candidates = self._candidates(image.tokens, prior)
        with timer("matching"):
            return [self._match_candidate(view, image, nodes) for nodes in candidates]

    def _candidates(self, tokens: torch.Tensor, prior: np.ndarray | None) -> list[torch.Tensor]:
        if prior is not None and len(self.nodes) > self.config.retrieval.nodes:
            ahead = torch.from_numpy(prior[:3, 3] + 2.0 * prior[:3, 2]).to(self.node_points)
            return [(self.node_points - ahead).norm(dim=1).topk(self.config.retrieval.nodes, largest=False).indices]
        return retrieve(self.network.patches(tokens)[0], self.unit_nodes, self.node_points, self.config.retrieval)

    def _match_candidate(self, view: View, image, nodes: torch.Tensor) -> Correspondences:
        patches, fused = self.network.fuse(image.tokens, self.nodes[nodes][None], self.node_points[nodes][None])
        patch, node = match_coarse(patches[0], fused[0], self.config.matching)
        points, node_members = self._members(nodes.cpu())
        fine = self.fine[points].to(self.device).float()
        cells = image.fine[0].flatten(1).T
        patch_cells = self._patch_cells(image.tokens.shape[-2:], image.fine.shape[-2:])
        matches = match_fine(cells, fine, patch_cells[patch], node_members[node], self.config.matching)
        matched = self.points[points[matches.points.cpu()]].to(self.device)
        if self.network.config.network.tuning:
            matched = matched + self.network.tuning(cells[matches.cells], fine[matches.points])
        return Correspondences(
            self._pixels(matches.cells, image.fine.shape[-1]).cpu().numpy().astype(float),
            matched.cpu().numpy().astype(float), matches.scores.clamp(min=0).cpu().numpy(), "network",
        )  # fmt: skip

    def _members(self, nodes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Fine points of the candidate (N,), and for each node the indices among them (M, most), padded with N."""
        starts, counts = self.node_starts[nodes], self.node_starts[nodes + 1] - self.node_starts[nodes]
        column = torch.arange(int(counts.max()))
        owned = column < counts[:, None]
        points = (starts[:, None] + column)[owned]
        members = torch.full(owned.shape, len(points))
        members[owned] = torch.arange(len(points))
        return points, members.to(self.device)

    def _patch_cells(self, grid, fine_grid) -> torch.Tensor:
        """Indices of the fine cells in every patch of every level (P, A), padded with the number of cells."""
        height, width = fine_grid
        levels, size = [], -(-height // grid[0])
        for level in range(self.network.config.network.patch_levels):
            step = size * 2**level
            rows = torch.arange(0, height, step)[:, None, None, None] + torch.arange(step)[None, None, :, None]
            columns = torch.arange(0, width, step)[None, :, None, None] + torch.arange(step)[None, None, None, :]
            cells = torch.where((rows < height) & (columns < width), rows * width + columns, height * width)
            levels.append(cells.flatten(2).flatten(0, 1))
        widest = max(cells.shape[1] for cells in levels)
        return torch.cat([F.pad(cells, (0, widest - cells.shape[1]), value=height * width) for cells in levels]).to(self.device)

    def _pixels(self, cells: torch.Tensor, width: int) -> torch.Tensor:
        """(u, v) of the pixel each fine cell stands for."""
        stride = self.network.config.network.fine_stride
        return torch.stack([cells % width, cells // width], 1) * stride + stride // 2
