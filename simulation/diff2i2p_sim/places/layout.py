# SPDX-License-Identifier: Apache-2.0
"""Floor plans: a rectangle cut into rooms, doorways between them, windows to the outside."""

import numpy as np

from diff2i2p_sim.office.floor_plan import LINING
from diff2i2p_sim.places.chamber import Chamber, Gap, open_chamber
from diff2i2p_sim.places.palette import Look

OPPOSITE = {"n": "s", "s": "n", "e": "w", "w": "e"}
Rectangle = tuple[np.ndarray, np.ndarray]


def divide(rng: np.random.Generator, width: float, depth: float, count: int) -> list[Rectangle]:
    """Cut a floor into `count` rectangles (low, high), largest first each time; metres."""
    rooms: list[Rectangle] = [(np.zeros(2), np.array([width, depth]))]
    while len(rooms) < count:
        rooms.sort(key=lambda room: np.prod(room[1] - room[0]))
        low, high = rooms.pop()
        axis = int((high - low).argmax())
        cut = low[axis] + rng.uniform(0.38, 0.62) * (high - low)[axis]
        first, second = high.copy(), low.copy()
        first[axis] = second[axis] = cut
        rooms += [(low, first), (second, high)]
    return rooms


def make_chambers(
    look: Look, rooms: list[Rectangle], kinds: list[str], height: float
) -> list[Chamber]:
    """The rooms with doorways between neighbours and thick walls outside."""
    names: dict[str, int] = {}
    chambers = [
        open_chamber(kind, low + LINING, high - LINING, height, look, names)
        for (low, high), kind in zip(rooms, kinds, strict=True)
    ]
    _connect(look, rooms, chambers)
    lowest, highest = np.min([room[0] for room in rooms], 0), np.max([room[1] for room in rooms], 0)
    for (low, high), chamber in zip(rooms, chambers, strict=True):
        ends = {
            "w": low[0] - lowest[0],
            "s": low[1] - lowest[1],
            "e": highest[0] - high[0],
            "n": highest[1] - high[1],
        }
        chamber.outer = {name: look.between(0.1, 0.38) for name, gap in ends.items() if gap < 1e-6}
    return chambers


def _connect(look, rooms, chambers) -> None:
    """Doorways so that every room can be reached, and a few more."""
    reached = {0}
    pairs = [(a, b) for a in range(len(rooms)) for b in range(a + 1, len(rooms))]
    for _ in chambers:
        for a, b in pairs:
            if len({a, b} & reached) == 1 and _doorway(look, chambers[a], chambers[b]):
                reached |= {a, b}
    for a, b in pairs:
        if look.chance(0.1):
            _doorway(look, chambers[a], chambers[b])


def _doorway(look: Look, one: Chamber, other: Chamber) -> bool:
    """The same hole in two facing walls, where they share enough."""
    for name in "nesw":
        side, facing = one.sides[name], other.sides[OPPOSITE[name]]
        across = 1 if name in "ns" else 0
        if abs(side.middle[across] - facing.middle[across]) > 3 * LINING:
            continue
        along = 1 - across
        low = max(one.room.low[along], other.room.low[along])
        high = min(one.room.high[along], other.room.high[along])
        width = look.choose(0.85, 0.95, 1.1, 1.6)
        if high - low < width + 0.3:
            continue
        at = look.rng.uniform(low + width / 2 + 0.12, high - width / 2 - 0.12)
        point = (at, side.middle[1]) if along == 0 else (side.middle[0], at)
        top = round(min(look.between(2.0, 2.3), one.room.height - 0.1), 3)
        for chamber, wall, label in ((one, side, name), (other, facing, OPPOSITE[name])):
            chamber.cut(label, Gap(round(wall.along(*point), 3), width, 0.0, top, "doorway"))
        return True
    return False


def add_windows(chamber: Chamber, share: float = 0.75) -> None:
    """Windows in the outer walls: rows of small ones, wide ones, from the floor up."""
    look, height = chamber.look, chamber.room.height
    for name in chamber.outer:
        if look.chance(1 - share):
            continue
        side, width = chamber.sides[name], look.between(0.6, 2.4)
        bottom = look.choose(
            0.0, look.between(0.3, 0.7), look.between(0.8, 1.1), look.between(0.8, 1.1)
        )
        top = min(height - look.between(0.08, 0.5), bottom + look.between(1.0, 2.4))
        count = int(side.length / (width + look.between(0.3, 1.5)))
        for k in range(count):
            at = round((k + 0.5) * side.length / count - side.length / 2, 3)
            if side.free(at, width + 0.1):
                chamber.cut(name, Gap(at, width, bottom, round(top, 3), "window"))


def add_entrance(chamber: Chamber) -> None:
    """A closed door in an outer wall."""
    look = chamber.look
    for name in chamber.outer:
        side = chamber.sides[name]
        width = look.choose(0.9, 1.0, 1.8)
        at = round(float(look.rng.uniform(-1, 1)) * (side.length / 2 - width), 3)
        if side.length > width + 0.6 and side.free(at, width + 0.2):
            top = round(min(look.between(2.0, 2.3), chamber.room.height - 0.05), 3)
            chamber.cut(name, Gap(at, width, 0.0, top, "door"))
            return
