# SPDX-License-Identifier: Apache-2.0
"""Furniture: builders of items around the origin, back towards +y, front towards -y, standing on z = 0."""

from dataclasses import dataclass

import numpy as np

from .description import Colour, Item, Primitive, Texture
from .pictures import hue

QUARTER = round(np.pi / 2, 6)
WHITE, GREY, DARK, STEEL = (0.9, 0.9, 0.88), (0.6, 0.61, 0.63), (0.13, 0.13, 0.15), (0.66, 0.68, 0.7)


@dataclass(frozen=True)
class Style:
    """What furniture of one office has in common."""

    wood: Texture
    seat: Texture
    cabinet: Colour
    rng: np.random.Generator

    @classmethod
    def of(cls, rng: np.random.Generator) -> "Style":
        wood = [(0.72, 0.56, 0.38), (0.55, 0.38, 0.24), (0.82, 0.74, 0.62), (0.88, 0.87, 0.84)][rng.integers(4)]
        seat = random_colour(rng, 0.6, rng.uniform(0.2, 0.5))
        return cls(Texture("wood", int(rng.integers(99)), wood, 1.0), Texture("fabric", 0, seat, 0.25), random_colour(rng, 0.25, 0.7), rng)


def random_colour(rng: np.random.Generator, strength: float = 0.8, value: float | None = None) -> Colour:
    return tuple(round(float(channel), 3) for channel in hue(rng, strength, value))


def seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1_000_000))


def plain(colour: Colour) -> Texture:
    return Texture("plain", 0, colour, 0.3)


def metal(colour: Colour = STEEL) -> Texture:
    return Texture("metal", 0, colour, 0.4)


def box(x, y, z, sx, sy, sz, texture: Texture, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Primitive:
    """A box whose bottom is at z."""
    return Primitive("box", _rounded(x, y, z + sz / 2, roll, pitch, yaw), _rounded(sx, sy, sz), texture)


def cylinder(x, y, z, radius, length, texture: Texture) -> Primitive:
    """An upright cylinder whose bottom is at z."""
    return Primitive("cylinder", _rounded(x, y, z + length / 2, 0, 0, 0), _rounded(2 * radius, 2 * radius, length), texture)


def sheet(x, y, z, width, depth, texture: Texture, yaw: float = 0.0) -> Primitive:
    """A plane that lies flat, facing up."""
    return Primitive("plane", _rounded(x, y, z, 0, 0, yaw), _rounded(width, depth, 0), texture)


def front(x, y, z, width, height, texture: Texture, yaw: float = 0.0) -> Primitive:
    """An upright plane around z, facing -y."""
    return Primitive("plane", _rounded(x, y, z, QUARTER, 0, yaw), _rounded(width, height, 0), texture)


def _rounded(*values) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)


def table_top(style, width, depth, height, legs: bool) -> list[Primitive]:
    parts = [box(0, 0, height - 0.03, width, depth, 0.03, style.wood)]
    for side in (-1, 1):
        if not legs:
            parts.append(box(side * (width / 2 - 0.03), 0, 0, 0.03, depth - 0.06, height - 0.03, style.wood))
            continue
        for end in (-1, 1):
            parts.append(box(side * (width / 2 - 0.05), end * (depth / 2 - 0.05), 0, 0.05, 0.05, height - 0.03, metal()))
    return parts


def monitor(rng, x, y, z, yaw=0.0) -> list[Primitive]:
    """A 24-inch screen on its foot; the parts turn with `yaw`."""
    parts = [
        box(0, 0.02, 0, 0.24, 0.18, 0.015, plain(DARK)),
        box(0, 0.05, 0.015, 0.05, 0.03, 0.2, plain(DARK)),
        box(0, 0, 0.12, 0.56, 0.04, 0.35, plain(DARK)),
        front(0, -0.022, 0.3, 0.53, 0.31, Texture("screen", seed(rng))),
    ]
    return [part.moved(x, y, z, yaw) for part in parts]


def mug(rng, x, y, z) -> Primitive:
    return cylinder(x, y, z, 0.04, 0.1, plain(random_colour(rng)))


def book_stack(rng, x, y, z) -> list[Primitive]:
    parts = []
    for _ in range(int(rng.integers(2, 5))):
        thick = rng.uniform(0.02, 0.05)
        parts.append(box(x, y, z, 0.17, 0.24, thick, plain(random_colour(rng)), rng.uniform(-0.4, 0.4)))
        z += thick
    return parts


def desk(style) -> list[Primitive]:
    """A work place, 1.4 m by 0.75 m."""
    rng, w, d, h = style.rng, 1.4, 0.75, 0.74
    parts = table_top(style, w, d, h, legs=rng.random() < 0.6)
    parts.append(box(0, d / 2 - 0.03, 0.3, w - 0.14, 0.02, 0.4, plain(GREY)))
    side = rng.choice([-1, 1])
    parts += drawer_unit(style, side * (w / 2 - 0.3), 0.02)
    parts += monitor(rng, rng.uniform(-0.2, 0.1), 0.2, h, rng.uniform(-0.25, 0.25))
    if rng.random() < 0.4:
        parts += monitor(rng, -side * 0.5, 0.15, h, side * 0.4)
    parts.append(box(-0.03, -0.12, h, 0.44, 0.14, 0.02, Texture("keyboard", 0, DARK)))
    parts.append(box(0.28, -0.12, h, 0.06, 0.1, 0.03, plain(DARK)))
    for _ in range(int(rng.integers(1, 5))):
        parts.append(sheet(rng.uniform(-0.58, 0.58), rng.uniform(-0.28, 0.2), h + 0.004 + 0.001 * len(parts) % 0.01, 0.21, 0.297, Texture("paper", seed(rng)), rng.uniform(-0.5, 0.5)))
    parts.append(mug(rng, -side * rng.uniform(0.35, 0.6), rng.uniform(-0.2, 0.0), h))
    if rng.random() < 0.6:
        parts += book_stack(rng, side * 0.56, 0.18, h)
    if rng.random() < 0.5:
        parts.append(box(-side * 0.5, 0.05, 0, 0.2, 0.45, 0.45, Texture("vent", 0, DARK)))
    return parts


def drawer_unit(style, x, y) -> list[Primitive]:
    body = box(x, y, 0.04, 0.42, 0.6, 0.56, plain(style.cabinet))
    return [body, front(x, y - 0.303, 0.32, 0.41, 0.55, Texture("drawers", seed(style.rng), style.cabinet))]


def chair(style) -> list[Primitive]:
    """An office chair, its back towards +y."""
    parts = [box(0, 0, 0.43, 0.48, 0.47, 0.07, style.seat), box(0, 0.24, 0.56, 0.44, 0.06, 0.5, style.seat, roll=-0.12)]
    parts.append(cylinder(0, 0, 0.08, 0.03, 0.35, plain(DARK)))
    parts += [box(0, 0, 0.05, 0.58, 0.06, 0.04, plain(DARK), angle) for angle in (0.3, 0.3 + QUARTER)]
    for side in (-0.27, 0.27):
        parts.append(box(side, 0.02, 0.64, 0.05, 0.26, 0.03, plain(DARK)))
        parts.append(box(side, 0.08, 0.46, 0.03, 0.05, 0.18, plain(DARK)))
    return parts


def visitor_chair(style) -> list[Primitive]:
    parts = [box(0, 0, 0.43, 0.45, 0.45, 0.04, style.seat), box(0, 0.22, 0.5, 0.45, 0.03, 0.38, style.seat)]
    for x in (-0.2, 0.2):
        parts += [box(x, y, 0, 0.03, 0.03, height, metal()) for y, height in ((-0.2, 0.43), (0.2, 0.85))]
    return parts


def bookcase(style, width: float = 0.9, height: float = 1.95) -> list[Primitive]:
    """Shelves with rows of books, binders, boxes and gaps."""
    rng, depth, texture = style.rng, 0.32, style.wood
    parts = [box(side * (width / 2 - 0.012), 0, 0, 0.024, depth, height, texture) for side in (-1, 1)]
    parts.append(box(0, depth / 2 - 0.01, 0, width - 0.05, 0.012, height, texture))
    levels = round(height / 0.38)
    for level in range(levels + 1):
        z = 0.04 + level * (height - 0.065) / levels
        parts.append(box(0, 0, z, width - 0.05, depth - 0.01, 0.024, texture))
        if level < levels:
            parts += _shelf_load(rng, width - 0.07, depth, z + 0.024, (height - 0.065) / levels - 0.024)
    return parts


def _shelf_load(rng, width, depth, z, room) -> list[Primitive]:
    parts, x = [], -width / 2
    while x < width / 2 - 0.12:
        wide = min(rng.uniform(0.18, 0.62), width / 2 - x)
        kind, height = rng.random(), min(rng.uniform(0.2, 0.32), room - 0.02)
        middle, texture = x + wide / 2, Texture("books" if kind < 0.5 else "binders", seed(rng))
        if kind < 0.72:
            parts.append(box(middle, 0.02, z, wide - 0.01, depth - 0.1, height, texture))
        elif kind < 0.87:
            parts.append(box(middle, 0.0, z, min(wide, 0.36) - 0.02, depth - 0.08, height * 0.8, Texture("cardboard", seed(rng))))
        elif kind < 0.93:
            parts.append(cylinder(middle, 0, z, 0.06, 0.17, plain(random_colour(rng))))
        x += wide
    return parts


def cupboard(style, width: float = 0.85, height: float = 1.2) -> list[Primitive]:
    """A cabinet with things on top."""
    rng, depth = style.rng, 0.44
    kind = "locker" if height > 1.6 and rng.random() < 0.5 else "cabinet"
    parts = [box(0, 0, 0, width, depth, height, plain(style.cabinet))]
    parts.append(front(0, -depth / 2 - 0.004, height / 2, width - 0.01, height - 0.02, Texture(kind, seed(rng), style.cabinet)))
    for _ in range(int(rng.integers(0, 3))):
        size = rng.uniform([0.2, 0.2, 0.12], [0.38, 0.34, 0.3])
        parts.append(box(rng.uniform(-0.2, 0.2), 0, height, *size, Texture("cardboard", seed(rng)), rng.uniform(-0.3, 0.3)))
        height += size[2]
    return parts


def plant(style) -> list[Primitive]:
    """A pot with leaves, about 1.3 m high."""
    rng = style.rng
    parts = [cylinder(0, 0, 0, 0.17, 0.36, plain(random_colour(rng, 0.5))), cylinder(0, 0, 0.36, 0.02, 0.5, plain((0.35, 0.26, 0.16)))]
    green = (0.2, round(float(rng.uniform(0.35, 0.5)), 3), 0.16)
    for _ in range(14):
        angle, height, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(0.55, 1.25), rng.uniform(-1.1, -0.3)
        reach = rng.uniform(0.1, 0.2)
        leaf = box(reach * np.cos(angle), reach * np.sin(angle), height, 0.36, 0.12, 0.006, Texture("foliage", seed(rng) % 5, green), angle, tilt)
        parts.append(leaf)
    return parts


def bin_(style) -> list[Primitive]:
    return [cylinder(0, 0, 0, 0.15, 0.34, plain(random_colour(style.rng, 0.4, 0.35)))]


def boxes(style) -> list[Primitive]:
    """A pile of removal boxes."""
    rng, parts, z = style.rng, [], 0.0
    for _ in range(int(rng.integers(1, 4))):
        size = rng.uniform([0.36, 0.3, 0.25], [0.55, 0.42, 0.4])
        parts.append(box(0, 0, z, *size, Texture("cardboard", seed(rng)), rng.uniform(-0.25, 0.25)))
        z += round(float(size[2]), 5)
    return parts


def copier(style) -> list[Primitive]:
    rng = style.rng
    parts = [box(0, 0, 0, 0.62, 0.6, 0.62, plain(WHITE)), box(0, 0, 0.62, 0.6, 0.55, 0.3, plain(GREY)), box(0, 0.05, 0.92, 0.56, 0.5, 0.12, plain(DARK))]
    parts.append(front(0, -0.303, 0.3, 0.6, 0.56, Texture("drawers", seed(rng), GREY)))
    parts.append(box(0.2, -0.3, 0.95, 0.2, 0.06, 0.14, Texture("screen", seed(rng))))
    return parts


def server_rack(style) -> list[Primitive]:
    return [box(0, 0, 0, 0.6, 0.7, 1.95, plain(DARK)), front(0, -0.354, 0.97, 0.56, 1.86, Texture("rack", seed(style.rng)))]


def workbench(style) -> list[Primitive]:
    """A bench with instruments, 1.6 m by 0.7 m."""
    rng = style.rng
    parts = table_top(style, 1.6, 0.7, 0.86, legs=True)
    parts.append(box(0, 0, 0.25, 1.5, 0.6, 0.025, metal()))
    for x in (-0.5, 0.1, 0.55):
        size = rng.uniform([0.25, 0.25, 0.15], [0.42, 0.4, 0.36])
        parts.append(box(x, 0.1, 0.86, *size, plain(random_colour(rng, 0.3, 0.5))))
        parts.append(front(x, 0.096 - size[1] / 2, 0.86 + size[2] / 2, size[0] - 0.01, size[2] - 0.01, Texture("appliance", seed(rng), random_colour(rng, 0.2, 0.7))))
        parts.append(box(x, 0, 0.275, 0.4, 0.32, rng.uniform(0.2, 0.4), Texture("cardboard", seed(rng))))
    return parts


def meeting_table(style, width: float = 2.0) -> list[Primitive]:
    rng, h = style.rng, 0.74
    parts = [box(0, 0, h - 0.04, width, 1.0, 0.04, style.wood)]
    parts += [box(side * width / 4, 0, 0, 0.1, 0.6, h - 0.04, plain(DARK)) for side in (-1, 1)]
    for k in range(4):
        parts.append(sheet(rng.uniform(-0.45, 0.45) * width, rng.uniform(-0.35, 0.35), h + 0.003 + 0.002 * k, 0.21, 0.297, Texture("paper", seed(rng)), rng.uniform(0, 6)))
    parts.append(mug(rng, rng.uniform(-0.6, 0.6), 0.1, h))
    parts += [box(-0.4, -0.2, h, 0.34, 0.24, 0.02, plain(DARK)), box(-0.4, -0.07, h + 0.02, 0.34, 0.012, 0.22, plain(DARK))]
    parts.append(front(-0.4, -0.078, h + 0.13, 0.32, 0.2, Texture("screen", seed(rng))))
    return parts


def sofa(style) -> list[Primitive]:
    texture = Texture("fabric", 1, random_colour(style.rng, 0.7, 0.5), 0.25)
    parts = [box(0, 0, 0.1, 1.7, 0.78, 0.32, texture), box(0, 0.32, 0.42, 1.7, 0.16, 0.42, texture)]
    parts += [box(side * 0.79, -0.02, 0.42, 0.14, 0.74, 0.18, texture) for side in (-1, 1)]
    parts += [box(x, 0.17, 0.42, 0.42, 0.14, 0.36, Texture("wallpaper", seed(style.rng), random_colour(style.rng), 0.4), roll=-0.25) for x in (-0.42, 0.4)]
    return parts


def coffee_table(style) -> list[Primitive]:
    parts = [cylinder(0, 0, 0.4, 0.36, 0.03, style.wood), cylinder(0, 0, 0, 0.04, 0.4, metal()), cylinder(0, 0, 0, 0.22, 0.02, metal())]
    return [*parts, mug(style.rng, 0.1, 0.1, 0.43), *book_stack(style.rng, -0.12, 0, 0.43)]


def kitchenette(style, width: float = 2.0) -> list[Primitive]:
    """Counter, wall cupboards, fridge."""
    rng, d = style.rng, 0.6
    fridge_x, counter = width / 2 - 0.3, width - 0.62
    x = -0.31
    parts = [box(x, 0, 0, counter, d, 0.86, plain(style.cabinet)), box(x, 0, 0.86, counter + 0.02, d + 0.02, 0.04, Texture("terrazzo", 3, (0.5, 0.5, 0.5), 0.8))]
    count = max(2, round(counter / 0.6))
    for k in range(count):
        wide = counter / count
        at = x - counter / 2 + (k + 0.5) * wide
        texture = Texture("drawers" if k % 2 else "cabinet", seed(rng), style.cabinet)
        parts.append(front(at, -d / 2 - 0.004, 0.46, wide - 0.02, 0.74, texture))
        parts.append(box(at, d / 2 - 0.17, 1.5, wide - 0.01, 0.34, 0.6, plain(style.cabinet)))
        parts.append(front(at, d / 2 - 0.344, 1.8, wide - 0.02, 0.58, Texture("cabinet", seed(rng), style.cabinet)))
    parts.append(box(x - counter / 3, 0.05, 0.9, 0.46, 0.34, 0.28, plain(GREY)))
    parts.append(front(x - counter / 3, -0.124, 1.04, 0.45, 0.27, Texture("appliance", seed(rng), (0.75, 0.75, 0.75))))
    parts += [box(x + 0.15, 0.1, 0.9, 0.24, 0.36, 0.36, plain(DARK)), cylinder(x + 0.4, 0.0, 0.9, 0.08, 0.2, metal())]
    parts += [mug(rng, x + rng.uniform(-0.1, 0.5), rng.uniform(-0.25, -0.12), 0.9) for _ in range(3)]
    parts += [box(fridge_x, 0, 0, 0.6, 0.62, 1.75, plain(WHITE)), front(fridge_x, -0.314, 0.88, 0.58, 1.7, Texture("fridge", seed(rng), WHITE))]
    return parts


def bench(style) -> list[Primitive]:
    return [box(0, 0, 0.4, 1.2, 0.34, 0.05, style.wood), *(box(x, 0, 0, 0.05, 0.3, 0.4, metal()) for x in (-0.5, 0.5))]


def floor_lamp(style) -> list[Primitive]:
    parts = [cylinder(0, 0, 0, 0.14, 0.02, metal()), cylinder(0, 0, 0.02, 0.012, 1.45, metal())]
    return [*parts, cylinder(0, 0, 1.4, 0.17, 0.26, Texture("fabric", 2, (0.93, 0.86, 0.7), 0.25))]


def item(name: str, parts: list[Primitive], movable: bool = True) -> Item:
    return Item(name, tuple(parts), movable)
