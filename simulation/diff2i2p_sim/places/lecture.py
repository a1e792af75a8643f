# SPDX-License-Identifier: Apache-2.0
"""Lecture rooms: rows of desks and seats, level or in tiers, before a board."""

import numpy as np

from diff2i2p_sim.office.primitives import DARK, box, front, metal, picture, plain
from diff2i2p_sim.places import clutter, seating
from diff2i2p_sim.places import furnishings as f
from diff2i2p_sim.places import public as p
from diff2i2p_sim.places.chamber import Built, Chamber, gather
from diff2i2p_sim.places.decoration import OFFICE, decorate
from diff2i2p_sim.places.layout import add_entrance, add_windows, make_chambers
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import Parts, Piece, moved
from diff2i2p_sim.places.structure import add_lamps, enclose

STAGE = 2.6  # metres of free floor before the first row


def build_lecture(rng: np.random.Generator) -> Built:
    """One room of 50 to 130 square metres; the board hangs at the south wall."""
    look = Look.of(rng)
    width, depth, height = rng.uniform(6, 11), rng.uniform(7.5, 12), look.between(2.8, 5.0)
    (room,) = make_chambers(look, [(np.zeros(2), np.array([width, depth]))], ["lecture"], height)
    add_entrance(room)
    add_windows(room, 0.6)
    enclose(room, look.choose("panels", "flat", "ducts", "beams"))
    add_lamps(room, look.choose("panel", "tube", "disc"), most=6)
    _boards(room)
    _rows(room)
    for build in (lectern, f.desk):
        x0, y0 = room.room.low
        at = look.between(x0 + 1.2, x0 + width - 1.4), y0 + look.between(0.9, STAGE - 0.6)
        room.at(build(look), *at, np.pi + look.rng.normal(0, 0.2), 0.1)
    room.line(6, (f.sideboard, f.house_plant, p.stand, f.bin, seating.chair, f.bookcase), 0.3)
    decorate(room, OFFICE, 1.0)
    return gather([room])


def _boards(room: Chamber) -> None:
    """Boards side by side and perhaps a screen let down before them."""
    look, side = room.look, room.sides["s"]
    w, z = look.between(1.4, 2.4), look.between(0.8, 1.0)
    ground = look.choose(plain((0.1, 0.22, 0.17)), plain((0.12, 0.12, 0.13)), None)
    for at in np.arange(-side.length / 2 + w / 2 + 0.3, side.length / 2 - w / 2 - 0.3, w + 0.05):
        if not side.free(at, w):
            continue
        side.take(at, w)
        face = ground or picture("whiteboard", look.rng)
        parts = [
            box(0, -0.03, z, w, 0.05, 1.2, look.trim),
            front(0, -0.058, z + 0.6, w - 0.08, 1.1, face),
        ]
        parts.append(box(0, -0.08, z - 0.02, w, 0.1, 0.02, look.trim))
        room.add("board", side.place(parts, at))
    if look.chance(0.6):
        wide = look.between(1.8, 2.6)
        image = picture(look.choose("screen", "poster"), look.rng)
        sheet = [
            front(0, -0.2, 1.9, wide, 0.6 * wide, image),
            box(0, -0.16, 1.9 + 0.3 * wide, wide + 0.2, 0.1, 0.1, plain(DARK)),
        ]
        room.add("screen", side.place(sheet, look.between(-0.2, 0.2) * side.length))


def _rows(room: Chamber) -> None:
    """Rows from the stage to the back wall, an aisle in the middle or at the sides."""
    look, width = room.look, room.size[0]
    (x0, y0), (_, y1) = room.room.low, room.room.high
    pitch, step = look.between(0.9, 1.3), look.choose(0.0, 0.0, look.between(0.1, 0.3))
    blocks = look.choose(
        [(0.0, width - 2.2)], [(-width / 4, width / 2 - 1.1), (width / 4, width / 2 - 1.1)]
    )
    tier = look.floor()
    for k, y in enumerate(np.arange(y0 + STAGE, y1 - 1.0, pitch)):
        rise = round(k * step, 3)
        if step:
            slab = box(
                x0 + width / 2, y + pitch / 2 - 0.3, 0, width - 1.6, pitch, rise + 0.001, tier
            )
            room.add("tier", [slab])
        for middle, long in blocks:
            piece = seat_row(look, long).moved(x0 + width / 2 + middle, y, rise, np.pi)
            room.put(piece)
            low, high = piece.bounds[:, :2]
            room.taken.append(np.stack([low, high]))


def seat_row(look: Look, long: float) -> Piece:
    """A long desk with fixed seats or loose chairs behind it, seen from the front at -y."""
    long, d, h = max(long, 1.2), look.between(0.35, 0.55), look.between(0.7, 0.76)
    parts: Parts = [box(0, 0, h - 0.03, long, d, 0.03, look.wood)]
    if look.chance(0.6):
        parts.append(box(0, -d / 2 + 0.02, 0.1, long, 0.025, h - 0.15, look.wood))
    parts += [
        box(x, 0, 0, 0.05, d - 0.05, h - 0.03, metal())
        for x in np.linspace(-long / 2 + 0.05, long / 2 - 0.05, 3)
    ]
    chair = seating.chair(look)
    for k in range(int(long / 0.62)):
        x = (k + 0.5) * 0.62 - int(long / 0.62) * 0.31
        if look.chance(0.85):
            parts += moved(
                moved(chair.parts, 0, 0, 0, look.rng.normal(0, 0.15)),
                x,
                d / 2 + look.between(0.1, 0.35),
            )
    things = clutter.strewn(look, clutter.OFFICE, long, d, h, int(look.rng.integers(0, 6)))
    return Piece("row", parts, things)


def lectern(look: Look) -> Piece:
    w, h = look.between(0.5, 0.8), look.between(0.95, 1.15)
    parts = [
        box(0, 0, 0, w, 0.45, h, look.timber()),
        box(0, -0.02, h, w + 0.05, 0.55, 0.03, look.wood, roll=-0.25),
    ]
    return Piece(
        "lectern",
        parts,
        [moved(clutter.notebook(look), 0, 0, h + 0.08)] if look.chance(0.5) else [],
    )
