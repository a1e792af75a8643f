# SPDX-License-Identifier: Apache-2.0
"""Who computes the network's per-image part: torch, or onnxruntime on graphs of fixed shapes."""

import copy
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from diff2i2p.cache import cache_folder
from diff2i2p.config import Config, ConfigError
from diff2i2p.network.diff2i2p import Diff2I2P, ImageFeatures
from diff2i2p.network.graphs import NO_MATCH, Matching, Shapes, export_image_side, export_matching, require_exportable
from diff2i2p.network.matching import PixelMatches, gather_matches, match_patches, patch_cells

GRAPHS = 1  # version of the graphs: a cached one of another version is not used


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

    def match(self, image: ImageFeatures, cells, nodes, node_points, points, members, known: torch.Tensor | None) -> PixelMatches:
        """Matches of one candidate view.

        cells (G, D) and points (N, D): unit fine features; nodes (M, C) at node_points (M, 3); members (M, B) of each node among the
        points, padded with N; known (G,) bool: cells whose depth is known, in mode rgbd.
        """
        patches, fused = self.network.fuse(image.tokens, nodes[None], node_points[None])
        levels = patch_cells(image.tokens.shape[-2:], image.fine.shape[-2:], self.network.config.network.patch_levels)
        levels = [level.to(cells.device) for level in levels]
        return match_patches(patches[0], fused[0], cells, points, levels, members, self.config.matching, known)[1]


class OnnxEngine:
    """The same by onnxruntime. Graphs and TensorRT engines are made for the first image of a size, and kept in the cache folder."""

    def __init__(self, network: Diff2I2P, config: Config, fingerprint: str, nodes: int, members: int):
        """fingerprint: of the weights; nodes, members: of every candidate view, see Shapes. Raises ConfigError."""
        require_exportable(config)
        self.network = copy.deepcopy(network).cpu()  # what is exported
        self.config, self.fingerprint = config, fingerprint
        self.nodes, self.members = nodes, members
        self.sessions: dict[tuple[int, int], tuple] = {}
        _onnxruntime()

    def encode_image(self, image: torch.Tensor) -> ImageFeatures:
        self.size = tuple(image.shape[-2:])
        fine, tokens, self._votes = _run(self._sessions(*self.size)[0], image=image)
        return ImageFeatures(fine, tokens)

    def votes(self, image: ImageFeatures) -> torch.Tensor:
        return self._votes

    def match(self, image: ImageFeatures, cells, nodes, node_points, points, members, known=None) -> PixelMatches:
        _, session, patch_cells = self._sessions(*self.size)
        filled = F.pad(members < len(points), (0, self.members - members.shape[1]))
        index = F.pad(members, (0, self.members - members.shape[1])).clamp(max=len(points) - 1)
        scores, choices = _run(
            session, tokens=image.tokens, cells=cells, nodes=nodes, node_points=node_points, members=points[index], filled=filled
        )
        patch_cells = patch_cells.to(cells.device)
        found = scores >= max(self.config.matching.min_score, np.nextafter(NO_MATCH, 0))
        matched = index.flatten()[choices[found]]
        return gather_matches([PixelMatches(patch_cells[found], matched, scores[found])], len(points), self.config.matching)

    def _sessions(self, height: int, width: int) -> tuple:
        """The two sessions for images of this size, and the cells of every patch."""
        if (height, width) not in self.sessions:
            shapes = Shapes(height, width, self.nodes, self.members)
            self.sessions[height, width] = self._open(shapes)
        return self.sessions[height, width]

    def _open(self, shapes: Shapes) -> tuple:
        made_of = {"graphs": GRAPHS, "weights": self.fingerprint, "shapes": asdict(shapes), "matching": asdict(self.config.matching)}
        name = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:24]
        folder = cache_folder() / "onnx"
        folder.mkdir(exist_ok=True)
        image_side = self._kept(folder / f"{name}.image.onnx", export_image_side, shapes)
        matching = self._kept(folder / f"{name}.matching.onnx", export_matching, shapes)
        fine, tokens = (output.shape[-2:] for output in image_side.get_outputs()[:2])
        return image_side, matching, Matching(self.network, self.config.matching, tokens, fine).patch_cells

    def _kept(self, path: Path, export, shapes: Shapes):
        """A session of the graph kept at `path`; a missing or damaged one is made again."""
        if path.is_file():
            try:
                return open_session(path, self.config)
            except Exception:  # onnxruntime has a dozen kinds for a damaged file
                path.unlink()
        export(self.network, self.config.matching, shapes, path)
        return open_session(path, self.config)


def _run(session, **inputs: torch.Tensor) -> list[torch.Tensor]:
    """The outputs of a session, where its inputs are."""
    device = next(iter(inputs.values())).device
    return [torch.from_numpy(array).to(device) for array in session.run(None, {name: x.cpu().numpy() for name, x in inputs.items()})]


def open_session(path: Path, config: Config):
    """An onnxruntime session: TensorRT, else CUDA, else CPU, whichever is there and `device` allows."""
    onnxruntime = _onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads leave the cores to the robot
    return onnxruntime.InferenceSession(str(path), options, providers=providers(config, path.parent, onnxruntime.get_available_providers()))


def providers(config: Config, folder: Path, available: list[str]) -> list:
    """Execution providers in order of preference, with TensorRT's engines kept in `folder`."""
    engines = {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(folder), "trt_fp16_enable": config.half_precision}
    wanted = [("TensorrtExecutionProvider", engines), ("CUDAExecutionProvider", {}), ("CPUExecutionProvider", {})]
    return [entry for entry in wanted if entry[0] in available and (config.device != "cpu" or entry[0].startswith("CPU"))]


def _onnxruntime():
    try:
        import onnx  # noqa: F401 # the exporter of torch needs it
        import onnxruntime
    except ImportError as error:
        raise ConfigError("runtime onnxruntime needs two more packages: pip install onnx onnxruntime, or onnxruntime-gpu") from error
    return onnxruntime
