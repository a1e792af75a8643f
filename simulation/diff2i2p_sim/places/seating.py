# SPDX-License-Identifier: Apache-2.0
"""Chairs, sofas and beds; every piece of its own size."""

import numpy as np

from diff2i2p_sim.office.primitives import DARK, box, cylinder, metal, plain
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import Piece, ball, moved, rod, turned


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


def beanbag(look: Look) -> Piece:
    return Piece(
        "beanbag", ball(0, 0, -0.08, look.between(0.3, 0.42), look.cloth(), 5), movable=True
    )
