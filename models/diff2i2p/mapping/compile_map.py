# SPDX-License-Identifier: Apache-2.0
"""Cloud -> compiled map: thin it, compute the point features of the whole map once, index its looks."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from diff2i2p.cloud import PointCloud, find_up
from diff2i2p.config import Config
from diff2i2p.mapping.compiled_map import FORMAT, CompiledMap
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.descriptor_index import build_appearance
from diff2i2p.mapping.geometry_index import build_geometry_index
from diff2i2p.mapping.keyframes import Photograph, build_photographs, keyframes, painted
from diff2i2p.mapping.normals import seen_sides
from diff2i2p.mapping.pyramid import Pyramid, build_pyramid
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.network.geometry_network import GeometryNetwork
from diff2i2p.weights import load_weights


def compile_map(
    cloud: PointCloud, out: Path | str, weights: str | None = None, config: Config = Config(), use_colour: bool = True,
    up: np.ndarray | None = None, frame_id: str = "map", photographs: Iterable[Photograph] = (), progress=None,
) -> CompiledMap:  # fmt: skip
    """Compile `cloud` (metres) into the file `out`.

    weights: path or shipped name; without, only the appearance matcher can use the map. up: (3,) unit vector against
    gravity, found from the cloud when None. photographs: posed images of the mapping run; appearance matches to them as
    well, and a cloud without colour takes theirs. progress: called as progress(done, total, what). Raises CloudError,
    WeightsError, MapError.
    """
    progress = progress or (lambda done, total, what: None)
    network, weights_sha256 = load_weights(weights, config) if weights else (None, None)
    config = network.config if isinstance(network, Diff2I2P) else config
    up = find_up(cloud) if up is None else up
    local = (p.moved(-np.array(cloud.origin)) for p in photographs)
    photographs = keyframes(local) if use_colour else []
    if photographs and cloud.colours is None:
        cloud = replace(painted(cloud, photographs, config), origin=cloud.origin)
    colour = use_colour and cloud.grey is not None
    progress(0, 3, "voxel pyramid")
    grid = config.map
    pyramid = build_pyramid(
        cloud.points,
        cloud.grey if colour else None,
        grid.fine_voxel,
        grid.levels,
        grid.neighbours,
        grid.search_radius,
    )
    progress(1, 3, "point features")
    tensors = by_node(pyramid, network if isinstance(network, Diff2I2P) else None)
    progress(2, 3, "appearance index")
    dense = DenseMap.build(cloud, colour)
    dense = replace(dense, normals=seen_sides(dense.points, up))
    tensors |= {
        f"dense.{name}": torch.from_numpy(array)
        for name, array in vars(dense).items()
        if isinstance(array, np.ndarray)
    }
    if isinstance(network, GeometryNetwork):
        index = build_geometry_index(dense, up, network, config.geometry, progress)
        tensors |= {f"geometry.{name}": torch.from_numpy(array) for name, array in index.items()}
    if colour:
        looks = {"appearance": build_appearance(dense, up, config.appearance, progress)}
        if photographs:
            looks["photographs"] = build_photographs(photographs, dense, config, progress)
        tensors |= {
            f"{group}.{name}": torch.from_numpy(array)
            for group, index in looks.items()
            for name, array in index.items()
        }
    header = {
        "format": FORMAT, "cloud_sha256": _fingerprint(cloud), "weights_sha256": weights_sha256, "frame_id": frame_id.lstrip("/") or "map",
        "up": list(map(float, up)), "colour": colour, "voxel": config.map.fine_voxel, "levels": config.map.levels,
        "spacing": dense.spacing, "origin": list(map(float, cloud.origin)),
    }  # fmt: skip
    compiled = CompiledMap(Path(out), header, tensors)
    compiled.save()
    progress(3, 3, "written")
    return compiled


@torch.inference_mode()
def by_node(pyramid: Pyramid, network: Diff2I2P | None) -> dict[str, torch.Tensor]:
    """Points, shades and features, fine points sorted by the node that owns them."""
    owners = pyramid.owners[0]
    order = torch.argsort(owners, stable=True)
    starts = torch.searchsorted(owners[order], torch.arange(len(pyramid.nodes) + 1))
    tensors = {
        "points": pyramid.points[0][order],
        "node_points": pyramid.nodes,
        "node_starts": starts,
    }
    if pyramid.grey is not None:
        tensors["grey"] = pyramid.grey[order]
    if network is not None:
        features = network.encode_map(pyramid)
        tensors |= {"fine": features.fine[order].half(), "nodes": features.nodes.half()}
    return tensors


def _fingerprint(cloud: PointCloud) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(cloud.points))
    if any(cloud.origin):
        digest.update(np.array(cloud.origin))
    for extra in (cloud.colours, cloud.intensity):
        if extra is not None:
            digest.update(np.ascontiguousarray(extra))
    return digest.hexdigest()
