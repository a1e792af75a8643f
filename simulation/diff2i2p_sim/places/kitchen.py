# SPDX-License-Identifier: Apache-2.0
"""Kitchens: counters along the walls, appliances, cupboards above, everything full of things."""

import numpy as np

from diff2i2p_sim.office.primitives import (
    DARK,
    STEEL,
    WHITE,
    box,
    cylinder,
    front,
    metal,
    picture,
    plain,
)
from diff2i2p_sim.places import clutter
from diff2i2p_sim.places.chamber import Chamber, footprint
from diff2i2p_sim.places.palette import Look, material
from diff2i2p_sim.places.solids import Parts, Piece, frame, moved, rod, tray, turned

UNIT = (0.4, 0.62)  # metres, width of a unit


def counter_run(look: Look, width: float) -> Piece:
    """Base units under a worktop `width` metres long, and what hangs above; things everywhere."""
    depth, top, body = look.between(0.55, 0.66), look.between(0.84, 0.94), plain(look.cabinet)
    count = max(1, round(width / look.between(*UNIT)))
    unit = width / count
    parts: Parts = [
        box(0, 0.02, 0, width, depth - 0.08, 0.1, plain(DARK)),
        box(0, 0, 0.1, width, depth, top - 0.14, body),
        box(0, 0, top - 0.04, width + 0.01, depth + 0.03, 0.04, look.stone()),
    ]
    things: list[Parts] = []
    sink, hob = look.rng.permutation(count)[:2] if count > 1 else (0, -1)
    handle = look.choose("bar", "knob", "none")
    for k in range(count):
        x = (k + 0.5) * unit - width / 2
        parts += moved(_base_front(look, unit, top, handle, look.chance(0.2)), x, -depth / 2)
        if k == sink:
            parts += moved(_sink(look, min(unit, 0.5)), x, 0, top)
        elif k == hob:
            parts += moved(_hob(look, min(unit, 0.58)), x, 0, top)
            if look.chance(0.6):
                things.append(moved(clutter.pan(look), x, 0, top + 0.02))
        else:
            kinds = clutter.KITCHEN if look.chance(0.9) else [clutter.basket]
            upon = clutter.strewn(
                look, kinds, unit, depth - 0.1, top, int(look.rng.integers(1, 11))
            )
            things += [moved(thing, x, 0) for thing in upon]
    upper, more = _above(look, width, depth, top)
    return Piece("counter", [*parts, *upper], [*things, *more])


def _base_front(look: Look, unit: float, top: float, handle: str, open_front: bool) -> Parts:
    """The face of one unit: drawers, a door, or an oven or dish washer."""
    face, h = look.choose(plain(look.cabinet), plain(look.cabinet), look.wood), top - 0.18
    if look.chance(0.15):
        appliance = picture("appliance", look.rng, look.choose(STEEL, WHITE, DARK))
        bar = rod((-0.4 * unit, -0.05, top - 0.2), (0.4 * unit, -0.05, top - 0.2), 0.012, metal())
        return [
            box(0, -0.01, 0.12, unit - 0.02, 0.03, h, plain(DARK)),
            front(0, -0.028, 0.12 + h / 2, unit - 0.03, h - 0.02, appliance),
            bar,
        ]
    rows = look.choose(1, 1, 2, 3, 4)
    parts = []
    for j in range(rows):
        z = 0.12 + j * h / rows
        parts.append(box(0, -0.01, z, unit - 0.012, 0.022, h / rows - 0.012, face))
        if handle == "bar":
            parts.append(box(0, -0.035, z + h / rows - 0.07, 0.6 * unit, 0.02, 0.014, metal()))
        elif handle == "knob":
            parts.append(
                box(
                    0.35 * unit * (rows == 1),
                    -0.035,
                    z + h / rows - 0.08,
                    0.03,
                    0.03,
                    0.03,
                    metal(),
                )
            )
    return parts


def _sink(look: Look, width: float) -> Parts:
    """A basin let in from above, and a tap."""
    basin = moved(tray(width - 0.04, 0.4, 0.02, 0.02, metal()), 0, -0.03)
    h = look.between(0.15, 0.35)
    tap = [
        cylinder(0, 0.22, 0, 0.018, h, metal()),
        rod((0, 0.22, h), (0, 0.04, h - 0.02), 0.013, metal()),
    ]
    return [*basin, *tap, box(0, -0.03, 0.002, width - 0.1, 0.34, 0.004, plain(DARK))]


def _hob(look: Look, width: float) -> Parts:
    plate = box(0, 0, 0, width, 0.5, 0.012, plain(DARK))
    rings = [
        cylinder(x, y, 0.012, 0.08, 0.01, metal((0.3, 0.3, 0.32)))
        for x in (-width / 4, width / 4)
        for y in (-0.12, 0.12)
    ]
    return [plate, *rings]


def _above(look: Look, width: float, depth: float, top: float) -> tuple[Parts, list[Parts]]:
    """Tiles on the wall, then cupboards, a hood or open boards; the counter ends at +depth / 2."""
    back = depth / 2
    tiles = material(
        look.rng, look.choose("tiles", "mosaic", "checker", "plain", "marble"), look.colour()
    )
    high = look.between(0.45, 0.65)
    parts: Parts = [box(0, back - 0.006, top, width, 0.01, high, tiles)]
    things: list[Parts] = []
    if look.chance(0.15):
        return parts, things
    x = -width / 2
    while x < width / 2 - 0.3:
        wide = min(look.between(0.4, 0.95), width / 2 - x)
        middle, z = x + wide / 2, top + high
        style = look.rng.random()
        if style < 0.5:
            parts += moved(_wall_cupboard(look, wide), middle, back - 0.17, z)
        elif style < 0.62:
            parts += moved(_hood(look, min(wide, 0.7)), middle, back - 0.25, z + 0.05)
        elif style < 0.9:
            for level in range(int(look.rng.integers(1, 4))):
                at = z + 0.3 * level
                parts.append(box(middle, back - 0.13, at, wide, 0.26, 0.022, look.wood))
                row = clutter.row(look, clutter.KITCHEN, wide - 0.02, 0.25, at + 0.022, 0.28)
                things += [moved(thing, middle, back - 0.13) for thing in row]
        else:
            parts.append(
                rod((x, back - 0.05, z - 0.1), (x + wide, back - 0.05, z - 0.1), 0.01, metal())
            )
            for hook in np.arange(x + 0.06, x + wide, 0.12):
                long = look.between(0.12, 0.28)
                parts.append(
                    box(
                        hook,
                        back - 0.06,
                        z - 0.1 - long,
                        look.between(0.02, 0.09),
                        0.015,
                        long,
                        look.choose(metal(), look.shade()),
                    )
                )
        x += wide
    return parts, things


def _wall_cupboard(look: Look, width: float) -> Parts:
    h, body = look.between(0.5, 0.8), plain(look.cabinet)
    doors = 1 if width < 0.5 else 2
    parts = [box(0, 0, 0, width, 0.33, h, body)]
    for k in range(doors):
        x = (k + 0.5) * width / doors - width / 2
        parts.append(
            box(
                x,
                -0.175,
                0.004,
                width / doors - 0.01,
                0.02,
                h - 0.008,
                look.choose(body, body, look.wood),
            )
        )
        parts.append(box(x + 0.3 * width / doors, -0.195, 0.05, 0.02, 0.02, 0.12, metal()))
    return parts


def _hood(look: Look, width: float) -> Parts:
    steel = look.choose(metal(), metal(), plain(DARK))
    return [
        box(0, 0, 0, width, 0.48, 0.07, steel),
        box(0, 0.05, 0.07, 0.6 * width, 0.3, 0.12, steel),
        box(0, 0.1, 0.19, 0.25, 0.22, 0.6, steel),
    ]


def fridge(look: Look) -> Piece:
    """Alone or with a freezer, with notes, and boxes on top."""
    w, d, h = look.between(0.54, 0.9), look.between(0.56, 0.7), look.between(0.85, 2.0)
    colour = look.choose(WHITE, STEEL, look.colour(), DARK)
    parts = [
        box(0, 0, 0, w, d, h, plain(colour)),
        box(0, -d / 2 - 0.012, 0.04, w - 0.01, 0.03, 0.6 * h, plain(colour)),
    ]
    parts.append(
        box(0, -d / 2 - 0.012, 0.6 * h + 0.06, w - 0.01, 0.03, 0.38 * h - 0.05, plain(colour))
    )
    parts += [
        box(0.4 * w, -d / 2 - 0.05, z, 0.03, 0.03, 0.24, metal())
        for z in (0.6 * h - 0.28, 0.6 * h + 0.1)
    ]
    if look.chance(0.6):
        parts.append(
            front(
                0,
                -d / 2 - 0.03,
                0.3 * h + 0.04,
                0.8 * w,
                0.5 * h,
                picture("fridge", look.rng, colour),
            )
        )
    things = clutter.strewn(
        look,
        [clutter.case, clutter.carton, clutter.basket, clutter.roll],
        w,
        d,
        h,
        int(look.rng.integers(0, 5)),
    )
    return Piece("fridge", parts, things)


def cooker(look: Look) -> Piece:
    w, h = look.between(0.5, 0.75), 0.87
    parts = [
        box(0, 0, 0, w, 0.6, h, look.choose(plain(WHITE), metal())),
        *moved(_hob(look, w - 0.04), 0, 0, h),
    ]
    parts.append(front(0, -0.304, 0.42, w - 0.04, 0.6, picture("appliance", look.rng, STEEL)))
    parts.append(rod((-0.4 * w, -0.34, 0.72), (0.4 * w, -0.34, 0.72), 0.012, metal()))
    return Piece(
        "cooker", parts, [moved(clutter.pan(look), 0.1, 0.1, h + 0.02)] if look.chance(0.7) else []
    )


def washer(look: Look) -> Piece:
    door = [cylinder(0, 0, 0, 0.17, 0.03, plain(DARK)), cylinder(0, 0, 0.03, 0.13, 0.02, metal())]
    parts = [
        box(0, 0, 0, 0.6, 0.58, 0.85, plain(WHITE)),
        *moved(turned(door, roll=np.pi / 2), 0, -0.29, 0.42),
    ]
    parts.append(front(0, -0.293, 0.78, 0.58, 0.1, picture("label", look.rng, WHITE)))
    return Piece("washer", parts, clutter.strewn(look, clutter.KITCHEN, 0.6, 0.5, 0.85, 3))


def island(look: Look) -> Piece:
    """A counter that stands free, or a bar with an overhang."""
    w, d, h = look.between(0.9, 2.2), look.between(0.6, 1.0), look.between(0.85, 1.1)
    parts = [
        box(0, 0.08, 0, w - 0.1, d - 0.2, h - 0.05, plain(look.cabinet)),
        box(0, 0, h - 0.05, w, d, 0.05, look.stone()),
    ]
    return Piece(
        "counter",
        parts,
        clutter.strewn(look, clutter.KITCHEN, w, d, h, int(look.rng.integers(1, 12))),
    )


def trolley(look: Look) -> Piece:
    w, d, h = look.between(0.4, 0.7), look.between(0.35, 0.5), look.between(0.75, 0.95)
    texture = look.choose(metal(), look.timber())
    boards = [box(0, 0, z, w, d, 0.02, texture) for z in (0.12, 0.45, h - 0.02)]
    things = [
        thing
        for z in (0.14, 0.47, h)
        for thing in clutter.strewn(look, clutter.KITCHEN, w, d, z, 3)
    ]
    return Piece("trolley", [*frame(w, d, h, 0.03, texture), *boards], things)


def fit_counters(chamber: Chamber) -> None:
    """Counters along one to three walls, between the doors."""
    look = chamber.look
    names = [
        str(name) for name in look.rng.permutation(list("nesw"))[: int(look.rng.integers(2, 5))]
    ]
    for name in names:
        side = chamber.sides[name]
        for low, high in _stretches(chamber, name):
            width = min(high - low, look.between(1.8, 5.0))
            if width > 0.9:
                at = look.choose(low + width / 2, high - width / 2)
                piece = counter_run(look, round(width - 0.02, 3))
                if chamber.fits(footprint(side, at, width - 0.04, 1.1)):
                    chamber.place(piece, side, at, 0.0, 0.55)


def _stretches(chamber: Chamber, name: str) -> list[tuple[float, float]]:
    """Parts of a wall that have neither door nor window, by local x."""
    side = chamber.sides[name]
    edges = sorted([(-9e9, -side.length / 2 + 0.02), *side.taken, (side.length / 2 - 0.02, 9e9)])
    free, start = [], edges[0][1]
    for low, high in edges[1:]:
        if low - start > 0.7:
            free.append((start, low))
        start = max(start, high)
    return free
