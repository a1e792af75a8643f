# SPDX-License-Identifier: Apache-2.0
"""A world compiled for ray casting: flat faces and round shells with their texture and light coordinates."""

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from diff2i2p_sim.description import Primitive, Texture
from diff2i2p_sim.textures import fixtures, materials, pictures, surfaces  # noqa: F401  painters register themselves
from diff2i2p_sim.textures.painter import bitmap

RECTANGLE, DISK, SHELL = 0, 1, 2
EMISSIVE = {  # kind -> brightness of the picture's white
    "lamp": 1.25,
    "window": 1.0,
    "outside": 1.15,
    "sky": 1.0,
    "screen": 0.75,
    "exit_sign": 0.8,
}
GLASS = ("window", "outside", "pane", "sky")  # no echo comes back from these
LEVELS = 6  # halvings of every texture


@dataclass(frozen=True)
class Faces:
    """F one-sided faces: rectangles, disks, and shells (the round side of a cylinder, its axis along `up`)."""

    kind: np.ndarray  # (F,)
    centre: np.ndarray  # (F, 3) float32, map frame
    axes: np.ndarray  # (F, 3, 3) unit rows: right, up, normal = right x up towards the viewer; shells: normal across the axis
    half: np.ndarray  # (F, 2) half extents along right and up, metres; shells: radius, half length
    texture: np.ndarray  # (F,) row of the atlas
    repeat: np.ndarray  # (F, 2) how often the texture repeats along right and up
    emission: np.ndarray  # (F,) brightness of its own, 0 for what is lit
    glass: np.ndarray  # (F,) bool, LiDAR passes through
    sky: np.ndarray  # (F,) bool, has no depth

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def normal(self) -> np.ndarray:
        """(F, 3)"""
        return self.axes[:, 2]

    @cached_property
    def radius(self) -> np.ndarray:
        """(F,) of the sphere around each face, metres."""
        return np.hypot(*self.half.T)

    def larger_than(self, radius: float) -> "Faces":
        """The same faces; those of no more than `radius` metres are made points, which hide nothing."""
        small = self.radius <= radius
        return (
            self
            if not small.any()
            else replace(self, half=np.where(small[:, None], 1e-6, self.half).astype(np.float32))
        )

    @property
    def extent(self) -> np.ndarray:
        """(F, 2) metres that the texture coordinates 0..1 span."""
        turn = np.where(self.kind == SHELL, np.pi, 1.0).astype(np.float32)
        return 2 * self.half * np.stack([turn, np.ones_like(turn)], 1)


def compile_faces(primitives: tuple[Primitive, ...]) -> tuple[Faces, list[Texture]]:
    """The faces that can be seen, and the textures that they index."""
    textures = {
        texture: row
        for row, texture in enumerate(dict.fromkeys(primitive.texture for primitive in primitives))
    }
    rows = [(*face, primitive.texture) for primitive in primitives for face in _faces(primitive)]
    rows = [
        row for row in rows if not (row[2][2][2] < -0.99 and row[1][2] < 0.02)
    ]  # nobody sees what stands on the floor from below
    tile = np.array([texture.tile for *_, texture in rows], np.float32)[:, None]
    kinds = [texture.kind for *_, texture in rows]
    faces = Faces(
        np.array([row[0] for row in rows], np.int8),
        *(np.array([row[k] for row in rows], np.float32) for k in (1, 2, 3)),
        np.array([textures[texture] for *_, texture in rows], np.int32),
        np.ones((len(rows), 2), np.float32),
        np.array([EMISSIVE.get(name, 0.0) for name in kinds], np.float32),
        np.array([name in GLASS for name in kinds]),
        np.array([name == "sky" for name in kinds]),
    )  # fmt: skip
    np.copyto(faces.repeat, faces.extent / np.maximum(tile, 1e-6), where=tile > 0)
    return faces, list(textures)


def _faces(primitive: Primitive):
    """Yield kind, centre, axes right / up / normal, half extents of each face."""
    x, y, z = primitive.rotation.T
    centre, (a, b, c) = np.array(primitive.pose[:3]), np.array(primitive.size) / 2
    if primitive.shape == "plane":
        yield RECTANGLE, centre, (x, y, z), (a, b)
        return
    flat = RECTANGLE if primitive.shape == "box" else DISK
    yield flat, centre + c * z, (x, y, z), (a, b)
    yield flat, centre - c * z, (-x, y, -z), (a, b)
    if primitive.shape == "cylinder":
        yield SHELL, centre, (x, z, np.cross(x, z)), (a, c)
        return
    yield RECTANGLE, centre + a * x, (y, z, x), (b, c)
    yield RECTANGLE, centre - a * x, (-y, z, -x), (b, c)
    yield RECTANGLE, centre + b * y, (-x, z, y), (a, c)
    yield RECTANGLE, centre - b * y, (x, z, -y), (a, c)


@dataclass(frozen=True)
class Atlas:
    """All textures with their halved versions in one image, so that one remap samples them all."""

    image: np.ndarray  # (H, W, 3) uint8
    x: np.ndarray  # (T * LEVELS,) float32 left edge of each block
    y: np.ndarray  # (T * LEVELS,) float32 top edge
    width: np.ndarray  # (T * LEVELS,) float32
    height: np.ndarray  # (T * LEVELS,) float32


def pack(blocks: list[np.ndarray], gutter: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Put blocks (h, w, C) on one sheet, shelf by shelf; returns the sheet and the blocks' corners (B, 2) as x, y.

    A gutter repeats the opposite edge, so that sampling wraps.
    """
    order = sorted(range(len(blocks)), key=lambda k: -blocks[k].shape[0])
    area = sum((block.shape[0] + 2 * gutter) * (block.shape[1] + 2 * gutter) for block in blocks)
    width = max(int(1.1 * np.sqrt(area)), max(block.shape[1] for block in blocks) + 2 * gutter)
    corners, x, y, shelf = np.zeros((len(blocks), 2), np.int32), 0, 0, 0
    for k in order:
        h, w = blocks[k].shape[0] + 2 * gutter, blocks[k].shape[1] + 2 * gutter
        if x + w > width:
            x, y, shelf = 0, y + shelf, 0
        corners[k] = x + gutter, y + gutter
        x, shelf = x + w, max(shelf, h)
    sheet = np.zeros((y + shelf, width, *blocks[0].shape[2:]), blocks[0].dtype)
    for (x, y), block in zip(corners, blocks, strict=True):
        h, w = block.shape[:2]
        padded = np.pad(block, ((gutter, gutter), (gutter, gutter), (0, 0)), mode="wrap")
        sheet[y - gutter : y + h + gutter, x - gutter : x + w + gutter] = padded
    return sheet, corners


def build_atlas(textures: list[Texture]) -> Atlas:
    """Paint the textures and pack them."""
    blocks = [level for texture in textures for level in _pyramid(bitmap(texture))]
    sheet, corners = pack(blocks)
    shapes = np.array([block.shape[:2] for block in blocks], np.float32)
    return Atlas(sheet, *corners.T.astype(np.float32), shapes[:, 1], shapes[:, 0])


def _pyramid(image: np.ndarray) -> list[np.ndarray]:
    levels = [image]
    while len(levels) < LEVELS:
        h, w = (max(side // 2, 1) for side in levels[-1].shape[:2])
        levels.append(_shrunk(levels[-1], h, w))
    return levels


def _shrunk(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
