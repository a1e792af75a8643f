# SPDX-License-Identifier: Apache-2.0
"""The paper's network as a matcher: the image against the points of the compiled map."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch.nn import functional as F

from diff2i2p.camera import Camera, View
from diff2i2p.config import Config
from diff2i2p.correspondences import Correspondences
from diff2i2p.geometry import project
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.mapping.retrieve import NodeIndex, retrieve
from diff2i2p.matchers.base import MatchedPlace, StageTimer
from diff2i2p.network.backends import OnnxEngine, TorchEngine
from diff2i2p.network.coarse_to_fine import Crop, PixelMatches, match_around
from diff2i2p.network.diff2i2p import Diff2I2P, ImageFeatures
from diff2i2p.render import Surfaces
from diff2i2p.weights import WeightsError

HIDDEN = 0.05, 0.1  # share of the depth plus metres: a point this far behind what is seen is hidden
DEPTH_REACH = 6.0  # metres; farther query depth counts as unknown, as in the paper's data


class PointNetworkMatcher:
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
        if config.threads:
            torch.set_num_threads(config.threads)
        self.index = NodeIndex(F.normalize(self.nodes, dim=1), self.node_points)
        self.engine = (
            self._onnx_engine(site)
            if config.runtime == "onnxruntime"
            else TorchEngine(network, config)
        )

    def _onnx_engine(self, site: CompiledMap) -> OnnxEngine:
        return OnnxEngine(
            self.network,
            self.config,
            str(site.header.get("weights_sha256")),
            *graph_sizes(site, self.config),
        )

    @torch.inference_mode()
    def match(self, view: View, prior: np.ndarray | None, timer: StageTimer) -> list[MatchedPlace]:
        """The places of every candidate view; `prior` (4, 4) T_map_camera narrows the search to
        what it sees.

        Raises WeightsError when the weights are of mode rgbd and the view has no depth.
        """
        with timer("image_backbone"):
            grey = torch.from_numpy(view.grey)[None].to(self.device) / 255
            seen = (
                back_project(view).to(self.device)
                if self.network.config.network.query_depth
                else None
            )
            image = self.engine.encode_image(
                (grey if seen is None else torch.cat([grey, seen]))[None]
            )
        with timer("retrieve"):
            candidates = self._candidates(image, prior)
        with timer("matching"):
            encoded = self._encoded(view.camera, image, seen)
            return self._match(encoded, [self.crop(nodes) for nodes in candidates])

    def _candidates(self, image: ImageFeatures, prior: np.ndarray | None) -> torch.Tensor:
        """Node indices (K, M) of each candidate view."""
        if len(self.nodes) <= self.config.retrieval.nodes:
            return torch.arange(len(self.nodes), device=self.device)[None]
        if prior is not None:
            return self.index.around(
                prior[:3, 3] + 2.0 * prior[:3, 2], self.config.retrieval.nodes
            )[None]
        return retrieve(self.engine.votes(image), self.index, self.config.retrieval)

    def crop(self, nodes: torch.Tensor) -> Crop:
        """What the map knows of a candidate view, nodes (M,)."""
        index, members = self._members(nodes.cpu())
        fine, points = (
            rows.index_select(0, index).to(self.device) for rows in (self.fine, self.points)
        )
        return Crop(self.nodes[nodes], self.node_points[nodes], fine.float(), points, members)

    def _encoded(
        self, camera: Camera, image: ImageFeatures, seen: torch.Tensor | None
    ) -> "EncodedView":
        """seen: what `back_project` gives, in mode rgbd."""
        cells = image.fine[0].flatten(1).T.contiguous()
        if seen is None:
            return EncodedView(camera, image, cells)
        return EncodedView(
            camera, image, cells, self._at_cells(seen), self._extent(seen.flatten(1).T)
        )

    def _match(self, encoded: "EncodedView", crops: list[Crop]) -> list[MatchedPlace]:
        known = None if encoded.seen is None else encoded.seen[:, 2] > 0
        found = self.engine.match(encoded.image, encoded.cells, crops, known)
        return [
            PointNetworkPlace(self._correspondences(matches, crop, encoded), self, encoded, crop)
            for matches, crop in zip(found, crops, strict=True)
        ]

    @torch.inference_mode()
    def match_around(
        self, encoded: "EncodedView", crop: Crop, T_map_camera: np.ndarray, depth: np.ndarray
    ) -> Correspondences:
        """Every point of a view seen from a pose, with the pixel near its own most like it.

        depth: (H, W) metres that hides what lies behind it.
        """
        camera = encoded.camera
        pixels, z = project(crop.points.cpu().numpy(), camera, T_map_camera)
        inside = (z > HIDDEN[1]) & (
            (pixels >= 0) & (pixels <= (camera.width - 1, camera.height - 1))
        ).all(1)
        index = np.flatnonzero(inside)
        column, row = pixels[index].astype(int).T
        index = index[z[index] < (1 + HIDDEN[0]) * depth[row, column] + HIDDEN[1]]
        stride, offset = self._stride()
        expected = torch.from_numpy(((pixels[index] - offset) / stride).round().astype(int)).to(
            self.device
        )
        index = torch.from_numpy(index).to(self.device)
        found = match_around(
            encoded.cells, encoded.image.fine.shape[-1], crop.fine[index], expected
        )
        return self._correspondences(replace(found, points=index), crop, encoded)

    def _correspondences(
        self, matches: PixelMatches, crop: Crop, encoded: "EncodedView"
    ) -> Correspondences:
        """Matches as pixels and points of the map, the points tuned."""
        pixels = self._pixels(matches.cells, encoded.image.fine.shape[-1])
        points = crop.points[matches.points]
        if self.network.config.network.tuning:
            seen = encoded.seen
            where = () if seen is None else (points, seen[matches.cells])
            extent = self._extent(crop.points) if seen is None else encoded.extent
            cells, fine = encoded.cells[matches.cells], crop.fine[matches.points]
            points = points + self.network.tuning(cells, fine, *where, extent=extent)
        scores = matches.scores.clamp(min=0).cpu().numpy()
        return Correspondences(
            pixels.cpu().numpy().astype(float),
            points.cpu().numpy().astype(float),
            scores,
            "network",
        )

    def _members(self, nodes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Fine points of the candidate (N,), and those of each node (M, most), padded with N."""
        starts, counts = (
            self.node_starts[nodes],
            self.node_starts[nodes + 1] - self.node_starts[nodes],
        )
        column = torch.arange(int(counts.max()))
        owned = column < counts[:, None]
        points = (starts[:, None] + column)[owned]
        members = torch.full(owned.shape, len(points))
        members[owned] = torch.arange(len(points))
        limit = self.config.matching.node_points
        if members.shape[1] > limit:
            away = (
                F.pad(self.points[points], (0, 0, 0, 1), value=1e6)[members]
                - self.node_points[nodes].cpu()[:, None]
            )
            members = members.gather(1, away.norm(dim=2).topk(limit, largest=False).indices)
        return points, members.to(self.device)

    def _extent(self, points: torch.Tensor) -> torch.Tensor | None:
        """Extent (3,) of points (N, 3) where it is the unit of the tuning's offsets."""
        return (
            points.amax(0) - points.amin(0) if self.network.config.network.tuning_extent else None
        )

    def _at_cells(self, seen: torch.Tensor) -> torch.Tensor:
        """Values (G, C) of an image (C, H, W) at the pixel of each fine cell."""
        stride, offset = self._stride()
        return seen[:, offset::stride, offset::stride].flatten(1).T

    def _pixels(self, cells: torch.Tensor, width: int) -> torch.Tensor:
        """(u, v) of the pixel each fine cell stands for."""
        stride, offset = self._stride()
        return torch.stack([cells % width, cells // width], 1) * stride + offset

    def _stride(self) -> tuple[int, int]:
        """Pixels from one fine cell to the next, and the row and column of the first."""
        network = self.network.config.network
        return network.fine_stride * network.fine_step, network.fine_stride // 2


@dataclass(frozen=True)
class EncodedView:
    """A view as the network sees it."""

    camera: Camera
    image: ImageFeatures
    cells: torch.Tensor  # (G, C) fine features, row by row
    seen: torch.Tensor | None = None  # (G, 3) camera-frame xyz of every cell, in mode rgbd
    # (3,) of all that the view's depth shows, where the tuning wants it
    extent: torch.Tensor | None = None


@dataclass(frozen=True)
class PointNetworkPlace(MatchedPlace):
    """A candidate view that was matched."""

    can_rematch: ClassVar[bool] = True
    matcher: PointNetworkMatcher
    view: EncodedView
    crop: Crop

    def rematch(self, T_map_camera: np.ndarray, surfaces: Surfaces) -> Correspondences:
        return self.matcher.match_around(self.view, self.crop, T_map_camera, surfaces.depth)


def graph_sizes(site: CompiledMap, config: Config) -> tuple[int, int, int]:
    """Candidate views of a map when lost, nodes of each, and most fine points of a node."""
    starts, view = site.tensors["node_starts"], config.retrieval
    nodes = min(len(starts) - 1, view.nodes)
    return (
        view.candidates if len(starts) - 1 > nodes else 1,
        nodes,
        min(int(starts.diff().max()), config.matching.node_points),
    )


def back_project(view: View) -> torch.Tensor:
    """Camera-frame xyz (3, H, W) in metres of every pixel of a view with depth; zeros where it is
    unknown or far.
    """
    if view.depth is None:
        raise WeightsError(
            "these weights are of mode rgbd and need the query's depth image: give it,"
            " or use weights of mode mono"
        )
    depth = np.where(view.depth <= DEPTH_REACH, view.depth, 0).astype(np.float32)
    fx, fy, cx, cy = view.camera.K
    rows, columns = np.indices(depth.shape, np.float32)
    return torch.from_numpy(
        np.stack([(columns - cx) * depth / fx, (rows - cy) * depth / fy, depth]).astype(np.float32)
    )
