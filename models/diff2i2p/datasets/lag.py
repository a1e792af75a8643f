# SPDX-License-Identifier: Apache-2.0
"""How late a trajectory is against the camera: by when both turn."""

from collections.abc import Callable, Iterable

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera, rectify

WIDTH, FIELD = 160, 100.0  # pixels, degrees of the images that are tracked
LONGEST, STEP = 0.5, 0.01  # seconds: lags that are looked for, and how finely
TURNING = 0.05  # rad/s that the camera must turn with in the mean
ALIKE, DISTINCT = 0.8, 0.05  # correlation at the lag, and how much more it is than beside it
BESIDE = 0.2  # seconds
FEATURES, FEWEST = 150, 20  # points followed from one image to the next, and those that must be
PAIR = 0.25  # seconds between two images, beyond which nothing is followed

View = tuple[float, np.ndarray, Camera]  # stamp, image as `Frame.image` gives it, its camera


def estimate_lag(views: Iterable[View], pose_at: Callable[[float], np.ndarray | None]) -> float | None:
    """Seconds by which a trajectory is late, to about 5 ms; None where the motion does not tell.

    views: consecutive images. pose_at: T_map_camera (4, 4) at a stamp by the trajectory, or None.
    The pose of an image of time t is then that of t + lag.
    """
    turns = _turns(views)
    if len(turns) < FEWEST:
        return None
    seen = np.array([turn for _, _, turn in turns])
    lags = np.arange(-LONGEST, LONGEST + STEP / 2, STEP)
    scores = np.array([_likeness(turns, seen, pose_at, lag) for lag in lags])
    best = int(scores.argmax())
    apart = np.abs(lags - lags[best]) > BESIDE
    if not 0 < best < len(lags) - 1 or scores[best] < max(ALIKE, scores[apart].max() + DISTINCT):
        return None
    before, top, after = scores[best - 1 : best + 2]
    bend = before - 2 * top + after
    return float(lags[best] + (0.5 * STEP * (before - after) / bend if bend < 0 else 0.0))


def _turns(views: Iterable[View]) -> list[tuple[float, float, np.ndarray]]:
    """Stamps of two consecutive images, and the turn rate (3,) rad/s between them, camera frame."""
    turns, before = [], None
    for stamp, image, camera in views:
        view = rectify(image, camera, WIDTH, FIELD)
        if before and 0 < stamp - before[0] < PAIR:
            turn = _turn(before[1], view)
            if turn is not None:
                turns.append((before[0], stamp, turn / (stamp - before[0])))
        before = stamp, view
    return turns


def _turn(first, second) -> np.ndarray | None:
    """Rotation vector (3,) from the second view's axes to the first's, by points that both see."""
    corners = cv2.goodFeaturesToTrack(first.grey, FEATURES, 0.01, 5)
    if corners is None or len(corners) < FEWEST:
        return None
    moved, found, _ = cv2.calcOpticalFlowPyrLK(first.grey, second.grey, corners, None)
    kept = found.ravel() == 1
    if kept.sum() < FEWEST:
        return None
    a, b = (view.camera.rays(points[kept, 0]) for view, points in ((first, corners), (second, moved)))
    a, b = (rays / np.linalg.norm(rays, axis=1, keepdims=True) for rays in (a, b))
    for _ in range(3):  # what moves otherwise, being near or moving itself, is left out
        rotation = Rotation.align_vectors(a, b)[0]
        off = np.linalg.norm(a - rotation.apply(b), axis=1)
        near = off <= 1.5 * np.median(off) + 1e-9
        a, b = a[near], b[near]
    return rotation.as_rotvec()


def _likeness(turns: list, seen: np.ndarray, pose_at: Callable, lag: float) -> float:
    """Correlation of the turns (N, 3) that are seen and those of the trajectory that much later."""
    told = np.full(seen.shape, np.nan)
    for row, (first, second, _) in enumerate(turns):
        poses = [pose_at(stamp + lag) for stamp in (first, second)]
        if poses[0] is not None and poses[1] is not None:
            turn = poses[0][:3, :3].T @ poses[1][:3, :3]
            told[row] = Rotation.from_matrix(turn).as_rotvec() / (second - first)
    known = np.isfinite(told[:, 0])
    told, seen = told[known], seen[known]
    if len(told) < FEWEST or np.linalg.norm(told, axis=1).mean() < TURNING:
        return -1.0
    norms = np.linalg.norm(seen) * np.linalg.norm(told)
    return float((seen * told).sum() / norms) if norms else -1.0
