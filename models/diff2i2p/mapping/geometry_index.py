# SPDX-License-Identifier: Apache-2.0
"""How the geometry of a map looks from everywhere a camera could be.

Cells of drawn views, lifted to the map.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from diff2i2p.camera import Camera
from diff2i2p.config import GeometryConfig
from diff2i2p.geometry import at_pixels, lift
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.drawn_geometry import draw_geometry
from diff2i2p.mapping.viewpoints import (
    CANDIDATES,
    EYE,
    level_axes,
    look_around,
    spread,
    viewpoints,
)
from diff2i2p.network.geometry_network import GeometryNetwork, cell_middles
from diff2i2p.render import Surfaces, close_cracks

UNIT = 127  # defined: a descriptor's component in the index, of 1
BATCH = 8  # bound: views that the network is shown at once; more are no faster on a CPU
FEWEST = 40  # bound: trusted cells without which a view is not worth a look


def build_geometry_index(
    dense: DenseMap, up: np.ndarray, network: GeometryNetwork, config: GeometryConfig, progress=None
) -> dict[str, np.ndarray]:
    """Cells of all drawn views: descriptors (N, D) int8, points (N, 3) float32, starts (V + 1,).

    View v owns rows starts[v]:starts[v + 1], the most reliable first; empty views are left out.
    up: (3,) unit vector against gravity. progress: called as progress(done, total, what).
    """
    level = level_axes(up)
    local = dense.points @ level.T.astype(np.float32)
    candidates = viewpoints(local, config.spacing, CANDIDATES)
    places = spread(candidates, local, config.step, config.places) @ level
    poses = [
        T
        for number, place in enumerate(places)
        for T in look_around(place, level, config.headings, number)
    ]
    descriptors, points = [], []
    for number, batch in enumerate(_drawn(dense, poses, config.seen)):
        for found, lifted in _described(network, batch, config.features):
            descriptors.append(found)
            points.append(lifted)
        if progress:
            progress(min((number + 1) * BATCH, len(poses)), len(poses), "drawn views")
    starts = np.cumsum([0, *map(len, points)])
    dim = network.photo.block_fusion[-1].out_channels
    return {
        "descriptors": np.concatenate([np.zeros((0, dim), np.int8), *descriptors]),
        "points": np.concatenate([np.zeros((0, 3), np.float32), *points]),
        "starts": starts,
    }


def trusted_cells(
    surfaces: Surfaces, camera: Camera, T_map_camera: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cells (N,) of a view with a known surface, off edges and holes; their map points (N, 3)."""
    middles = cell_middles(*surfaces.depth.shape).numpy()
    depth, doubtful = (at_pixels(image, middles) for image in (surfaces.depth, surfaces.doubtful))
    cells = np.flatnonzero((depth > 0) & ~doubtful)
    return cells, lift(middles[cells], depth[cells], camera, T_map_camera)


def _drawn(dense: DenseMap, poses: list[np.ndarray], seen: float) -> Iterator[list[tuple]]:
    """Batches of (drawing, cells, points) of the views that show enough of the map."""

    def draw(T_map_camera: np.ndarray):
        rendering = dense.render(EYE, T_map_camera)
        if (rendering.depth > 0).mean() < seen:
            return None
        surfaces = close_cracks(rendering)
        return draw_geometry(surfaces, EYE), *trusted_cells(surfaces, EYE, T_map_camera)

    with ThreadPoolExecutor() as pool:  # numpy and OpenCV leave the interpreter free
        for begin in range(0, len(poses), BATCH):
            yield [
                view
                for view in pool.map(draw, poses[begin : begin + BATCH])
                if view is not None and len(view[1]) >= FEWEST
            ]


@torch.inference_mode()
def _described(
    network: GeometryNetwork, batch: list[tuple], limit: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Descriptors (n, D) int8 and points (n, 3) float32 of each view, the most reliable first."""
    if not batch:
        return
    device = next(network.parameters()).device
    found = network.encode_geometry(
        torch.from_numpy(np.stack([drawing for drawing, *_ in batch])).to(device)
    )
    for image, (_, cells, points) in enumerate(batch):
        features, reliability = (array.cpu().numpy() for array in found.flat(image))
        best = np.argsort(-reliability[cells])[:limit]
        yield np.rint(UNIT * features[cells[best]]).astype(np.int8), points[best].astype(np.float32)
