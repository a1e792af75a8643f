# SPDX-License-Identifier: Apache-2.0
"""Pictures of single frames: the image beside the map as its pose sees it, with the matches between them."""

import cv2
import numpy as np

from diff2i2p.evaluation.metrics import Record
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.render import close_cracks

GREEN, RED = (80, 220, 110), (235, 80, 80)
LINKS, GAP = 40, 8  # match lines drawn, pixels between frame and map
MAX_SPLAT = 31  # pixels, of a point close to the camera


def matches_picture(record: Record, dense: DenseMap) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the rectified frame and the map as the found (or else the true) pose sees it, matches between them.

    Where neither is known, the map's half stays dark.
    """
    answer, camera = record.answer, record.answer.view.camera
    T = answer.T_map_camera if answer.ok else record.frame.T_map_camera
    known = T is not None
    scale = max(1, round(480 / camera.width))
    large = camera.resized(camera.width * scale)
    frame = cv2.resize(answer.view.grey, (large.width, large.height), interpolation=cv2.INTER_CUBIC)
    seen = _map_seen(dense, large, T) if known else np.zeros_like(frame)
    image, rendered = (cv2.cvtColor(half, cv2.COLOR_GRAY2RGB) for half in (frame, seen))
    canvas = np.hstack([image, np.full((len(image), GAP, 3), 128, np.uint8), rendered])
    if answer.correspondences is None:
        return canvas
    pixels, inside, places = _match_places(answer.correspondences, T if known else np.eye(4), camera)
    inliers = np.zeros(len(pixels), bool) if answer.inliers is None else np.asarray(answer.inliers, bool)
    for chosen, colour in ((~inliers, RED), (inliers, GREEN)):
        _draw_matches(
            canvas, pixels[chosen], places[chosen], inside[chosen] & known, colour, scale, image.shape[1] + GAP, links=colour == GREEN
        )
    return canvas


def _match_places(matches, T: np.ndarray, camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels (M, 2) of the matches, whether their points are in the rendered view (M,), and where (M, 2)."""
    local = (np.asarray(matches.points, float) - T[:3, 3]) @ T[:3, :3]
    ahead = local[:, 2] > 0.05
    places = np.zeros((len(local), 2))
    places[ahead] = camera.project(local[ahead])
    inside = ahead & (places >= 0).all(1) & (places < (camera.width, camera.height)).all(1)
    return np.asarray(matches.pixels, float), inside, places


def _draw_matches(canvas, pixels, places, inside, colour, scale: int, shift: int, links: bool) -> None:
    def at(pixel) -> tuple[int, int]:
        return int((pixel[0] + 0.5) * scale), int((pixel[1] + 0.5) * scale)

    if links:
        lines = canvas.copy()
        shown = np.flatnonzero(inside)
        for i in shown[:: max(len(shown) // LINKS, 1)]:
            (x, y), end = at(places[i]), at(pixels[i])
            cv2.line(lines, end, (x + shift, y), colour, 1, cv2.LINE_AA)
        cv2.addWeighted(lines, 0.5, canvas, 0.5, 0, canvas)
    for pixel, place, seen in zip(pixels, places, inside, strict=True):
        cv2.circle(canvas, at(pixel), 3 if links else 2, colour, -1, cv2.LINE_AA)
        if seen and links:
            x, y = at(place)
            cv2.circle(canvas, (x + shift, y), 3, colour, -1, cv2.LINE_AA)


def _map_seen(dense: DenseMap, camera, T: np.ndarray) -> np.ndarray:
    """(H, W) uint8: the map's shades, or nearness where it has none."""
    surfaces = close_cracks(dense.render(camera, T, MAX_SPLAT))
    if dense.shades is not None:
        return surfaces.image.clip(0, 255).astype(np.uint8)
    depth = surfaces.depth
    far = np.percentile(depth[depth > 0], 98) if (depth > 0).any() else 1.0
    return np.where(depth > 0, 235 - 190 * np.clip(depth / far, 0, 1), 0).astype(np.uint8)
