# SPDX-License-Identifier: Apache-2.0
"""Light baked onto the faces: what each lamp and window contributes everywhere, with shadows and one bounce.

The contribution of every source is kept apart, so that another lighting is one weighted sum. Bounced light comes from
points spread through the rooms, each as bright as the lamps and windows make that point.
"""

from dataclasses import dataclass

import numpy as np

from diff2i2p_sim.description import Light, Lighting, Primitive, Room
from diff2i2p_sim.rendering.faces import SHELL, Faces, pack
from diff2i2p_sim.rendering.raycast import Pinhole, cast

TONE = 0.42  # exponent of the camera's tone curve
RANGE = 12.0  # metres that light travels
FREE = -1  # face of a point in the air
BOUNCE = 0.8  # share of the light that comes back from the walls
# sun: distance in sizes of the place; metres; pixels of its depth image.
SUN, OPEN, SHADOW = (10, 60.0, 640)
MOST_TEXELS = 400  # along a side of a face
CUBE = Pinhole(64, 64, 32.0, 32.0, 31.5, 31.5)
CUBE_AXES = [  # columns: x right, y down, z forward of the six views from a point
    np.stack([np.cross(down, forward), down, forward], 1)
    for forward, down in (
        ((1, 0, 0), (0, 0, -1)), ((-1, 0, 0), (0, 0, -1)), ((0, 1, 0), (0, 0, -1)),
        ((0, -1, 0), (0, 0, -1)), ((0, 0, 1), (0, 1, 0)), ((0, 0, -1), (0, 1, 0)),
    )
]  # fmt: skip


@dataclass(frozen=True)
class Detail:
    """How finely light is baked."""

    texel: float = 0.12  # metres between samples on a face
    spacing: float = 2.0  # metres between the points that bounce light
    blocker: float = 0.0  # metres, radius below which a face throws no shadow in bounced light


FINE = Detail()


def detail_for(rooms: tuple[Room, ...], points: int = 24) -> Detail:
    """As coarse as it takes for a place of any size to be baked in a few seconds."""
    area = sum(float(np.prod(np.subtract(room.high, room.low))) for room in rooms)
    spacing = max(2.0, np.sqrt(2 * area / points))
    return Detail(float(np.clip(0.03 * np.sqrt(area), 0.14, 0.5)), float(spacing), 0.3)


@dataclass(frozen=True)
class Texels:
    """N points on the faces where light is computed, block after block."""

    face: np.ndarray  # (N,)
    position: np.ndarray  # (N, 3)
    normal: np.ndarray  # (N, 3)
    shape: np.ndarray  # (F, 2) columns and rows of each face's block


@dataclass(frozen=True)
class Bake:
    """Irradiance by source. Sources are the lights, then the bounce points."""

    lights: tuple[Light, ...]
    texels: Texels
    direct: np.ndarray  # (L, N) float16
    bounce: np.ndarray  # (B, N) float16
    transport: np.ndarray  # (B, L) brightness of each bounce point by light
    corners: np.ndarray  # (F, 2) int32 of each face's block on the sheet
    shape: tuple[int, int]  # of the sheet
    emission: np.ndarray  # (F,)
    glass: np.ndarray  # (F,) bool

    def sheet(self, lighting: Lighting) -> np.ndarray:
        """(H, W, 3) float32 factor on the pixels of the textures, all blocks packed."""
        gains = light_gains(self.lights, lighting)  # (L, 3)
        bounced = BOUNCE * (self.transport @ gains + 0.004)
        radiance = (
            self.direct.T.astype(np.float32) @ gains + self.bounce.T.astype(np.float32) @ bounced
        )
        lit = self.emission[self.texels.face] == 0
        bright = np.quantile(radiance[lit].mean(1), 0.9)
        factor = lighting.level * (radiance / max(bright, 1e-6)) ** TONE
        factor[~lit] = self._emission(lighting)[self.texels.face[~lit]]
        sheet = np.zeros((*self.shape, 3), np.float32)
        ends = np.cumsum(self.texels.shape.prod(1))
        for (x, y), (w, h), end in zip(self.corners, self.texels.shape, ends, strict=True):
            sheet[y : y + h, x : x + w] = np.minimum(factor[end - w * h : end], 1.8).reshape(
                h, w, 3
            )
        return sheet

    def _emission(self, lighting):
        """(F, 3) factor on what shines by itself: outside it gets dark, screens and lamps stay."""
        outside = min(lighting.windows, 1.3) ** TONE
        shine = self.emission * np.where(self.glass, outside, 1) * max(lighting.level, 0.6)
        return np.repeat(shine[:, None], 3, 1)


def light_gains(lights: tuple[Light, ...], lighting: Lighting) -> np.ndarray:
    """(L, 3) RGB strength of each light."""
    lamps = np.array([light.kind == "lamp" for light in lights])
    on = np.random.default_rng(lighting.seed).random(len(lights)) < lighting.share_on
    if lamps.any() and not on[lamps].any():
        on[np.random.default_rng(lighting.seed).choice(np.flatnonzero(lamps))] = True
    gain = np.where(lamps, lighting.lamps * on, lighting.windows)[:, None]
    colour = np.where(lamps[:, None], lighting.lamp_colour, lighting.window_colour)
    return (gain * colour * [[light.intensity] for light in lights]).astype(np.float32)


def bake(
    faces: Faces,
    primitives: tuple[Primitive, ...],
    rooms: tuple[Room, ...],
    lights: tuple[Light, ...],
    detail: Detail = FINE,
) -> Bake:
    """Compute every light's contribution to every texel."""
    texels = _texels(faces, detail.texel)
    free = _bounce_points(rooms, primitives, detail.spacing)
    blockers = faces.larger_than(detail.blocker)
    targets = _with_free(texels, free)
    direct = np.stack([_arriving(faces, targets, light) for light in lights])
    bounce = np.zeros((len(free), len(texels.face)), np.float32)
    for k, point in enumerate(free):
        bounce[k] = _irradiance(faces, blockers, texels, point, None)
    N = len(texels.face)
    sheet, corners = pack([np.zeros((h, w, 1), np.uint8) for w, h in texels.shape], gutter=0)
    return Bake(
        lights,
        texels,
        direct[:, :N].astype(np.float16),
        bounce.astype(np.float16),
        direct[:, N:].T,
        corners,
        sheet.shape[:2],
        faces.emission,
        faces.glass,
    )


def _texels(faces: Faces, spacing: float) -> Texels:
    shape = np.clip(np.ceil(faces.extent / spacing).astype(int) + 1, 2, MOST_TEXELS)
    shape[faces.sky] = 2
    shape[faces.kind == SHELL, 0] = np.maximum(shape[faces.kind == SHELL, 0], 9)
    count = shape.prod(1)
    face = np.repeat(np.arange(len(faces)), count)
    k = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    s = (k % shape[face, 0]) / (shape[face, 0] - 1) * 2 - 1
    t = 1 - (k // shape[face, 0]) / (shape[face, 1] - 1) * 2  # row 0 is on top
    inset = faces.half[face] - np.minimum(0.02, faces.half[face] / 4)
    round_ = (faces.kind[face] == SHELL)[:, None]
    angle = (s * np.pi)[:, None]
    right, up, outwards = faces.axes[face].transpose(1, 0, 2)
    around = np.cos(angle) * right + np.sin(angle) * outwards
    normal = np.where(round_, around, outwards)
    position = faces.centre[face] + (inset[:, 1] * t)[:, None] * up + 0.01 * normal
    position += np.where(round_, faces.half[face, :1] * around, (inset[:, 0] * s)[:, None] * right)
    return Texels(face, position.astype(np.float32), normal.astype(np.float32), shape)


def _with_free(texels: Texels, points: np.ndarray) -> Texels:
    """The texels, then points in the air, which have no face and no normal."""
    face = np.concatenate([texels.face, np.full(len(points), FREE)])
    return Texels(
        face,
        np.concatenate([texels.position, points]),
        np.concatenate([texels.normal, np.zeros_like(points)]),
        texels.shape,
    )


def _bounce_points(rooms, primitives, spacing: float) -> np.ndarray:
    """(B, 3) points in the free space of the rooms, `spacing` metres apart and at two heights.

    None where a room is open to the sky, which lights it from all sides.
    """
    points = []
    for room in rooms:
        if room.outdoors:
            continue
        size = np.subtract(room.high, room.low)
        nx, ny = np.maximum(np.round(size / spacing).astype(int), 1)
        for fx in (np.arange(nx) + 0.5) / nx:
            for fy in (np.arange(ny) + 0.5) / ny:
                points += [(*(room.low + size * (fx, fy)), z) for z in (0.5, room.height * 2 / 3)]
    points = np.array(points, np.float32).reshape(-1, 3)
    return points[~inside_any(points, primitives)]


def inside_any(points: np.ndarray, primitives: tuple[Primitive, ...]) -> np.ndarray:
    """(N,) whether points (N, 3) lie inside a box or cylinder."""
    inside = np.zeros(len(points), bool)
    for primitive in primitives:
        if primitive.shape != "plane":
            local = (points - primitive.pose[:3]) @ primitive.rotation
            inside |= (np.abs(local) < np.array(primitive.size) / 2 + 0.02).all(1)
    return inside


def _arriving(faces: Faces, targets: Texels, light: Light) -> np.ndarray:
    """(N,) light of one source at the targets."""
    if light.kind == "sun":
        return _sunlight(faces, targets, np.array(light.direction))
    return _irradiance(faces, faces, targets, np.array(light.position), light)


def _sunlight(faces: Faces, targets: Texels, direction: np.ndarray) -> np.ndarray:
    """(N,) parallel light that travels along `direction`, with shadows: a depth image from far away."""
    solid = faces.centre[(faces.radius < OPEN) & ~faces.sky]
    middle = np.median(solid, axis=0)
    reach = min(float(np.linalg.norm(solid - middle, axis=1).max()) + 3, OPEN)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = _facing(direction), middle - SUN * reach * direction
    focal = SHADOW / 2 * (SUN - 1)
    view = Pinhole(SHADOW, SHADOW, focal, focal, SHADOW / 2 - 0.5, SHADOW / 2 - 0.5)
    _, inverse, _ = cast(faces, view, T)
    x, y, z = ((targets.position - T[:3, 3].astype(np.float32)) @ T[:3, :3].astype(np.float32)).T
    column, row = (np.round(focal * axis / z + SHADOW / 2 - 0.5).astype(int) for axis in (x, y))
    within = (np.minimum(column, row) >= 0) & (np.maximum(column, row) < SHADOW)
    lit = np.ones(len(z), bool)
    lit[within] = inverse[row[within], column[within]] * (z[within] - 0.15) < 1
    cosine = np.where(targets.face == FREE, 1, -targets.normal @ direction.astype(np.float32))
    return (np.maximum(cosine, 0) * lit).astype(np.float32)


def _facing(direction: np.ndarray) -> np.ndarray:
    """(3, 3) axes right, down, forward as columns of a view along `direction`."""
    aside = np.array([1.0, 0, 0]) if abs(direction[2]) > 0.9 else np.array([0, 0, 1.0])
    right = np.cross(direction, aside)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(direction, right), direction], 1)


def _irradiance(
    faces: Faces, blockers: Faces, targets: Texels, source: np.ndarray, light: Light | None
) -> np.ndarray:
    """(N,) light arriving at the targets from a lamp or window, or, without one, from a bounce point."""
    source = source.astype(np.float32)
    near = np.flatnonzero(_may_reach(faces, source)[targets.face] | (targets.face == FREE))
    ray, face = targets.position[near] - source, targets.face[near]
    distance = np.maximum(np.linalg.norm(ray, axis=1), 1e-6)
    cosine = np.where(face == FREE, 1, -np.einsum("nk,nk->n", ray, targets.normal[near]) / distance)
    strength = np.maximum(cosine, 0) / (distance**2 + (0.25 if light else 1.0))
    if light:
        lobe = np.maximum(ray @ np.array(light.direction, np.float32) / distance, 0)
        strength *= 0.9 * lobe + (0.1 if light.kind == "lamp" else 0.02)  # a little goes sideways
    reached = np.flatnonzero((strength > 1e-4) & (distance < RANGE))
    arriving = np.zeros(len(targets.face), np.float32)
    arriving[near[reached]] = strength[reached] * _visibility(
        blockers, source, ray[reached], face[reached]
    )
    return arriving


def _may_reach(faces: Faces, source: np.ndarray) -> np.ndarray:
    """(F,) False for faces out of range or turned away."""
    offset = source - faces.centre
    towards = (np.einsum("fk,fk->f", faces.normal, offset) > 0) | (faces.kind == SHELL)
    return towards & (np.linalg.norm(offset, axis=1) < RANGE + faces.radius)


def _visibility(blockers, source, ray, face) -> np.ndarray:
    """(M,) share of the four nearest pixels of a depth cube around `source` in which each target is seen."""
    share = np.zeros(len(ray), np.float32)
    axis = np.abs(ray).argmax(1)
    side = 2 * axis + (ray[np.arange(len(ray)), axis] < 0)
    for k in np.unique(side):
        chosen = np.flatnonzero(side == k)
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = CUBE_AXES[k], source
        first, inverse, _ = cast(blockers, CUBE, T, RANGE)
        x, y, z = (ray[chosen] @ CUBE_AXES[k].astype(np.float32)).T
        u, v = CUBE.fx * x / z + CUBE.cx, CUBE.fy * y / z + CUBE.cy
        left, top = np.floor(u).astype(int), np.floor(v).astype(int)
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
            column, row = (
                np.clip(left + dx, 0, CUBE.width - 1),
                np.clip(top + dy, 0, CUBE.height - 1),
            )
            seen = (first[row, column] == face[chosen]) | (inverse[row, column] * (z - 0.05) < 1)
            share[chosen] += seen * (1 - np.abs(u - left - dx)) * (1 - np.abs(v - top - dy))
    return share
