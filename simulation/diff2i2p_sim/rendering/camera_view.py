# SPDX-License-Identifier: Apache-2.0
"""Pictures of a world: colour and depth as a pinhole camera sees them."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from diff2i2p.camera import Camera
from diff2i2p_sim.description import Light, Lighting, Primitive, Room
from diff2i2p_sim.rendering.faces import LEVELS, SHELL, Atlas, build_atlas, compile_faces
from diff2i2p_sim.rendering.light_bake import FINE, Bake, Detail, bake
from diff2i2p_sim.rendering.raycast import Pinhole, Seen, cast
from diff2i2p_sim.rendering.reflectance import infrared_of

ROW = 256  # samples per row: cv2.remap takes images, not lists


@dataclass(frozen=True)
class Hits:
    """N ray hits, shaded."""

    picture: np.ndarray  # (N, 3) uint8 pixels of the texture alone
    light: np.ndarray  # (N, 3) float32 factor on them
    depth: np.ndarray  # (N,) float32 metres along the optical axis, 0 = nothing there
    cosine: np.ndarray  # (N,) float32 of the angle of incidence


class Stage:
    """A world made ready for rendering; expensive parts are made once, on first use."""

    def __init__(
        self,
        primitives: tuple[Primitive, ...],
        rooms: tuple[Room, ...],
        lights: tuple[Light, ...],
        detail: Detail = FINE,
    ):
        self.primitives, self.rooms, self.lights, self.detail = primitives, rooms, lights, detail
        self.faces, self.textures = compile_faces(primitives)
        self._sheets: dict[Lighting, np.ndarray] = {}

    @cached_property
    def bake(self) -> Bake:
        return bake(self.faces, self.primitives, self.rooms, self.lights, self.detail)

    @cached_property
    def atlas(self) -> Atlas:
        return build_atlas(self.textures)

    @cached_property
    def infrared(self) -> np.ndarray:
        """(T, 2) level and kept contrast of each texture at 905 nm."""
        return infrared_of(self.textures)

    @cached_property
    def texel_density(self) -> np.ndarray:
        """(F,) texels per metre of each face's texture, geometric mean of both directions."""
        size = np.stack([self.atlas.width, self.atlas.height], 1)[::LEVELS][self.faces.texture]
        return np.sqrt((size * self.faces.repeat / self.faces.extent).prod(1)).astype(np.float32)

    def sheet(self, lighting: Lighting) -> np.ndarray:
        """The light on all faces, kept for the lightings that were asked for."""
        if lighting not in self._sheets:
            self._sheets[lighting] = self.bake.sheet(lighting)
        return self._sheets[lighting]

    def render(
        self, camera: Camera, T_map_camera: np.ndarray, lighting: Lighting
    ) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, 3) uint8 RGB and depth (H, W) float32 metres; outlines are sampled four times a pixel."""
        seen, samples, edges = self._sample(camera, T_map_camera)
        hits = self.shade(seen, *samples, 1 / camera.K[0], lighting)
        colour = hits.picture * hits.light
        image, depth = np.empty((*edges.shape, 3), np.float32), np.empty(edges.shape, np.float32)
        inner = np.count_nonzero(~edges)
        image[~edges], depth[~edges] = colour[:inner], hits.depth[:inner]
        image[edges] = colour[inner:].reshape(4, -1, 3).mean(0)
        depth[edges] = hits.depth[inner:].reshape(4, -1)[0]
        return cv2.convertScaleAbs(image), depth

    def _sample(self, camera, T_map_camera):
        """Cast at twice the resolution; keep pixel centres inside faces, and all four subpixels on outlines."""
        fx, fy, cx, cy = camera.K
        double = Pinhole(
            2 * camera.width, 2 * camera.height, 2 * fx, 2 * fy, 2 * cx + 0.5, 2 * cy + 0.5
        )
        first, _, seen = cast(self.faces, double, T_map_camera)
        quarters = [first[j::2, i::2] for j in (0, 1) for i in (0, 1)]
        edges = (
            (quarters[0] != quarters[1])
            | (quarters[0] != quarters[2])
            | (quarters[0] != quarters[3])
        )
        x, y = np.meshgrid(*double.axes)
        inner_x, inner_y = ((grid[::2, ::2] + grid[1::2, 1::2])[~edges] / 2 for grid in (x, y))
        parts = [(quarters[0][~edges], inner_x, inner_y)]
        parts += [
            tuple(grid[j::2, i::2][edges] for grid in (first, x, y)) for j in (0, 1) for i in (0, 1)
        ]
        return seen, tuple(np.concatenate(part) for part in zip(*parts, strict=True)), edges

    def shade(
        self,
        seen: Seen,
        face: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        pixel: float,
        lighting: Lighting,
    ) -> Hits:
        """Texture, light, depth where rays (x, y, 1) hit the faces (N,); `pixel` is the slope between neighbouring pixels."""
        nothing = face < 0
        face = np.where(nothing, 0, face)
        w, s, t = (_linear(table, face, x, y) for table in (seen.inverse, seen.s, seen.t))
        length = np.sqrt(x * x + y * y + 1)
        plane = 1 / np.maximum(np.linalg.norm(seen.inverse, axis=1), 1e-9)
        cosine = np.abs(w) * plane[face] / length
        with np.errstate(divide="ignore", invalid="ignore"):
            s, t, depth = s / w, t / w, 1 / w
        self._shells(seen, face, x, y, s, t, depth, cosine)
        depth[nothing | self.faces.sky[face]] = 0
        level = self._level(face, depth * pixel, cosine)
        picture = self._picture(face, s, t, level)
        light = self._light(face, s, t, lighting)
        picture[nothing] = 0
        return Hits(picture, light, depth, cosine)

    def _shells(self, seen, face, x, y, s, t, depth, cosine) -> None:
        """Fill in what differs on the round sides of cylinders."""
        at = np.flatnonzero(self.faces.kind[face] == SHELL)
        if not len(at):
            return
        f, d = face[at], np.stack([x[at], y[at], np.ones(len(at), np.float32)], 1)
        (right, axis, normal), centre, half = (
            seen.axes[f].transpose(1, 0, 2),
            seen.centre[f],
            self.faces.half[f],
        )
        along, dot = np.einsum("nk,nk->n", axis, centre), np.einsum("nk,nk->n", axis, d)
        across, flat = centre - along[:, None] * axis, d - dot[:, None] * axis
        b, a = np.einsum("nk,nk->n", flat, across), np.einsum("nk,nk->n", flat, flat)
        root = np.sqrt(np.maximum(b * b - a * ((across * across).sum(1) - half[:, 0] ** 2), 0))
        depth[at] = (b - root) / a
        radial = (flat * depth[at, None] - across) / half[:, :1]
        s[at] = np.arctan2((radial * normal).sum(1), (radial * right).sum(1)) / (2 * np.pi) + 0.5
        t[at] = (dot * depth[at] - along) / (2 * half[:, 1]) + 0.5
        cosine[at] = np.abs((radial * d).sum(1)) / np.linalg.norm(d, axis=1)

    def _level(self, face, footprint, cosine) -> np.ndarray:
        """Which halving of the texture has about one texel a pixel."""
        texels = footprint * self.texel_density[face] / np.sqrt(np.maximum(cosine, 0.05))
        return np.clip(np.log2(np.maximum(texels, 1e-3)) + 0.2, 0, LEVELS - 1).astype(np.int32)

    def _picture(self, face, s, t, level) -> np.ndarray:
        atlas, repeat = self.atlas, self.faces.repeat[face]
        row = self.faces.texture[face] * LEVELS + level
        s, t = s * repeat[:, 0], (1 - t) * repeat[:, 1]
        s, t = s - np.floor(s * 0.999999), t - np.floor(t * 0.999999)
        return _remap(
            atlas.image,
            atlas.x[row] + s * atlas.width[row] - 0.5,
            atlas.y[row] + t * atlas.height[row] - 0.5,
        )

    def _light(self, face, s, t, lighting) -> np.ndarray:
        corner, shape = self.bake.corners[face], self.bake.texels.shape[face] - 1
        s, t = np.clip(s, 0, 1), np.clip(1 - t, 0, 1)
        return _remap(
            self.sheet(lighting), corner[:, 0] + s * shape[:, 0], corner[:, 1] + t * shape[:, 1]
        )


def _linear(table, face, x, y):
    a, b, c = np.ascontiguousarray(table.T)
    return a[face] * x + b[face] * y + c[face]


def _remap(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear samples (N, C) of an image."""
    count = len(x)
    rows = -(-count // ROW)
    maps = [
        np.pad(axis.astype(np.float32), (0, rows * ROW - count)).reshape(rows, ROW)
        for axis in (x, y)
    ]
    return cv2.remap(image, *maps, cv2.INTER_LINEAR).reshape(-1, 3)[:count]
