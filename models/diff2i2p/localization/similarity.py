# SPDX-License-Identifier: Apache-2.0
"""Do the map, as a pose sees it, and the image show the same, part by part of the view?"""

from dataclasses import dataclass

import cv2
import numpy as np

from diff2i2p.pose.render_compare import ViewComparison, agreement

COARSE = 2.0  # blur, pixels: what a camera out of focus, in motion or in the dark still shows
# one pixel in STEP is compared, each way; cells are so many of those wide and high
STEP, CELL = 2, 10
KNOWN = 0.5  # share of a cell that the map must show
PLAIN = 30.0  # variance of the normalised grey below which a cell shows nothing
# grey level of a pixel with too much light, and the share of them that makes a cell blind
WHITE, BLIND = 250, 0.9
FEW = 6  # cells that say nothing yet
# grey levels below which all is dark; variance of the logarithm of grey of a view that shows
# nothing
DARKEST, EVEN = 8.0, 1e-4


@dataclass(frozen=True)
class Similarity:
    """How much alike image and map are at a pose."""

    T_map_camera: np.ndarray  # (4, 4)
    agreement: float  # share of the map's corners that the image shows where the pose puts them
    ncc_fine: float

    @property
    def value(self) -> float:
        """One number, by which poses are ranked."""
        return self.agreement * self.ncc_fine


def similarity(comparison: ViewComparison, T_map_camera: np.ndarray) -> Similarity:
    """Of the map at `T_map_camera` (4, 4), which lies near where it was rendered."""
    agrees = agreement(comparison.map_tracks, comparison.view.camera, T_map_camera)
    return Similarity(T_map_camera, agrees, ncc_fine(comparison, T_map_camera))


def similarities(comparison: ViewComparison) -> list[Similarity]:
    """Where the map was rendered, and where the tracks lead to from there."""
    sharper = comparison.pose
    poses = (
        [comparison.T_map_camera]
        if sharper is None
        else [comparison.T_map_camera, sharper.T_map_camera]
    )
    return [similarity(comparison, T) for T in poses]


def ncc_fine(comparison: ViewComparison, T_map_camera: np.ndarray) -> float:
    """Correlation of the map at `T_map_camera` with the image, averaged over the cells of the view
    by their contrast in the map.

    1 where all is alike, 0 by chance, and 0 on a bare map or where it shows too little. Furniture,
    pictures and patterns weigh as much as the room that they take in the view, however many corners
    they have.
    """
    if not comparison.has_intensity:
        return 0.0
    u, v = _where(comparison, T_map_camera)
    of_map = _sampled(cv2.GaussianBlur(comparison.map, (0, 0), COARSE)).astype(np.float32)
    of_query, white = (
        cv2.remap(image, u, v, cv2.INTER_LINEAR).astype(np.float32) for image in _coarse(comparison)
    )
    cells = _Cells(_known(comparison, u, v) & ~_sampled(comparison.surfaces.doubtful))
    a, b = cells.mean(of_map), cells.mean(of_query)
    map_varies, query_varies = (
        cells.mean(of_map * of_map) - a * a,
        cells.mean(of_query * of_query) - b * b,
    )
    telling = cells.filled & (map_varies > PLAIN) & (cells.mean(white) < BLIND)
    if telling.sum() < FEW:
        return 0.0
    contrast = np.sqrt(map_varies[telling])
    together = (cells.mean(of_map * of_query) - a * b)[telling]
    alike = together / (contrast * np.sqrt(np.maximum(query_varies[telling], PLAIN)))
    return float(max(np.average(alike, weights=contrast), 0.0))


def ncc_coarse(comparison: ViewComparison, T_map_camera: np.ndarray) -> float:
    """Correlation of light and dark, cell by cell, between map and image at `T_map_camera`.

    1 where all is alike, 0 by chance, and 0 on a bare map or where it shows too little. It outlasts
    blur and darkness. What rises evenly across the view is light, and what is white for too much
    light says nothing: neither is compared.
    """
    if not comparison.has_intensity:
        return 0.0
    u, v = _where(comparison, T_map_camera)
    cells = _Cells(_known(comparison, u, v))
    of_map = cells.mean(_sampled(comparison.surfaces.image))
    of_query = cells.mean(cv2.remap(comparison.view.grey, u, v, cv2.INTER_LINEAR))
    telling = cells.filled & (of_query < WHITE)
    if telling.sum() < 2 * FEW:
        return 0.0
    rows, columns = np.nonzero(telling)
    even = np.linalg.qr(np.stack([rows, columns, np.ones(len(rows))], 1))[0]
    tones = (np.log(grey[telling] + DARKEST) for grey in (of_map, of_query))
    a, b = (tone - even @ (even.T @ tone) for tone in tones)
    return float(max((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean() + EVEN), 0.0))


class _Cells:
    """Means over the cells of the view, of what the map knows of them."""

    def __init__(self, known: np.ndarray):
        """known: (h, w) bool."""
        self.known = known.astype(np.float32)
        self.grid = max(known.shape[1] // CELL, 1), max(known.shape[0] // CELL, 1)
        self.share = cv2.resize(self.known, self.grid, interpolation=cv2.INTER_AREA)

    @property
    def filled(self) -> np.ndarray:
        """(rows, columns) bool, where the map knows enough of a cell."""
        return self.share > KNOWN

    def mean(self, values: np.ndarray) -> np.ndarray:
        """(rows, columns) of values (h, w)."""
        return cv2.resize(
            values * self.known, self.grid, interpolation=cv2.INTER_AREA
        ) / np.maximum(self.share, 1e-3)


def _known(comparison: ViewComparison, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(h, w) bool, what of the rendering is in the image, at u and v."""
    camera = comparison.view.camera
    inside = (u > 2) & (v > 2) & (u < camera.width - 3) & (v < camera.height - 3)
    return inside & _sampled(comparison.surfaces.depth > 0)


def _coarse(comparison: ViewComparison) -> tuple[np.ndarray, np.ndarray]:
    """The image as the map is normalised and blurred, and where it has too much light."""
    return cv2.GaussianBlur(comparison.query, (0, 0), COARSE), (
        comparison.view.grey >= WHITE
    ).astype(np.float32)


def _where(comparison: ViewComparison, T_map_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """u and v (h, w) float32 of the image where a camera at `T_map_camera` has what each sampled
    pixel of the rendering shows.
    """
    depth = _sampled(comparison.surfaces.depth)
    v, u = (STEP * indices + STEP // 2 for indices in np.indices(depth.shape, np.float32))
    fx, fy, cx, cy = comparison.view.camera.K
    local = np.stack([(u - cx) / fx * depth, (v - cy) / fy * depth, depth], -1, dtype=np.float32)
    motion = (np.linalg.inv(T_map_camera) @ comparison.T_map_camera).astype(np.float32)
    x, y, z = np.moveaxis(local @ motion[:3, :3].T + motion[:3, 3], -1, 0)
    z = np.maximum(z, 0.05)
    return (x / z * fx + cx).astype(np.float32), (y / z * fy + cy).astype(np.float32)


def _sampled(image: np.ndarray) -> np.ndarray:
    return image[STEP // 2 :: STEP, STEP // 2 :: STEP]
