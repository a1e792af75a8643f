# SPDX-License-Identifier: Apache-2.0
"""A LiDAR or depth camera with a colour camera, standing at several places of a world."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from diff2i2p.cloud import PointCloud
from diff2i2p_sim.description import Lighting
from diff2i2p_sim.rendering.camera_view import Hits, Stage
from diff2i2p_sim.rendering.light_bake import CUBE_AXES
from diff2i2p_sim.rendering.raycast import Pinhole, cast
from diff2i2p_sim.rendering.scan_style import ScanStyle

RING_GRID = 160  # faces are looked up on this grid along an edge of the six views
RING_STEPS = 900  # rays of a beam in one turn
RING_RISE = (-0.45, 0.28)  # radians, lowest and highest beam
# Views of a depth camera from one position; half its width at 1 m.
DEPTH_VIEWS, DEPTH_SLOPE = (5, 0.6)
FULL_RANGE = 4.0  # metres up to which an uncorrected intensity does not fall off


@dataclass(frozen=True)
class SensorView:
    """One pinhole view of the sensor and the rays (x, y, 1) that it measures there."""

    axes: np.ndarray  # (3, 3) columns x right, y down, z forward, map frame
    grid: Pinhole
    x: np.ndarray  # (N,)
    y: np.ndarray  # (N,)


def scan(
    stage: Stage,
    rng: np.random.Generator,
    positions: np.ndarray,
    lighting: Lighting,
    style: ScanStyle,
) -> PointCloud:
    """What a run by `positions` (S, 3), map frame, measures: points, colours, intensity in [0, 1].

    Glass gives no echo, dark and grazing surfaces lose some.
    """
    positions = _come_by(rng, np.asarray(positions, float), style.seen)
    strays = _strays(rng, len(positions), style.drift)
    parts = [
        _measure(stage, rng, position, view, lighting, style, stray)
        for position, stray in zip(positions, strays, strict=True)
        for view in SENSORS[style.sensor](rng, style)
    ]
    points, colours, intensity = (np.concatenate(column) for column in zip(*parts, strict=True))
    return PointCloud(points, colours, intensity).voxel_downsample(style.voxel)


def _come_by(rng, positions: np.ndarray, share: float) -> np.ndarray:
    """The share of the positions that lies at one end of the place."""
    if share >= 1:
        return positions
    angle = rng.uniform(0, 2 * np.pi)
    along = positions[:, :2] @ (np.cos(angle), np.sin(angle))
    return positions[along <= np.quantile(along, share)]


def _strays(rng, count: int, drift: float) -> np.ndarray:
    """(S, 4) x, y, z, yaw errors of the poses: a walk that ends about `drift` metres away."""
    if not drift:
        return np.zeros((count, 4))
    steps = rng.standard_normal((count, 4)) * [1, 1, 0.5, 0.1]
    return drift * np.cumsum(steps, 0) / np.sqrt(count)


def _turned_axes(rng, tilt: float = 0.0) -> list[np.ndarray]:
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    if tilt:
        turn = turn @ Rotation.from_rotvec(tilt * rng.uniform(-1, 1, 3) * [1, 1, 0]).as_matrix()
    return [turn @ axes for axes in CUBE_AXES]


def _sphere(rng, style: ScanStyle) -> Iterator[SensorView]:
    """A grid of rays on each side of a cube around the sensor."""
    for axes in _turned_axes(rng, style.tilt):
        centre = rng.uniform(-0.5, 0.5, 2) + style.rays / 2 - 0.5
        yield _grid(axes, Pinhole(style.rays, style.rays, style.rays / 2, style.rays / 2, *centre))


def _grid(axes: np.ndarray, view: Pinhole) -> SensorView:
    us, vs = view.axes
    return SensorView(axes, view, np.tile(us, view.height), np.repeat(vs, view.width))


def _rings(rng, style: ScanStyle) -> Iterator[SensorView]:
    """Beams at fixed heights that turn around the upright axis of the sensor."""
    rise = np.repeat(np.linspace(*RING_RISE, style.rays), RING_STEPS)
    turn = np.tile(np.linspace(0, 2 * np.pi, RING_STEPS, endpoint=False), style.rays)
    rays = np.stack([np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn), np.sin(rise)], 1)
    half = RING_GRID / 2
    view = Pinhole(RING_GRID, RING_GRID, half, half, half - 0.5, half - 0.5)
    for side, axes in zip(CUBE_AXES, _turned_axes(rng, style.tilt), strict=True):
        x, y, z = (rays @ side).T
        ahead = (z > 1e-6) & (np.maximum(np.abs(x), np.abs(y)) <= z)
        if ahead.any():
            slopes = np.stack([x[ahead], y[ahead]]) / z[ahead]
            yield SensorView(axes, view, *slopes.astype(np.float32))


def _depth_views(rng, style: ScanStyle) -> Iterator[SensorView]:
    """A depth camera held in several directions."""
    width, height = style.rays, round(0.75 * style.rays)
    focal = width / 2 / DEPTH_SLOPE
    view = Pinhole(width, height, focal, focal, width / 2 - 0.5, height / 2 - 0.5)
    for _ in range(DEPTH_VIEWS):
        ahead = _turned_axes(rng, style.tilt)[0]
        nod = Rotation.from_rotvec(ahead[:, 0] * rng.uniform(-0.5, 0.35)).as_matrix()
        yield _grid(nod @ ahead, view)


SENSORS = {"sphere": _sphere, "rings": _rings, "depth": _depth_views}


def _measure(stage, rng, position, view: SensorView, lighting, style: ScanStyle, stray) -> tuple:
    """Points, colours and intensities of the echoes of one view."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = view.axes, position
    first, _, seen = cast(stage.faces, view.grid, T, style.reach)
    face = first[_pixels(view)]
    hits = stage.shade(seen, face, view.x, view.y, 1 / view.grid.fx, lighting)
    ray = np.stack([view.x, view.y, np.ones_like(view.x)], 1)
    length = np.linalg.norm(ray, axis=1)
    distance = hits.depth * length
    echo = (face >= 0) & ~stage.faces.glass[face] & (hits.cosine >= style.grazing)
    echo &= (distance > style.nearest) & (distance < style.reach)
    reflected = _reflectance(stage, face, hits, style) * hits.cosine
    echo &= rng.random(len(face)) < np.minimum(1, style.sure + 20 * reflected)
    spread = style.noise + style.noise_growth * distance / 10
    measured = distance + spread * rng.standard_normal(len(face))
    if style.mixed:
        measured = _mixed(rng, measured, distance, view, style.mixed)
    turn = Rotation.from_euler("z", stray[3]).as_matrix()
    points = (
        (ray / length[:, None] * measured[:, None]) @ (turn @ view.axes).T + position + stray[:3]
    )
    colours = np.clip(hits.picture * hits.light, 0, 255).astype(np.uint8)
    intensity = _intensity(reflected, hits.cosine, distance, style)
    return points[echo].astype(np.float32), colours[echo], intensity[echo].astype(np.float32)


def _pixels(view: SensorView) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the grid nearest to each ray."""
    grid = view.grid
    column = np.round(view.x * grid.fx + grid.cx).astype(int)
    row = np.round(view.y * grid.fy + grid.cy).astype(int)
    return np.clip(row, 0, grid.height - 1), np.clip(column, 0, grid.width - 1)


def _reflectance(stage: Stage, face, hits: Hits, style: ScanStyle) -> np.ndarray:
    """(N,) share of the light that comes back at right angles."""
    albedo = (hits.picture.astype(np.float32).mean(1) / 255) ** 2  # bitmaps hold square roots
    if not style.infrared:
        return albedo
    level, share = stage.infrared[stage.faces.texture[face]].T
    return level * (1 - share) + albedo * share


def _intensity(reflected, cosine, distance, style: ScanStyle) -> np.ndarray:
    intensity = reflected if style.incidence else reflected / np.maximum(cosine, 1e-3)
    if not style.corrected:
        intensity = intensity * (FULL_RANGE / np.maximum(distance, FULL_RANGE)) ** 2
    return np.clip(intensity, 0, 1)


def _mixed(rng, measured, distance, view: SensorView, share: float) -> np.ndarray:
    """On outlines some echoes come from between what is before and what is behind."""
    behind = np.roll(distance, -1)
    step = np.abs(behind - distance)
    outline = (step > 0.1) & (step < 2.0) & (np.abs(np.roll(view.x, -1) - view.x) < 0.1)
    outline &= rng.random(len(distance)) < share
    return np.where(outline, measured + rng.random(len(distance)) * (behind - distance), measured)


def scan_positions(poses: np.ndarray, every: float = 1.5) -> np.ndarray:
    """(S, 3) places along camera poses (F, 4, 4), `every` metres apart, 20 cm above the camera."""
    kept = [poses[0, :3, 3]]
    for position in poses[:, :3, 3]:
        if min(np.linalg.norm(position - other) for other in kept) > every:
            kept.append(position)
    return np.array(kept) + [0, 0, 0.2]
