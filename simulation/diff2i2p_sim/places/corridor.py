# SPDX-License-Identifier: Apache-2.0
"""Corridors: long and narrow, with doors, recesses, crossings and what stands along the walls."""

import numpy as np

from diff2i2p_sim.office.floor_plan import LINING
from diff2i2p_sim.places import furnishings as f
from diff2i2p_sim.places import public as p
from diff2i2p_sim.places import seating
from diff2i2p_sim.places.chamber import Built, Chamber, Gap, gather
from diff2i2p_sim.places.decoration import PUBLIC, decorate
from diff2i2p_sim.places.layout import make_chambers
from diff2i2p_sim.places.office import copier, moving_boxes
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.structure import add_lamps, enclose

FURNITURE = (
    p.bench,
    p.machine,
    p.stand,
    p.planter,
    f.sideboard,
    f.wardrobe,
    f.bin,
    f.house_plant,
    seating.chair,
    copier,
    moving_boxes,
    f.bookcase,
)


def build_corridor(rng: np.random.Generator) -> Built:
    """A passage of 10 to 22 m with rooms that open into it, some as mere recesses."""
    look = Look.of(rng)
    length, width, height = rng.uniform(10, 22), rng.uniform(1.6, 3.2), look.between(2.3, 3.6)
    rooms = [(np.zeros(2), np.array([length, width]))]
    for _ in range(int(rng.integers(1, 4))):
        rooms += _recess(rng, length, width, rooms)
    kinds = ["corridor", *["recess"] * (len(rooms) - 1)]
    chambers = make_chambers(look, rooms, kinds, height)
    chambers[0].outer = {name: LINING for name in chambers[0].outer}
    wall, floor, ceiling = look.wall(), look.floor(), look.choose("panels", "flat", "ducts")
    for chamber in chambers:
        _doors(chamber)
        enclose(chamber, ceiling, wall, floor)
        add_lamps(chamber, look.choose("panel", "tube", "disc"), most=6)
        chamber.line(int(chamber.area / 3), FURNITURE, min(0.9, 0.3 * width))
        decorate(chamber, PUBLIC, 1.6)
    return gather(chambers)


def _recess(rng, length: float, width: float, rooms) -> list:
    """A bay or a side passage along one of the long walls, apart from the others."""
    w, d = rng.uniform(1.6, 4.5), rng.uniform(1.2, 5.0)
    x = rng.uniform(0, length - w)
    y = width if rng.random() < 0.5 else -d
    low, high = np.array([x, y]), np.array([x + w, y + d])
    apart = all(
        (high[0] <= a[0] or low[0] >= b[0] or high[1] <= a[1] or low[1] >= b[1]) for a, b in rooms
    )
    return [(low, high)] if apart else []


def _doors(chamber: Chamber) -> None:
    """Closed doors at a regular or a random pitch, windows at the ends."""
    look = chamber.look
    pitch, width = look.between(1.6, 3.6), look.choose(0.85, 0.95, 1.1)
    top = round(min(look.between(2.0, 2.2), chamber.room.height - 0.1), 3)
    for name, side in chamber.sides.items():
        if side.length < 3:
            if look.chance(0.5) and side.free(0, 1.1):
                chamber.cut(name, Gap(0.0, 1.0, 0.9, top, "window"))
            continue
        for at in np.arange(-side.length / 2 + 0.8, side.length / 2 - 0.8, pitch):
            at = round(float(at + look.rng.uniform(-0.2, 0.2)), 3)
            if look.chance(0.75) and side.free(at, width + 0.3):
                side.openings.append(Gap(at, width, 0.0, top, "door"))
                side.take(at, width + 0.2)
