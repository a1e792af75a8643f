# SPDX-License-Identifier: Apache-2.0
"""The look of one place: what its surfaces and things are made of, plain or busy."""

from dataclasses import dataclass, replace

import numpy as np

from diff2i2p_sim.description import Colour, Texture
from diff2i2p_sim.office.primitives import Style, plain, seed
from diff2i2p_sim.textures.pictures import hue

NATURAL: list[Colour] = [
    (0.93, 0.92, 0.89), (0.86, 0.84, 0.8), (0.75, 0.73, 0.7), (0.55, 0.54, 0.53),
    (0.35, 0.35, 0.36), (0.15, 0.15, 0.16), (0.82, 0.74, 0.62), (0.7, 0.55, 0.38),
    (0.52, 0.36, 0.24), (0.34, 0.22, 0.15), (0.9, 0.85, 0.72), (0.66, 0.68, 0.7),
    (0.45, 0.48, 0.52), (0.6, 0.58, 0.5), (0.25, 0.2, 0.18),
]  # fmt: skip
WOODS: list[Colour] = [
    (0.72, 0.56, 0.38), (0.55, 0.38, 0.24), (0.82, 0.74, 0.62), (0.35, 0.23, 0.15),
    (0.64, 0.4, 0.26), (0.88, 0.87, 0.84), (0.45, 0.42, 0.4), (0.78, 0.66, 0.46),
]  # fmt: skip
WALLS = [
    *["paint"] * 3, "plaster", "wallpaper", "brick", "panelling", "concrete", "rubble",
    "planking", "stripes", "mural",
]  # fmt: skip
FLOORS = "planks planks carpet tiles terrazzo herringbone checker marble concrete granite".split()
CLOTHS = "fabric fabric fabric stripes plaid checker blotches wallpaper".split()
STONES = "terrazzo granite marble wood wood plain".split()
TILES = {  # metres after which a pattern repeats
    "paint": 2.5, "plaster": 1.8, "wallpaper": 1.2, "brick": 1.8, "panelling": 1.2,
    "concrete": 2.4, "rubble": 2.0, "planking": 1.2, "stripes": 1.6, "mural": 4.0,
    "planks": 2.0, "carpet": 2.0, "tiles": 1.6, "terrazzo": 1.2, "herringbone": 1.2,
    "checker": 2.4, "marble": 2.2, "granite": 0.8, "fabric": 0.25, "plaid": 0.5,
    "blotches": 0.9, "wood": 1.0, "plain": 0.3, "mosaic": 0.5, "acoustic": 2.4, "metal": 0.4,
    "corrugated": 1.3, "chipboard": 1.2, "asphalt": 2.5, "paving": 1.6, "grass": 2.0,
}  # fmt: skip
PRINTS = 16  # different labels in one place
SHADES = 20  # different colours of small things in one place


@dataclass(frozen=True)
class Look(Style):
    """A style of furniture, with the colours and prints of one place and how lively it is."""

    shades: tuple[Texture, ...]  # of small things
    prints: tuple[Texture, ...]  # on bottles, cartons and bags
    lively: float  # 0 all plain, 1 patterns everywhere

    @classmethod
    def of(cls, rng: np.random.Generator) -> "Look":
        bold = rng.uniform(0, 1)
        shades = tuple(plain(any_colour(rng, bold)) for _ in range(SHADES))
        prints = tuple(Texture("label", seed(rng), any_colour(rng, 0.8)) for _ in range(PRINTS))
        wood = Texture("wood", int(rng.integers(99)), near(rng, WOODS), 1.0)
        cabinet, trim = any_colour(rng, 0.5 * bold), plain(any_colour(rng, 0.3))
        seat = material(rng, "fabric", any_colour(rng, bold))
        return cls(wood, seat, cabinet, trim, rng, shades, prints, float(rng.uniform(0, 1)))

    def between(self, low: float, high: float) -> float:
        """A length in metres."""
        return round(float(self.rng.uniform(low, high)), 3)

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def choose(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def shade(self) -> Texture:
        return self.choose(*self.shades)

    def print(self) -> Texture:
        return self.choose(*self.prints)

    def colour(self) -> Colour:
        return self.shade().colour

    def fresh(self, names: list[str], calm: str) -> Texture:
        """One of the materials in a colour of its own; in a quiet place often the calm one."""
        name = self.choose(*names) if self.chance(0.25 + 0.7 * self.lively) else calm
        return material(self.rng, name, any_colour(self.rng, 0.4))

    def wall(self) -> Texture:
        """Patterned in a lively place; painted walls are pale more often than not."""
        texture = self.fresh(WALLS, "paint")
        if texture.kind in ("paint", "plaster") and self.chance(0.65):
            pale = 1 - self.between(0.15, 0.5) * (1 - np.array(texture.colour))
            return replace(texture, colour=as_colour(pale))
        return texture

    def floor(self) -> Texture:
        return self.fresh(FLOORS, self.choose("planks", "carpet", "tiles"))

    def cloth(self) -> Texture:
        name = self.choose(*CLOTHS) if self.chance(self.lively) else "fabric"
        return material(self.rng, name, any_colour(self.rng, 0.7))

    def stone(self) -> Texture:
        return self.fresh(STONES, "terrazzo")

    def timber(self) -> Texture:
        """The wood of the place, or of one piece of furniture alone."""
        return self.wood if self.chance(0.6) else material(self.rng, "wood", near(self.rng, WOODS))


def material(rng: np.random.Generator, name: str, colour: Colour) -> Texture:
    if name in ("planks", "herringbone", "panelling", "planking", "wood", "chipboard"):
        colour = near(rng, WOODS)
    if name == "brick":
        colour = near(
            rng, [(0.62, 0.36, 0.27), (0.75, 0.7, 0.62), (0.45, 0.42, 0.4), (0.85, 0.83, 0.8)]
        )
    number = int(rng.integers(40)) if name in ("fabric", "plain", "metal", "wood") else seed(rng)
    return Texture(name, number, colour, TILES.get(name, 1.0))


def near(rng: np.random.Generator, colours: list[Colour]) -> Colour:
    """One of the colours, a little off."""
    return as_colour(np.array(colours[rng.integers(len(colours))]) * rng.uniform(0.88, 1.08, 3))


def any_colour(rng: np.random.Generator, bold: float) -> Colour:
    """A natural colour, or, the more often the bolder, any hue."""
    if rng.random() < 0.25 + 0.6 * bold:
        return as_colour(hue(rng, 0.95 * rng.uniform(0.15, 1) ** 1.6))
    return near(rng, NATURAL)


def as_colour(values: np.ndarray) -> Colour:
    return tuple(round(float(value), 3) for value in np.clip(values, 0, 1))
