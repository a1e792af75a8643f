# SPDX-License-Identifier: Apache-2.0
"""Tables, cupboards, shelves, lamps and plants; every piece of its own size."""

import numpy as np

from diff2i2p_sim.description import Texture
from diff2i2p_sim.office.furniture import monitor
from diff2i2p_sim.office.primitives import DARK, box, cylinder, front, metal, picture, plain, sheet
from diff2i2p_sim.places import clutter
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import Parts, Piece, frame, moved, rod


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


def desk(
    look: Look, screens: int = 1, width: float | None = None, depth: float | None = None
) -> Piece:
    """A work place with up to that many screens; of any size unless told."""
    width, depth = width or look.between(1.0, 1.8), depth or look.between(0.55, 0.85)
    piece = table(look, clutter.OFFICE, width, depth, 0.74, int(look.rng.integers(2, 14)))
    if screens and look.chance(0.8):
        for k in range(int(look.rng.integers(1, screens + 1))):
            piece.parts.extend(
                monitor(look.rng, 0.6 * k - 0.2, 0.12, 0.74, look.between(-0.4, 0.4))
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
