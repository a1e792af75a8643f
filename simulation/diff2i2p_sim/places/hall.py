# SPDX-License-Identifier: Apache-2.0
"""Halls: high rooms with pillars, stairs, a gallery and what stands in a lobby."""

import numpy as np

from diff2i2p_sim.office.primitives import box
from diff2i2p_sim.places import furnishings as f
from diff2i2p_sim.places import public as p
from diff2i2p_sim.places import seating
from diff2i2p_sim.places.chamber import Built, Chamber, gather
from diff2i2p_sim.places.decoration import PUBLIC, decorate
from diff2i2p_sim.places.layout import add_entrance, add_windows, make_chambers
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import moved
from diff2i2p_sim.places.structure import add_lamps, enclose


def build_hall(rng: np.random.Generator) -> Built:
    """One large room, 3.5 to 8 m high."""
    look = Look.of(rng)
    width, depth, height = rng.uniform(9, 18), rng.uniform(7, 13), look.between(3.5, 8.0)
    (hall,) = make_chambers(look, [(np.zeros(2), np.array([width, depth]))], ["hall"], height)
    for _ in range(3):
        add_entrance(hall)
    add_windows(hall, 0.5)
    enclose(hall, look.choose("flat", "panels", "ducts", "beams"))
    add_lamps(hall, look.choose("tube", "disc", "panel", "pendant"), most=6)
    _pillars(hall)
    if look.chance(0.7):
        _gallery(hall)
    hall.line(3, (p.counter, p.machine, p.bench), 0.7)
    _fill(hall, int(hall.area / 6))
    decorate(hall, PUBLIC, 1.0)
    return gather([hall])


def _pillars(hall: Chamber) -> None:
    """On a grid, all alike."""
    look = hall.look
    if look.chance(0.2):
        return
    piece, pitch = p.pillar(look, hall.room.height), look.between(3.0, 5.5)
    nx, ny = np.maximum((hall.size / pitch).astype(int), 1)
    off = 0.5 + look.choose(-1, 1) * look.rng.uniform(
        0.12, 0.25, 2
    )  # light is baked from the middles
    for i in range(nx):
        for j in range(ny):
            x, y = hall.room.low + hall.size * ((i + off[0]) / nx, (j + off[1]) / ny)
            hall.at(piece, x, y, look.choose(0, np.pi / 2), 0.3)


def _gallery(hall: Chamber) -> None:
    """A platform along the north wall with a railing, and a flight of stairs up to it."""
    look, (wide, _) = hall.look, hall.size
    rise, depth = min(look.between(2.3, 3.2), hall.room.height - 1.0), look.between(1.4, 2.4)
    (x0, _), (x1, y1) = hall.room.low, hall.room.high
    flight = p.stairs(look, rise)
    low, high = flight.bounds[:, :2]
    span = high - low
    x = look.between(x0 + span[0] / 2 + 0.1, x1 - span[0] / 2 - 0.1)
    y = y1 - depth - high[1] - 0.02
    if not hall.at(flight, x, y, 0.0, 0.0):
        return
    hall.taken[-1] = np.stack([hall.taken[-1][0] - [0.2, 0.8], hall.taken[-1][1] + [0.2, 0]])
    slab = box((x0 + x1) / 2, y1 - depth / 2, rise - 0.2, wide, depth, 0.2, look.wall())
    hall.add("gallery", [slab])
    for start, end in ((x0, x - span[0] / 2), (x + span[0] / 2, x1)):
        if end - start > 0.3:
            hall.add("railing", moved(p.railing(look, end - start), start, y1 - depth + 0.05, rise))


def _fill(hall: Chamber, count: int) -> None:
    """Some kinds of furniture only, so that a hall has a use."""
    order = hall.look.rng.permutation(len(LOOSE))
    hall.scatter(count, [LOOSE[k] for k in order[:7]], 0.45, square=0.8)
    hall.line(count // 3, WALLS)


LOOSE = (
    *(p.bench, p.stand, p.planter, p.vitrine, p.rope_line, f.low_table),
    *(seating.armchair, seating.sofa, f.house_plant, f.heap, f.bin, seating.chair),
)
WALLS = (p.bench, p.machine, p.planter, seating.sofa, f.sideboard, f.bin)
