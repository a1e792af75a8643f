# SPDX-License-Identifier: Apache-2.0
"""Furniture of homes: seats, tables, beds, cupboards, shelves; every piece of its own size."""

import numpy as np

from diff2i2p_sim.description import Texture
from diff2i2p_sim.office.primitives import DARK, box, cylinder, front, metal, picture, plain, sheet
from diff2i2p_sim.places import clutter
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import Parts, Piece, ball, frame, moved, rod, turned


def table(look: Look, kinds: list, width: float, depth: float, height: float, things: int) -> Piece:
    """A table, round or not, with things upon it."""
    wood = look.timber()
    if look.chance(0.2):
        r = 0.5 * min(width, depth) + 0.1
        parts = [
            cylinder(0, 0, height - 0.03, r, 0.03, wood),
            cylinder(0, 0, 0, 0.05, height, metal()),
        ]
        parts.append(cylinder(0, 0, 0, 0.55 * r, 0.03, metal()))
        width = depth = 1.4 * r
    else:
        legs = frame(
            width - 0.06,
            depth - 0.06,
            height - 0.03,
            look.between(0.03, 0.09),
            look.choose(wood, look.trim),
        )
        parts = [box(0, 0, height - 0.03, width, depth, 0.03, wood), *legs]
    if look.chance(0.25):
        parts.append(sheet(0, 0, height + 0.003, 0.7 * width, 0.6 * depth, look.cloth()))
    return Piece("table", parts, clutter.strewn(look, kinds, width, depth, height, things))


def dining_table(look: Look) -> Piece:
    return table(
        look,
        clutter.KITCHEN,
        look.between(0.8, 2.0),
        look.between(0.7, 1.0),
        0.75,
        int(look.rng.integers(1, 16)),
    )


def low_table(look: Look) -> Piece:
    return table(
        look,
        clutter.LIVING,
        look.between(0.5, 1.3),
        look.between(0.4, 0.8),
        look.between(0.3, 0.5),
        int(look.rng.integers(1, 11)),
    )


def desk(look: Look, screens: int = 1, width: float | None = None, depth: float | None = None) -> Piece:
    """A work place with up to that many screens; of any size unless told."""
    width, depth = width or look.between(1.0, 1.8), depth or look.between(0.55, 0.85)
    piece = table(look, clutter.OFFICE, width, depth, 0.74, int(look.rng.integers(2, 14)))
    if screens and look.chance(0.8):
        for k in range(int(look.rng.integers(1, screens + 1))):
            piece.parts.extend(
                clutter.monitor(look.rng, 0.6 * k - 0.2, 0.12, 0.74, look.between(-0.4, 0.4))
            )
        keys = box(0, -0.15, 0.74, 0.42, 0.14, 0.02, Texture("keyboard", 0, DARK))
        piece.parts.append(keys)
    if look.chance(0.5):
        side = look.choose(-1, 1)
        piece.parts.append(box(side * 0.35, 0, 0.05, 0.4, 0.5, 0.55, look.shade()))
        piece.parts.append(
            front(
                side * 0.35, -0.253, 0.32, 0.39, 0.54, picture("drawers", look.rng, look.colour())
            )
        )
    return Piece("desk", piece.parts, piece.things)


def chair(look: Look) -> Piece:
    """Four legs or a swivel foot, with or without arms, back towards +y."""
    w, h, seat = look.between(0.4, 0.52), look.between(0.42, 0.48), look.seat
    back, lean = look.between(0.3, 0.6), look.between(-0.25, 0.0)
    parts = [box(0, 0, h, w, w, look.between(0.03, 0.09), seat)]
    if look.chance(0.3):
        bars = [
            box(x, w / 2, h, 0.04, 0.03, back + 0.1, look.wood, roll=lean)
            for x in np.linspace(-w / 2.3, w / 2.3, 4)
        ]
        parts += [*bars, box(0, w / 2 + 0.02, h + back, w, 0.03, 0.08, look.wood, roll=lean)]
    else:
        parts.append(box(0, w / 2, h + 0.1, 0.95 * w, 0.05, back, seat, roll=lean))
    if look.chance(0.35):
        parts += [cylinder(0, 0, 0.06, 0.03, h - 0.06, metal())]
        parts += [
            box(0, 0, 0.03, 0.6, 0.06, 0.04, plain(DARK), angle) for angle in (0.2, 1.25, 2.3)
        ]
    else:
        legs = look.choose(metal(), look.wood)
        parts += [
            rod((x * 1.1, y * 1.1, 0), (x, y, h), 0.02, legs)
            for x in (-w / 2.4, w / 2.4)
            for y in (-w / 2.4, w / 2.4)
        ]
    if look.chance(0.3):
        parts += [box(x, 0, h + 0.2, 0.05, 0.8 * w, 0.03, look.trim) for x in (-w / 2, w / 2)]
        parts += [box(x, -0.1, h, 0.03, 0.04, 0.2, look.trim) for x in (-w / 2, w / 2)]
    return Piece("chair", parts, movable=True)


def stool(look: Look) -> Piece:
    r, h = look.between(0.14, 0.2), look.between(0.42, 0.8)
    legs = [
        rod((1.2 * x, 1.2 * y, 0), (0.7 * x, 0.7 * y, h), 0.015, metal())
        for x in (-r, r)
        for y in (-r, r)
    ]
    return Piece("chair", [cylinder(0, 0, h, r, 0.05, look.seat), *legs], movable=True)


def armchair(look: Look) -> Piece:
    return _upholstered(look, look.between(0.7, 0.95), 1)


def sofa(look: Look) -> Piece:
    seats = int(look.rng.integers(2, 5))
    return _upholstered(look, 0.3 + seats * look.between(0.5, 0.75), seats)


def _upholstered(look: Look, width: float, seats: int) -> Piece:
    """A sofa with seat and back cushions, arms, pillows, a blanket."""
    depth, h, back, cloth = (
        look.between(0.75, 1.0),
        look.between(0.22, 0.34),
        look.between(0.3, 0.55),
        look.cloth(),
    )
    arm = look.between(0.08, 0.22)
    parts = [
        box(0, 0, 0.06, width, depth, h - 0.06, cloth),
        box(0, depth / 2 - 0.1, h, width, 0.2, back, cloth, roll=-0.08),
    ]
    parts += [
        box(s * (width - arm) / 2, -0.02, h, arm, depth - 0.05, look.between(0.12, 0.3), cloth)
        for s in (-1, 1)
    ]
    wide = (width - 2 * arm) / seats
    for k in range(seats):
        x = (k + 0.5) * wide - (width - 2 * arm) / 2
        parts.append(box(x, -0.1, h, wide - 0.015, depth - 0.25, look.between(0.1, 0.18), cloth))
        if look.chance(0.7):
            parts.append(
                box(x, depth / 2 - 0.27, h + 0.13, wide - 0.02, 0.14, 0.8 * back, cloth, roll=-0.2)
            )
    things = []
    for _ in range(int(look.rng.integers(0, seats + 2))):
        x, size = look.rng.uniform(-0.4, 0.4) * width, look.between(0.3, 0.5)
        pillow = turned(
            [box(0, 0, 0, size, 0.12, size, look.cloth())],
            roll=-0.4,
            pitch=look.rng.uniform(-0.5, 0.5),
        )
        things.append(moved(pillow, x, 0.05, h + 0.18))
    if look.chance(0.4):
        blanket = [
            box(
                look.rng.uniform(-0.3, 0.3) * width,
                depth / 2 - 0.1,
                h + 0.05,
                0.5,
                0.26,
                back,
                look.cloth(),
                roll=-0.08,
            )
        ]
        things.append(blanket)
    return Piece("sofa", parts, things)


def bed(look: Look) -> Piece:
    """With headboard, mattress, blanket, pillows."""
    w, long, h = look.choose(0.9, 1.4, 1.6, 1.8), look.between(1.95, 2.1), look.between(0.2, 0.4)
    wood, cloth = look.timber(), look.cloth()
    parts = [
        box(0, 0, 0.06, w + 0.06, long + 0.04, h - 0.06, wood),
        box(0, 0, h, w, long, 0.2, plain((0.9, 0.9, 0.88))),
    ]
    parts.append(
        box(
            0,
            long / 2 + 0.03,
            0,
            w + 0.06,
            0.05,
            look.between(0.7, 1.2),
            look.choose(wood, look.cloth()),
        )
    )
    parts.append(
        box(
            0, -0.18 * long, h + 0.16, w + 0.08, 0.64 * long, 0.09, cloth, look.between(-0.05, 0.05)
        )
    )
    things = []
    for x in np.linspace(-w / 2 + 0.4, w / 2 - 0.4, 1 if w < 1.2 else 2):
        pillow = box(
            0,
            0,
            0,
            0.66,
            0.42,
            0.14,
            look.cloth(),
            look.rng.uniform(-0.3, 0.3),
            roll=look.rng.uniform(0.0, 0.5),
        )
        things.append([pillow.moved(x, long / 2 - 0.26, h + 0.2, 0)])
    if look.chance(0.5):
        lump = turned(
            [box(0, 0, 0, 0.7, 0.5, 0.16, look.cloth())],
            *look.rng.uniform(-0.2, 0.2, 2),
            look.rng.uniform(0, 3),
        )
        things.append(moved(lump, 0, -0.3, h + 0.26))
    return Piece("bed", parts, things)


def cupboard(look: Look, kinds: list, width: float, depth: float, height: float) -> Piece:
    """Doors and drawers, as pictures or with relief, and things on top."""
    body, face = look.choose(look.timber(), plain(look.cabinet), look.shade()), -depth / 2
    parts = [
        box(0, 0, 0.06, width, depth, height - 0.06, body),
        box(0, 0.02, 0, width - 0.04, depth - 0.06, 0.06, plain(DARK)),
    ]
    columns, rows = (
        max(1, round(width / look.between(0.35, 0.6))),
        max(1, round(height / look.between(0.3, 1.4))),
    )
    w, h = (width - 0.02) / columns, (height - 0.08) / rows
    style = look.choose("flat", "relief", "picture")
    for k in range(columns):
        for j in range(rows):
            x, z = (k + 0.5) * w - width / 2 + 0.01, 0.07 + j * h
            if style == "picture":
                name = "drawers" if h < 0.5 else look.choose("cabinet", "locker")
                parts.append(
                    front(
                        x,
                        face - 0.004,
                        z + h / 2,
                        w - 0.01,
                        h - 0.01,
                        picture(name, look.rng, body.colour),
                    )
                )
                continue
            parts.append(
                box(
                    x,
                    face - 0.01,
                    z,
                    w - 0.012,
                    0.02,
                    h - 0.012,
                    look.choose(body, body, look.shade()),
                )
            )
            if style == "relief":
                parts.append(
                    box(x, face - 0.025, z + 0.05, w - 0.12, 0.012, max(h - 0.12, 0.02), body)
                )
            parts.append(
                box(
                    x + look.choose(-0.35, 0.0, 0.35) * w,
                    face - 0.04,
                    z + 0.45 * h,
                    0.1,
                    0.02,
                    0.015,
                    metal(),
                )
            )
    high = height > 1.6
    things = clutter.strewn(
        look,
        kinds,
        width,
        depth,
        height,
        int(look.rng.integers(0, 4 if high else 4 + int(9 * width))),
    )
    return Piece("cupboard", parts, things)


def sideboard(look: Look) -> Piece:
    return cupboard(
        look,
        clutter.LIVING,
        look.between(0.6, 2.0),
        look.between(0.32, 0.5),
        look.between(0.45, 1.1),
    )


def wardrobe(look: Look) -> Piece:
    return cupboard(
        look,
        [clutter.case, clutter.basket, clutter.bag],
        look.between(0.8, 2.2),
        look.between(0.5, 0.65),
        look.between(1.7, 2.3),
    )


def nightstand(look: Look) -> Piece:
    return cupboard(look, clutter.BEDROOM, look.between(0.35, 0.5), 0.38, look.between(0.4, 0.6))


def shelves(look: Look, kinds: list, width: float, depth: float, height: float) -> Piece:
    """Open shelves full of things; some compartments packed with books, some empty."""
    wood, levels = (
        look.choose(look.timber(), metal(), look.shade()),
        max(2, round(height / look.between(0.28, 0.5))),
    )
    pitch = (height - 0.05) / levels
    parts = [box(s * (width / 2 - 0.012), 0, 0, 0.024, depth, height, wood) for s in (-1, 1)]
    if look.chance(0.6):
        parts.append(
            box(
                0,
                depth / 2 - 0.006,
                0,
                width - 0.03,
                0.012,
                height,
                look.choose(wood, plain((0.9, 0.9, 0.88))),
            )
        )
    parts += [
        box(0, 0, 0.03 + k * pitch, width - 0.03, depth - 0.01, 0.022, wood)
        for k in range(levels + 1)
    ]
    things: list[Parts] = []
    for k in range(levels):
        z, room = 0.053 + k * pitch, pitch - 0.022
        style = look.rng.random()
        if style < 0.3:
            wide, high = (
                look.rng.uniform(0.4, 0.95) * width,
                min(room - 0.02, look.between(0.2, 0.32)),
            )
            rest = picture(look.choose("books", "binders"), look.rng)
            parts.append(
                box(
                    look.choose(-1, 1) * (width - 0.06 - wide) / 2,
                    0.02,
                    z,
                    wide,
                    depth - 0.1,
                    high,
                    rest,
                )
            )
        elif style < 0.9:
            things += clutter.row(look, kinds, width - 0.06, depth, z, room)
    return Piece("shelves", parts, things)


def bookcase(look: Look) -> Piece:
    kinds = [clutter.books, clutter.books, *clutter.LIVING]
    return shelves(
        look, kinds, look.between(0.5, 1.4), look.between(0.24, 0.4), look.between(0.7, 2.2)
    )


def television(look: Look) -> Piece:
    """A large screen on a low board."""
    board = cupboard(look, clutter.LIVING, look.between(1.1, 1.9), 0.42, look.between(0.3, 0.55))
    w = look.between(0.7, 1.3)
    z = board.bounds[1, 2] + 0.03
    screen = [
        box(0, 0.02, z, w, 0.05, 0.6 * w, plain(DARK)),
        front(0, -0.007, z + 0.3 * w, w - 0.03, 0.57 * w, picture("screen", look.rng)),
    ]
    return Piece("cupboard", [*board.parts, *screen], board.things[:2])


def floor_lamp(look: Look) -> Piece:
    h, r = look.between(1.2, 1.8), look.between(0.12, 0.25)
    lean = look.choose(0.0, look.between(0.1, 0.5))
    parts = [
        cylinder(0, 0, 0, 0.15, 0.02, metal()),
        rod((0, 0, 0.02), (lean, 0, h), 0.014, look.trim),
    ]
    return Piece("lamp", [*parts, cylinder(lean, 0, h - 0.05, r, 0.25, look.cloth())], movable=True)


def house_plant(look: Look) -> Piece:
    """A pot, stems and leaves, from knee to head high."""
    r, h, tall = look.between(0.1, 0.22), look.between(0.15, 0.4), look.between(0.4, 1.5)
    green = (look.between(0.12, 0.3), look.between(0.3, 0.52), look.between(0.1, 0.22))
    parts = [cylinder(0, 0, 0, r, h, look.shade())]
    for k in range(int(look.rng.integers(4, 9))):
        tip = look.rng.uniform([-0.3, -0.3, h + 0.4 * tall], [0.3, 0.3, h + tall])
        parts.append(rod((0, 0, h - 0.02), tip, 0.01, plain((0.3, 0.3, 0.14))))
        for share in (0.6, 0.8, 1.0):
            at = share * tip + (1 - share) * np.array([0, 0, h])
            leaf = Texture("foliage", k % 4, green)
            yaw, pitch = look.rng.uniform(0, 6.28), look.rng.uniform(-1.1, 0.6)
            parts.append(
                box(*at, look.between(0.12, 0.4), look.between(0.04, 0.14), 0.005, leaf, yaw, pitch)
            )
    return Piece("plant", parts, movable=True)


def rug(look: Look) -> Piece:
    w, d = look.between(1.0, 2.6), look.between(0.8, 1.8)
    texture = look.choose(picture("rug", look.rng), look.cloth())
    return Piece("rug", [box(0, 0, 0, w, d, 0.012, texture)])


def beanbag(look: Look) -> Piece:
    return Piece(
        "beanbag", ball(0, 0, -0.08, look.between(0.3, 0.42), look.cloth(), 5), movable=True
    )


def heap(look: Look) -> Piece:
    """Boxes, bags and baskets on the floor."""
    build = look.choose(
        clutter.bag, clutter.case, clutter.basket, clutter.scrap, clutter.toy, clutter.laundry
    )
    parts = build(look)
    if look.chance(0.4):
        top = Piece("", parts).bounds[1, 2]
        parts = [*parts, *moved(clutter.case(look), 0, 0, top)]
    return Piece("boxes", parts, movable=True)


def bin(look: Look) -> Piece:
    r, h = look.between(0.12, 0.2), look.between(0.25, 0.65)
    return Piece(
        "bin",
        [cylinder(0, 0, 0, r, h, look.shade()), cylinder(0, 0, h, r + 0.01, 0.03, look.shade())],
        movable=True,
    )
