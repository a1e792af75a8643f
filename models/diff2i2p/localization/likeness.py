# SPDX-License-Identifier: Apache-2.0
"""Do the map, as a pose sees it, and the image show the same, part by part of the view?"""

import cv2
import numpy as np

from diff2i2p.camera import Camera, View
from diff2i2p.localization.compare import Comparison

COARSE = 2.0  # blur, pixels: what a camera out of focus, in motion or in the dark still shows
STEP, CELL = 2, 10  # one pixel in STEP is compared, each way; cells are so many of those wide and high
KNOWN = 0.5  # share of a cell that the map must show
PLAIN = 30.0  # variance of the normalised shades below which a cell shows nothing
WHITE, BLIND = 250, 0.9  # grey level of a pixel with too much light, and the share of them that makes a cell blind
FEW = 6  # cells that say nothing yet


def likeness(comparison: Comparison, view: View, T_map_camera: np.ndarray) -> float:
    """Correlation of the map at `T_map_camera` with the image, averaged over the cells of the view by their contrast in the map.

    1 where all is alike, 0 by chance, and 0 where the map has no looks or shows too little. Furniture, pictures and patterns weigh
    as much as the room that they take in the view, however many corners they have.
    """
    if comparison.ours is None:
        return 0.0
    u, v = _where(comparison, view.camera, T_map_camera)
    ours = _sampled(cv2.GaussianBlur(comparison.ours, (0, 0), COARSE)).astype(np.float32)
    theirs, white = (cv2.remap(image, u, v, cv2.INTER_LINEAR).astype(np.float32) for image in _coarse(comparison, view))
    inside = (u > 2) & (v > 2) & (u < view.camera.width - 3) & (v < view.camera.height - 3)
    known = (inside & _sampled(comparison.surfaces.depth > 0) & ~_sampled(comparison.surfaces.doubtful)).astype(np.float32)
    grid = max(ours.shape[1] // CELL, 1), max(ours.shape[0] // CELL, 1)
    share = cv2.resize(known, grid, interpolation=cv2.INTER_AREA)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.resize(values * known, grid, interpolation=cv2.INTER_AREA) / np.maximum(share, 1e-3)

    a, b = mean(ours), mean(theirs)
    ours_varies, theirs_varies, together = mean(ours * ours) - a * a, mean(theirs * theirs) - b * b, mean(ours * theirs) - a * b
    telling = (share > KNOWN) & (ours_varies > PLAIN) & (mean(white) < BLIND)
    if telling.sum() < FEW:
        return 0.0
    contrast = np.sqrt(ours_varies[telling])
    alike = together[telling] / (contrast * np.sqrt(np.maximum(theirs_varies[telling], PLAIN)))
    return float(max(np.average(alike, weights=contrast), 0.0))


def _coarse(comparison: Comparison, view: View) -> tuple[np.ndarray, np.ndarray]:
    """The image as `ours` is normalised and blurred, and where it has too much light."""
    return cv2.GaussianBlur(comparison.theirs, (0, 0), COARSE), (view.grey >= WHITE).astype(np.float32)


def _where(comparison: Comparison, camera: Camera, T_map_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """u and v (h, w) float32 of the image where a camera at `T_map_camera` has what each sampled pixel of the rendering shows."""
    depth = _sampled(comparison.surfaces.depth)
    v, u = (STEP * indices + STEP // 2 for indices in np.indices(depth.shape, np.float32))
    fx, fy, cx, cy = camera.K
    local = np.stack([(u - cx) / fx * depth, (v - cy) / fy * depth, depth], -1, dtype=np.float32)
    motion = (np.linalg.inv(T_map_camera) @ comparison.T_map_camera).astype(np.float32)
    x, y, z = np.moveaxis(local @ motion[:3, :3].T + motion[:3, 3], -1, 0)
    z = np.maximum(z, 0.05)
    return (x / z * fx + cx).astype(np.float32), (y / z * fy + cy).astype(np.float32)


def _sampled(image: np.ndarray) -> np.ndarray:
    return image[STEP // 2 :: STEP, STEP // 2 :: STEP]
