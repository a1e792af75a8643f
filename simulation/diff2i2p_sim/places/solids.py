# SPDX-License-Identifier: Apache-2.0
"""Pieces of furniture and how they are put together: groups of primitives in any pose."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial.transform import Rotation

from diff2i2p_sim.description import Item, Primitive, Texture
from diff2i2p_sim.office.primitives import box, cylinder, rounded

Parts = list[Primitive]


@dataclass(frozen=True)
class Piece:
    """Furniture around the origin, back towards +y, standing on z = 0, and the things upon it."""

    kind: str
    parts: Parts
    things: list[Parts] = field(default_factory=list)  # come and go from day to day
    movable: bool = False

    def moved(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> "Piece":
        things = [moved(thing, x, y, z, yaw) for thing in self.things]
        return replace(self, parts=moved(self.parts, x, y, z, yaw), things=things)

    @property
    def bounds(self) -> np.ndarray:
        """(2, 3) lowest and highest corner, without the things."""
        return Item(self.kind, tuple(self.parts)).bounds


def moved(parts: Parts, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Parts:
    return [part.moved(x, y, z, yaw) for part in parts]


def turned(parts: Parts, roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.0) -> Parts:
    """Turned about the origin, about fixed axes x, y, z."""
    turn = Rotation.from_euler("xyz", (roll, pitch, yaw))
    return [replace(part, pose=_turned_pose(turn, part.pose)) for part in parts]


def _turned_pose(turn: Rotation, pose: tuple) -> tuple:
    angles = (turn * Rotation.from_euler("xyz", pose[3:])).as_euler("xyz", suppress_warnings=True)
    return rounded(*turn.apply(pose[:3]), *angles)


def grounded(parts: Parts) -> Parts:
    """Lifted or lowered until the lowest corner is on z = 0."""
    return moved(parts, 0, 0, -float(Item("", tuple(parts)).bounds[0, 2]))


def rod(start, end, radius: float, texture: Texture) -> Primitive:
    """A cylinder between two points."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    x, y, z = end - start
    pose = (*(start + end) / 2, 0, np.arctan2(np.hypot(x, y), z), np.arctan2(y, x))
    size = (2 * radius, 2 * radius, np.linalg.norm(end - start))
    return Primitive("cylinder", rounded(*pose), rounded(*size), texture)


def ball(x, y, z, radius: float, texture: Texture, slices: int = 3) -> Parts:
    """Something round whose bottom is at z: cylinders on top of each other."""
    edges = np.linspace(-1, 1, slices + 1) * radius
    middles = (edges[:-1] + edges[1:]) / 2
    return [
        cylinder(
            x, y, z + radius + low, np.sqrt(radius**2 - middle**2), 2 * radius / slices, texture
        )
        for low, middle in zip(edges[:-1], middles, strict=True)
    ]


def frame(width, depth, height, thick, texture: Texture) -> Parts:
    """Four posts and four rails on top, its middle at the origin."""
    x, y = (width - thick) / 2, (depth - thick) / 2
    posts = [box(i * x, j * y, 0, thick, thick, height, texture) for i in (-1, 1) for j in (-1, 1)]
    rails = [box(0, j * y, height - thick, width, thick, thick, texture) for j in (-1, 1)]
    return [
        *posts,
        *rails,
        *(box(i * x, 0, height - thick, thick, depth, thick, texture) for i in (-1, 1)),
    ]


def tray(width, depth, height, thick, texture: Texture) -> Parts:
    """An open box: a bottom and four sides."""
    x, y = (width - thick) / 2, (depth - thick) / 2
    sides = [box(i * x, 0, 0, thick, depth, height, texture) for i in (-1, 1)]
    sides += [box(0, j * y, 0, width, thick, height, texture) for j in (-1, 1)]
    return [box(0, 0, 0, width, depth, thick, texture), *sides]
