# SPDX-License-Identifier: Apache-2.0
"""What furniture is put together from: boxes, cylinders, sheets, and the colours of an office."""

from dataclasses import dataclass

import numpy as np

from diff2i2p_sim.description import Colour, Primitive, Texture

QUARTER = round(np.pi / 2, 6)
WHITE, GREY, DARK, STEEL, RED = (
    (0.9, 0.9, 0.88),
    (0.6, 0.61, 0.63),
    (0.13, 0.13, 0.15),
    (0.66, 0.68, 0.7),
    (0.78, 0.1, 0.07),
)
PALETTE: dict[str, list[Colour]] = {
    "wall": [
        (0.93, 0.92, 0.88),
        (0.9, 0.9, 0.9),
        (0.92, 0.88, 0.8),
        (0.84, 0.89, 0.92),
        (0.86, 0.91, 0.85),
        (0.93, 0.86, 0.82),
    ],
    "accent": [
        (0.27, 0.42, 0.6),
        (0.75, 0.45, 0.33),
        (0.55, 0.65, 0.52),
        (0.85, 0.68, 0.32),
        (0.25, 0.5, 0.52),
        (0.55, 0.25, 0.3),
    ],
    "door": [
        (0.74, 0.56, 0.38),
        (0.6, 0.42, 0.28),
        (0.82, 0.82, 0.8),
        (0.36, 0.47, 0.6),
        (0.5, 0.58, 0.48),
        (0.72, 0.36, 0.3),
    ],
    "trim": [(0.3, 0.31, 0.33), (0.88, 0.88, 0.86), (0.5, 0.36, 0.25), (0.35, 0.42, 0.5)],
    "cabinet": [
        (0.78, 0.78, 0.76),
        (0.55, 0.58, 0.62),
        (0.83, 0.78, 0.68),
        (0.45, 0.55, 0.62),
        (0.62, 0.66, 0.58),
    ],
    "floor": [
        (0.38, 0.43, 0.5),
        (0.46, 0.45, 0.44),
        (0.58, 0.53, 0.46),
        (0.42, 0.47, 0.4),
        (0.5, 0.38, 0.36),
    ],
    "wood": [(0.72, 0.56, 0.38), (0.55, 0.38, 0.24), (0.82, 0.74, 0.62), (0.88, 0.87, 0.84)],
    "seat": [
        (0.16, 0.17, 0.2),
        (0.2, 0.3, 0.48),
        (0.55, 0.18, 0.17),
        (0.3, 0.33, 0.36),
        (0.24, 0.4, 0.32),
        (0.72, 0.42, 0.16),
    ],
}


@dataclass(frozen=True)
class Style:
    """What the furniture of one office has in common, and the generator that varies the rest."""

    wood: Texture
    seat: Texture
    cabinet: Colour
    trim: Texture
    rng: np.random.Generator

    @classmethod
    def of(cls, rng: np.random.Generator) -> "Style":
        wood = Texture("wood", int(rng.integers(99)), pick(rng, "wood"), 1.0)
        return cls(
            wood,
            Texture("fabric", 0, pick(rng, "seat"), 0.25),
            pick(rng, "cabinet"),
            plain(pick(rng, "trim")),
            rng,
        )


def pick(rng: np.random.Generator, what: str) -> Colour:
    """A colour of the palette, a little off."""
    colours = PALETTE[what]
    return rounded(
        *np.clip(np.array(colours[rng.integers(len(colours))]) * rng.uniform(0.94, 1.04, 3), 0, 1),
        digits=3,
    )


def seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1_000_000))


def rounded(*values, digits: int = 5) -> tuple[float, ...]:
    return tuple(round(float(value), digits) for value in values)


def plain(colour: Colour) -> Texture:
    return Texture("plain", 0, colour, 0.3)


def metal(colour: Colour = STEEL) -> Texture:
    return Texture("metal", 0, colour, 0.4)


def picture(kind: str, rng: np.random.Generator, colour: Colour = (0.8, 0.8, 0.8)) -> Texture:
    """A picture that nobody else has."""
    return Texture(kind, seed(rng), colour)


def box(
    x, y, z, sx, sy, sz, texture: Texture, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0
) -> Primitive:
    """A box whose bottom is at z."""
    return Primitive(
        "box", rounded(x, y, z + sz / 2, roll, pitch, yaw), rounded(sx, sy, sz), texture
    )


def cylinder(x, y, z, radius, length, texture: Texture) -> Primitive:
    """An upright cylinder whose bottom is at z."""
    return Primitive(
        "cylinder",
        rounded(x, y, z + length / 2, 0, 0, 0),
        rounded(2 * radius, 2 * radius, length),
        texture,
    )


def sheet(x, y, z, width, depth, texture: Texture, yaw: float = 0.0) -> Primitive:
    """A plane that lies flat, facing up."""
    return Primitive("plane", rounded(x, y, z, 0, 0, yaw), rounded(width, depth, 0), texture)


def front(x, y, z, width, height, texture: Texture) -> Primitive:
    """An upright plane around z, facing -y."""
    return Primitive("plane", rounded(x, y, z, QUARTER, 0, 0), rounded(width, height, 0), texture)
