# SPDX-License-Identifier: Apache-2.0
"""Ceilings: painted, panelled, on beams, bare with pipes, sloped."""

import numpy as np

from diff2i2p_sim.description import Primitive, Texture
from diff2i2p_sim.office.primitives import (
    QUARTER,
    box,
    metal,
    rounded,
)
from diff2i2p_sim.places.chamber import Chamber
from diff2i2p_sim.places.palette import Look, material
from diff2i2p_sim.places.solids import Parts, rod


def _overhead(chamber: Chamber, z: float, texture: Texture) -> Primitive:
    thick = 2 * max(chamber.thickness(name) for name in chamber.sides)
    return Primitive(
        "plane",
        rounded(*chamber.room.centre, z, 2 * QUARTER, 0, 0),
        rounded(*chamber.size + thick, 0),
        texture,
    )


def _flat(chamber: Chamber) -> None:
    """Painted, boarded or bare."""
    look = chamber.look
    name = look.choose("paint", "paint", "plaster", "panelling", "concrete")
    white = look.choose((0.93, 0.93, 0.9), (0.88, 0.87, 0.85), look.colour())
    chamber.add("shell", [_overhead(chamber, chamber.room.height, material(look.rng, name, white))])


def _panels(chamber: Chamber) -> None:
    """Hung panels with lamps among them."""
    look = chamber.look
    texture = Texture("acoustic", int(look.rng.integers(20)), (0.88, 0.88, 0.86), 2.4)
    chamber.add("shell", [_overhead(chamber, chamber.room.height, texture)])


def _beams(chamber: Chamber) -> None:
    """A boarded ceiling on beams."""
    look, (wide, deep) = chamber.look, chamber.size
    chamber.add(
        "shell",
        [_overhead(chamber, chamber.room.height, material(look.rng, "panelling", look.colour()))],
    )
    h, b, wood, pitch = (
        look.between(0.1, 0.3),
        look.between(0.06, 0.22),
        look.timber(),
        look.between(0.6, 1.8),
    )
    x, y = chamber.room.centre
    for k in range(max(1, int(wide / pitch))):
        along = x + (k + 0.5) * wide / max(1, int(wide / pitch)) - wide / 2
        chamber.add("beam", [box(along, y, chamber.room.height - h, b, deep, h, wood)])


def _ducts(chamber: Chamber) -> None:
    """Bare concrete with pipes, ducts and cable trays."""
    look, height = chamber.look, chamber.room.height
    chamber.add(
        "shell", [_overhead(chamber, height, material(look.rng, "concrete", look.colour()))]
    )
    (x0, y0), (x1, y1) = chamber.room.low, chamber.room.high
    for _ in range(int(look.rng.integers(2, 7))):
        r, texture = look.between(0.02, 0.2), look.choose(metal(), look.shade())
        z = height - r - look.between(0.02, 0.3)
        if look.chance(0.5):
            y = look.between(y0 + 0.2, y1 - 0.2)
            chamber.add("pipe", _pipe(look, (x0, y, z), (x1, y, z), r, texture))
        else:
            x = look.between(x0 + 0.2, x1 - 0.2)
            chamber.add("pipe", _pipe(look, (x, y0, z), (x, y1, z), r, texture))


def _pipe(look: Look, start, end, radius: float, texture: Texture) -> Parts:
    """A round pipe, or a flat duct, with collars."""
    start, end = np.array(start), np.array(end)
    if radius > 0.08 and look.chance(0.5):
        middle, size = (start + end) / 2, np.abs(end - start)
        body = [
            box(
                *middle[:2],
                middle[2] - radius,
                *np.maximum(size[:2], 3 * radius),
                2 * radius,
                texture,
            )
        ]
    else:
        body = [rod(start, end, radius, texture)]
    for share in np.arange(0.1, 1.0, look.between(0.15, 0.4)):
        at = start + share * (end - start)
        along = (end - start) / np.linalg.norm(end - start) * 0.03
        body.append(rod(at - along, at + along, 1.12 * radius, look.trim))
    return body


def _slope(chamber: Chamber) -> None:
    """Under a roof: two slopes that meet along the longer axis; the room's height is the ridge."""
    look, ridge = chamber.look, chamber.room.height
    texture = material(
        look.rng,
        look.choose("paint", "panelling", "plaster"),
        look.choose((0.93, 0.92, 0.89), look.colour()),
    )
    (wide, deep), (x, y) = chamber.size + 0.4, chamber.room.centre
    along_x = wide > deep
    span, length = (deep, wide) if along_x else (wide, deep)
    drop = min(look.between(0.25, 0.9) * span / 2, ridge - 1.9)
    tilt, slant = np.arctan2(drop, span / 2), np.hypot(drop, span / 2)
    parts = []
    for s in (-1, 1):
        middle = (x, y + s * span / 4) if along_x else (x + s * span / 4, y)
        size = (length, slant) if along_x else (slant, length)
        turn = (2 * QUARTER - s * tilt, 0, 0) if along_x else (2 * QUARTER, s * tilt, 0)
        parts.append(
            Primitive(
                "plane", rounded(*middle, ridge - drop / 2, *turn), rounded(*size, 0), texture
            )
        )
    chamber.add("shell", parts)


CEILINGS = {"flat": _flat, "panels": _panels, "beams": _beams, "ducts": _ducts, "slope": _slope}
