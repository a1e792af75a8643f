# SPDX-License-Identifier: Apache-2.0
"""Floor plan of an office: rooms on both sides of a corridor, walls with doors and windows."""

from dataclasses import dataclass, field

import numpy as np

from .description import Item, Light, Primitive, Room, Texture
from .furniture import QUARTER, STEEL, WHITE, box, front, metal, plain, random_colour, seed, sheet

HEIGHT = 2.7  # metres, floor to ceiling
LINING = 0.06  # half a wall: each room owns the half that faces it
DOOR_WIDTH, DOOR_HEIGHT = 1.0, 2.06


@dataclass
class Opening:
    at: float  # metres along the side from its middle
    width: float
    kind: str  # "door" or "window"
    leaf: bool = False  # a door leaf stands open into this room


@dataclass
class Side:
    """One wall as its room sees it; local x runs along it, +y into it."""

    middle: tuple[float, float]
    yaw: float
    length: float
    outer: bool
    openings: list[Opening] = field(default_factory=list)
    taken: list[tuple[float, float]] = field(default_factory=list)  # intervals that have something on them at eye height

    def place(self, name: str, parts: list[Primitive], at: float, off: float = 0.0, movable: bool = False) -> Item:
        """Move parts built around the origin to `at` along the wall, `off` metres away from it."""
        return Item(name, tuple(part.moved(*self.point(at, -off), 0, self.yaw) for part in parts), movable)

    def point(self, x: float, y: float) -> tuple[float, float]:
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return self.middle[0] + c * x - s * y, self.middle[1] + s * x + c * y

    def free(self, at: float, width: float) -> bool:
        return abs(at) + width / 2 < self.length / 2 - 0.05 and all(at + width / 2 < low or at - width / 2 > high for low, high in self.taken)


@dataclass
class Shell:
    """A room under construction."""

    room: Room
    sides: dict[str, Side]


def make_shells(rng: np.random.Generator, rooms: int) -> list[Shell]:
    """The corridor first, then the rooms; doors and windows cut in."""
    upper, lower = (rooms + 1) // 2, rooms // 2
    length = max(upper * rng.uniform(3.6, 4.0), 4.2)
    depths = rng.uniform(3.5, 3.9, 2)
    wide = 1.75
    gap = 2 * LINING
    corridor = make_shell("corridor", 0, 0, length, wide)
    shells = [corridor]
    kinds = _kinds(rng, rooms)
    for row, count in ((0, upper), (1, lower)):
        cuts = np.linspace(0, length, count + 1) if count else []
        for k in range(count):
            low, high = cuts[k] + (gap / 2) * (k > 0), cuts[k + 1] - (gap / 2) * (k + 1 < count)
            y = wide + gap if row == 0 else -gap - depths[1]
            shell = make_shell(kinds.pop(), low, y, high, y + depths[row])
            _cut_door(rng, shell, "s" if row == 0 else "n", corridor, "n" if row == 0 else "s")
            _cut_windows(rng, shell.sides["n" if row == 0 else "s"])
            if k > 0 and k % 2 == row % 2:
                _cut_door(rng, shell, "w", shells[-1], "e")
            shells.append(shell)
    for side in ("w", "e"):
        corridor.sides[side].openings.append(Opening(0.0, 1.1, "window"))
    return shells


def _kinds(rng, rooms):
    kinds = ["office", "meeting", "kitchen", "lab", "office", "lounge", "office", "storage"]
    return [str(kind) for kind in rng.permutation([kinds[k % 8] for k in range(rooms)])]


def make_shell(kind: str, x0: float, y0: float, x1: float, y1: float) -> Shell:
    x0, y0, x1, y1 = (round(float(value), 3) for value in (x0, y0, x1, y1))
    x, y, wide, deep = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
    sides = {
        "n": Side((x, y1), 0.0, wide, False),
        "s": Side((x, y0), 2 * QUARTER, wide, False),
        "w": Side((x0, y), QUARTER, deep, False),
        "e": Side((x1, y), -QUARTER, deep, False),
    }
    return Shell(Room(kind, (x0, y0), (x1, y1)), sides)


def _cut_door(rng, shell, name, other, other_name) -> None:
    """The same hole in two facing walls."""
    side, facing = shell.sides[name], other.sides[other_name]
    at = round(float(rng.uniform(-1, 1) * (side.length / 2 - DOOR_WIDTH / 2 - 0.35)), 3)
    x, y = side.point(at, 0)
    across = (x - facing.middle[0], y - facing.middle[1])
    facing_at = across[0] * np.cos(facing.yaw) + across[1] * np.sin(facing.yaw)
    side.openings.append(Opening(at, DOOR_WIDTH, "door", leaf=name in "ns"))
    facing.openings.append(Opening(round(float(facing_at), 3), DOOR_WIDTH, "door"))


def _cut_windows(rng, side) -> None:
    count = max(1, int(side.length / 2.4))
    for k in range(count):
        at = (k + 0.5) * side.length / count - side.length / 2
        side.openings.append(Opening(round(float(at), 3), round(float(rng.uniform(1.1, 1.6)), 3), "window"))


def build_shell(rng: np.random.Generator, index: int, shell: Shell, trim: Texture) -> tuple[list[Item], list[Light]]:
    """Floor, ceiling, walls, doors, windows and lamps of one room."""
    room, items, lights = shell.room, [], []
    size, (x, y) = np.subtract(room.high, room.low) + 2 * LINING, room.centre
    floor, wall, accent = _materials(rng, room.kind)
    ceiling = Texture("acoustic", index, (0.88, 0.88, 0.86), 2.4)
    upside_down = Primitive("plane", (round(x, 5), round(y, 5), HEIGHT, 2 * QUARTER, 0.0, 0.0), (*size.round(5).tolist(), 0.0), ceiling)
    items.append(Item(f"shell_{index}", (sheet(x, y, 0, *size, floor), upside_down)))
    feature = rng.choice(list(shell.sides))
    for name, side in shell.sides.items():
        parts = _wall(side, accent if name == feature and room.kind != "corridor" else wall, trim)
        items.append(side.place(f"wall_{index}{name}", parts, 0.0))
        for k, opening in enumerate(side.openings):
            side.taken.append((opening.at - opening.width / 2 - 0.12, opening.at + opening.width / 2 + 0.12))
            build = _door if opening.kind == "door" else _window
            items.append(side.place(f"{opening.kind}_{index}{name}{k}", build(rng, opening, trim), opening.at))
            if opening.kind == "window":
                lights.append(_daylight(side, opening))
    for k, at in enumerate(_lamp_places(room)):
        items.append(Item(f"lamp_{index}_{k}", (box(*at, HEIGHT - 0.04, *_lamp_size(room), 0.04, Texture("lamp", 0, (1.0, 1.0, 1.0))),)))
        lights.append(Light("lamp", (round(at[0], 4), round(at[1], 4), HEIGHT - 0.08), (0.0, 0.0, -1.0), 1.0))
    return items, lights


def _materials(rng, kind) -> tuple[Texture, Texture, Texture]:
    floors = {"corridor": "terrazzo", "kitchen": "tiles", "lab": "terrazzo", "storage": "terrazzo", "lounge": "planks", "meeting": "planks"}
    name = floors.get(kind, "carpet")
    colour = (0.62, 0.46, 0.31) if name == "planks" else random_colour(rng, 0.25, rng.uniform(0.35, 0.6))
    floor = Texture(name, seed(rng), colour, {"planks": 2.0, "carpet": 2.0, "terrazzo": 1.2, "tiles": 1.6}[name])
    wall = Texture("paint", seed(rng), random_colour(rng, 0.14, rng.uniform(0.8, 0.92)), 2.5)
    pattern = rng.choice(["paint", "wallpaper", "brick", "panelling"])
    strength, value = {"paint": (0.6, 0.65), "wallpaper": (0.3, 0.8), "brick": (0.3, 0.6), "panelling": (0.3, 0.6)}[pattern]
    colour = (0.62, 0.36, 0.27) if pattern == "brick" else (0.6, 0.43, 0.28) if pattern == "panelling" else random_colour(rng, strength, value)
    return floor, wall, Texture(str(pattern), seed(rng), colour, {"paint": 2.5, "wallpaper": 1.2, "brick": 1.8, "panelling": 1.2}[pattern])


def _wall(side: Side, texture: Texture, trim: Texture) -> list[Primitive]:
    """Boxes between, above and below the openings, with skirting boards."""
    parts, start, end = [], -side.length / 2 - LINING, side.length / 2 + LINING

    def piece(a, b, z0, z1):
        parts.append(box((a + b) / 2, LINING / 2, z0, b - a, LINING, z1 - z0, texture))

    for opening in sorted(side.openings, key=lambda opening: opening.at):
        if opening.kind == "window":
            continue  # a pane on the wall: glass blocks no light that we compute
        low, high = opening.at - opening.width / 2, opening.at + opening.width / 2
        piece(start, low, 0, HEIGHT)
        piece(low, high, DOOR_HEIGHT, HEIGHT)
        parts.append(box((start + low) / 2, -0.006, 0, low - start - 0.1, 0.012, 0.09, trim))
        start = high
    piece(start, end, 0, HEIGHT)
    parts.append(box((start + end) / 2, -0.006, 0, end - start - 0.1, 0.012, 0.09, trim))
    return parts


def _door(rng, opening: Opening, trim: Texture) -> list[Primitive]:
    """A frame, and the leaf if it opens into this room."""
    w, depth = opening.width, LINING + 0.02
    parts = [box(side * (w / 2 + 0.02), depth / 2 - 0.02, 0, 0.08, depth, DOOR_HEIGHT, trim) for side in (-1, 1)]
    parts.append(box(0, depth / 2 - 0.02, DOOR_HEIGHT - 0.02, w + 0.12, depth, 0.08, trim))
    if opening.leaf:
        hinge = 1 if opening.at > 0 else -1
        texture = Texture("door", seed(rng), random_colour(rng, 0.5, 0.65))
        parts.append(box(hinge * (w / 2 + 0.03), -0.47, 0.01, 0.04, 0.9, DOOR_HEIGHT - 0.04, texture, hinge * rng.uniform(0.0, 0.15)))
    return parts


def _window(rng, opening: Opening, trim: Texture) -> list[Primitive]:
    """A pane with frame, sill and a radiator below."""
    w, z0, z1 = opening.width, 0.95, 2.35
    parts = [front(0, -0.008, (z0 + z1) / 2, w, z1 - z0, Texture("window", seed(rng)))]
    parts += [box(x, -0.025, z0, 0.06, 0.05, z1 - z0, plain(WHITE)) for x in (-w / 2, 0, w / 2)]
    parts += [box(0, -0.025, z, w + 0.06, 0.05, 0.06, plain(WHITE)) for z in (z0 - 0.03, z1 - 0.03)]
    parts.append(box(0, -0.09, z0 - 0.06, w + 0.2, 0.18, 0.03, trim))
    parts.append(box(0, -0.06, 0.15, min(w, 1.2), 0.1, 0.55, Texture("radiator", 0, (0.88, 0.88, 0.86))))
    return parts


def _daylight(side: Side, opening: Opening) -> Light:
    x, y = side.point(opening.at, -0.2)
    inwards = -np.array([-np.sin(side.yaw), np.cos(side.yaw)]) * 0.95
    direction = (round(float(inwards[0]), 5), round(float(inwards[1]), 5), -0.31225)
    return Light("window", (round(float(x), 4), round(float(y), 4), 1.65), direction, round(1.4 * opening.width, 3))


def _lamp_places(room: Room) -> list[tuple[float, float]]:
    size = np.subtract(room.high, room.low)
    nx, ny = np.maximum(np.round(size / 2.6).astype(int), 1)
    return [tuple(np.round(room.low + size * ((i + 0.5) / nx, (j + 0.5) / ny), 4).tolist()) for i in range(nx) for j in range(ny)]


def _lamp_size(room: Room) -> tuple[float, float]:
    return (1.2, 0.3) if room.kind in ("corridor", "storage") else (0.6, 0.6)


__all__ = ["STEEL", "metal"]
