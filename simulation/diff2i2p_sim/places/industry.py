# SPDX-License-Identifier: Apache-2.0
"""What stands in stores and workshops: racks, pallets, drums, benches, machines."""

import numpy as np

from diff2i2p_sim.description import Texture
from diff2i2p_sim.office.primitives import DARK, box, cylinder, front, metal, picture, plain
from diff2i2p_sim.places import clutter
from diff2i2p_sim.places import furnishings as f
from diff2i2p_sim.places.palette import WOODS, Look, material, near
from diff2i2p_sim.places.solids import Parts, Piece, frame, moved, rod, tray, turned


def pallet_rack(look: Look, long: float, high: float) -> Piece:
    """Uprights, beams, and on each level pallets with boxes."""
    upright, beam, d = look.trim, look.choose(plain((0.85, 0.4, 0.1)), look.shade()), 0.9
    parts: Parts = [
        box(x, y, 0, 0.08, 0.08, high, upright)
        for x in (-long / 2, long / 2)
        for y in (-d / 2, d / 2)
    ]
    things: list[Parts] = []
    levels = np.arange(0.1, high - 0.5, look.between(0.9, 1.5))
    for z in levels:
        parts += [box(0, y, z, long, 0.05, 0.1, beam) for y in (-d / 2, d / 2)]
        parts.append(
            box(0, 0, z + 0.08, long - 0.1, d - 0.1, 0.02, look.choose(metal(), look.wood))
        )
        x = -long / 2 + 0.1
        while x < long / 2 - 0.5:
            load, wide = _load(look, 0.75)
            if x + wide < long / 2:
                things.append(moved(load, x + wide / 2, 0, z + 0.1))
            x += wide + look.between(0.02, 0.4)
    return Piece("rack", parts, things)


def _load(look: Look, high: float) -> tuple[Parts, float]:
    """A box, a stack of boxes, a drum or a crate, and its width."""
    style, w, d, h = (
        look.rng.random(),
        look.between(0.3, 0.9),
        look.between(0.4, 0.8),
        look.between(0.2, high),
    )
    carton = (
        picture("cardboard", look.rng)
        if look.chance(0.25)
        else _CARDBOARD[look.rng.integers(len(_CARDBOARD))]
    )
    if style < 0.5:
        return [
            box(
                0, 0, 0, w, d, h, look.choose(carton, carton, look.shade()), look.between(-0.1, 0.1)
            )
        ], w
    if style < 0.75:
        parts = [
            box(
                (i - 0.5) * w / 2,
                0,
                j * h / 2,
                w / 2.1,
                d,
                h / 2.05,
                carton,
                look.between(-0.06, 0.06),
            )
            for i in (0, 1)
            for j in (0, 1)
        ]
        return parts, w
    if style < 0.88:
        return tray(w, d, 0.6 * h, 0.02, look.shade()), w
    return [cylinder(0, 0, 0, 0.5 * min(w, d), h, look.shade())], w


_CARDBOARD = [Texture("cardboard", number) for number in range(6)]


def store_shelf(look: Look) -> Piece:
    """Steel shelves with boxes, tools and cans."""
    kinds = [clutter.case, clutter.case, clutter.carton, *clutter.WORKSHOP]
    return f.shelves(
        look, kinds, look.between(0.8, 1.6), look.between(0.35, 0.6), look.between(1.4, 2.2)
    )


def cabinet(look: Look) -> Piece:
    return f.cupboard(
        look,
        clutter.WORKSHOP,
        look.between(0.5, 1.2),
        look.between(0.4, 0.6),
        look.between(0.8, 2.0),
    )


def pallet(look: Look) -> Piece:
    """A pallet, empty or loaded."""
    wood, w, d = material(look.rng, "wood", near(look.rng, WOODS)), 0.8, 1.2
    parts: Parts = [box(x, 0, 0, 0.1, d, 0.1, wood) for x in (-0.35, 0, 0.35)]
    parts += [
        box(0, y, 0.1, w, 0.12, 0.025, wood) for y in np.linspace(-d / 2 + 0.06, d / 2 - 0.06, 5)
    ]
    if look.chance(0.85):
        for x, y in ((-0.2, -0.3), (0.2, -0.3), (-0.2, 0.3), (0.2, 0.3)):
            h, texture = (
                look.between(0.2, 1.0),
                look.choose(picture("cardboard", look.rng), look.shade()),
            )
            parts.append(box(x, y, 0.125, 0.38, 0.56, h, texture, look.between(-0.05, 0.05)))
    return Piece("pallet", parts, movable=True)


def drum(look: Look) -> Piece:
    r, h, texture = look.between(0.2, 0.32), look.between(0.5, 0.95), look.shade()
    rings = [cylinder(0, 0, z * h, r + 0.012, 0.02, texture) for z in (0.33, 0.66, 0.98)]
    return Piece("drum", [cylinder(0, 0, 0, r, h, texture), *rings], movable=True)


def cylinders(look: Look) -> Piece:
    """Gas bottles chained to the wall."""
    parts: Parts = []
    for k in range(int(look.rng.integers(1, 4))):
        texture = look.shade()
        parts += [
            cylinder(0.28 * k, 0, 0, 0.11, 1.3, texture),
            cylinder(0.28 * k, 0, 1.3, 0.06, 0.15, look.shade()),
        ]
    return Piece("bottles", parts)


def trolley(look: Look) -> Piece:
    """A hand cart with a load."""
    deck = [
        box(0, 0, 0.15, 0.6, 0.9, 0.03, look.shade()),
        rod((-0.25, 0.45, 0.15), (-0.25, 0.55, 1.0), 0.015, metal()),
    ]
    deck += [
        rod((0.25, 0.45, 0.15), (0.25, 0.55, 1.0), 0.015, metal()),
        rod((-0.25, 0.55, 1.0), (0.25, 0.55, 1.0), 0.015, metal()),
    ]
    wheel = turned([cylinder(0, 0, -0.02, 0.07, 0.04, plain(DARK))], pitch=np.pi / 2)
    for x in (-0.24, 0.24):
        for y in (-0.35, 0.35):
            deck += moved(wheel, x, y, 0.07)
    load = moved(_load(look, 0.6)[0], 0, 0, 0.18) if look.chance(0.7) else []
    return Piece("trolley", [*deck, *load], movable=True)


def ladder(look: Look) -> Piece:
    """A step ladder that stands open."""
    h, spread, texture = (
        look.between(1.0, 2.2),
        look.between(0.5, 0.9),
        look.choose(metal(), look.timber()),
    )
    parts: Parts = []
    for y in (-spread / 2, spread / 2):
        parts += [rod((x, y, 0), (0.7 * x, 0, h), 0.02, texture) for x in (-0.25, 0.25)]
    for share in np.arange(0.15, 0.95, 0.28 / h):
        parts.append(box(0, -spread / 2 * (1 - share), share * h, 0.44, 0.08, 0.025, texture))
    return Piece("ladder", parts, movable=True)


def workbench(look: Look) -> Piece:
    """A heavy bench with a vice, drawers, and tools all over it."""
    w, d, h, wood = (
        look.between(1.2, 2.4),
        look.between(0.6, 0.9),
        look.between(0.82, 0.95),
        look.timber(),
    )
    parts = [
        box(0, 0, h - 0.06, w, d, 0.06, wood),
        *frame(w, d, h - 0.06, 0.08, look.choose(wood, metal())),
    ]
    if look.chance(0.6):
        parts.append(box(0.25 * w, 0, 0.1, 0.4 * w, d - 0.1, h - 0.2, look.shade()))
        parts.append(
            front(
                0.25 * w,
                0.047 - d / 2,
                h / 2,
                0.38 * w,
                h - 0.24,
                picture("drawers", look.rng, look.colour()),
            )
        )
    vice = [
        box(0, 0, 0, 0.12, 0.2, 0.1, metal()),
        box(0, -0.14, 0.04, 0.16, 0.06, 0.1, metal()),
        rod((-0.1, -0.2, 0.06), (0.1, -0.2, 0.06), 0.008, metal()),
    ]
    parts += moved(vice, -0.35 * w, -d / 2 + 0.15, h)
    if look.chance(0.5):
        parts.append(
            box(0, d / 2 - 0.02, h, w, 0.03, look.between(0.5, 0.9), picture("pegboard", look.rng))
        )
    return Piece(
        "workbench",
        parts,
        clutter.strewn(look, clutter.WORKSHOP, w, d, h, int(look.rng.integers(3, 18))),
    )


def lathe(look: Look) -> Piece:
    """A machine: a bed, a head, a column or a chuck, a control panel on an arm."""
    w, d, h, texture = (
        look.between(0.8, 2.0),
        look.between(0.6, 1.0),
        look.between(0.7, 1.0),
        look.shade(),
    )
    parts = [box(0, 0, 0, w, 0.8 * d, h, texture), box(0, 0, h, 1.05 * w, d, 0.08, metal())]
    parts.append(box(-0.35 * w, 0, h + 0.08, 0.3 * w, 0.7 * d, look.between(0.3, 0.9), texture))
    chuck = turned([cylinder(0, 0, 0, 0.12, 0.1, metal())], pitch=np.pi / 2)
    parts += moved(chuck, -0.2 * w, 0, h + 0.3)
    parts.append(rod((-0.1 * w, 0, h + 0.3), (0.4 * w, 0, h + 0.3), 0.04, metal()))
    screen = [
        box(0, 0, 0, 0.35, 0.08, 0.3, look.shade()),
        front(0, -0.043, 0.15, 0.33, 0.28, picture("appliance", look.rng, look.colour())),
    ]
    parts += moved(screen, 0.4 * w, -d / 2, h + 0.4)
    parts.append(rod((0.4 * w, 0, h), (0.4 * w, -d / 2 + 0.05, h + 0.5), 0.025, metal()))
    return Piece("lathe", parts)
