# SPDX-License-Identifier: Apache-2.0
"""The map as a picture of its geometry, the way the geometry network is shown it."""

import cv2
import numpy as np

from diff2i2p.camera import Camera
from diff2i2p.render import Surfaces

# defined: all of these, how the network is shown a map; its weights hold for these numbers alone
CHANNELS = 8  # defined: normal (3), inverse depth, its local part, depth edges, known, grey
NEAREST = 0.2  # defined: metres; what is nearer counts as this near
# defined: diameter in pixels, metres and pixels: smooths the noise of a scan and leaves its steps
BILATERAL = 5, 0.1, 2.0
LOCAL = 4.0  # defined: pixels around, beyond which inverse depth is no local shape
INVERSE_DEPTH = -2.0, 3.0  # defined: range of inverse depth over its median, minus 1
LOCAL_GAIN = 3.0  # defined: makes the local part as large as the rest
GREY_RANGE = 3.0  # defined: standard deviations of grey that count
FLAT = 1.0  # bound: grey levels of standard deviation below which the map has no looks here


def draw_geometry(surfaces: Surfaces, camera: Camera) -> np.ndarray:
    """(CHANNELS, H, W) float32 of what a pinhole camera sees of the map: nothing names the site.

    It has no unit of length. Normals are in the camera's frame, 0 at edges and holes; grey is
    normalised over the view, 0 where the map has neither colour nor intensity.
    """
    depth = surfaces.depth.astype(np.float32)
    known = depth > 0
    inverse = _inverse_depth(depth, known)
    local = LOCAL_GAIN * (inverse - cv2.GaussianBlur(inverse, (0, 0), LOCAL)).clip(-1, 1)
    normals = np.where((known & ~surfaces.edges)[..., None], _normals(depth, camera), 0)
    grey = _normalised(surfaces.image.astype(np.float32), known)
    return np.stack(
        [*np.moveaxis(normals, 2, 0), inverse, local, surfaces.edges, known, grey]
    ).astype(np.float32)


def _inverse_depth(depth: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(H, W) float32 inverse depth over its median, minus 1; 0 where nothing is known."""
    inverse = np.where(known, 1 / np.maximum(depth, NEAREST), 0).astype(np.float32)
    median = np.median(inverse[known]) if known.any() else 1.0
    return np.where(known, inverse / median - 1, 0).clip(*INVERSE_DEPTH).astype(np.float32)


def _normals(depth: np.ndarray, camera: Camera) -> np.ndarray:
    """(H, W, 3) float32 unit normals of the smoothed depth, camera frame, away from the camera."""
    v, u = np.indices(depth.shape, np.float32)
    fx, fy, cx, cy = np.float32(camera.K)
    smooth = cv2.bilateralFilter(depth, *BILATERAL)
    points = cv2.blur(
        np.stack([(u - cx) / fx * smooth, (v - cy) / fy * smooth, smooth], -1), (3, 3)
    )
    right, down = np.zeros_like(points), np.zeros_like(points)
    right[:, 1:-1] = points[:, 2:] - points[:, :-2]
    down[1:-1] = points[2:] - points[:-2]
    normals = np.cross(right, down)
    return normals / (np.linalg.norm(normals, axis=2, keepdims=True) + 1e-9)


def _normalised(grey: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(H, W) float32 grey in standard deviations from its mean over what is known."""
    if not known.any() or (spread := grey[known].std()) <= FLAT:
        return np.zeros_like(grey)
    return np.where(known, ((grey - grey[known].mean()) / spread).clip(-GREY_RANGE, GREY_RANGE), 0)
