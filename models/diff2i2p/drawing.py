# SPDX-License-Identifier: Apache-2.0
"""Pictures of single frames: the image with its matches, alone or beside the map as its pose sees it."""

import cv2
import numpy as np

from diff2i2p.camera import Camera, View
from diff2i2p.geometry import in_camera
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.render import close_cracks

# defined: how pictures look
GREEN, RED, GREY, WHITE = (60, 220, 60), (230, 60, 60), (150, 150, 150), (255, 255, 255)
LARGE, BAR = 2, 22  # enlargement of the view; pixels of the line of text below it
BESIDE_MAP = 480  # pixels, width of either half that the frame is enlarged to at least
LINKS, GAP = 40, 8  # match lines drawn, pixels between frame and map
MAX_SPLAT = 31  # pixels, of a point close to the camera
NEAREST = 0.05  # metres before the camera from which points are drawn, as in render.py


def matches_on_image(
    view: View, matches, inliers: np.ndarray | None, T_map_camera: np.ndarray | None, text: str
) -> np.ndarray:
    """(H, W, 3) uint8 RGB: a rectified view with its Correspondences, and a line of text below it.

    inliers: (M,) bool. T_map_camera: (4, 4) or None. Green: inliers, with a line to where the pose puts the point that
    the pixel was matched to; grey: matches that do not fit the pose; red: all of them, where there is no pose.
    """
    canvas = _enlarged(view.grey, LARGE)
    if matches is not None:
        _draw_residuals(canvas, view.camera, matches, _mask(inliers, matches), T_map_camera)
    bar = np.zeros((BAR, canvas.shape[1], 3), np.uint8)
    cv2.putText(bar, text, (6, BAR - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, WHITE, 1, cv2.LINE_AA)
    return np.vstack([canvas, bar])


def matches_beside_map(
    view: View, matches, inliers: np.ndarray | None, T_map_camera: np.ndarray | None, dense: DenseMap
) -> np.ndarray:  # fmt: skip
    """(H, W, 3) uint8 RGB: a rectified view and the map as T_map_camera (4, 4) sees it, matches between.

    inliers: (M,) bool over the Correspondences. Where no pose is known, the map's half stays dark.
    """
    scale = max(1, round(BESIDE_MAP / view.camera.width))
    frame = _enlarged(view.grey, scale)
    rendered = np.zeros_like(frame)
    if T_map_camera is not None:
        rendered = _map_seen(dense, view.camera.resized(view.camera.width * scale), T_map_camera)
    canvas = np.hstack([frame, np.full((len(frame), GAP, 3), 128, np.uint8), rendered])
    if matches is not None:
        _draw_links(canvas, view.camera, matches, _mask(inliers, matches), T_map_camera, scale)
    return canvas


def _enlarged(grey: np.ndarray, scale: int) -> np.ndarray:
    size = grey.shape[1] * scale, grey.shape[0] * scale
    return cv2.cvtColor(cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2RGB)


def _mask(inliers: np.ndarray | None, matches) -> np.ndarray:
    """(M,) bool, none where no pose was found."""
    return np.zeros(len(matches), bool) if inliers is None else np.asarray(inliers, bool)


def _draw_residuals(canvas: np.ndarray, camera: Camera, matches, good: np.ndarray, T) -> None:
    for pixel in matches.pixels[~good]:
        cv2.circle(canvas, _at(pixel, LARGE), 2, RED if T is None else GREY, -1, cv2.LINE_AA)
    if T is None:
        return
    places = camera.project(in_camera(matches.points[good], T))
    for pixel, place in zip(matches.pixels[good], places, strict=True):
        cv2.line(canvas, _at(pixel, LARGE), _at(place, LARGE), GREEN, 1, cv2.LINE_AA)
        cv2.circle(canvas, _at(pixel, LARGE), 3, GREEN, -1, cv2.LINE_AA)


def _draw_links(
    canvas: np.ndarray, camera: Camera, matches, good: np.ndarray, T, scale: int
) -> None:
    """Red dots on the frame, then green ones on both halves, some of them joined."""
    for pixel in matches.pixels[~good]:
        cv2.circle(canvas, _at(pixel, scale), 2, RED, -1, cv2.LINE_AA)
    pixels, shift = matches.pixels[good], camera.width * scale + GAP
    inside, places = np.zeros(len(pixels), bool), np.zeros((len(pixels), 2))
    if T is not None:
        inside, places = _seen_at(camera, in_camera(matches.points[good], T))
    lines, shown = canvas.copy(), np.flatnonzero(inside)
    for i in shown[:: max(len(shown) // LINKS, 1)]:
        cv2.line(lines, _at(pixels[i], scale), _at(places[i], scale, shift), GREEN, 1, cv2.LINE_AA)
    cv2.addWeighted(lines, 0.5, canvas, 0.5, 0, canvas)
    for pixel in pixels:
        cv2.circle(canvas, _at(pixel, scale), 3, GREEN, -1, cv2.LINE_AA)
    for place in places[inside]:
        cv2.circle(canvas, _at(place, scale, shift), 3, GREEN, -1, cv2.LINE_AA)


def _seen_at(camera: Camera, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether points (M, 3) of the camera's frame are in its image (M,), and where (M, 2)."""
    ahead = points[:, 2] > NEAREST
    places = np.zeros((len(points), 2))
    places[ahead] = camera.project(points[ahead])
    inside = ahead & (places >= 0).all(1) & (places < (camera.width, camera.height)).all(1)
    return inside, places


def _at(pixel: np.ndarray, scale: int, shift: int = 0) -> tuple[int, int]:
    return int((pixel[0] + 0.5) * scale) + shift, int((pixel[1] + 0.5) * scale)


def _map_seen(dense: DenseMap, camera: Camera, T_map_camera: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: the map's shades, or nearness where it has none."""
    surfaces = close_cracks(dense.render(camera, T_map_camera, MAX_SPLAT))
    if dense.shades is not None:
        seen = surfaces.image.clip(0, 255)
    else:
        depth = surfaces.depth
        far = np.percentile(depth[depth > 0], 98) if (depth > 0).any() else 1.0
        seen = np.where(depth > 0, 235 - 190 * np.clip(depth / far, 0, 1), 0)
    return cv2.cvtColor(seen.astype(np.uint8), cv2.COLOR_GRAY2RGB)
