# SPDX-License-Identifier: Apache-2.0
"""Furniture: primitives around the origin, back towards +y, front towards -y, standing on z = 0."""

import numpy as np

from diff2i2p_sim.description import Primitive, Texture
from diff2i2p_sim.office.primitives import (
    DARK,
    GREY,
    QUARTER,
    STEEL,
    WHITE,
    Style,
    box,
    cylinder,
    front,
    metal,
    pick,
    picture,
    plain,
    sheet,
)
from diff2i2p_sim.textures.pictures import hue

Parts = list[Primitive]


def random_paint(rng: np.random.Generator, strength: float = 0.7) -> Texture:
    return plain(tuple(round(float(channel), 3) for channel in hue(rng, strength)))


def mug(rng, x, y, z) -> Primitive:
    return cylinder(x, y, z, 0.04, 0.1, random_paint(rng))


def monitor(rng, x, y, z, yaw=0.0) -> Parts:
    """A 24-inch screen on its foot."""
    parts = [
        box(0, 0.02, 0, 0.24, 0.18, 0.015, plain(DARK)),
        box(0, 0.05, 0.015, 0.05, 0.03, 0.2, plain(DARK)),
        box(0, 0, 0.12, 0.56, 0.04, 0.35, plain(DARK)),
        front(0, -0.022, 0.3, 0.53, 0.31, picture("screen", rng)),
    ]
    return [part.moved(x, y, z, yaw) for part in parts]


def laptop(rng, x, y, z) -> Parts:
    lid = [
        box(x, y + 0.12, z + 0.02, 0.34, 0.012, 0.22, plain(DARK)),
        front(x, y + 0.112, z + 0.13, 0.32, 0.2, picture("screen", rng)),
    ]
    return [box(x, y, z, 0.34, 0.24, 0.02, plain(DARK)), *lid]


def papers(rng, count, width, depth, z) -> Parts:
    """A4 sheets strewn over a table of that size."""
    xy = rng.uniform(-0.4, 0.4, (count, 2)) * (width, depth)
    return [
        sheet(
            x, y, z + 0.003 + 0.002 * k, 0.21, 0.297, picture("paper", rng), rng.uniform(-0.6, 0.6)
        )
        for k, (x, y) in enumerate(xy)
    ]


def book_stack(rng, x, y, z) -> Parts:
    parts = []
    for thick in rng.uniform(0.02, 0.05, rng.integers(2, 5)):
        parts.append(box(x, y, z, 0.17, 0.24, thick, random_paint(rng), rng.uniform(-0.4, 0.4)))
        z += thick
    return parts


def pile(rng, count, z, low, high, spread=0.0) -> Parts:
    """Cardboard boxes on top of each other, edges between `low` and `high` (3,)."""
    parts, x = [], rng.uniform(-spread, spread)
    for _ in range(count):
        size = rng.uniform(low, high).round(3)
        parts.append(box(x, 0, z, *size, picture("cardboard", rng), rng.uniform(-0.25, 0.25)))
        z += size[2]
    return parts


def table(style, width, depth, height) -> Parts:
    top = box(0, 0, height - 0.03, width, depth, 0.03, style.wood)
    legs = [
        box(x * (width / 2 - 0.05), y * (depth / 2 - 0.05), 0, 0.05, 0.05, height - 0.03, metal())
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    return [top, *legs]


def desk(style: Style) -> Parts:
    """A work place, 1.4 m by 0.75 m."""
    rng, w, d, h = style.rng, 1.4, 0.75, 0.74
    side = rng.choice([-1, 1])
    parts = [*table(style, w, d, h), box(0, d / 2 - 0.03, 0.3, w - 0.14, 0.02, 0.4, plain(GREY))]
    parts.append(box(side * (w / 2 - 0.3), 0.02, 0.04, 0.42, 0.6, 0.56, plain(style.cabinet)))
    parts.append(
        front(
            side * (w / 2 - 0.3), -0.283, 0.32, 0.41, 0.55, picture("drawers", rng, style.cabinet)
        )
    )
    parts += monitor(rng, rng.uniform(-0.2, 0.1), 0.2, h, rng.uniform(-0.25, 0.25))
    if rng.random() < 0.4:
        parts += monitor(rng, -side * 0.5, 0.15, h, side * 0.4)
    parts += [
        box(-0.03, -0.12, h, 0.44, 0.14, 0.02, Texture("keyboard", 0, DARK)),
        box(0.28, -0.12, h, 0.06, 0.1, 0.03, plain(DARK)),
    ]
    parts += papers(rng, int(rng.integers(1, 5)), w, d, h)
    parts.append(mug(rng, -side * rng.uniform(0.35, 0.6), rng.uniform(-0.2, 0.0), h))
    if rng.random() < 0.6:
        parts += book_stack(rng, side * 0.56, 0.18, h)
    if rng.random() < 0.5:
        parts.append(box(-side * 0.5, 0.05, 0, 0.2, 0.45, 0.45, Texture("vent", 0, DARK)))
    return parts


def office_chair(style: Style) -> Parts:
    """Its back towards +y."""
    parts = [
        box(0, 0, 0.43, 0.48, 0.47, 0.07, style.seat),
        box(0, 0.24, 0.56, 0.44, 0.06, 0.5, style.seat, roll=-0.12),
    ]
    parts.append(cylinder(0, 0, 0.08, 0.03, 0.35, plain(DARK)))
    parts += [
        box(0, 0, 0.05, 0.58, 0.06, 0.04, plain(DARK), angle) for angle in (0.3, 0.3 + QUARTER)
    ]
    for side in (-0.27, 0.27):
        parts += [
            box(side, 0.02, 0.64, 0.05, 0.26, 0.03, plain(DARK)),
            box(side, 0.08, 0.46, 0.03, 0.05, 0.18, plain(DARK)),
        ]
    return parts


def visitor_chair(style: Style) -> Parts:
    parts = [
        box(0, 0, 0.43, 0.45, 0.45, 0.04, style.seat),
        box(0, 0.22, 0.5, 0.45, 0.03, 0.38, style.seat),
    ]
    for x in (-0.2, 0.2):
        parts += [
            box(x, y, 0, 0.03, 0.03, height, metal()) for y, height in ((-0.2, 0.43), (0.2, 0.85))
        ]
    return parts


def bookcase(style: Style, width: float = 0.9, height: float = 1.95) -> Parts:
    """Shelves with rows of books, binders, boxes and gaps."""
    depth, levels = 0.32, round(height / 0.38)
    pitch = (height - 0.065) / levels
    parts = [
        box(side * (width / 2 - 0.012), 0, 0, 0.024, depth, height, style.wood) for side in (-1, 1)
    ]
    parts.append(box(0, depth / 2 - 0.01, 0, width - 0.05, 0.012, height, style.wood))
    parts += [
        box(0, 0, 0.04 + level * pitch, width - 0.05, depth - 0.01, 0.024, style.wood)
        for level in range(levels + 1)
    ]
    for level in range(levels):
        parts += shelf_load(style.rng, width - 0.07, depth, 0.064 + level * pitch, pitch - 0.024)
    return parts


def shelf_load(rng, width, depth, z, room) -> Parts:
    """What stands on a board: `room` is the height up to the next one."""
    parts, x = [], -width / 2
    while x < width / 2 - 0.12:
        wide = min(rng.uniform(0.18, 0.62), width / 2 - x)
        kind, height = rng.random(), min(rng.uniform(0.2, 0.32), room - 0.02)
        middle = x + wide / 2
        if kind < 0.72:
            texture = picture("books" if kind < 0.5 else "binders", rng)
            parts.append(box(middle, 0.02, z, wide - 0.01, depth - 0.1, height, texture))
        elif kind < 0.87:
            parts.append(
                box(
                    middle,
                    0,
                    z,
                    min(wide, 0.36) - 0.02,
                    depth - 0.08,
                    height * 0.8,
                    picture("cardboard", rng),
                )
            )
        elif kind < 0.93:
            parts.append(cylinder(middle, 0, z, 0.06, 0.17, random_paint(rng)))
        x += wide
    return parts


def cupboard(style: Style, width: float = 0.85, height: float = 1.2) -> Parts:
    """A cabinet with boxes on top."""
    rng, depth = style.rng, 0.44
    kind = "locker" if height > 1.6 and rng.random() < 0.5 else "cabinet"
    doors = front(
        0,
        -depth / 2 - 0.004,
        height / 2,
        width - 0.01,
        height - 0.02,
        picture(kind, rng, style.cabinet),
    )
    stack = pile(
        rng, int(rng.integers(0, 3)), height, (0.2, 0.2, 0.12), (0.38, 0.34, 0.3), spread=0.2
    )
    return [box(0, 0, 0, width, depth, height, plain(style.cabinet)), doors, *stack]


def wardrobe(style: Style) -> Parts:
    return cupboard(style, 0.9, 1.9)


def boxes(style: Style) -> Parts:
    """A pile of removal boxes."""
    return pile(style.rng, int(style.rng.integers(1, 4)), 0.0, (0.36, 0.3, 0.25), (0.55, 0.42, 0.4))


def plant(style: Style) -> Parts:
    """A pot with leaves, about 1.3 m high."""
    rng = style.rng
    parts = [
        cylinder(0, 0, 0, 0.17, 0.36, plain(pick(rng, "accent"))),
        cylinder(0, 0, 0.36, 0.02, 0.5, plain((0.35, 0.26, 0.16))),
    ]
    green = (0.2, round(float(rng.uniform(0.35, 0.5)), 3), 0.16)
    for k in range(14):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.2)
        x, y, z = reach * np.cos(angle), reach * np.sin(angle), rng.uniform(0.55, 1.25)
        parts.append(
            box(
                x,
                y,
                z,
                0.36,
                0.12,
                0.006,
                Texture("foliage", k % 5, green),
                angle,
                rng.uniform(-1.1, -0.3),
            )
        )
    return parts


def waste_bin(style: Style) -> Parts:
    return [cylinder(0, 0, 0, 0.15, 0.34, plain(pick(style.rng, "seat")))]


def copier(style: Style) -> Parts:
    return [
        box(0, 0, 0, 0.62, 0.6, 0.62, plain(WHITE)),
        front(0, -0.303, 0.3, 0.6, 0.56, picture("drawers", style.rng, GREY)),
        box(0, 0, 0.62, 0.6, 0.55, 0.3, plain(GREY)),
        box(0, 0.05, 0.92, 0.56, 0.5, 0.12, plain(DARK)),
        box(0.2, -0.3, 0.95, 0.2, 0.06, 0.14, picture("screen", style.rng)),
    ]


def server_rack(style: Style) -> Parts:
    return [
        box(0, 0, 0, 0.6, 0.7, 1.95, plain(DARK)),
        front(0, -0.354, 0.97, 0.56, 1.86, picture("rack", style.rng)),
    ]


def workbench(style: Style) -> Parts:
    """A bench with instruments, 1.6 m by 0.7 m."""
    rng = style.rng
    parts = [*table(style, 1.6, 0.7, 0.86), box(0, 0, 0.25, 1.5, 0.6, 0.025, metal())]
    for x in (-0.5, 0.1, 0.55):
        wide, deep, high = rng.uniform([0.25, 0.25, 0.15], [0.42, 0.4, 0.36])
        parts.append(box(x, 0.1, 0.86, wide, deep, high, plain(pick(rng, "cabinet"))))
        face = picture("appliance", rng, pick(rng, "cabinet"))
        parts.append(front(x, 0.096 - deep / 2, 0.86 + high / 2, wide - 0.01, high - 0.01, face))
        parts.append(box(x, 0, 0.275, 0.4, 0.32, rng.uniform(0.2, 0.4), picture("cardboard", rng)))
    return parts


def meeting_table(style: Style) -> Parts:
    """2 m by 1 m."""
    rng, h = style.rng, 0.74
    parts = [box(0, 0, h - 0.04, 2.0, 1.0, 0.04, style.wood)]
    parts += [box(x, 0, 0, 0.1, 0.6, h - 0.04, plain(DARK)) for x in (-0.5, 0.5)]
    return [
        *parts,
        *papers(rng, 4, 2.0, 0.8, h),
        mug(rng, rng.uniform(-0.6, 0.6), 0.1, h),
        *laptop(rng, -0.4, -0.2, h),
    ]


def coffee_table(style: Style) -> Parts:
    parts = [
        cylinder(0, 0, 0.4, 0.36, 0.03, style.wood),
        cylinder(0, 0, 0, 0.04, 0.4, metal()),
        cylinder(0, 0, 0, 0.22, 0.02, metal()),
    ]
    return [*parts, mug(style.rng, 0.1, 0.1, 0.43), *book_stack(style.rng, -0.12, 0, 0.43)]


def sofa(style: Style) -> Parts:
    rng, cloth = style.rng, Texture("fabric", 1, pick(style.rng, "accent"), 0.25)
    parts = [box(0, 0, 0.1, 1.7, 0.78, 0.32, cloth), box(0, 0.32, 0.42, 1.7, 0.16, 0.42, cloth)]
    parts += [box(side * 0.79, -0.02, 0.42, 0.14, 0.74, 0.18, cloth) for side in (-1, 1)]
    cushions = (
        Texture("wallpaper", int(rng.integers(50)), pick(rng, "accent"), 0.4) for _ in range(2)
    )
    return [
        *parts,
        *(
            box(x, 0.17, 0.42, 0.42, 0.14, 0.36, cushion, roll=-0.25)
            for x, cushion in zip((-0.42, 0.4), cushions, strict=True)
        ),
    ]


def kitchenette(style: Style) -> Parts:
    """2 m of counter with wall cupboards, and a fridge."""
    rng, d, x0, unit = style.rng, 0.6, -1.0, 0.46
    middle, counter = x0 + 1.5 * unit, 3 * unit
    stone = Texture("terrazzo", 3, (0.5, 0.5, 0.5), 0.8)
    parts = [
        box(middle, 0, 0, counter, d, 0.86, plain(style.cabinet)),
        box(middle, 0, 0.86, counter + 0.02, d + 0.02, 0.04, stone),
        box(middle, d / 2 - 0.17, 1.5, counter, 0.34, 0.6, plain(style.cabinet)),
    ]
    for k in range(3):
        x = x0 + (k + 0.5) * unit
        parts.append(
            front(
                x,
                -d / 2 - 0.004,
                0.46,
                unit - 0.02,
                0.74,
                picture("drawers" if k % 2 else "cabinet", rng, style.cabinet),
            )
        )
        parts.append(
            front(x, d / 2 - 0.344, 1.8, unit - 0.02, 0.58, picture("cabinet", rng, style.cabinet))
        )
    parts += [
        box(-0.75, 0.05, 0.9, 0.46, 0.34, 0.28, plain(GREY)),
        front(-0.75, -0.124, 1.04, 0.45, 0.27, picture("appliance", rng, STEEL)),
    ]
    parts += [
        box(-0.3, 0.1, 0.9, 0.24, 0.36, 0.36, plain(DARK)),
        cylinder(0.1, 0.05, 0.9, 0.08, 0.2, metal()),
    ]
    parts += [mug(rng, rng.uniform(-0.4, 0.25), rng.uniform(-0.25, -0.12), 0.9) for _ in range(3)]
    return [
        *parts,
        box(0.7, 0, 0, 0.6, 0.62, 1.75, plain(WHITE)),
        front(0.7, -0.314, 0.88, 0.58, 1.7, picture("fridge", rng, WHITE)),
    ]


def bench(style: Style) -> Parts:
    return [
        box(0, 0, 0.4, 1.2, 0.34, 0.05, style.wood),
        *(box(x, 0, 0, 0.05, 0.3, 0.4, metal()) for x in (-0.5, 0.5)),
    ]


def floor_lamp(style: Style) -> Parts:
    shade = Texture("fabric", 2, (0.93, 0.86, 0.7), 0.25)
    return [
        cylinder(0, 0, 0, 0.14, 0.02, metal()),
        cylinder(0, 0, 0.02, 0.012, 1.4, metal()),
        cylinder(0, 0, 1.4, 0.17, 0.26, shade),
    ]
