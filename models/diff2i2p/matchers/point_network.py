# SPDX-License-Identifier: Apache-2.0
"""Inference: the network on one view and one compiled map."""

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

from diff2i2p.camera import Camera, View
from diff2i2p.config import Config
from diff2i2p.localization.result import Correspondences
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.mapping.retrieve import NodeIndex, retrieve
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
        self.engine = self._onnx_engine(site) if config.runtime == "onnxruntime" else TorchEngine(network, config)

    def _onnx_engine(self, site: CompiledMap) -> OnnxEngine:
        return OnnxEngine(self.network, self.config, str(site.header.get("weights_sha256")), *graph_sizes(site, self.config))

    @torch.inference_mode()
    def match(self, view: View, prior: np.ndarray | None, timer) -> list[Correspondences]:
        """Correspondences of every candidate view; `prior` (4, 4) T_map_camera narrows the search to what it sees.

        Raises WeightsError when the weights are of mode rgbd and the view has no depth.
        """
        with timer("image_backbone"):
            grey = torch.from_numpy(view.grey)[None].to(self.device) / 255
            seen = back_project(view).to(self.device) if self.network.config.network.query_depth else None
            image = self.engine.encode_image((grey if seen is None else torch.cat([grey, seen]))[None])
        with timer("retrieve"):
            candidates = self._candidates(image, prior)
        with timer("matching"):
            return self._match(image, seen, [self.crop(nodes) for nodes in candidates], view.camera)

    def _candidates(self, image: ImageFeatures, prior: np.ndarray | None) -> torch.Tensor:
        """Node indices (K, M) of each candidate view."""
        if len(self.nodes) <= self.config.retrieval.nodes:
            return torch.arange(len(self.nodes), device=self.device)[None]
        if prior is not None:
            return self.index.around(prior[:3, 3] + 2.0 * prior[:3, 2], self.config.retrieval.nodes)[None]
        return retrieve(self.engine.votes(image), self.index, self.config.retrieval)

    def crop(self, nodes: torch.Tensor) -> Crop:
        """What the map knows of a candidate view, nodes (M,)."""
        index, members = self._members(nodes.cpu())
        fine, points = (rows.index_select(0, index).to(self.device) for rows in (self.fine, self.points))
        return Crop(self.nodes[nodes], self.node_points[nodes], fine.float(), points, members)

    def _match(self, image: ImageFeatures, seen: torch.Tensor | None, crops: list[Crop], camera: Camera) -> list[Correspondences]:
        """Correspondences of every candidate view; seen: what `back_project` gives, in mode rgbd."""
        cells = image.fine[0].flatten(1).T.contiguous()
        known = None if seen is None else self._at_cells(seen)[:, 2] > 0
        found = self.engine.match(image, cells, crops, known)
        correspondences = []
        for matches, crop in zip(found, crops, strict=True):
            around = partial(self._around, image, cells, seen, crop, camera)
            correspondences.append(replace(self._correspondences(matches, crop, image, cells, seen), around=around))
        return correspondences

    @torch.inference_mode()
    def _around(self, image, cells, seen, crop: Crop, camera: Camera, T_map_camera: np.ndarray, surfaces: Surfaces) -> Correspondences:
        """Every point of a candidate view that is seen from a pose, with the pixel near its own that is most like it."""
        local = (crop.points.cpu().numpy() - T_map_camera[:3, 3]) @ T_map_camera[:3, :3]
        index = np.flatnonzero(local[:, 2] > HIDDEN[1])
        pixels = camera.project(local[index])
        inside = ((pixels >= 0) & (pixels <= (camera.width - 1, camera.height - 1))).all(1)
        index, pixels = index[inside], pixels[inside]
        column, row = pixels.astype(int).T
        visible = local[index, 2] < (1 + HIDDEN[0]) * surfaces.depth[row, column] + HIDDEN[1]
        index, pixels = torch.from_numpy(index[visible]).to(self.device), pixels[visible]
        stride, offset = self._stride()
        expected = torch.from_numpy(((pixels - offset) / stride).round().astype(int)).to(self.device)
        found = match_around(cells, image.fine.shape[-1], crop.fine[index], expected)
        return self._correspondences(replace(found, points=index), crop, image, cells, seen)

    def _correspondences(self, matches: PixelMatches, crop: Crop, image: ImageFeatures, cells, seen) -> Correspondences:
        """Matches as pixels and points of the map, the points tuned."""
        pixels = self._pixels(matches.cells, image.fine.shape[-1])
        points = crop.points[matches.points]
        if self.network.config.network.tuning:
            where = () if seen is None else (points, self._at_cells(seen)[matches.cells])
            extent = self._extent(crop.points if seen is None else seen.flatten(1).T)
            points = points + self.network.tuning(cells[matches.cells], crop.fine[matches.points], *where, extent=extent)
        scores = matches.scores.clamp(min=0).cpu().numpy()
        return Correspondences(pixels.cpu().numpy().astype(float), points.cpu().numpy().astype(float), scores, "network")

    def _members(self, nodes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Fine points of the candidate (N,), and for each node the indices among them (M, most), padded with N."""
        starts, counts = self.node_starts[nodes], self.node_starts[nodes + 1] - self.node_starts[nodes]
        column = torch.arange(int(counts.max()))
        owned = column < counts[:, None]
        points = (starts[:, None] + column)[owned]
        members = torch.full(owned.shape, len(points))
        members[owned] = torch.arange(len(points))
        limit = self.config.matching.node_points
        if members.shape[1] > limit:
            away = F.pad(self.points[points], (0, 0, 0, 1), value=1e6)[members] - self.node_points[nodes].cpu()[:, None]
            members = members.gather(1, away.norm(dim=2).topk(limit, largest=False).indices)
        return points, members.to(self.device)

    def _extent(self, points: torch.Tensor) -> torch.Tensor | None:
        """Extent (3,) of points (N, 3) where it is the unit of the tuning's offsets."""
        return points.amax(0) - points.amin(0) if self.network.config.network.tuning_extent else None

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


def graph_sizes(site: CompiledMap, config: Config) -> tuple[int, int, int]:
    """Candidate views of a map when the camera is lost, nodes of every one, and the most fine points that one of its nodes has."""
    starts, view = site.tensors["node_starts"], config.retrieval
    nodes = min(len(starts) - 1, view.nodes)
    return view.candidates if len(starts) - 1 > nodes else 1, nodes, min(int(starts.diff().max()), config.matching.node_points)


def back_project(view: View) -> torch.Tensor:
    """Camera-frame xyz (3, H, W) in metres of every pixel of a view with depth; zeros where it is unknown or far."""
    if view.depth is None:
        raise WeightsError("these weights are of mode rgbd and need the query's depth image: give it, or use weights of mode mono")
    depth = np.where(view.depth <= DEPTH_REACH, view.depth, 0).astype(np.float32)
    fx, fy, cx, cy = view.camera.K
    rows, columns = np.indices(depth.shape, np.float32)
    return torch.from_numpy(np.stack([(columns - cx) * depth / fx, (rows - cy) * depth / fy, depth]).astype(np.float32))
