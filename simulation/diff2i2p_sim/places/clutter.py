# SPDX-License-Identifier: Apache-2.0
"""Which small things stand in which kind of room, strewn over tables or side by side on boards."""

from collections.abc import Callable

import numpy as np

from diff2i2p_sim.description import Item
from diff2i2p_sim.places.household import (
    bag,
    basket,
    books,
    carton,
    case,
    coil,
    laundry,
    notebook,
    phone,
    picture_frame,
    pot_plant,
    scrap,
    screen,
    sheets,
    speaker,
    stack,
    table_lamp,
    tablet,
    tool,
    toy,
    vase,
)
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import Parts, moved
from diff2i2p_sim.places.tableware import (
    bottle,
    bowl,
    canister,
    cup,
    jar,
    knives,
    machine,
    oven,
    pan,
    plates,
    roll,
    toaster,
)

Thing = Callable[[Look], Parts]
KITCHEN = [
    cup,
    cup,
    bottle,
    bottle,
    jar,
    jar,
    bowl,
    plates,
    carton,
    canister,
    pan,
    machine,
    toaster,
    oven,
    roll,
    knives,
    basket,
    pot_plant,
    scrap,
]
LIVING = [
    cup,
    bottle,
    bowl,
    stack,
    books,
    table_lamp,
    vase,
    pot_plant,
    picture_frame,
    tablet,
    speaker,
    basket,
    bag,
    toy,
    case,
    notebook,
    scrap,
]
OFFICE = [
    cup,
    bottle,
    stack,
    books,
    screen,
    notebook,
    sheets,
    phone,
    case,
    table_lamp,
    pot_plant,
    bag,
    speaker,
    scrap,
    carton,
    picture_frame,
]
WORKSHOP = [
    tool,
    tool,
    coil,
    case,
    carton,
    jar,
    roll,
    basket,
    canister,
    speaker,
    oven,
    scrap,
    scrap,
    bottle,
    screen,
]
BEDROOM = [
    laundry,
    laundry,
    stack,
    books,
    table_lamp,
    cup,
    picture_frame,
    case,
    bag,
    toy,
    vase,
    bottle,
]


def strewn(
    look: Look, kinds: list[Thing], width: float, depth: float, z: float, count: int
) -> list[Parts]:
    """Up to `count` things on a surface of that size around the origin, apart from each other."""
    things: list[Parts] = []
    taken: list[tuple[float, float, float]] = []
    for _ in range(count):
        parts = look.choose(*kinds)(look)
        reach = max(float(np.hypot(*part.pose[:2]) + max(part.size[:2]) / 2) for part in parts)
        at = _gap(look, width, depth, 0.8 * reach, taken)
        if at is not None:
            taken.append((*at, 0.8 * reach))
            things.append(
                moved(
                    parts,
                    *at,
                    z,
                    look.rng.choice([0, look.rng.uniform(-0.6, 0.6), look.rng.uniform(-3, 3)]),
                )
            )
    return things


def _gap(look, width, depth, reach, taken) -> tuple[float, float] | None:
    room = np.array([width, depth]) / 2 - reach
    if (room < -0.03).any():
        return None
    for _ in range(8):
        x, y = look.rng.uniform(-1, 1, 2) * np.maximum(room, 0)
        if all(np.hypot(x - a, y - b) > reach + other for a, b, other in taken):
            return float(x), float(y)
    return None


def row(
    look: Look, kinds: list[Thing], width: float, depth: float, z: float, room: float
) -> list[Parts]:
    """Things side by side on a board, no higher than `room` metres."""
    things, x = [], -width / 2
    while x < width / 2 - 0.08:
        if look.chance(0.15):
            x += look.between(0.05, 0.25)
            continue
        parts = look.choose(*kinds)(look)
        low, high = Item("", tuple(parts)).bounds
        wide, deep = high[:2] - low[:2]
        if high[2] > room - 0.02 or deep > depth or x + wide > width / 2:
            x += 0.04
            continue
        y = look.rng.uniform(-1, 1) * (depth - deep) / 2
        things.append(moved(parts, x - low[0], y - (low[1] + high[1]) / 2, z))
        x += wide + look.between(0.005, 0.06)
    return things
