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
GRID = 0.005  # seconds between the poses of the trajectory that are looked at
PAIR = 0.25  # seconds between two images, beyond which nothing is followed

View = tuple[float, np.ndarray, Camera]  # stamp, image as `Frame.image` gives it, its camera


def estimate_lag(
    views: Iterable[View], pose_at: Callable[[float], np.ndarray | None]
) -> float | None:
    """Seconds by which a trajectory is late, to about 5 ms; None where the motion does not tell.

    views: consecutive images. pose_at: T_map_camera (4, 4) at a stamp by the trajectory, or None.
    The pose of an image of time t is then that of t + lag.
    """
    turns = _turns(views)
    if len(turns) < FEWEST:
        return None
    path = _Turning(turns, pose_at)
    lags = np.arange(-LONGEST, LONGEST + STEP / 2, STEP)
    scores = np.array([path.likeness(lag) for lag in lags])
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
    a, b = (
        view.camera.rays(points[kept, 0]) for view, points in ((first, corners), (second, moved))
    )
    a, b = (rays / np.linalg.norm(rays, axis=1, keepdims=True) for rays in (a, b))
    for _ in range(3):  # what moves otherwise, being near or moving itself, is left out
        rotation = Rotation.align_vectors(a, b)[0]
        off = np.linalg.norm(a - rotation.apply(b), axis=1)
        near = off <= 1.5 * np.median(off) + 1e-9
        a, b = a[near], b[near]
    return rotation.as_rotvec()


class _Turning:
    """How a trajectory turns, beside what is seen of it in N pairs of images."""

    def __init__(self, turns: list[tuple[float, float, np.ndarray]], pose_at: Callable):
        self._first, self._second = (np.array([turn[end] for turn in turns]) for end in (0, 1))
        self._seen = np.array([turn[2] for turn in turns])
        self._begin = self._first[0] - LONGEST
        times = np.arange(self._begin, self._second[-1] + LONGEST + GRID, GRID)
        poses = [pose_at(time) for time in times]
        self._known = np.array([pose is not None for pose in poses])
        self._rotations = np.array([np.eye(3) if T is None else T[:3, :3] for T in poses])

    def likeness(self, lag: float) -> float:
        """Correlation of the turns that are seen and those of the trajectory that much later."""
        first, second = (self._places(stamps + lag) for stamps in (self._first, self._second))
        known = self._known[first] & self._known[second]
        if known.sum() < FEWEST:
            return -1.0
        first, second, seen = first[known], second[known], self._seen[known]
        between = self._rotations[first].transpose(0, 2, 1) @ self._rotations[second]
        apart = (self._second - self._first)[known, None]
        told = Rotation.from_matrix(between).as_rotvec() / apart
        norms = np.linalg.norm(seen) * np.linalg.norm(told)
        if np.linalg.norm(told, axis=1).mean() < TURNING or not norms:
            return -1.0
        return float((seen * told).sum() / norms)

    def _places(self, stamps: np.ndarray) -> np.ndarray:
        """Where in the grid of poses these stamps are."""
        return np.rint((stamps - self._begin) / GRID).astype(int).clip(0, len(self._known) - 1)
