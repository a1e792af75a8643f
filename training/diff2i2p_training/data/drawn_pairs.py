# SPDX-License-Identifier: Apache-2.0
"""What the geometry network learns from: a photo, and the map drawn from somewhere near by."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera, View
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.drawn_geometry import (
    GREY_RANGE,
    INVERSE_DEPTH,
    LOCAL_GAIN,
    draw_geometry,
)
from diff2i2p.mapping.geometry_index import trusted_cells
from diff2i2p.mapping.viewpoints import EYE
from diff2i2p.network.geometry_network import cell_middles
from diff2i2p.render import Surfaces, close_cracks
from diff2i2p_training.data.synthesis import SiteView

# how far a drawing is from its photo: metres along each axis; degrees of yaw, pitch and roll
NEAR, MIDDLING, FAR = (0.12, (6, 4, 3)), (0.45, (20, 12, 8)), (0.9, (30, 20, 10))
NEAR_SHARE, FAR_SHARE = 0.2, 0.4
SAME_LENS = (
    0.4  # share of the drawings by the photo's own camera, as a map is drawn again at a pose
)
SHOWN = 0.4  # share of a drawing that must show the map
TRIES = 4  # places from which that is tried
LABELLED = 0.05  # share of its cells that must be seen in the photo
SLACK, SLOPE = 0.05, 0.04  # metres, and share of the depth, by which photo and map may disagree
MARGIN = 2  # pixels at the edge of a photo in which nothing is looked for
# Of channels.
FULL = np.array([1, 1, 1, INVERSE_DEPTH[1], LOCAL_GAIN, 1, 1, GREY_RANGE], np.float32)
UNIT = 127  # of a stored channel at its full scale


@dataclass(frozen=True)
class DrawnPair:
    """A photo, a drawing of the map, and where in the photo each cell of the drawing is seen."""

    site: str  # cells of other images of the same site may show the same surface
    photo: np.ndarray  # (H, W) uint8
    drawing: np.ndarray  # (CHANNELS, H, W) int8, see `packed`
    pixels: np.ndarray  # (h w, 2) float32 (u, v); NaN where a cell is hidden, outside, not known


def packed(drawing: np.ndarray) -> np.ndarray:
    """A drawing (CHANNELS, H, W) as int8, a quarter of its size."""
    return np.rint(drawing * (UNIT / FULL[:, None, None])).clip(-UNIT, UNIT).astype(np.int8)


def unpacked(drawing: np.ndarray) -> np.ndarray:
    """(CHANNELS, H, W) float32 of what `packed` made."""
    return drawing * (FULL[:, None, None] / np.float32(UNIT))


def draw_pairs(
    dense: DenseMap, views: Iterable[SiteView], rng: np.random.Generator, site: str,
    each: int = 2, reach: float = 1.0, eye: Camera = EYE,
) -> Iterator[DrawnPair]:  # fmt: skip
    """Up to `each` pairs of every view; parameters as of `draw_pair`."""
    for view in views:
        for _ in range(each):
            pair = draw_pair(dense, view, rng, site, reach, eye)
            if pair is not None:
                yield pair


def draw_pair(
    dense: DenseMap, view: SiteView, rng: np.random.Generator, site: str,
    reach: float = 1.0, eye: Camera = EYE,
) -> DrawnPair | None:  # fmt: skip
    """The view beside a drawing of `dense` from near by; None where that shows too little.

    reach: how far away drawings are, 1 as among the views of a map; eye: the camera of drawings.
    """
    view = fitted(view, eye)
    for _ in range(TRIES):
        T_map_camera = displaced(view.T_map_camera, rng, reach)
        camera = view.camera if rng.random() < SAME_LENS else eye
        rendering = dense.render(camera, T_map_camera)
        if (rendering.depth > 0).mean() > SHOWN:
            break
    else:
        return None
    surfaces = close_cracks(rendering)
    pixels = seen_pixels(view, surfaces, camera, T_map_camera)
    if np.isfinite(pixels[:, 0]).mean() < LABELLED:
        return None
    return DrawnPair(site, view.grey, packed(draw_geometry(surfaces, camera)), pixels)


def displaced(T_map_camera: np.ndarray, rng: np.random.Generator, reach: float) -> np.ndarray:
    """A pose (4, 4) near another: on the spot, or up to as far as the next view of a map."""
    chance = rng.random()
    kind = NEAR if chance < NEAR_SHARE else FAR if chance > 1 - FAR_SHARE else MIDDLING
    return nudged(T_map_camera, rng, reach * kind[0], kind[1])


def nudged(
    T_map_camera: np.ndarray, rng: np.random.Generator, metres: float, degrees: tuple
) -> np.ndarray:
    """A pose (4, 4) up to `metres` away along each axis, and turned by up to yaw, pitch, roll."""
    T = T_map_camera.copy()
    T[:3, 3] += rng.uniform(-1, 1, 3) * metres
    turn = rng.uniform(-1, 1, 3) * degrees
    T[:3, :3] = T[:3, :3] @ Rotation.from_euler("yxz", turn, degrees=True).as_matrix()
    return T


def seen_pixels(
    view: SiteView, surfaces: Surfaces, camera: Camera, T_map_camera: np.ndarray
) -> np.ndarray:
    """(h w, 2) float32 pixels of `view` that show what the cells of a drawing show; NaN: none does.

    surfaces: what `camera` at T_map_camera (4, 4) sees of the map.
    """
    cells, points = trusted_cells(surfaces, camera, T_map_camera)
    local = (points - view.T_map_camera[:3, 3]) @ view.T_map_camera[:3, :3]
    ahead = local[:, 2] > SLACK
    cells, local = cells[ahead], local[ahead]
    pixels = view.camera.project(local)
    last = np.array([view.camera.width, view.camera.height]) - 1
    inside = ((pixels >= MARGIN) & (pixels <= last - MARGIN)).all(1)
    u, v = pixels.round().clip(0, last).astype(int).T
    agree = np.abs(view.depth[v, u] - local[:, 2]) < SLACK + SLOPE * local[:, 2]
    found = np.full((len(cell_middles(camera.height, camera.width)), 2), np.nan, np.float32)
    found[cells[inside & agree]] = pixels[inside & agree]
    return found


def fitted(view: SiteView, eye: Camera) -> SiteView:
    """The view with as many rows as `eye` has: cut or padded, above and below alike.

    The view must be as wide as `eye`.
    """
    extra = view.camera.height - eye.height
    above = abs(extra) // 2
    if extra > 0:
        rows = slice(above, above + eye.height)
        grey, depth, shift = view.grey[rows], view.depth[rows], -above
    else:
        ends = above, -extra - above, 0, 0
        median = int(np.median(view.grey))
        grey = cv2.copyMakeBorder(view.grey, *ends, cv2.BORDER_CONSTANT, value=median)
        depth, shift = cv2.copyMakeBorder(view.depth, *ends, cv2.BORDER_CONSTANT, value=0), above
    fx, fy, cx, cy = view.camera.K
    camera = Camera(eye.width, eye.height, (fx, fy, cx, cy + shift))
    return SiteView(grey, depth, camera, view.T_map_camera)


def mapped_view(dense: DenseMap, view: View, T_map_camera: np.ndarray) -> SiteView:
    """A rectified photo at its pose (4, 4) with the depth that the map has there."""
    depth = close_cracks(dense.render(view.camera, T_map_camera)).depth
    return SiteView(view.grey, depth, view.camera, T_map_camera)
