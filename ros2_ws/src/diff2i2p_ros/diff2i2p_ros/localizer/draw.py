# SPDX-License-Identifier: Apache-2.0
"""The picture on `debug/matches`: what the localizer saw of an image."""

import cv2
import numpy as np

from diff2i2p.localization.result import Localization

GREEN, RED, GREY, WHITE = (60, 220, 60), (230, 60, 60), (150, 150, 150), (255, 255, 255)
LARGE, BAR = 2, 22  # enlargement of the view; pixels of the line of text below it


def matches_picture(found: Localization) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the rectified view with its matches; a line says where the pose puts the point that a pixel was matched to.

    Green: inliers; grey: matches that do not fit the pose; red: all of them, where there is no pose.
    """
    grey = found.view.grey
    height, width = grey.shape
    canvas = cv2.cvtColor(cv2.resize(grey, (width * LARGE, height * LARGE), interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2RGB)
    if found.correspondences is not None:
        _draw(canvas, found)
    bar = np.zeros((BAR, width * LARGE, 3), np.uint8)
    inliers = 0 if found.inliers is None else int(found.inliers.sum())
    matches = 0 if found.correspondences is None else len(found.correspondences)
    text = f"{found.status.name}  confidence {found.confidence:.2f}  {inliers} of {matches} matches  {found.matcher}"
    cv2.putText(bar, text, (6, BAR - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, WHITE, 1, cv2.LINE_AA)
    return np.vstack([canvas, bar])


def _draw(canvas: np.ndarray, found: Localization) -> None:
    pixels = found.correspondences.pixels
    good = np.zeros(len(pixels), bool) if found.inliers is None else np.asarray(found.inliers, bool)
    for pixel in pixels[~good]:
        cv2.circle(canvas, _at(pixel), 2, GREY if found.ok else RED, -1, cv2.LINE_AA)
    if not found.ok:
        return
    T, points = found.T_map_camera, found.correspondences.points[good]
    places = found.view.camera.project((points - T[:3, 3]) @ T[:3, :3])
    for pixel, place in zip(pixels[good], places, strict=True):
        cv2.line(canvas, _at(pixel), _at(place), GREEN, 1, cv2.LINE_AA)
        cv2.circle(canvas, _at(pixel), 3, GREEN, -1, cv2.LINE_AA)


def _at(pixel: np.ndarray) -> tuple[int, int]:
    return int((pixel[0] + 0.5) * LARGE), int((pixel[1] + 0.5) * LARGE)
