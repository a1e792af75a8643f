# SPDX-License-Identifier: Apache-2.0
"""What stands in streets and parks: cars, trees, hedges, lamps, signs, bicycles, fences."""

import numpy as np

from diff2i2p_sim.description import Texture
from diff2i2p_sim.office.primitives import DARK, WHITE, box, cylinder, front, metal, picture, plain
from diff2i2p_sim.places import clutter
from diff2i2p_sim.places import furnishings as f
from diff2i2p_sim.places.palette import Look, material
from diff2i2p_sim.places.public import railing
from diff2i2p_sim.places.solids import Parts, Piece, ball, moved, rod, turned

GLASS = Texture("plain", 1, (0.12, 0.14, 0.17), 0.3)


def car(look: Look) -> Piece:
    """A coarse car along x, or a van."""
    van = look.chance(0.25)
    long, w, belt = look.between(3.6, 4.9), look.between(1.65, 1.85), look.between(0.55, 0.7)
    roof, paint = (
        (2.0, look.shade())
        if van
        else (look.between(1.38, 1.6), material(look.rng, "metal", look.colour()))
    )
    parts = [box(0, 0, 0.22, long, w, belt, paint), *_wheels(0.3 * long, w)]
    z, cabin = 0.22 + belt, (0.85 if van else look.between(0.45, 0.6)) * long
    parts.append(box(-0.05 * long, 0, z, cabin, 0.86 * w, roof - z, paint if van else GLASS))
    parts.append(box(-0.05 * long, 0, roof, 0.9 * cabin, 0.84 * w, 0.04, paint))
    for side in (-1, 1):
        slope = box(0, 0, 0, 0.04, 0.84 * w, (roof - z) * 1.1, GLASS)
        parts += moved(
            turned([slope], pitch=-side * 0.5), -0.05 * long + side * (cabin / 2 + 0.12), 0, z
        )
        parts.append(
            box(
                side * long / 2, 0, 0.4, 0.06, 0.7 * w, 0.12, look.choose(plain(WHITE), plain(DARK))
            )
        )
        parts += [
            box(
                side * long / 2,
                s * 0.38 * w,
                0.55,
                0.05,
                0.25,
                0.14,
                plain((0.8, 0.3, 0.2) if side < 0 else WHITE),
            )
            for s in (-1, 1)
        ]
    return Piece("car", parts, movable=True)


def _wheels(x: float, w: float) -> Parts:
    wheel = turned(
        [cylinder(0, 0, -0.1, 0.31, 0.2, plain(DARK)), cylinder(0, 0, -0.11, 0.18, 0.22, metal())],
        roll=np.pi / 2,
    )
    return [
        part
        for i in (-x, x)
        for j in (-w / 2 + 0.05, w / 2 - 0.05)
        for part in moved(wheel, i, j, 0.31)
    ]


def tree(look: Look) -> Piece:
    """A trunk that forks, and a crown of clumps."""
    trunk, r, crown = look.between(1.8, 3.2), look.between(0.08, 0.25), look.between(1.0, 2.4)
    bark = material(look.rng, "bark", (0.36, 0.28, 0.2))
    leaves = material(
        look.rng,
        "crown",
        (look.between(0.15, 0.5), look.between(0.3, 0.5), look.between(0.08, 0.2)),
    )
    parts: Parts = [rod((0, 0, 0), (look.between(-0.15, 0.15), 0, trunk), r, bark)]
    bare = look.chance(0.2)
    for _ in range(int(look.rng.integers(12, 24))):
        direction = look.rng.normal(0, 1, 3)
        tip = np.array([0, 0, trunk + crown]) + direction / np.linalg.norm(
            direction
        ) * crown * look.rng.uniform(0.3, 1.0)
        if bare or look.chance(0.3):
            parts.append(rod((0, 0, trunk - 0.1), tip, 0.25 * r, bark))
        if not bare:
            size = look.rng.uniform(0.2, 0.55, 3) * crown
            parts += moved(
                turned([box(0, 0, -size[2] / 2, *size, leaves)], *look.rng.uniform(-1, 1, 3)), *tip
            )
    return Piece("tree", parts)


def hedge(look: Look) -> Piece:
    long, h, d = look.between(1.5, 6.0), look.between(0.6, 2.0), look.between(0.4, 0.9)
    leaves = material(look.rng, "crown", (0.2, look.between(0.3, 0.45), 0.14))
    parts = [box(0, 0, 0, long, d, h, leaves)]
    for x in np.arange(-long / 2, long / 2, 0.5):
        size = look.rng.uniform([0.3, 0.2, 0.2], [0.7, 0.5, 0.5])
        parts += moved(
            turned([box(0, 0, 0, *size, leaves)], *look.rng.uniform(-0.5, 0.5, 3)),
            x,
            look.rng.choice([-1, 1]) * d / 2,
            look.rng.uniform(0, h - 0.2),
        )
    return Piece("hedge", parts)


def street_lamp(look: Look) -> Piece:
    h, arm = look.between(3.5, 6.5), look.between(0.0, 1.4)
    parts = [cylinder(0, 0, 0, 0.07, h, metal()), cylinder(0, 0, 0, 0.12, 0.9, look.trim)]
    parts += [
        rod((0, 0, h), (0, -arm, h + 0.1), 0.04, metal()),
        box(0, -arm - 0.2, h + 0.02, 0.25, 0.5, 0.12, look.trim),
    ]
    return Piece(
        "pole",
        [
            *parts,
            box(0, -arm - 0.2, h + 0.01, 0.18, 0.4, 0.01, Texture("lamp", 0, (1.0, 1.0, 1.0))),
        ],
    )


def sign(look: Look) -> Piece:
    """A traffic sign, a name, a board with adverts."""
    h, w = look.between(2.0, 2.8), look.between(0.4, 0.7)
    face = picture(look.choose("sign", "poster", "exit_sign", "label"), look.rng, look.colour())
    plate = [
        box(0, -0.05, h - w, w, 0.02, w, metal()),
        front(0, -0.064, h - w / 2, w - 0.03, w - 0.03, face),
    ]
    if look.chance(0.4):
        plate = turned(
            [
                cylinder(0, 0, 0, w / 2, 0.02, look.shade()),
                cylinder(0, 0, 0.02, w / 2.6, 0.004, look.shade()),
            ],
            roll=np.pi / 2,
        )
        plate = moved(plate, 0, -0.05, h - w / 2)
    return Piece("pole", [cylinder(0, 0, 0, 0.03, h, metal()), *plate])


def bicycle(look: Look) -> Piece:
    """Two wheels and a frame, leaning a little."""
    paint = look.shade()
    wheel = turned([cylinder(0, 0, -0.015, 0.33, 0.03, plain(DARK))], roll=np.pi / 2)
    parts = [part for x in (-0.52, 0.52) for part in moved(wheel, x, 0, 0.33)]
    corners = {
        "seat": (-0.2, 0, 0.85),
        "head": (0.38, 0, 0.85),
        "crank": (-0.08, 0, 0.3),
        "rear": (-0.52, 0, 0.33),
        "fork": (0.52, 0, 0.33),
    }
    for a, b in (
        ("seat", "head"),
        ("seat", "crank"),
        ("head", "crank"),
        ("rear", "crank"),
        ("rear", "seat"),
        ("head", "fork"),
    ):
        parts.append(rod(corners[a], corners[b], 0.018, paint))
    parts += [
        box(-0.22, 0, 0.9, 0.26, 0.14, 0.06, plain(DARK)),
        rod((0.36, -0.25, 1.0), (0.36, 0.25, 1.0), 0.014, metal()),
    ]
    return Piece("bicycle", turned(parts, roll=look.between(-0.15, 0.15)), movable=True)


def bollards(look: Look) -> Piece:
    r, h, texture = look.between(0.05, 0.12), look.between(0.6, 1.0), look.shade()
    return Piece(
        "bollards",
        [cylinder(x, 0, 0, r, h, texture) for x in np.arange(int(look.rng.integers(1, 5))) * 1.3],
    )


def container(look: Look) -> Piece:
    """Dust bins on wheels side by side, or a skip."""
    parts: Parts = []
    for k in range(int(look.rng.integers(1, 5))):
        texture = look.shade()
        parts += [
            box(0.65 * k, 0, 0.06, 0.56, 0.6, 0.95, texture),
            box(0.65 * k, 0, 1.0, 0.6, 0.68, 0.08, texture, roll=0.1),
        ]
    return Piece("bin", parts, movable=True)


def cafe_table(look: Look) -> Piece:
    """A table under a parasol."""
    table = f.table(look, clutter.KITCHEN, 0.7, 0.7, 0.74, 4)
    shade = look.cloth()
    parasol = [
        cylinder(0, 0, 0, 0.025, 2.4, metal()),
        cylinder(0, 0, 2.15, 1.3, 0.06, shade),
        cylinder(0, 0, 2.21, 0.8, 0.12, shade),
    ]
    return Piece("table", [*table.parts, *(parasol if look.chance(0.6) else [])], table.things)


def fence(look: Look, long: float) -> Piece:
    """Railings, boards or a low wall."""
    if look.chance(0.4):
        return Piece("fence", moved(railing(look, long), -long / 2, 0))
    if look.chance(0.5):
        h, boards = look.between(0.9, 1.9), look.timber()
        return Piece(
            "fence",
            [
                box(x, 0, 0.05, 0.14, 0.025, h, boards)
                for x in np.arange(-long / 2 + 0.1, long / 2, 0.3)
            ],
        )
    return Piece("fence", [box(0, 0, 0, long, 0.3, look.between(0.4, 1.6), look.wall())])


def shelter(look: Look) -> Piece:
    """A bus stop: posts, a roof, side walls, a bench."""
    w, d = look.between(2.4, 4.0), 1.4
    parts: Parts = [
        box(x, y, 0, 0.08, 0.08, 2.3, look.trim) for x in (-w / 2, w / 2) for y in (-d / 2, d / 2)
    ]
    parts += [
        box(0, 0, 2.3, w + 0.3, d + 0.3, 0.1, look.trim),
        box(0, d / 2 - 0.2, 0.42, w - 0.6, 0.35, 0.05, look.wood),
    ]
    parts.append(box(w / 2, 0, 0.3, 0.06, d - 0.2, 1.8, picture("poster", look.rng)))
    return Piece("shelter", parts)


def boulder(look: Look) -> Piece:
    return Piece(
        "boulder",
        ball(
            0, 0, -0.1, look.between(0.2, 0.5), material(look.rng, "granite", (0.5, 0.5, 0.48)), 4
        ),
    )
