# SPDX-License-Identifier: Apache-2.0
"""One room under construction: its walls and openings, and where furniture goes without overlap."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from diff2i2p_sim.description import Item, Light, Room
from diff2i2p_sim.office.floor_plan import LINING, Side
from diff2i2p_sim.office.primitives import QUARTER, rounded
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import Parts, Piece

Builders = Sequence[Callable[[Look], Piece]]
DOORS = ("doorway", "door")
SWING = 1.0  # metres kept free before a door
AISLE = 0.3  # metres kept free around what stands in the middle


@dataclass(frozen=True)
class Gap:
    """A hole in a wall: a doorway to another room, a closed door or a window."""

    at: float  # metres along the side from its middle
    width: float
    bottom: float
    top: float
    kind: str  # "doorway", "door" or "window"


@dataclass
class Chamber:
    """A room, its four sides (n, e, s, w), and what has been put into it so far."""

    room: Room
    look: Look
    names: dict[str, int]  # how many of each kind the place has, for names
    sides: dict[str, Side]
    outer: dict[str, float] = field(
        default_factory=dict
    )  # thickness of the walls that nobody shares
    items: list[Item] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)
    taken: list[np.ndarray] = field(default_factory=list)  # (2, 2) floor rectangles, low and high

    @property
    def size(self) -> np.ndarray:
        return np.subtract(self.room.high, self.room.low)

    @property
    def area(self) -> float:
        return float(self.size.prod())

    def thickness(self, name: str) -> float:
        return self.outer.get(name, LINING)

    def cut(self, name: str, gap: Gap) -> None:
        """Open a wall; what is a door keeps the floor before it free."""
        side = self.sides[name]
        side.openings.append(gap)
        side.take(gap.at, gap.width + 0.2)
        if gap.kind in DOORS:
            self.taken.append(footprint(side, gap.at, gap.width + 0.2, SWING))

    def add(self, kind: str, parts: Parts, movable: bool = False) -> None:
        self.names[kind] = self.names.get(kind, 0) + 1
        self.items.append(Item(f"{kind}_{self.names[kind]}", tuple(parts), movable))

    def put(self, piece: Piece) -> None:
        """Add a piece where it is, with the things upon it."""
        self.add(piece.kind, piece.parts, piece.movable)
        for thing in piece.things:
            self.add("thing", thing)

    def stand(self, piece: Piece, before: float = 0.35, on: str = "nesw", tries: int = 30) -> bool:
        """Against one of the walls, if it fits anywhere; `before` metres stay free in front."""
        low, high = piece.bounds
        width, depth, tall = high[0] - low[0], high[1] - low[1], high[2] > 1.0
        rng = self.look.rng
        for _ in range(tries):
            side = self.sides[rng.choice(list(on))]
            reach = max(side.length / 2 - width / 2 - 0.03, 0)
            at = float(
                rng.choice([-reach, reach, rng.uniform(-reach, reach)])
            )  # corners are popular
            off = 0.18 if side.covers(at, width, "window") else 0.015  # radiators and curtains
            area = footprint(side, at, width, depth + off + before)
            if (tall and not side.free(at, width - 0.05)) or not self.fits(area):
                continue
            self.place(piece, side, at, off, before)
            return True
        return False

    def place(self, piece: Piece, side: Side, at: float, off: float, before: float) -> None:
        """At `at` along a wall, `off` metres from it."""
        low, high = piece.bounds
        width, depth = high[0] - low[0], high[1] - low[1]
        self.taken.append(footprint(side, at, width, depth + off + before))
        if high[2] > 1.0:
            side.take(at, width)
        centred = piece.moved(-(low[0] + high[0]) / 2, -high[1])
        self.put(centred.moved(*side.point(at, -off), 0, side.yaw))

    def float(
        self, piece: Piece, aisle: float = AISLE, tries: int = 25, square: float = 0.5
    ) -> bool:
        """Anywhere on the floor, `aisle` metres from all else; a share `square` along the walls."""
        rng = self.look.rng
        for _ in range(tries):
            quarter = QUARTER * int(rng.integers(4))
            yaw = quarter + (
                rng.normal(0, 0.06) if rng.random() < square else rng.uniform(-0.8, 0.8)
            )
            turned = piece.moved(0, 0, 0, yaw)
            low, high = turned.bounds[:, :2]
            half = (high - low) / 2 + aisle
            room = self.size / 2 - half
            if (room < 0).any():
                continue
            at = self.room.centre + rng.uniform(-1, 1, 2) * room
            area = np.stack([at - half, at + half])
            if self.fits(area):
                self.taken.append(area)
                self.put(turned.moved(*(at - (low + high) / 2)))
                return True
        return False

    def line(self, count: int, builders: Builders, before: float = 0.35) -> None:
        """Up to `count` pieces along the walls, any of the builders each time."""
        for _ in range(count):
            self.stand(self.look.choose(*builders)(self.look), before)

    def scatter(
        self, count: int, builders: Builders, aisle: float = AISLE, square: float = 0.5
    ) -> None:
        """Up to `count` pieces on the floor, any of the builders each time."""
        for _ in range(count):
            self.float(self.look.choose(*builders)(self.look), aisle, square=square)

    def at(self, piece: Piece, x: float, y: float, yaw: float, aisle: float = 0.0) -> bool:
        """At a point of the map, if that is free."""
        there = piece.moved(x, y, 0, yaw)
        low, high = there.bounds[:, :2]
        area = np.stack([low - aisle, high + aisle])
        if not self.fits(area):
            return False
        self.taken.append(area)
        self.put(there)
        return True

    def hang(self, kind: str, parts: Parts, width: float, tries: int = 10) -> bool:
        """On a free stretch of some wall; parts around a point of the wall, the wall towards +y."""
        rng = self.look.rng
        side = self.sides[rng.choice(list("nesw"))]
        for _ in range(tries):
            at = rng.uniform(-1, 1) * side.length / 2
            if side.free(at, width + 0.06):
                side.take(at, width + 0.06)
                self.add(kind, side.place(parts, at))
                return True
        return False

    def fits(self, area: np.ndarray) -> bool:
        low, high = np.array(self.room.low) - 0.01, np.array(self.room.high) + 0.01
        inside = (area[0] >= low).all() and (area[1] <= high).all()
        apart = ((area[0] >= other[1]) | (area[1] <= other[0]) for other in self.taken)
        return bool(inside and all(gap.any() for gap in apart))


def footprint(side: Side, at: float, width: float, depth: float) -> np.ndarray:
    """(2, 2) low and high corner of the floor before a stretch of wall."""
    corners = [side.point(at + x, y) for x in (-width / 2, width / 2) for y in (0.0, -depth)]
    return np.stack([np.min(corners, 0), np.max(corners, 0)])


def open_chamber(kind: str, low, high, height: float, look: Look, names: dict[str, int]) -> Chamber:
    """A room without openings on the rectangle `low`, `high`, metres."""
    (x0, y0), (x1, y1) = rounded(*low, digits=3), rounded(*high, digits=3)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    sides = {
        "n": Side((x, y1), 0.0, x1 - x0),
        "e": Side((x1, y), -QUARTER, y1 - y0),
        "s": Side((x, y0), 2 * QUARTER, x1 - x0),
        "w": Side((x0, y), QUARTER, y1 - y0),
    }
    return Chamber(Room(kind, (x0, y0), (x1, y1), round(float(height), 3)), look, names, sides)


Built = tuple[tuple[Item, ...], tuple[Light, ...], tuple[Room, ...]]


def gather(chambers: list[Chamber]) -> Built:
    """Items, lights and rooms of a whole place."""
    items = tuple(item for chamber in chambers for item in chamber.items)
    lights = tuple(light for chamber in chambers for light in chamber.lights)
    return items, lights, tuple(chamber.room for chamber in chambers)
