# SPDX-License-Identifier: Apache-2.0
"""Floor plan of an office: rooms on both sides of a corridor, walls with doors and windows."""

from dataclasses import dataclass, field

import numpy as np

from diff2i2p_sim.description import Item, Light, Primitive, Room, Texture
from diff2i2p_sim.office.primitives import (
    QUARTER,
    WHITE,
    Style,
    box,
    front,
    pick,
    picture,
    plain,
    rounded,
    seed,
    sheet,
)

HEIGHT = 2.7  # metres, floor to ceiling
LINING = 0.06  # half a wall: each room owns the half that faces it
CORRIDOR = 1.75  # metres wide
DOOR_WIDTH, DOOR_HEIGHT = 1.0, 2.06
KINDS = ("office", "meeting", "kitchen", "lab", "office", "lounge", "office", "storage")
FLOORS = {
    "office": "carpet",
    "meeting": "planks",
    "kitchen": "tiles",
    "lounge": "planks",
}  # terrazzo elsewhere
TILE = {
    "carpet": 2.0,
    "planks": 2.0,
    "terrazzo": 1.2,
    "tiles": 1.6,
    "paint": 2.5,
    "wallpaper": 1.2,
    "brick": 1.8,
    "panelling": 1.2,
}


@dataclass(frozen=True)
class Opening:
    at: float  # metres along the side from its middle
    width: float
    kind: str  # "door" or "window"
    leaf: bool = False  # a door leaf stands open into this room


@dataclass
class Side:
    """One wall as its room sees it: local x runs along it from its middle, +y points into it."""

    middle: tuple[float, float]
    yaw: float
    length: float
    openings: list[Opening] = field(default_factory=list)
    taken: list[tuple[float, float]] = field(
        default_factory=list
    )  # stretches that have something on them at eye height

    def place(self, parts: list[Primitive], at: float, off: float = 0.0) -> list[Primitive]:
        """Move parts built around the origin to `at` along the wall, `off` metres away from it."""
        return [part.moved(*self.point(at, -off), 0, self.yaw) for part in parts]

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Map coordinates."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return float(self.middle[0] + c * x - s * y), float(self.middle[1] + s * x + c * y)

    def along(self, x: float, y: float) -> float:
        """Local x of a point of the map."""
        return float(
            (x - self.middle[0]) * np.cos(self.yaw) + (y - self.middle[1]) * np.sin(self.yaw)
        )

    def cut(self, opening: Opening) -> None:
        self.openings.append(opening)
        self.take(opening.at, opening.width + 0.24)

    def take(self, at: float, width: float) -> None:
        self.taken.append((at - width / 2, at + width / 2))

    def free(self, at: float, width: float) -> bool:
        low, high = at - width / 2, at + width / 2
        return max(-low, high) < self.length / 2 - 0.05 and all(
            high < start or low > end for start, end in self.taken
        )

    def covers(self, at: float, width: float, kind: str) -> bool:
        """Whether a stretch of wall has an opening of this kind."""
        return any(
            opening.kind == kind and abs(opening.at - at) < (opening.width + width) / 2
            for opening in self.openings
        )


@dataclass(frozen=True)
class Shell:
    """A room and its four walls, n e s w."""

    room: Room
    sides: dict[str, Side]


def make_shells(rng: np.random.Generator, rooms: int) -> list[Shell]:
    """The corridor first, then the rooms; doors and windows cut in."""
    upper = (rooms + 1) // 2
    length = max(upper * rng.uniform(3.6, 4.0), 4.2)
    corridor = _shell("corridor", 0, 0, length, CORRIDOR)
    for side in ("w", "e"):
        corridor.sides[side].cut(Opening(0.0, 1.1, "window"))
    kinds = [str(kind) for _ in range(0, rooms, len(KINDS)) for kind in rng.permutation(KINDS)][
        :rooms
    ]
    above, below = kinds[:upper], kinds[upper:]
    depths = rng.uniform(3.5, 3.9, 2)
    near, far = CORRIDOR + 2 * LINING, -2 * LINING
    row = _row(rng, corridor, "n", above, length, near, near + depths[0])
    return [corridor, *row, *_row(rng, corridor, "s", below, length, far - depths[1], far)]


def _row(rng, corridor, side, kinds, length, low, high) -> list[Shell]:
    """The rooms on one side of the corridor; every other wall between neighbours has a door."""
    shells, cuts = [], np.linspace(0, length, len(kinds) + 1)
    for k, kind in enumerate(kinds):
        left, right = cuts[k] + LINING * (k > 0), cuts[k + 1] - LINING * (k + 1 < len(kinds))
        shell = _shell(kind, left, low, right, high)
        _cut_door(rng, shell, "s" if side == "n" else "n", corridor, side)
        _cut_windows(rng, shell.sides[side])
        if k % 2 == 1:
            _cut_door(rng, shell, "w", shells[-1], "e")
        shells.append(shell)
    return shells


def _shell(kind: str, x0: float, y0: float, x1: float, y1: float) -> Shell:
    x0, y0, x1, y1 = rounded(x0, y0, x1, y1, digits=3)
    x, y, wide, deep = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
    sides = {
        "n": Side((x, y1), 0.0, wide),
        "e": Side((x1, y), -QUARTER, deep),
        "s": Side((x, y0), 2 * QUARTER, wide),
        "w": Side((x0, y), QUARTER, deep),
    }
    return Shell(Room(kind, (x0, y0), (x1, y1)), sides)


def _cut_door(rng, shell, name, other, other_name) -> None:
    """The same hole in two facing walls."""
    side, facing = shell.sides[name], other.sides[other_name]
    at = round(float(rng.uniform(-1, 1) * (side.length / 2 - DOOR_WIDTH / 2 - 0.35)), 3)
    side.cut(Opening(at, DOOR_WIDTH, "door", leaf=name in "ns"))
    facing.cut(Opening(round(facing.along(*side.point(at, 0)), 3), DOOR_WIDTH, "door"))


def _cut_windows(rng, side) -> None:
    count = max(1, int(side.length / 2.4))
    for k in range(count):
        at = (k + 0.5) * side.length / count - side.length / 2
        side.cut(Opening(round(at, 3), round(float(rng.uniform(1.1, 1.6)), 3), "window"))


def build_shell(style: Style, index: int, shell: Shell) -> tuple[list[Item], list[Light]]:
    """Floor, ceiling, walls, doors, windows and lamps of one room."""
    room, rng, items, lights = shell.room, style.rng, [], []
    floor, wall, accent = _materials(rng, room.kind)
    size, ceiling = (
        np.subtract(room.high, room.low) + 2 * LINING,
        Texture("acoustic", index, (0.88, 0.88, 0.86), 2.4),
    )
    overhead = Primitive(
        "plane", rounded(*room.centre, HEIGHT, 2 * QUARTER, 0, 0), rounded(*size, 0), ceiling
    )
    items.append(Item(f"shell_{index}", (sheet(*room.centre, 0, *size, floor), overhead)))
    feature = "" if room.kind == "corridor" else rng.choice(list(shell.sides))
    for name, side in shell.sides.items():
        parts = _wall(side, accent if name == feature else wall, style.trim)
        items.append(Item(f"wall_{index}{name}", tuple(side.place(parts, 0.0))))
        for k, opening in enumerate(side.openings):
            build = _door if opening.kind == "door" else _window
            items.append(
                Item(
                    f"{opening.kind}_{index}{name}{k}",
                    tuple(side.place(build(style, opening), opening.at)),
                )
            )
        lights += [
            _daylight(side, opening) for opening in side.openings if opening.kind == "window"
        ]
    for k, (x, y) in enumerate(_lamp_places(room)):
        panel = box(x, y, HEIGHT - 0.04, 0.6, 0.6, 0.04, Texture("lamp", 0, (1.0, 1.0, 1.0)))
        items.append(Item(f"panel_{index}_{k}", (panel,)))
        lights.append(Light("lamp", (x, y, round(HEIGHT - 0.08, 3)), (0.0, 0.0, -1.0), 1.0))
    return items, lights


def _materials(rng, kind) -> tuple[Texture, Texture, Texture]:
    """Floor, walls and the one wall that is different."""
    name = FLOORS.get(kind, "terrazzo")
    floor = Texture(name, seed(rng), pick(rng, "wood" if name == "planks" else "floor"), TILE[name])
    wall = Texture("paint", seed(rng), pick(rng, "wall"), TILE["paint"])
    pattern = str(rng.choice(["paint", "wallpaper", "brick", "panelling"]))
    colour = {"brick": (0.62, 0.36, 0.27), "panelling": (0.6, 0.43, 0.28)}.get(pattern) or pick(
        rng, "accent" if pattern == "paint" else "wall"
    )
    return floor, wall, Texture(pattern, seed(rng), colour, TILE[pattern])


def _wall(side: Side, texture: Texture, trim: Texture) -> list[Primitive]:
    """Boxes between and above the doors, with skirting boards. Windows are panes upon the wall."""
    doors = sorted(
        (opening for opening in side.openings if opening.kind == "door"), key=lambda door: door.at
    )
    edges = [
        -side.length / 2 - LINING,
        *(door.at + end * door.width / 2 for door in doors for end in (-1, 1)),
        side.length / 2 + LINING,
    ]
    parts = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        parts.append(box((start + end) / 2, LINING / 2, 0, end - start, LINING, HEIGHT, texture))
        parts.append(box((start + end) / 2, -0.006, 0, end - start - 0.1, 0.012, 0.09, trim))
    lintels = (
        box(door.at, LINING / 2, DOOR_HEIGHT, door.width, LINING, HEIGHT - DOOR_HEIGHT, texture)
        for door in doors
    )
    return [*parts, *lintels]


def _door(style: Style, opening: Opening) -> list[Primitive]:
    """A frame, and the leaf if it opens into this room."""
    w, depth, rng = opening.width, LINING + 0.02, style.rng
    parts = [
        box(side * (w / 2 + 0.02), depth / 2 - 0.02, 0, 0.08, depth, DOOR_HEIGHT, style.trim)
        for side in (-1, 1)
    ]
    parts.append(box(0, depth / 2 - 0.02, DOOR_HEIGHT - 0.02, w + 0.12, depth, 0.08, style.trim))
    if opening.leaf:
        hinge = 1 if opening.at > 0 else -1
        leaf = picture("door", rng, pick(rng, "door"))
        parts.append(
            box(
                hinge * (w / 2 + 0.03),
                -0.47,
                0.01,
                0.04,
                0.9,
                DOOR_HEIGHT - 0.04,
                leaf,
                hinge * rng.uniform(0.0, 0.15),
            )
        )
    return parts


def _window(style: Style, opening: Opening) -> list[Primitive]:
    """A pane with frame, sill and a radiator below."""
    w, z0, z1, frame = opening.width, 0.95, 2.35, plain(WHITE)
    parts = [front(0, -0.008, (z0 + z1) / 2, w, z1 - z0, picture("window", style.rng))]
    parts += [box(x, -0.025, z0, 0.06, 0.05, z1 - z0, frame) for x in (-w / 2, 0, w / 2)]
    parts += [box(0, -0.025, z, w + 0.06, 0.05, 0.06, frame) for z in (z0 - 0.03, z1 - 0.03)]
    radiator = box(
        0, -0.06, 0.15, min(w, 1.2), 0.1, 0.55, Texture("radiator", 0, (0.88, 0.88, 0.86))
    )
    return [*parts, box(0, -0.09, z0 - 0.06, w + 0.2, 0.18, 0.03, style.trim), radiator]


def _daylight(side: Side, opening: Opening) -> Light:
    """Light that falls in through a window, a little downwards."""
    inwards = 0.95 * np.sin(side.yaw), -0.95 * np.cos(side.yaw)
    return Light(
        "window",
        rounded(*side.point(opening.at, -0.2), 1.65, digits=4),
        rounded(*inwards, -0.31225),
        round(1.4 * opening.width, 3),
    )


def _lamp_places(room: Room) -> list[tuple[float, float]]:
    size = np.subtract(room.high, room.low)
    nx, ny = np.maximum(np.round(size / 2.6).astype(int), 1)
    return [
        rounded(*(room.low + size * ((i + 0.5) / nx, (j + 0.5) / ny)), digits=4)
        for i in range(nx)
        for j in range(ny)
    ]
