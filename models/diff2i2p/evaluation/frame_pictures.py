# SPDX-License-Identifier: Apache-2.0
"""Pictures of single frames: the image beside the map as its pose sees it, with the matches between them."""

import cv2
import numpy as np

from diff2i2p.evaluation.metrics import Record
from diff2i2p.render import render_cloud

GREEN, RED = (80, 220, 110), (235, 80, 80)
LINKS, GAP = 40, 8  # match lines drawn, pixels between frame and map


def matches_picture(record: Record, points: np.ndarray, grey: np.ndarray | None, spacing: float) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the rectified frame and the map as the found (or else the true) pose sees it, matches between them.

    Where neither is known, the map's half stays dark.
    """
    answer, camera = record.answer, record.answer.view.camera
    T = answer.T_map_camera if answer.ok else record.frame.T_map_camera
    known = T is not None
    T, points = (T, points) if known else (np.eye(4), points[:0])
    scale = max(1, round(480 / camera.width))
    large = camera.resized(camera.width * scale)
    frame = cv2.resize(answer.view.grey, (large.width, large.height), interpolation=cv2.INTER_CUBIC)
    image, rendered = (cv2.cvtColor(half, cv2.COLOR_GRAY2RGB) for half in (frame, _map_seen(points, grey, large, T, spacing)))
    canvas = np.hstack([image, np.full((len(image), GAP, 3), 128, np.uint8), rendered])
    if answer.correspondences is None:
        return canvas
    pixels, seen, places = _match_places(answer.correspondences, T, camera)
    inliers = np.zeros(len(pixels), bool) if answer.inliers is None else np.asarray(answer.inliers, bool)
    for chosen, colour in ((~inliers, RED), (inliers, GREEN)):
        _draw_matches(
            canvas, pixels[chosen], places[chosen], seen[chosen] & known, colour, scale, image.shape[1] + GAP, links=colour == GREEN
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


def _map_seen(points: np.ndarray, grey: np.ndarray | None, camera, T: np.ndarray, spacing: float) -> np.ndarray:
    """(H, W) uint8: the map's shades, or nearness where it has none."""
    if not len(points):
        return np.zeros((camera.height, camera.width), np.uint8)
    shades = np.full(len(points), 255, np.uint8) if grey is None else (np.clip(grey, 0, 1) * 235 + 20).astype(np.uint8)
    rendering = render_cloud(points, shades, camera, T, spacing * 1.3, max_splat=61)
    if grey is not None:
        return cv2.GaussianBlur(rendering.image, (0, 0), camera.width / 250)
    depth = rendering.depth
    far = np.percentile(depth[depth > 0], 98) if (depth > 0).any() else 1.0
    return np.where(depth > 0, 235 - 190 * np.clip(depth / far, 0, 1), 0).astype(np.uint8)
