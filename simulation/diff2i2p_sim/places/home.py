# SPDX-License-Identifier: Apache-2.0
"""Homes: living rooms, kitchens, bedrooms and what lies between them."""

import numpy as np

from diff2i2p_sim.places import furnishings as f
from diff2i2p_sim.places import seating
from diff2i2p_sim.places.chamber import Built, Chamber, gather
from diff2i2p_sim.places.decoration import HOME, decorate
from diff2i2p_sim.places.kitchen import cooker, fit_counters, fridge, island, trolley, washer
from diff2i2p_sim.places.layout import add_entrance, add_windows, divide, make_chambers
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import Piece
from diff2i2p_sim.places.structure import add_lamps, enclose

AREAS = {1: (11, 26), 2: (22, 42), 3: (36, 60)}  # square metres by number of rooms


def build_home(rng: np.random.Generator) -> Built:
    """One to three rooms, one of them a kitchen more often than not."""
    look, count = Look.of(rng), int(rng.choice([1, 2, 3], p=[0.35, 0.4, 0.25]))
    area, stretch = rng.uniform(*AREAS[count]), rng.uniform(0.75, 1.5)
    rooms = divide(rng, np.sqrt(area * stretch), np.sqrt(area / stretch), count)
    others = "kitchen" if rng.random() < 0.75 else "study"
    kinds = [str(kind) for kind in rng.permutation(["living", "bedroom", others])][:count]
    if count < 3 and "kitchen" not in kinds and rng.random() < 0.5:
        kinds[0] = "kitchen"
    chambers = make_chambers(look, rooms, kinds, look.between(2.3, 3.3))
    add_entrance(chambers[0])
    for chamber in chambers:
        add_windows(chamber)
        slope = chamber.room.height > 2.8 and look.chance(0.25)
        level = look.choose("flat", "flat", "flat", "beams", "panels")
        enclose(chamber, "slope" if slope else level)
        add_lamps(chamber, look.choose("pendant", "pendant", "disc", "panel", "tube"), most=3)
        FURNISH[chamber.room.kind](chamber)
        decorate(chamber, HOME, 2.0)
    return gather(chambers)


def seat_around(chamber: Chamber, table: Piece, chairs: int, build) -> None:
    """Put a table in the room, and chairs around it, more or less pushed in."""
    look = chamber.look
    if not chamber.float(table, 0.55):
        return
    area = chamber.taken.pop()
    middle, half = area.mean(0), (area[1] - area[0]) / 2 - 0.55
    for k in range(chairs):
        angle = 2 * np.pi * (k + look.rng.uniform(-0.2, 0.2)) / max(chairs, 1)
        towards = np.array([np.cos(angle), np.sin(angle)])
        reach = np.min(half / np.maximum(np.abs(towards), 1e-3)) + look.between(0.0, 0.3)
        x, y = middle + towards * reach
        yaw = np.arctan2(towards[1], towards[0]) - np.pi / 2 + look.rng.normal(0, 0.3)
        chamber.put(build(look).moved(x, y, 0, yaw))
    chamber.taken.append(area)


def furnish_living(chamber: Chamber) -> None:
    look = chamber.look
    if look.chance(0.6):
        x, y = chamber.room.centre
        chamber.put(f.rug(look).moved(x, y, 0, look.rng.uniform(-0.4, 0.4)))
    chamber.stand(seating.sofa(look), 0.6)
    chamber.line(2, (f.television, f.bookcase, f.sideboard))
    if look.chance(0.7):
        chamber.float(f.low_table(look), 0.25)
    chamber.line(int(chamber.area / 2), LIVING_WALLS)
    chamber.scatter(int(chamber.area / 3), LIVING_FLOOR)
    if chamber.area > 18:
        seat_around(chamber, f.dining_table(look), int(look.rng.integers(2, 7)), seating.chair)


def furnish_kitchen(chamber: Chamber) -> None:
    look = chamber.look
    fit_counters(chamber)
    chamber.stand(fridge(look), 0.5)
    chamber.line(int(chamber.area / 2), KITCHEN_WALLS)
    if chamber.area > 13 and look.chance(0.4):
        chamber.float(island(look), 0.5)
    seat = look.choose(seating.chair, seating.stool)
    seat_around(chamber, f.dining_table(look), int(look.rng.integers(1, 7)), seat)
    if chamber.area > 16 and look.chance(0.6):
        chamber.line(3, (seating.sofa, seating.armchair, f.bookcase))
    chamber.scatter(int(look.rng.integers(2, 8)), (f.heap, f.bin, seating.stool), 0.2)


def furnish_bedroom(chamber: Chamber) -> None:
    look = chamber.look
    chamber.stand(seating.bed(look), 0.4, tries=60)
    chamber.line(2, (f.nightstand,))
    chamber.line(int(chamber.area / 2), BEDROOM_WALLS)
    chamber.scatter(int(look.rng.integers(2, 8)), (f.heap, seating.stool, seating.beanbag), 0.2)


def furnish_study(chamber: Chamber) -> None:
    chamber.line(2, (two_screens,), 0.8)
    chamber.line(int(chamber.area / 2), STUDY_WALLS)
    chamber.scatter(4, (seating.chair, seating.chair, f.heap, seating.stool), 0.2)


def two_screens(look: Look) -> Piece:
    return f.desk(look, 2)


LIVING_WALLS = (
    seating.sofa,
    seating.armchair,
    f.bookcase,
    f.sideboard,
    f.house_plant,
    f.floor_lamp,
    f.desk,
)
LIVING_FLOOR = (
    seating.armchair,
    seating.beanbag,
    seating.stool,
    f.house_plant,
    f.heap,
    seating.chair,
)
KITCHEN_WALLS = (
    *(fridge, cooker, washer, trolley),
    *(f.bookcase, f.sideboard, f.bin, f.wardrobe, f.house_plant),
)
BEDROOM_WALLS = (
    *(f.wardrobe, f.wardrobe, f.sideboard, f.bookcase, f.desk),
    *(seating.chair, f.house_plant, f.floor_lamp),
)
STUDY_WALLS = (
    f.bookcase,
    f.bookcase,
    f.sideboard,
    seating.armchair,
    f.house_plant,
    f.floor_lamp,
    f.bin,
)
FURNISH = {
    "living": furnish_living,
    "kitchen": furnish_kitchen,
    "bedroom": furnish_bedroom,
    "study": furnish_study,
}
