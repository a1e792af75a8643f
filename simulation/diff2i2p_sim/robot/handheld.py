# SPDX-License-Identifier: Apache-2.0
"""Poses of a camera held by hand: any height, tilted, looking at something a step or more away."""

import numpy as np

from diff2i2p_sim.rendering.camera_view import Stage
from diff2i2p_sim.rendering.raycast import Pinhole, cast
from diff2i2p_sim.robot.drive import Floor

GLANCE = Pinhole(24, 18, 17.0, 17.0, 11.5, 8.5)  # 70 degrees wide
HEIGHTS = (0.6, 1.9)  # metres
NEAREST, MIDDLE = 0.35, 0.9  # metres that nearly all, and half of the view must be away
TRIES = 20  # before a pose is taken as it is
CHOICES = 2  # views of which the richer one is kept


def handheld_poses(stage: Stage, floor: Floor, seed: int, frames: int) -> np.ndarray:
    """T_map_camera (F, 4, 4) float64, each drawn for itself; the richer of a few views is kept."""
    rng = np.random.default_rng([seed, 19])
    return np.stack(
        [_best_of(stage, [_held(rng, floor) for _ in range(TRIES)]) for _ in range(frames)]
    )


def _best_of(stage: Stage, poses: list[np.ndarray]) -> np.ndarray:
    """The one with most different faces among the first CHOICES that have a view at all."""
    good: list[tuple[int, int]] = []
    for k, pose in enumerate(poses):
        first, inverse, _ = cast(stage.faces, GLANCE, pose)
        depth = 1 / inverse
        if np.quantile(depth, 0.03) > NEAREST and np.median(depth) > MIDDLE:
            good.append((len(np.unique(first)), k))
        if len(good) == CHOICES:
            break
    return poses[max(good)[1]] if good else poses[0]


def _held(rng: np.random.Generator, floor: Floor) -> np.ndarray:
    x, y = floor.points[rng.integers(len(floor.cells))] + rng.uniform(-0.05, 0.05, 2)
    yaw, pitch, roll = rng.uniform(0, 2 * np.pi), rng.normal(0.12, 0.2), rng.normal(0, 0.09)
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), -np.sin(pitch)])
    level = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    down = np.cross(forward, level)
    T = np.eye(4)
    T[:3, 0] = np.cos(roll) * level + np.sin(roll) * down
    T[:3, 1] = np.cos(roll) * down - np.sin(roll) * level
    T[:3, 2], T[:3, 3] = forward, (x, y, rng.uniform(*HEIGHTS))
    return T
