# SPDX-License-Identifier: Apache-2.0
"""A LiDAR with a colour camera, standing at several places of a world."""

import numpy as np

from diff2i2p.cloud import PointCloud
from diff2i2p_sim.description import Lighting
from diff2i2p_sim.rendering.camera_view import Stage
from diff2i2p_sim.rendering.light_bake import CUBE_AXES
from diff2i2p_sim.rendering.raycast import Pinhole, cast

RAYS = 128  # per edge of each of the six views around the scanner
NEAREST, FARTHEST = 0.3, 20.0  # metres


def scan(stage: Stage, rng: np.random.Generator, positions: np.ndarray, lighting: Lighting, noise: float, voxel: float) -> PointCloud:
    """What a scanner measures from `positions` (S, 3), map frame: range noise of `noise` metres, thinned to `voxel` metres.

    Intensity is albedo times the cosine of incidence. Glass gives no echo, dark and grazing surfaces lose some.
    """
    parts = [_view(stage, rng, np.asarray(position, float), axes, lighting, noise) for position in positions for axes in _turned_axes(rng)]
    points, colours, intensity = (np.concatenate(column) for column in zip(*parts, strict=True))
    return PointCloud(points, colours, intensity).voxel_downsample(voxel)


def _turned_axes(rng):
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return [turn @ axes for axes in CUBE_AXES]


def _view(stage, rng, position, axes, lighting, noise):
    cube = Pinhole(RAYS, RAYS, RAYS / 2, RAYS / 2, *rng.uniform(-0.5, 0.5, 2) + RAYS / 2 - 0.5)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = axes, position
    first, _, seen = cast(stage.faces, cube, T, FARTHEST)
    us, vs = cube.axes
    face, x, y = first.ravel(), np.tile(us, RAYS), np.repeat(vs, RAYS)
    hits = stage.shade(seen, face, x, y, 2 / RAYS, lighting)
    ray = np.stack([x, y, np.ones_like(x)], 1)
    length = np.linalg.norm(ray, axis=1)
    distance = hits.depth * length
    albedo = (hits.picture.astype(np.float32).mean(1) / 255) ** 2  # bitmaps hold square roots
    intensity = albedo * hits.cosine
    echo = (face >= 0) & ~stage.faces.glass[face] & (distance > NEAREST) & (distance < FARTHEST)
    echo &= rng.random(len(face)) < np.minimum(1, 0.3 + 20 * intensity)
    measured = distance + noise * rng.standard_normal(len(face))
    points = (ray / length[:, None] * measured[:, None]) @ axes.T + position
    colours = np.clip(hits.picture * hits.light, 0, 255).astype(np.uint8)
    return points[echo].astype(np.float32), colours[echo], intensity[echo].astype(np.float32)


def scan_positions(poses: np.ndarray, every: float = 1.5) -> np.ndarray:
    """(S, 3) places along camera poses (F, 4, 4), about `every` metres apart, 20 cm above the camera."""
    kept = [poses[0, :3, 3]]
    for position in poses[:, :3, 3]:
        if min(np.linalg.norm(position - other) for other in kept) > every:
            kept.append(position)
    return np.array(kept) + [0, 0, 0.2]
