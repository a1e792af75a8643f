# SPDX-License-Identifier: Apache-2.0
"""The network that reads geometry as three ONNX graphs of fixed shapes: photo, drawing, matching.

Not one: a photo is encoded once and matched to many views, of which the map keeps the cells of
most and only those at a pose that was found are drawn; one graph would compute all of it each time.
"""

import copy
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from diff2i2p.mapping.drawn_geometry import CHANNELS
from diff2i2p.network.cell_matching import tuned_pixels
from diff2i2p.network.geometry_network import CellTuning, GeometryNetwork
from diff2i2p.network.onnx_graphs import NO_MATCH, write_graph
from diff2i2p.network.trunk import DIM, STRIDE


class Branch(nn.Module):
    """Images (1, C, H, W) -> features (1, DIM, h, w) of their cells, reliability (1, 1, h, w)."""

    def __init__(self, network: GeometryNetwork, name: str):
        """name: photo or geometry."""
        super().__init__()
        self.network = network
        self.encode = getattr(network, f"encode_{name}")

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        cells = self.encode(image)
        return cells.features, cells.reliability


class CellMatching(nn.Module):
    """Mutual nearest neighbours and tuned positions, for every row at once."""

    def __init__(self, tuning: CellTuning):
        super().__init__()
        self.tuning = tuning

    def forward(
        self, photo: torch.Tensor, drawn: torch.Tensor, filled: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Pixels (N, 2) of the photo and scores (N,) of every row, NO_MATCH where it has none.

        photo (1, DIM, h, w), drawn (N, DIM): unit features; filled (N,) bool: rows that are any.
        """
        similarity = torch.where(filled[:, None], drawn @ photo[0].flatten(1), NO_MATCH)  # (N, h w)
        scores, cells = similarity.max(1)
        mutual = similarity.argmax(0)[cells] == torch.arange(len(drawn), device=drawn.device)
        pixels = tuned_pixels(self.tuning, photo[0], cells, drawn)
        return pixels, torch.where(mutual & filled, scores, NO_MATCH)


def export_photo(network: GeometryNetwork, height: int, width: int, path: Path) -> None:
    """Write the graph of the photo branch for images of a size."""
    _export_branch(network, "photo", (1, 1, height, width), path)


def export_geometry(network: GeometryNetwork, height: int, width: int, path: Path) -> None:
    """Write the graph of the geometry branch for drawings of a size."""
    _export_branch(network, "geometry", (1, CHANNELS, height, width), path)


@torch.inference_mode(False)  # the tracer fails on tensors made for inference alone
def _export_branch(network: GeometryNetwork, name: str, shape: tuple, path: Path) -> None:
    branch = Branch(_plain(network), name)
    write_graph(branch, {"image": torch.randn(shape)}, ("features", "reliability"), path)


@torch.inference_mode(False)
def export_cell_matching(
    network: GeometryNetwork, height: int, width: int, drawn: int, path: Path
) -> None:
    """Write the graph of matching photos of a size with `drawn` features at most."""
    rows, columns = -(-height // STRIDE), -(-width // STRIDE)
    inputs = {
        "photo": F.normalize(torch.randn(1, DIM, rows, columns), dim=1),
        "drawn": F.normalize(torch.randn(drawn, DIM), dim=1),
        "filled": torch.ones(drawn, dtype=torch.bool),
    }
    write_graph(CellMatching(_plain(network).tuning), inputs, ("pixels", "scores"), path)


def _plain(network: GeometryNetwork) -> GeometryNetwork:
    """A copy in the order of memory that the tracer takes."""
    return copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format)
