# SPDX-License-Identifier: Apache-2.0
"""Offices unlike the standard one: open plan, lounges, tea kitchens, any height and palette."""

import numpy as np

from diff2i2p_sim.office import furniture as standard
from diff2i2p_sim.office.primitives import box
from diff2i2p_sim.places import clutter, seating
from diff2i2p_sim.places import furnishings as f
from diff2i2p_sim.places.chamber import Built, Chamber, gather
from diff2i2p_sim.places.decoration import OFFICE, decorate
from diff2i2p_sim.places.home import furnish_kitchen, furnish_living, seat_around, two_screens
from diff2i2p_sim.places.layout import add_entrance, add_windows, divide, make_chambers
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.public import pillar
from diff2i2p_sim.places.solids import Piece, moved
from diff2i2p_sim.places.structure import add_lamps, enclose

KINDS = ["open", "open", "lounge", "meeting", "kitchen", "cells"]


def build_office_place(rng: np.random.Generator) -> Built:
    """One to four rooms of different use, 25 to 120 square metres."""
    look, count = Look.of(rng), int(rng.integers(1, 5))
    area, stretch = rng.uniform(22, 38) * count**0.8, rng.uniform(0.7, 1.6)
    rooms = divide(rng, np.sqrt(area * stretch), np.sqrt(area / stretch), count)
    kinds = [str(kind) for kind in rng.permutation(KINDS)][:count]
    chambers = make_chambers(look, rooms, kinds, look.between(2.4, 4.0))
    add_entrance(chambers[0])
    for chamber in chambers:
        add_windows(chamber, 0.85)
        enclose(chamber, look.choose("panels", "panels", "flat", "ducts", "beams"))
        add_lamps(chamber, look.choose("panel", "tube", "tube", "pendant", "disc"), most=4)
        FURNISH[chamber.room.kind](chamber)
        decorate(chamber, OFFICE, 2.0)
    return gather(chambers)


def bench_of_desks(look: Look) -> Piece:
    """Two to six desks face to face, with screens between them and chairs pulled up."""
    columns, w, d = int(look.rng.integers(1, 4)), look.between(1.2, 1.6), look.between(0.65, 0.8)
    parts, things, divider = [], [], look.chance(0.6)
    for k in range(columns):
        x = (k - (columns - 1) / 2) * (w + 0.02)
        for yaw in (0.0, np.pi):
            place = f.desk(look, 2, w, d).moved(0, -d / 2 - 0.03)
            if look.chance(0.85):
                seat = moved(seating.chair(look).parts, 0, 0, 0, np.pi + look.rng.normal(0, 0.5))
                place.parts.extend(moved(seat, 0, -d - 0.3))
            place = place.moved(0, 0, 0, yaw).moved(x, 0)
            parts += place.parts
            things += place.things
        if divider:
            parts.append(box(x, 0, 0.72, w, 0.03, look.between(0.3, 0.5), look.cloth()))
    return Piece("desks", parts, things)


def partition(look: Look) -> Piece:
    w, h = look.between(1.0, 1.8), look.between(1.3, 1.8)
    feet = [box(s * w / 2.2, 0, 0, 0.05, 0.45, 0.04, look.trim) for s in (-1, 1)]
    return Piece("partition", [box(0, 0, 0.05, w, 0.05, h, look.cloth()), *feet], movable=True)


def copier(look: Look) -> Piece:
    return Piece("copier", standard.copier(look))


def rack(look: Look) -> Piece:
    return Piece("rack", standard.server_rack(look))


def moving_boxes(look: Look) -> Piece:
    return Piece("boxes", standard.boxes(look), movable=True)


def binders(look: Look) -> Piece:
    """A shelf full of binders and boxes."""
    kinds = [clutter.books, clutter.case, clutter.carton]
    return f.shelves(look, kinds, look.between(0.8, 1.6), 0.36, look.between(0.8, 2.2))


def _furnish_open(chamber: Chamber) -> None:
    if chamber.area > 40 and chamber.look.chance(0.6):
        chamber.float(pillar(chamber.look, chamber.room.height), 0.1)
    chamber.scatter(max(1, int(chamber.area / 12)), (bench_of_desks,), 0.35, square=1.0)
    chamber.line(int(chamber.area / 2), OPEN_WALLS)
    chamber.scatter(int(chamber.area / 5), OPEN_FLOOR, 0.25)


def _furnish_cells(chamber: Chamber) -> None:
    chamber.line(3, (two_screens,), 0.8)
    chamber.line(int(chamber.area / 2), CELL_WALLS)
    chamber.scatter(4, (seating.chair, seating.chair, f.heap), 0.15)


def _furnish_meeting(chamber: Chamber) -> None:
    look = chamber.look
    long = min(look.between(1.6, 3.4), max(chamber.size) - 1.8)
    things = int(look.rng.integers(2, 12))
    table = f.table(look, clutter.OFFICE, long, look.between(0.9, 1.3), 0.74, things)
    seat_around(chamber, table, int(look.rng.integers(4, 11)), seating.chair)
    chamber.line(int(chamber.area / 3), MEETING_WALLS)


OPEN_WALLS = (
    *(binders, f.bookcase, f.sideboard, f.desk, copier),
    *(f.house_plant, f.bin, moving_boxes, f.wardrobe),
)
OPEN_FLOOR = (partition, seating.chair, f.house_plant, f.heap, f.bin)
CELL_WALLS = (
    *(binders, f.bookcase, f.sideboard, rack),
    *(f.house_plant, f.bin, moving_boxes, seating.armchair),
)
MEETING_WALLS = (f.sideboard, f.house_plant, f.television, f.bookcase, f.floor_lamp, f.bin)
FURNISH = {
    "open": _furnish_open,
    "cells": _furnish_cells,
    "meeting": _furnish_meeting,
    "lounge": furnish_living,
    "kitchen": furnish_kitchen,
}
