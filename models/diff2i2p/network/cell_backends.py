# SPDX-License-Identifier: Apache-2.0
"""Who computes the network that reads geometry: torch, or onnxruntime on graphs of fixed shapes."""

from dataclasses import dataclass
from functools import partial

import torch
from torch.nn import functional as F

from diff2i2p.config import Config
from diff2i2p.network.cell_export import export_cell_matching, export_geometry, export_photo
from diff2i2p.network.cell_matching import match_cells, tuned_pixels
from diff2i2p.network.geometry_network import Cells, GeometryNetwork
from diff2i2p.network.onnx_graphs import NO_MATCH, kept_session, require_onnxruntime, run
from diff2i2p.network.trunk import STRIDE


@dataclass(frozen=True)
class TunedMatches:
    """M mutual matches, best first."""

    pixels: torch.Tensor  # (M, 2) of the photo, (u, v)
    drawn: torch.Tensor  # (M,) int64 row of the features that is seen there
    scores: torch.Tensor  # (M,) cosine similarity


class TorchCells:
    """The network as it is."""

    def __init__(self, network: GeometryNetwork):
        self.tuning = network.tuning
        self.encode_photo, self.encode_geometry = network.encode_photo, network.encode_geometry

    def match(self, photo: Cells, drawn: torch.Tensor) -> TunedMatches:
        """Mutual matches of one photo with unit features (N, DIM)."""
        found = match_cells(photo.flat()[0], drawn)
        seen = drawn[found.drawn]
        pixels = tuned_pixels(self.tuning, photo.features[0], found.photo, seen)
        return TunedMatches(pixels, found.drawn, found.scores)


class OnnxCells:
    """The same by onnxruntime, one image at a time.

    Graphs and TensorRT engines are made for the first image of a size, and kept in the cache
    folder.
    """

    def __init__(self, network: GeometryNetwork, config: Config, fingerprint: str, rows: int):
        """fingerprint: of the weights; rows: features of one view of the map at most.

        Raises ConfigError without onnxruntime.
        """
        self.network, self.config, self.fingerprint, self.rows = network, config, fingerprint, rows
        self.sessions: dict[tuple, object] = {}
        require_onnxruntime()

    def encode_photo(self, grey: torch.Tensor) -> Cells:
        """grey (1, 1, H, W), any range."""
        return Cells(*run(self._session("photo", export_photo, *grey.shape[-2:]), image=grey))

    def encode_geometry(self, drawn: torch.Tensor) -> Cells:
        """drawn (1, CHANNELS, H, W) as `draw_geometry` makes it."""
        session = self._session("geometry", export_geometry, *drawn.shape[-2:])
        return Cells(*run(session, image=drawn))

    def match(self, photo: Cells, drawn: torch.Tensor) -> TunedMatches:
        """Mutual matches of one photo with unit features (N, DIM): of a view, or of its own size
        at most.
        """
        rows, columns = photo.features.shape[-2:]
        size = min(size for size in (self.rows, rows * columns) if size >= len(drawn))
        session = self._session(
            "cells", export_cell_matching, STRIDE * rows, STRIDE * columns, size
        )
        pixels, scores = run(
            session,
            photo=photo.features,
            drawn=F.pad(drawn, (0, 0, 0, size - len(drawn))),
            filled=torch.arange(size, device=drawn.device) < len(drawn),
        )
        best = scores.argsort(descending=True)[: int((scores > NO_MATCH).sum())]
        return TunedMatches(pixels[best], best, scores[best])

    def _session(self, part: str, export, *shape: int):
        """The session of a graph of a shape, see `export`."""
        key = part, *shape
        if key not in self.sessions:
            made_of = {"weights": self.fingerprint, "shape": shape}
            write = partial(export, self.network, *shape)
            self.sessions[key] = kept_session(part, made_of, write, self.config)
        return self.sessions[key]
