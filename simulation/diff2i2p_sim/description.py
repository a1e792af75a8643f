# SPDX-License-Identifier: Apache-2.0
"""What a synthetic world is made of: textured primitives grouped into items, rooms with doors, lights."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.spatial.transform import Rotation

Colour = tuple[float, float, float]  # RGB in [0, 1]


@dataclass(frozen=True)
class Texture:
    """A procedural bitmap: the same kind, seed and colour always give the same pixels."""

    kind: str  # a painter of materials.py, pictures.py or fixtures.py
    seed: int = 0
    colour: Colour = (0.8, 0.8, 0.8)
    tile: float = 0.0  # metres after which it repeats; 0 stretches it over each face once


@dataclass(frozen=True)
class Primitive:
    """One box, cylinder (axis = local z) or plane (one-sided, local z is its normal, x right, y up)."""

    shape: str  # "box", "cylinder" or "plane"
    pose: tuple[
        float, float, float, float, float, float
    ]  # x y z roll pitch yaw of the centre, map frame
    size: tuple[
        float, float, float
    ]  # box: edges; cylinder: diameter, diameter, length; plane: width, height, 0
    texture: Texture

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3) local axes in the map frame, as columns; fixed axes x, y, z like SDF and URDF."""
        return Rotation.from_euler("xyz", self.pose[3:]).as_matrix()

    def moved(self, x: float, y: float, z: float, yaw: float) -> "Primitive":
        """Turned by `yaw` about the vertical through the origin, then shifted."""
        c, s = np.cos(yaw), np.sin(yaw)
        px, py, pz, roll, pitch, heading = self.pose
        pose = (c * px - s * py + x, s * px + c * py + y, pz + z, roll, pitch, heading + yaw)
        return replace(self, pose=tuple(round(float(value), 5) for value in pose))


@dataclass(frozen=True)
class Item:
    """Primitives that belong and move together: a desk with its monitor, a chair, a poster."""

    name: str  # unique, e.g. "desk_3"
    primitives: tuple[Primitive, ...]
    movable: bool = False

    def moved(
        self,
        x: float,
        y: float,
        z: float = 0.0,
        yaw: float = 0.0,
        about: tuple[float, float] = (0.0, 0.0),
    ) -> "Item":
        """Turned by `yaw` about the vertical through `about`, then shifted."""
        centred = (primitive.moved(-about[0], -about[1], 0, 0) for primitive in self.primitives)
        return replace(
            self,
            primitives=tuple(
                primitive.moved(x + about[0], y + about[1], z, yaw) for primitive in centred
            ),
        )

    @cached_property
    def bounds(self) -> np.ndarray:
        """(2, 3) lowest and highest corner in the map frame."""
        corners = np.concatenate([box_corners(primitive) for primitive in self.primitives])
        return np.stack([corners.min(0), corners.max(0)])


@dataclass(frozen=True)
class Light:
    """A lamp or a window as a light source of the size of a point, or a sun, far away."""

    kind: str  # "lamp", "window" or "sun"
    position: tuple[float, float, float]
    direction: tuple[float, float, float]  # main direction of emission, unit length
    intensity: float  # relative


@dataclass(frozen=True)
class Lighting:
    """How the lights burn: time of day, colour of the lamps, how many are on, exposure."""

    windows: float = 1.0  # gain of daylight
    lamps: float = 1.0  # gain of the lamps
    window_colour: Colour = (0.94, 0.98, 1.06)
    lamp_colour: Colour = (1.05, 1.0, 0.9)
    share_on: float = 1.0  # share of the lamps that burn; always at least one
    level: float = 0.86  # brightness of a well-lit white surface in the image, after exposure
    seed: int = 0  # picks the lamps that burn


@dataclass(frozen=True)
class Room:
    """A rectangle of the floor plan."""

    kind: str
    low: tuple[float, float]
    high: tuple[float, float]
    height: float = 2.7  # metres, floor to ceiling; 0: open to the sky

    @property
    def outdoors(self) -> bool:
        return self.height == 0

    @property
    def centre(self) -> np.ndarray:
        return (np.array(self.low) + self.high) / 2


def box_corners(primitive: Primitive) -> np.ndarray:
    """(8, 3) corners of the box around a primitive, map frame."""
    signs = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    return signs * primitive.size @ primitive.rotation.T + primitive.pose[:3]
