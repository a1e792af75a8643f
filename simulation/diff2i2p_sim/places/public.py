# SPDX-License-Identifier: Apache-2.0
"""Furniture of public rooms: pillars, stairs, railings, counters, benches, stands, banners."""

import numpy as np

from diff2i2p_sim.office.primitives import DARK, box, cylinder, front, metal, picture, plain
from diff2i2p_sim.places import clutter
from diff2i2p_sim.places.palette import Look, material
from diff2i2p_sim.places.solids import Parts, Piece, moved, rod, turned


def pillar(look: Look, height: float) -> Piece:
    """Round or square, with a foot and a head."""
    r, texture = look.between(0.15, 0.45), look.wall()
    if look.chance(0.5):
        parts = [cylinder(0, 0, 0, r, height, texture)]
        if look.chance(0.6):
            parts += [cylinder(0, 0, z, 1.25 * r, 0.2, look.trim) for z in (0.0, height - 0.2)]
    else:
        parts = [box(0, 0, 0, 2 * r, 2 * r, height, texture)]
        if look.chance(0.6):
            parts += [box(0, 0, z, 2.3 * r, 2.3 * r, 0.2, look.trim) for z in (0.0, height - 0.2)]
    if look.chance(0.4):
        sign = front(0, 0, 1.5, min(1.4 * r, 0.6), 0.7, picture("poster", look.rng))
        parts += moved([sign], 0, -1.02 * r)
    return Piece("pillar", parts)


def railing(look: Look, length: float, style: str | None = None) -> Parts:
    """Along x from the origin: posts, a handrail, and "bars", "rails" or "panels"."""
    height, texture = 1.0, look.choose(metal(), look.trim)
    style = style or look.choose("bars", "rails", "panels")
    parts = [rod((0, 0, height), (length, 0, height), 0.025, look.choose(texture, look.wood))]
    parts += [
        cylinder(x, 0, 0, 0.025, height, texture)
        for x in np.linspace(0, length, max(2, int(length / 1.2) + 1))
    ]
    if style == "bars":
        parts += [
            cylinder(x, 0, 0.08, 0.008, height - 0.1, texture)
            for x in np.arange(0.12, length, 0.14)
        ]
    elif style == "rails":
        parts += [rod((0, 0, z), (length, 0, z), 0.012, texture) for z in (0.2, 0.4, 0.6, 0.8)]
    else:
        parts.append(box(length / 2, 0, 0.1, length - 0.1, 0.02, 0.75, look.shade()))
    return parts


def stairs(look: Look, rise: float) -> Piece:
    """A flight up along +y, `rise` metres high, with railings on both sides."""
    w, step, tread = look.between(1.2, 2.6), look.between(0.15, 0.18), look.between(0.26, 0.32)
    count, texture, open_risers = int(rise / step), look.floor(), look.chance(0.35)
    parts: Parts = []
    for k in range(count):
        bottom = (k + 1) * step - 0.05 if open_risers else 0.0
        parts.append(
            box(0, (k + 0.5) * tread, bottom, w, tread + 0.02, (k + 1) * step - bottom, texture)
        )
    slope = np.arctan2(step, tread)
    length = float(np.hypot(count * step, count * tread))
    for side in (-1, 1):
        rail = turned(railing(look, length), pitch=-slope, yaw=np.pi / 2)
        parts += moved(rail, side * (w / 2 - 0.04), 0, 0.05)
    if open_risers:
        beams = (
            rod((s * w / 2, 0, 0), (s * w / 2, count * tread, count * step), 0.06, look.trim)
            for s in (-1, 1)
        )
        parts += beams
    return Piece("stairs", moved(parts, 0, -count * tread / 2))


def counter(look: Look) -> Piece:
    """A reception desk with a raised front."""
    w, texture = look.between(1.6, 4.0), look.wall()
    parts = [
        box(0, 0, 0, w, 0.7, 0.75, look.timber()),
        box(0, -0.35, 0, w, 0.12, 1.1, texture),
        box(0, -0.33, 1.1, w + 0.1, 0.35, 0.04, look.stone()),
    ]
    if look.chance(0.6):
        parts.append(
            front(0, -0.413, 0.6, 0.5 * w, 0.4, picture("shopfront", look.rng, look.colour()))
        )
    things = clutter.strewn(look, clutter.OFFICE, w, 0.5, 0.75, 7)
    upon = clutter.strewn(look, clutter.LIVING, w, 0.3, 1.14, 3)
    return Piece("counter", parts, [*things, *(moved(thing, 0, -0.33) for thing in upon)])


def bench(look: Look) -> Piece:
    """A row of seats on a beam, or a plain bench."""
    count, seat = int(look.rng.integers(2, 6)), look.seat
    w = 0.56 * count
    parts = [
        box(0, 0, 0.3, w, 0.08, 0.06, metal()),
        *(box(x, 0, 0, 0.06, 0.5, 0.3, metal()) for x in (-w / 3, w / 3)),
    ]
    for k in range(count):
        x = (k + 0.5) * 0.56 - w / 2
        parts.append(box(x, 0, 0.38, 0.5, 0.48, 0.05, seat))
        if look.chance(0.9):
            parts.append(box(x, 0.24, 0.45, 0.5, 0.05, 0.42, seat, roll=-0.2))
    things = [moved(clutter.bag(look), 0.1, 0, 0.43)] if look.chance(0.4) else []
    return Piece("bench", parts, things)


def stand(look: Look) -> Piece:
    """A display: a board on feet, a pillar with a screen, a roll-up banner."""
    style, w, h = (
        look.choose("board", "totem", "banner"),
        look.between(0.6, 1.3),
        look.between(1.5, 2.1),
    )
    image = picture(look.choose("poster", "mural", "label", "screen"), look.rng, look.colour())
    if style == "board":
        legs = [box(s * w / 2, 0, 0, 0.05, 0.05, h, metal()) for s in (-1, 1)]
        feet = [box(s * w / 2, 0, 0, 0.06, 0.5, 0.04, metal()) for s in (-1, 1)]
        return Piece("stand", [*legs, *feet, box(0, 0, 0.5, w, 0.03, h - 0.5, image)], movable=True)
    deep = 0.25 if style == "totem" else 0.02
    parts = [
        box(0, 0, 0.04, 0.7 * w, deep, h, look.shade()),
        front(0, -deep / 2 - 0.003, h / 2 + 0.1, 0.66 * w, h - 0.3, image),
    ]
    return Piece("stand", [*parts, box(0, 0, 0, 0.75 * w, 0.35, 0.04, plain(DARK))], movable=True)


def planter(look: Look) -> Piece:
    """A trough with a hedge or a small tree."""
    w, d, h = look.between(0.5, 1.8), look.between(0.4, 0.7), look.between(0.4, 0.8)
    green = (look.between(0.15, 0.3), look.between(0.35, 0.5), 0.18)
    leaves = material(look.rng, "crown", green)
    parts = [box(0, 0, 0, w, d, h, look.stone())]
    if look.chance(0.5):
        parts += [rod((0, 0, h), (0.05, 0, h + 0.8), 0.04, plain((0.3, 0.22, 0.15)))]
    for _ in range(int(look.rng.integers(12, 26))):
        x, y, z = look.rng.uniform([-0.5 * w, -0.4 * d, h - 0.15], [0.5 * w, 0.4 * d, h + 0.7])
        size = look.rng.uniform(0.12, 0.4, 3)
        parts += moved(turned([box(0, 0, 0, *size, leaves)], *look.rng.uniform(-1, 1, 3)), x, y, z)
    return Piece("planter", parts)


def vitrine(look: Look) -> Piece:
    """A plinth or a table with exhibits."""
    w, h = look.between(0.4, 1.2), look.between(0.6, 1.1)
    parts = [box(0, 0, 0, w, w, h, look.wall())]
    kinds = [
        clutter.vase,
        clutter.machine,
        clutter.toy,
        clutter.bowl,
        clutter.pot_plant,
        clutter.speaker,
    ]
    return Piece("vitrine", parts, clutter.strewn(look, kinds, w, w, h, 3))


def rope_line(look: Look) -> Piece:
    """Posts with a belt between them."""
    count, pitch, belt = int(look.rng.integers(2, 5)), look.between(1.0, 1.8), look.shade()
    xs = (np.arange(count) - (count - 1) / 2) * pitch
    parts = [
        part
        for x in xs
        for part in (
            cylinder(x, 0, 0, 0.17, 0.03, metal()),
            cylinder(x, 0, 0.03, 0.03, 0.95, metal()),
        )
    ]
    parts += [
        box((a + b) / 2, 0, 0.88, pitch, 0.01, 0.06, belt)
        for a, b in zip(xs[:-1], xs[1:], strict=True)
    ]
    return Piece("ropes", parts, movable=True)


def machine(look: Look) -> Piece:
    """A vending or ticket machine."""
    w, d, h = look.between(0.6, 1.1), look.between(0.5, 0.9), look.between(1.5, 2.0)
    face = picture(look.choose("shopfront", "rack", "label"), look.rng, look.colour())
    return Piece(
        "machine",
        [
            box(0, 0, 0, w, d, h, look.shade()),
            front(0, -d / 2 - 0.004, h / 2 + 0.05, w - 0.08, h - 0.3, face),
        ],
    )
