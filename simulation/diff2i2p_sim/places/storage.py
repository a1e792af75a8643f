# SPDX-License-Identifier: Apache-2.0
"""Storage rooms, warehouses and workshops."""

import numpy as np

from diff2i2p_sim.places import furnishings as f
from diff2i2p_sim.places import seating
from diff2i2p_sim.places.chamber import Built, Chamber, gather
from diff2i2p_sim.places.decoration import WORK, decorate
from diff2i2p_sim.places.industry import (
    cabinet,
    cylinders,
    drum,
    ladder,
    lathe,
    pallet,
    pallet_rack,
    store_shelf,
    trolley,
    workbench,
)
from diff2i2p_sim.places.layout import add_entrance, add_windows, divide, make_chambers
from diff2i2p_sim.places.office import moving_boxes
from diff2i2p_sim.places.palette import Look, material
from diff2i2p_sim.places.structure import add_lamps, enclose

GROUNDS = ["concrete", "asphalt", "terrazzo", "tiles", "paving"]
SHEDS = ["concrete", "brick", "corrugated", "plaster", "paint", "chipboard"]


def build_storage(rng: np.random.Generator) -> Built:
    """A warehouse with aisles, or a store room packed to the ceiling."""
    look, large = Look.of(rng), rng.random() < 0.5
    area, height = (
        (rng.uniform(70, 150), look.between(3.5, 7.0))
        if large
        else (rng.uniform(10, 30), look.between(2.3, 3.2))
    )
    stretch = rng.uniform(0.7, 1.8)
    (room,) = make_chambers(
        look, [(np.zeros(2), np.sqrt(area * np.array([stretch, 1 / stretch])))], ["storage"], height
    )
    _shell(room)
    if large:
        _aisles(room)
    room.line(int(room.area / 2.5), STORE_WALLS, 0.25)
    room.scatter(int(room.area / 4), STORE_FLOOR, 0.3, square=0.7)
    decorate(room, WORK, 1.0)
    return gather([room])


def build_workshop(rng: np.random.Generator) -> Built:
    """Benches, machines and tools, perhaps with an office beside."""
    look, count = Look.of(rng), int(rng.integers(1, 3))
    area, stretch = rng.uniform(25, 70), rng.uniform(0.8, 1.5)
    rooms = divide(rng, np.sqrt(area * stretch), np.sqrt(area / stretch), count)
    chambers = make_chambers(look, rooms, ["workshop", "store"][:count], look.between(2.6, 4.5))
    for room in chambers:
        _shell(room)
        room.line(int(room.area / 2), WORK_WALLS, 0.5)
        room.scatter(int(room.area / 4), WORK_FLOOR, 0.35, square=0.8)
        decorate(room, WORK, 2.0)
    return gather(chambers)


def _shell(room: Chamber) -> None:
    look = room.look
    for _ in range(2):
        add_entrance(room)
    add_windows(room, 0.3)
    wall, floor = (
        material(look.rng, look.choose(*names), look.colour()) for names in (SHEDS, GROUNDS)
    )
    enclose(
        room,
        look.choose("ducts", "ducts", "flat", "beams"),
        wall if look.chance(0.7) else None,
        floor if look.chance(0.7) else None,
    )
    add_lamps(room, look.choose("tube", "tube", "pendant", "disc"), most=5)


def _aisles(room: Chamber) -> None:
    """Rows of high racks with aisles between them."""
    look, (wide, deep) = room.look, room.size
    pitch, long = look.between(2.4, 3.4), look.between(1.8, 2.8)
    (x0, y0), high = room.room.low, min(room.room.height - 0.4, look.between(2.4, 5.0))
    for y in np.arange(y0 + pitch, y0 + deep - 1.2, pitch):
        for x in np.arange(x0 + 1.6, x0 + wide - long - 1.0, long + 0.05):
            if look.chance(0.85):
                room.at(pallet_rack(look, long, high), x + long / 2, y, look.choose(0.0, np.pi))


STORE_WALLS = (store_shelf, store_shelf, moving_boxes, f.wardrobe, cabinet, cylinders, pallet)
STORE_FLOOR = (pallet, moving_boxes, drum, trolley, ladder, f.heap, f.bin)
WORK_WALLS = (workbench, workbench, lathe, cabinet, store_shelf, drum, cylinders, f.desk)
WORK_FLOOR = (
    *(workbench, lathe, pallet, trolley, ladder, drum),
    *(seating.stool, f.heap, seating.chair),
)
