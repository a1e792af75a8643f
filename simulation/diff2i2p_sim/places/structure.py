# SPDX-License-Identifier: Apache-2.0
"""Floors, walls and lamps of a room."""

import numpy as np

from diff2i2p_sim.description import Light, Texture
from diff2i2p_sim.office.floor_plan import Side
from diff2i2p_sim.office.primitives import (
    QUARTER,
    WHITE,
    box,
    cylinder,
    plain,
    rounded,
    sheet,
)
from diff2i2p_sim.places.ceilings import CEILINGS
from diff2i2p_sim.places.chamber import Chamber, Gap
from diff2i2p_sim.places.openings import OPENINGS
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import Parts, rod

LAMP = Texture("lamp", 0, (1.0, 1.0, 1.0))


def enclose(
    chamber: Chamber,
    ceiling: str | None = None,
    wall: Texture | None = None,
    floor: Texture | None = None,
) -> None:
    """Build everything that holds the room together; `ceiling` is a key of CEILINGS."""
    look = chamber.look
    wall, accent = wall or look.wall(), look.wall()
    feature = look.choose(*"nesw") if look.chance(0.5) else ""
    chamber.add("shell", _floor(chamber, floor or look.floor()))
    CEILINGS[ceiling or look.choose(*CEILINGS)](chamber)
    for name, side in chamber.sides.items():
        texture = accent if name == feature else wall
        chamber.add("wall", side.place(_wall(chamber, name, texture), 0.0))
        for gap in side.openings:
            built = OPENINGS[gap.kind](look, gap, chamber.thickness(name))
            chamber.add(gap.kind, side.place(built, gap.at))
            if gap.kind == "window":
                chamber.lights.append(_daylight(side, gap))


def _floor(chamber: Chamber, texture: Texture) -> Parts:
    thick = 2 * max(chamber.thickness(name) for name in chamber.sides)
    return [sheet(*chamber.room.centre, 0, *chamber.size + thick, texture)]


def _wall(chamber: Chamber, name: str, texture: Texture) -> Parts:
    """Boxes between, below and above the openings, a skirting board, perhaps tiles or a dado."""
    side, thick, height = chamber.sides[name], chamber.thickness(name), chamber.room.height
    gaps = sorted(side.openings, key=lambda gap: gap.at)
    edges = [
        -side.length / 2 - thick,
        *(gap.at + end * gap.width / 2 for gap in gaps for end in (-1, 1)),
        side.length / 2 + thick,
    ]
    parts: Parts = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        parts.append(box((start + end) / 2, thick / 2, 0, end - start, thick, height, texture))
        parts.append(
            box(
                (start + end) / 2,
                -0.006,
                0,
                max(end - start - 0.1, 0.01),
                0.012,
                0.08,
                chamber.look.trim,
            )
        )
    for gap in gaps:
        parts.append(box(gap.at, thick / 2, gap.top, gap.width, thick, height - gap.top, texture))
        if gap.bottom > 0:
            parts.append(box(gap.at, thick / 2, 0, gap.width, thick, gap.bottom, texture))
    return parts


def _daylight(side: Side, gap: Gap) -> Light:
    inwards = 0.95 * np.sin(side.yaw), -0.95 * np.cos(side.yaw)
    middle = (gap.bottom + gap.top) / 2
    strength = 0.9 * gap.width * (gap.top - gap.bottom)
    return Light(
        "window",
        rounded(*side.point(gap.at, -0.2), middle, digits=4),
        rounded(*inwards, -0.31225),
        round(strength, 3),
    )


def add_lamps(chamber: Chamber, kind: str | None = None, most: int = 6) -> None:
    """Lamps of one kind spread under the ceiling."""
    look, build = chamber.look, LAMPS[kind or chamber.look.choose(*LAMPS)]
    pitch = max(look.between(2.2, 3.4), float(np.sqrt(chamber.area / most)))
    nx, ny = np.maximum(np.round(chamber.size / pitch).astype(int), 1)
    for i in range(nx):
        for j in range(ny):
            x, y = chamber.room.low + chamber.size * ((i + 0.5) / nx, (j + 0.5) / ny)
            parts, z = build(look, chamber.room.height)
            chamber.add("lamp", [part.moved(x, y, 0, 0) for part in parts])
            chamber.lights.append(Light("lamp", rounded(x, y, z, digits=3), (0.0, 0.0, -1.0), 1.0))


def _panel(look: Look, height: float) -> tuple[Parts, float]:
    w, d = look.choose((0.6, 0.6), (1.2, 0.3), (1.2, 0.15))
    return [box(0, 0, height - 0.04, w, d, 0.04, LAMP)], height - 0.08


def _pendant(look: Look, height: float) -> tuple[Parts, float]:
    drop, r, h = (
        look.between(0.3, 0.45) * (height - 1.2),
        look.between(0.1, 0.3),
        look.between(0.12, 0.3),
    )
    z = height - drop
    cord = cylinder(0, 0, z, 0.008, drop, look.trim)
    return [
        cord,
        cylinder(0, 0, z - h, r, h, look.cloth()),
        cylinder(0, 0, z - h - 0.02, 0.7 * r, 0.02, LAMP),
    ], z - h - 0.05


def _disc(look: Look, height: float) -> tuple[Parts, float]:
    return [cylinder(0, 0, height - 0.09, look.between(0.12, 0.28), 0.09, LAMP)], height - 0.13


def _tube(look: Look, height: float) -> tuple[Parts, float]:
    """A fluorescent lamp on chains."""
    drop, long = look.between(0.0, 0.6) if height > 2.9 else 0.0, look.between(1.0, 1.6)
    z = height - drop - 0.1
    yaw = look.choose(0, QUARTER)
    chains = [
        cylinder(s * long / 3, 0, z + 0.1, 0.006, max(drop, 0.01), look.trim) for s in (-1, 1)
    ]
    parts = [
        box(0, 0, z + 0.04, long, 0.12, 0.06, plain(WHITE)),
        rod((-long / 2, 0, z + 0.02), (long / 2, 0, z + 0.02), 0.02, LAMP),
    ]
    return [part.moved(0, 0, 0, yaw) for part in (*parts, *chains)], z - 0.03


LAMPS = {"panel": _panel, "pendant": _pendant, "disc": _disc, "tube": _tube}
