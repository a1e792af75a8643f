# SPDX-License-Identifier: Apache-2.0
"""Who computes the paper's network for an image: torch, or onnxruntime on fixed shapes."""

import copy
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

from diff2i2p.config import Config
from diff2i2p.network.coarse_to_fine import (
    Crop,
    PixelMatches,
    gather_matches,
    match_patches,
    patch_cells,
)
from diff2i2p.network.diff2i2p import Diff2I2P, ImageFeatures
from diff2i2p.network.onnx_export import (
    Matching,
    Shapes,
    export_image_side,
    export_matching,
    require_exportable,
)
from diff2i2p.network.onnx_graphs import NO_MATCH, kept_session, require_onnxruntime, run
from diff2i2p.network.point_backbone import gather


class TorchEngine:
    """The network as it is."""

    def __init__(self, network: Diff2I2P, config: Config):
        self.network, self.config = network, config

    def encode_image(self, image: torch.Tensor) -> ImageFeatures:
        """image (1, C, H, W) -> its features."""
        return self.network.encode_image(image)

    def votes(self, image: ImageFeatures) -> torch.Tensor:
        """Unit vectors (P, C) of the patches before fusion."""
        return self.network.patches(image.tokens)[0]

    def match(
        self,
        image: ImageFeatures,
        cells: torch.Tensor,
        crops: list[Crop],
        known: torch.Tensor | None,
    ) -> list[PixelMatches]:
        """Matches of every candidate view, all of equally many nodes, fused in one batch.

        cells (G, D): unit fine features; known (G,) bool: cells whose depth is known, in mode rgbd.
        """
        nodes, places = (
            torch.stack([getattr(crop, name) for crop in crops])
            for name in ("nodes", "node_points")
        )
        fused = self.network.fuse(image.tokens, nodes, places)
        levels = patch_cells(
            image.tokens.shape[-2:], image.fine.shape[-2:], self.network.config.network.patch_levels
        )
        levels = [level.to(cells.device) for level in levels]
        return [
            match_patches(
                patches, nodes, cells, crop.fine, levels, crop.members, self.config.matching, known
            )[1]
            for patches, nodes, crop in zip(*fused, crops, strict=True)
        ]


class OnnxEngine:
    """The same by onnxruntime. Graphs and TensorRT engines are made for the first image of a size, and kept in the cache folder."""

    def __init__(
        self,
        network: Diff2I2P,
        config: Config,
        fingerprint: str,
        views: int,
        nodes: int,
        members: int,
    ):
        """fingerprint: of the weights; views: matched when the camera is lost; nodes, members: see Shapes. Raises ConfigError."""
        require_exportable(config)
        self.network = copy.deepcopy(network).cpu()  # what is exported
        self.config, self.fingerprint = config, fingerprint
        self.views, self.nodes, self.members = views, nodes, members
        self.sessions: dict[tuple[int, int], tuple] = {}
        require_onnxruntime()

    def encode_image(self, image: torch.Tensor) -> ImageFeatures:
        self.size = tuple(image.shape[-2:])
        fine, tokens, self._votes = run(self._sessions(*self.size)[0], image=image)
        return ImageFeatures(fine, tokens)

    def votes(self, image: ImageFeatures) -> torch.Tensor:
        return self._votes

    def match(
        self, image: ImageFeatures, cells: torch.Tensor, crops: list[Crop], known=None
    ) -> list[PixelMatches]:
        _, matching, patch_cells = self._sessions(*self.size)
        views = 1 if len(crops) == 1 else self.views
        sized = [self._sized(crop) for crop in crops]
        batch = [_inputs(crop) for crop in sized + sized[-1:] * (views - len(sized))]
        batch = {name: torch.stack([inputs[name] for inputs in batch]) for name in batch[0]}
        found = zip(
            *run(matching[views], tokens=image.tokens, cells=cells, **batch), sized, strict=False
        )  # the batch may be longer
        return [
            self._matches(scores, choices, crop, patch_cells.to(cells.device))
            for scores, choices, crop in found
        ]

    def _sized(self, crop: Crop) -> Crop:
        """The crop with as many members of a node as the graph takes."""
        return replace(
            crop,
            members=F.pad(
                crop.members, (0, self.members - crop.members.shape[1]), value=len(crop.fine)
            ),
        )

    def _matches(
        self, scores: torch.Tensor, choices: torch.Tensor, crop: Crop, patch_cells: torch.Tensor
    ) -> PixelMatches:
        """What the graph has found in a candidate view: scores, choices (P, A), see Matching."""
        found = scores >= max(self.config.matching.min_score, np.nextafter(NO_MATCH, 0))
        matched = crop.members.flatten()[
            choices[found] % crop.members.numel()
        ]  # the graph counts on from view to view
        return gather_matches(
            [PixelMatches(patch_cells[found], matched, scores[found])],
            len(crop.fine),
            self.config.matching,
        )

    def _sessions(self, height: int, width: int) -> tuple:
        """The session of the image side for images of this size, those of matching by the number of views, and the cells of every patch."""
        if (height, width) not in self.sessions:
            self.sessions[height, width] = self._open(
                Shapes(height, width, 1, self.nodes, self.members)
            )
        return self.sessions[height, width]

    def _open(self, shapes: Shapes) -> tuple:
        image_side = self._kept("image", export_image_side, shapes)
        numbers = {1, self.views}  # tracking, lost
        matching = {
            views: self._kept("matching", export_matching, replace(shapes, views=views))
            for views in numbers
        }
        fine, tokens = (output.shape[-2:] for output in image_side.get_outputs()[:2])
        return (
            image_side,
            matching,
            Matching(self.network, self.config.matching, tokens, fine).patch_cells,
        )

    def _kept(self, part: str, export, shapes: Shapes):
        """A session of a graph, from the cache folder where it is there."""
        made_of = {
            "weights": self.fingerprint,
            "shapes": asdict(shapes),
            "matching": asdict(self.config.matching),
        }
        write = partial(export, self.network, self.config.matching, shapes)
        return kept_session(part, made_of, write, self.config)


def _inputs(crop: Crop) -> dict[str, torch.Tensor]:
    """A candidate view as the matching graph takes it, see Matching."""
    members, filled = (
        gather(crop.fine, crop.members.clamp(max=len(crop.fine) - 1)),
        crop.members < len(crop.fine),
    )
    return {
        "nodes": crop.nodes,
        "node_points": crop.node_points,
        "members": members,
        "filled": filled,
    }
