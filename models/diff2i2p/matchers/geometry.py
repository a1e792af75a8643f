# SPDX-License-Identifier: Apache-2.0
"""The default matcher: cells of the photo against cells of the drawn map, by the network."""

import itertools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from diff2i2p.camera import Camera, View
from diff2i2p.config import Config
from diff2i2p.correspondences import Correspondences
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.mapping.drawn_geometry import draw_geometry
from diff2i2p.mapping.geometry_index import FEWEST, UNIT, trusted_cells
from diff2i2p.matchers.base import MatchedPlace, StageTimer
from diff2i2p.network.cell_backends import OnnxCells, TorchCells
from diff2i2p.network.cell_matching import vote
from diff2i2p.network.geometry_network import Cells, GeometryNetwork
from diff2i2p.render import Surfaces, close_cracks


class GeometryMatcher:
    """Correspondences between a view and the map.

    What it matched it can match again, to the map drawn at the pose that was found.
    """

    def __init__(self, network: GeometryNetwork, site: CompiledMap, config: Config):
        self.config, self.dense = config.geometry, site.dense
        self.device = next(network.parameters()).device
        if config.threads:
            torch.set_num_threads(config.threads)
        index = site.geometry
        self.descriptors, self.points = index["descriptors"], index["points"]
        self.starts = index["starts"]
        self.voters = self._voters()
        if config.runtime == "torch":
            self.backend = TorchCells(network)
        else:
            weights = str(site.header.get("weights_sha256"))
            self.backend = OnnxCells(network, config, weights, most_cells(site))

    @torch.inference_mode()
    def match(self, view: View, prior: np.ndarray | None, timer: StageTimer) -> list[MatchedPlace]:
        """Matches of each drawn view that resembles the image; of the map drawn at a `prior`.

        They are not pooled: a view beside the right one spoils its pose. prior: T_map_camera.
        """
        with timer("network"):
            grey = torch.from_numpy(view.grey).to(self.device)[None, None].float()
            photo = self.backend.encode_photo(grey)
        if prior is not None:
            with timer("matching"):
                surfaces = close_cracks(self.dense.render(view.camera, prior))
                found = [self.match_drawn(photo, view.camera, prior, surfaces)]
        else:
            with timer("retrieve"):
                ranked = self._ranked(photo)
            with timer("matching"):
                found = [self._match(photo, *self._of_view(number)) for number in ranked]
        return [GeometryPlace(matches, self, photo, view.camera) for matches in found]

    def _voters(self) -> torch.Tensor:
        """(V, coarse_features, D) most reliable cells of every view, zeros where it has fewer."""
        kept = self.config.coarse_features
        voters = np.zeros((len(self.starts) - 1, kept, self.descriptors.shape[1]), np.float32)
        for view, (a, b) in enumerate(itertools.pairwise(self.starts)):
            best = self.descriptors[a : min(b, a + kept)]
            voters[view, : len(best)] = best / np.float32(UNIT)
        return torch.from_numpy(voters).to(self.device)

    def _ranked(self, photo: Cells) -> list[int]:
        """The views most like the photo, best first."""
        features, reliability = photo.flat()
        telling = reliability.topk(min(self.config.coarse_cells, len(reliability))).indices
        votes = vote(features[telling], self.voters)
        return votes.topk(min(self.config.views, len(votes))).indices.tolist()

    def _of_view(self, view: int) -> tuple[torch.Tensor, np.ndarray]:
        """Features (N, D) and points (N, 3) of a view."""
        rows = slice(self.starts[view], self.starts[view + 1])
        features = torch.from_numpy(self.descriptors[rows]).to(self.device).float() / UNIT
        return features, self.points[rows]

    @torch.inference_mode()
    def match_drawn(
        self, photo: Cells, camera: Camera, T_map_camera: np.ndarray, surfaces: Surfaces
    ) -> Correspondences:
        """Matches to the map drawn at a pose: what the rendering there shows."""
        cells, points = trusted_cells(surfaces, camera, T_map_camera)
        if len(cells) < FEWEST:
            return Correspondences.none("network")
        drawing = torch.from_numpy(draw_geometry(surfaces, camera))[None].to(self.device)
        drawn = self.backend.encode_geometry(drawing)
        features = drawn.flat()[0][torch.from_numpy(cells).to(self.device)]
        return self._match(photo, features, points, len(cells))

    def _match(
        self, photo: Cells, features: torch.Tensor, points: np.ndarray, tried: int = 0
    ) -> Correspondences:
        """Mutual matches of the photo with features (N, D) at points (N, 3)."""
        matches = self.backend.match(photo, features)
        found = points[matches.drawn.cpu().numpy()].astype(float)
        scores = matches.scores.clamp(0, 1).cpu().numpy()
        pixels = matches.pixels.cpu().numpy().astype(float)
        return Correspondences(pixels, found, scores, "network", tried)


def most_cells(site: CompiledMap) -> int:
    """Cells that a map keeps of one drawn view at most."""
    return int(np.diff(site.geometry["starts"]).max(initial=0))


@dataclass(frozen=True)
class GeometryPlace(MatchedPlace):
    """A place that the photo was matched to; at a pose there the map can be drawn and matched."""

    can_rematch: ClassVar[bool] = True
    matcher: GeometryMatcher
    photo: Cells
    camera: Camera

    def rematch(self, T_map_camera: np.ndarray, surfaces: Surfaces) -> Correspondences:
        return self.matcher.match_drawn(self.photo, self.camera, T_map_camera, surfaces)
