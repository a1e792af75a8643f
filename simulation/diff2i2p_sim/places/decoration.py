# SPDX-License-Identifier: Apache-2.0
"""What hangs on walls and lies on floors: pictures, shelves, clocks, boards, cables, rugs."""

from collections.abc import Callable

from diff2i2p_sim.office.primitives import DARK, WHITE, box, cylinder, front, picture, plain
from diff2i2p_sim.office.wall_objects import coats, corkboard, extinguisher, pegboard, whiteboard
from diff2i2p_sim.places import clutter
from diff2i2p_sim.places.chamber import Chamber
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import Parts, moved, rod

Hanging = tuple[str, Parts, float]  # kind, parts around a point of the wall, width


def framed(look: Look) -> Hanging:
    """One picture of any size, in a frame or without."""
    w, z = look.between(0.2, 1.3), look.between(1.2, 1.8)
    h = w * look.choose(0.6, 0.75, 1.0, 1.33)
    h = min(h, 1.2)
    image = picture(
        look.choose("poster", "poster", "mural", "blotches", "rug"), look.rng, look.colour()
    )
    if look.chance(0.4):
        return "poster", [front(0, -0.004, z, w, h, image)], w
    body = box(
        0,
        -0.015,
        z - h / 2 - 0.03,
        w + 0.06,
        0.03,
        h + 0.06,
        look.choose(look.timber(), look.shade()),
    )
    return "picture", [body, front(0, -0.033, z, w, h, image)], w + 0.06


def gallery(look: Look) -> Hanging:
    """Several small pictures side by side."""
    parts, x = [], 0.0
    for _ in range(int(look.rng.integers(2, 6))):
        w, h, z = look.between(0.14, 0.4), look.between(0.14, 0.45), look.between(1.3, 1.7)
        parts += [box(x + w / 2, -0.01, z - h / 2 - 0.02, w + 0.04, 0.02, h + 0.04, look.shade())]
        parts += [front(x + w / 2, -0.023, z, w, h, picture("poster", look.rng))]
        x += w + 0.1
    return "picture", moved(parts, -x / 2, 0), x


def wall_shelf(look: Look) -> Hanging:
    w, d = look.between(0.5, 1.4), look.between(0.16, 0.3)
    z, parts, board = look.between(1.2, 1.6), [], look.timber()
    for level in range(int(look.rng.integers(1, 4))):
        at = z + 0.34 * level
        parts.append(box(0, -d / 2, at, w, d, 0.025, board))
        for thing in clutter.row(look, clutter.LIVING, w, d, at + 0.025, 0.3):
            parts += moved(thing, 0, -d / 2)
    return "wallshelf", parts, w + 0.02


def clock(look: Look) -> Hanging:
    size, z = look.between(0.18, 0.4), look.between(1.7, 2.1)
    face = front(0, -0.043, z + size / 2, size - 0.02, size - 0.02, picture("clock", look.rng))
    return "clock", [box(0, -0.02, z, size, 0.04, size, look.shade()), face], size


def mirror(look: Look) -> Hanging:
    w, h = look.between(0.3, 0.8), look.between(0.4, 1.2)
    z = look.between(1.0, 1.3)
    glass = front(0, -0.023, z + h / 2, w - 0.06, h - 0.06, picture("pane", look.rng))
    return "mirror", [box(0, -0.01, z, w, 0.02, h, look.shade()), glass], w


def panel(look: Look) -> Hanging:
    """A fuse box or a thermostat with its cable duct."""
    w, h, z = look.between(0.1, 0.5), look.between(0.1, 0.6), look.between(1.2, 1.6)
    return (
        "panel",
        [
            box(0, -0.05, z, w, 0.1, h, look.choose(plain(WHITE), look.shade())),
            box(0, -0.01, z + h, 0.03, 0.02, 2.3 - z - h, plain(WHITE)),
        ],
        w,
    )


def screen(look: Look) -> Hanging:
    w, z = look.between(0.6, 1.5), look.between(1.1, 1.5)
    face = front(0, -0.063, z + 0.29 * w, w - 0.03, 0.55 * w, picture("screen", look.rng))
    return "television", [box(0, -0.03, z, w, 0.06, 0.58 * w, plain(DARK)), face], w


def cloth(look: Look) -> Hanging:
    """A hanging, a flag, a towel."""
    w, h = look.between(0.3, 1.6), look.between(0.4, 1.4)
    z = look.between(1.7, 2.1)
    rail = rod((-w / 2, -0.04, z), (w / 2, -0.04, z), 0.012, look.trim)
    return "cloth", [rail, box(0, -0.03, z - h, w - 0.04, 0.015, h, look.cloth())], w


def pipes(look: Look) -> Hanging:
    """Pipes from floor to head height and on."""
    r, count = look.between(0.015, 0.06), int(look.rng.integers(1, 4))
    texture = look.choose(plain(WHITE), look.shade())
    parts = [cylinder(0.1 * k, -0.06, 0, r, look.between(1.8, 2.2), texture) for k in range(count)]
    return "pipe", parts, 0.1 * count + 0.1


HOME = [framed, framed, framed, gallery, gallery, wall_shelf, clock, mirror, cloth, coats, panel]
OFFICE = [framed, framed, whiteboard, corkboard, wall_shelf, clock, screen, coats, panel]
WORK = [
    framed,
    pegboard,
    pegboard,
    wall_shelf,
    panel,
    pipes,
    extinguisher,
    clock,
    whiteboard,
    coats,
]
PUBLIC = [framed, framed, framed, gallery, extinguisher, panel, screen, clock, cloth, pipes]


def decorate(
    chamber: Chamber, choices: list[Callable[[Look], Hanging]], density: float = 1.0
) -> None:
    """Hang things on all walls, about `density` on every two metres, and switches by the doors."""
    look = chamber.look
    for _ in range(int(density * look.rng.uniform(0.2, 1.0) * chamber.size.sum())):
        chamber.hang(*look.choose(*choices)(look))
    for side in chamber.sides.values():
        for gap in side.openings:
            at = gap.at + gap.width / 2 + 0.2
            if gap.kind != "window" and at < side.length / 2 - 0.05:
                switch = box(0, -0.008, 1.05, 0.08, 0.016, look.choose(0.08, 0.16), plain(WHITE))
                chamber.add("switch", side.place([switch], at))
