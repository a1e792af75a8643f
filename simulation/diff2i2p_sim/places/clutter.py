# SPDX-License-Identifier: Apache-2.0
"""Small things on tables and shelves: primitives around the origin, standing on z = 0."""

from collections.abc import Callable

import numpy as np

from diff2i2p_sim.description import Texture
from diff2i2p_sim.office.furniture import laptop, monitor, papers
from diff2i2p_sim.office.primitives import (
    DARK,
    STEEL,
    WHITE,
    box,
    cylinder,
    front,
    metal,
    picture,
    plain,
)
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import Parts, ball, grounded, moved, rod, tray, turned

Thing = Callable[[Look], Parts]


def cup(look: Look) -> Parts:
    r, h, texture = look.between(0.03, 0.05), look.between(0.07, 0.12), look.shade()
    return [
        cylinder(0, 0, 0, r, h, texture),
        box(r + 0.01, 0, 0.2 * h, 0.03, 0.012, 0.6 * h, texture),
    ]


def bottle(look: Look) -> Parts:
    r, h = look.between(0.025, 0.055), look.between(0.18, 0.34)
    body = look.print() if look.chance(0.6) else look.shade()
    neck = look.shade()
    return [
        cylinder(0, 0, 0, r, 0.65 * h, body),
        cylinder(0, 0, 0.65 * h, 0.7 * r, 0.1 * h, neck),
        cylinder(0, 0, 0.75 * h, 0.35 * r, 0.25 * h, neck),
    ]


def jar(look: Look) -> Parts:
    r, h = look.between(0.03, 0.08), look.between(0.08, 0.22)
    return [cylinder(0, 0, 0, r, h, look.print()), cylinder(0, 0, h, 0.9 * r, 0.02, look.shade())]


def bowl(look: Look) -> Parts:
    r, texture = look.between(0.07, 0.16), look.shade()
    parts = [cylinder(0, 0, 0, 0.5 * r, 0.03, texture), cylinder(0, 0, 0.03, r, 0.05, texture)]
    for k in range(int(look.rng.integers(0, 5))):
        x, y = 0.5 * r * np.cos(1.5 * k), 0.5 * r * np.sin(1.5 * k)
        parts += ball(x, y, 0.06, 0.4 * r, look.shade())
    return parts


def plates(look: Look) -> Parts:
    r, texture = look.between(0.09, 0.14), look.shade()
    return [
        cylinder(0, 0, 0.014 * k, r, 0.012, texture) for k in range(int(look.rng.integers(1, 9)))
    ]


def carton(look: Look) -> Parts:
    w, d, h = look.rng.uniform([0.06, 0.03, 0.08], [0.26, 0.14, 0.34]).round(3)
    return [box(0, 0, 0, w, d, h, look.print())]


def case(look: Look) -> Parts:
    w, d, h = look.rng.uniform([0.1, 0.1, 0.06], [0.4, 0.34, 0.3]).round(3)
    lid = box(0, 0, h, w + 0.012, d + 0.012, 0.03, look.shade())
    return [box(0, 0, 0, w, d, h, look.shade()), *([lid] if look.chance(0.6) else [])]


def stack(look: Look) -> Parts:
    """Books or magazines that lie."""
    parts, z = [], 0.0
    for _ in range(int(look.rng.integers(2, 8))):
        w, d, thick = look.rng.uniform([0.12, 0.17, 0.01], [0.24, 0.32, 0.05]).round(3)
        texture = look.print() if look.chance(0.3) else look.shade()
        parts.append(box(0, 0, z, w, d, thick, texture, look.rng.uniform(-0.5, 0.5)))
        z += thick
    return parts


def books(look: Look) -> Parts:
    """A few books side by side, the last ones leaning."""
    parts, x = [], -0.1
    for _ in range(int(look.rng.integers(3, 9))):
        w, d, h = look.rng.uniform([0.015, 0.13, 0.17], [0.05, 0.22, 0.3]).round(3)
        texture = look.print() if look.chance(0.25) else look.shade()
        lean = look.rng.uniform(-0.3, -0.1) if look.chance(0.2) else 0.0
        parts += grounded(moved(turned([box(0, 0, 0, w, d, h, texture)], pitch=lean), x, 0))
        x += w + h * abs(np.sin(lean)) + 0.002
    return moved(parts, -x / 2, 0)


def canister(look: Look) -> Parts:
    """A kettle or pot with a spout and a handle."""
    r, h, texture = look.between(0.07, 0.12), look.between(0.1, 0.24), look.shade()
    return [
        cylinder(0, 0, 0, r, h, texture),
        cylinder(0, 0, h, 0.5 * r, 0.03, look.shade()),
        rod((r, 0, 0.5 * h), (r + 0.07, 0, h), 0.015, texture),
        box(-r - 0.04, 0, 0.2 * h, 0.02, 0.025, 0.7 * h, plain(DARK)),
        box(-r - 0.02, 0, 0.85 * h, 0.06, 0.025, 0.02, plain(DARK)),
    ]


def pan(look: Look) -> Parts:
    r, h, texture = (
        look.between(0.09, 0.15),
        look.between(0.04, 0.16),
        look.choose(metal(), look.shade()),
    )
    return [
        cylinder(0, 0, 0, r, h, texture),
        rod((r, 0, h - 0.02), (r + 0.18, 0, h), 0.012, plain(DARK)),
    ]


def machine(look: Look) -> Parts:
    """A coffee maker, a mixer: a foot, a column, a head."""
    w, d, h, texture = (
        look.between(0.14, 0.3),
        look.between(0.2, 0.38),
        look.between(0.25, 0.45),
        look.shade(),
    )
    parts = [
        box(0, 0, 0, w, d, 0.05, texture),
        box(0, 0.3 * d, 0.05, w, 0.4 * d, h - 0.05, texture),
    ]
    parts += [
        box(0, 0, 0.7 * h, w, d, 0.3 * h, look.shade()),
        cylinder(0, -0.2 * d, 0.05, 0.25 * w, 0.3 * h, look.shade()),
    ]
    return [*parts, front(0, -d / 2 - 0.003, 0.85 * h, 0.8 * w, 0.2 * h, look.print())]


def toaster(look: Look) -> Parts:
    w, d, h, texture = (
        look.between(0.24, 0.4),
        look.between(0.14, 0.3),
        look.between(0.16, 0.26),
        look.choose(metal(), look.shade()),
    )
    slots = [box(x, 0, h, 0.7 * w / 2, 0.04, 0.008, plain(DARK)) for x in (-w / 5, w / 5)]
    return [
        box(0, 0, 0.015, w, d, h - 0.015, texture),
        *slots,
        cylinder(w / 2, 0, 0.4 * h, 0.02, 0.03, plain(DARK)),
    ]


def oven(look: Look) -> Parts:
    """A microwave, a radio: a box with a front."""
    w, d, h = look.between(0.3, 0.55), look.between(0.22, 0.4), look.between(0.18, 0.34)
    face = front(
        0,
        -d / 2 - 0.003,
        h / 2 + 0.01,
        w - 0.02,
        h - 0.02,
        picture("appliance", look.rng, look.colour()),
    )
    return [box(0, 0, 0.01, w, d, h, look.choose(metal(), look.shade())), face]


def roll(look: Look) -> Parts:
    return [
        cylinder(
            0,
            0,
            0,
            look.between(0.04, 0.07),
            look.between(0.15, 0.28),
            look.choose(plain(WHITE), look.print()),
        )
    ]


def knives(look: Look) -> Parts:
    body = [box(0, 0, 0, 0.1, 0.14, 0.2, look.timber())]
    body += [
        box(x, y, 0.2, 0.015, 0.025, 0.09, plain(DARK))
        for x in (-0.03, 0, 0.03)
        for y in (-0.04, 0.03)
    ]
    return grounded(turned(body, roll=look.rng.uniform(0.2, 0.5)))


def table_lamp(look: Look) -> Parts:
    h, shade = look.between(0.25, 0.5), look.cloth()
    stem = rod((0, 0, 0.02), (look.between(-0.08, 0.08), 0, h), 0.012, look.shade())
    x = 2 * (stem.pose[0])
    return [
        cylinder(0, 0, 0, 0.08, 0.02, look.shade()),
        stem,
        cylinder(x, 0, h, look.between(0.07, 0.17), 0.16, shade),
    ]


def vase(look: Look) -> Parts:
    r, h = look.between(0.04, 0.09), look.between(0.12, 0.3)
    parts = [cylinder(0, 0, 0, r, h, look.shade())]
    for _ in range(int(look.rng.integers(2, 7))):
        tip = look.rng.uniform([-0.18, -0.18, h + 0.1], [0.18, 0.18, h + 0.35])
        parts.append(rod((0, 0, h - 0.02), tip, 0.006, plain((0.2, 0.4, 0.16))))
        parts += ball(*tip, look.between(0.015, 0.04), look.shade(), 2)
    return parts


def pot_plant(look: Look) -> Parts:
    r, h = look.between(0.05, 0.12), look.between(0.08, 0.2)
    green = (0.2, look.between(0.32, 0.52), 0.16)
    parts = [cylinder(0, 0, 0, r, h, look.shade())]
    for k in range(int(look.rng.integers(5, 11))):
        angle, z = look.rng.uniform(0, 2 * np.pi), h + look.rng.uniform(0.02, 0.3)
        leaf = Texture("foliage", k % 4, green)
        x, y = 0.8 * r * np.cos(angle), 0.8 * r * np.sin(angle)
        parts.append(
            box(
                x,
                y,
                z,
                look.between(0.1, 0.22),
                0.05,
                0.005,
                leaf,
                angle,
                look.rng.uniform(-1.2, 0.4),
            )
        )
    return parts


def picture_frame(look: Look) -> Parts:
    w, h = look.between(0.1, 0.3), look.between(0.12, 0.36)
    parts = [box(0, 0, 0, w, 0.02, h, look.shade())]
    parts.append(front(0, -0.013, h / 2, w - 0.03, h - 0.03, picture("poster", look.rng)))
    return grounded(turned(parts, roll=-look.rng.uniform(0.08, 0.3)))


def tablet(look: Look) -> Parts:
    parts = [
        box(0, 0, 0, 0.25, 0.01, 0.17, plain(DARK)),
        front(0, -0.008, 0.085, 0.23, 0.15, picture("screen", look.rng)),
    ]
    return grounded(turned(parts, roll=-look.rng.uniform(0.2, 1.3)))


def speaker(look: Look) -> Parts:
    w, h = look.between(0.1, 0.24), look.between(0.16, 0.4)
    cone = turned([cylinder(0, 0, 0, 0.35 * w, 0.01, plain(DARK))], roll=np.pi / 2)
    return [
        box(0, 0, 0, w, 0.9 * w, h, look.choose(look.timber(), plain(DARK))),
        *moved(cone, 0, -0.45 * w, 0.6 * h),
    ]


def basket(look: Look) -> Parts:
    w, d, h = look.between(0.2, 0.42), look.between(0.16, 0.32), look.between(0.1, 0.24)
    parts = tray(w, d, h, 0.012, look.choose(look.shade(), look.timber()))
    for _ in range(int(look.rng.integers(0, 5))):
        parts += moved(
            tumbled(look, carton(look), 0.7), *look.rng.uniform(-0.25, 0.25, 2) * (w, d), 0.02
        )
    return parts


def bag(look: Look) -> Parts:
    """A soft bag, not quite upright, with handles."""
    w, d, h, cloth = (
        look.between(0.25, 0.45),
        look.between(0.1, 0.2),
        look.between(0.24, 0.42),
        look.cloth(),
    )
    parts = [
        box(0, 0, 0, w, d, 0.7 * h, cloth),
        box(0, 0, 0.7 * h, 0.85 * w, 0.6 * d, 0.3 * h, cloth),
    ]
    for x in (-0.2 * w, 0.2 * w):
        parts.append(rod((x, 0, h), (0.5 * x, 0, h + 0.1), 0.012, look.shade()))
    return grounded(turned(parts, *look.rng.uniform(-0.25, 0.25, 2)))


def laundry(look: Look) -> Parts:
    parts, z = [], 0.0
    for _ in range(int(look.rng.integers(2, 6))):
        w, d, thick = look.rng.uniform([0.22, 0.2, 0.03], [0.42, 0.36, 0.08]).round(3)
        parts.append(box(0, 0, z, w, d, thick, look.cloth(), look.rng.uniform(-0.2, 0.2)))
        z += thick
    return parts


def tool(look: Look) -> Parts:
    """A drill: a body, a grip, a bit."""
    texture = look.shade()
    parts = [
        box(0, 0, 0.14, 0.22, 0.07, 0.08, texture),
        box(0.06, 0, 0, 0.06, 0.06, 0.15, plain(DARK)),
    ]
    return [*parts, rod((-0.11, 0, 0.18), (-0.24, 0, 0.18), 0.008, metal(STEEL))]


def coil(look: Look) -> Parts:
    r = look.between(0.06, 0.14)
    return [
        cylinder(0, 0, 0, r, 0.05, look.shade()),
        cylinder(0, 0, 0.05, 0.5 * r, 0.004, plain(DARK)),
    ]


def toy(look: Look) -> Parts:
    parts = (
        ball(0, 0, 0, 0.08, look.shade())
        if look.chance(0.5)
        else [box(0, 0, 0, 0.14, 0.1, 0.12, look.shade())]
    )
    top = look.between(0.04, 0.07)
    z = 0.15 if parts[0].shape == "cylinder" else 0.12
    return [
        *parts,
        *ball(0, 0, z, top, look.shade()),
        *(box(s * 0.09, 0, 0.06, 0.06, 0.04, 0.04, look.shade()) for s in (-1, 1)),
    ]


def notebook(look: Look) -> Parts:
    return laptop(look.rng, 0, 0, 0)


def screen(look: Look) -> Parts:
    return monitor(look.rng, 0, 0, 0)


def sheets(look: Look) -> Parts:
    return papers(look.rng, int(look.rng.integers(1, 5)), 0.4, 0.4, 0.0)


def phone(look: Look) -> Parts:
    return [
        box(0, 0, 0, 0.18, 0.2, 0.05, plain(DARK), pitch=0.0, roll=0.15),
        box(-0.06, 0, 0.06, 0.05, 0.2, 0.04, plain(DARK)),
    ]


def scrap(look: Look) -> Parts:
    """A box or a stick that lies as it fell."""
    return tumbled(look, carton(look) if look.chance(0.6) else roll(look), 1.6)


def tumbled(look: Look, parts: Parts, most: float) -> Parts:
    """Tilted by up to `most` radians, resting on its lowest corner."""
    return grounded(
        turned(parts, *look.rng.uniform(-most, most, 2), look.rng.uniform(0, 2 * np.pi))
    )


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
        corners = np.array(
            [
                [
                    *np.array(part.pose[:3]) - np.array(part.size) / 2,
                    *np.array(part.pose[:3]) + np.array(part.size) / 2,
                ]
                for part in parts
            ]
        )
        low, high = corners[:, :3].min(0), corners[:, 3:].max(0)
        wide, deep = high[:2] - low[:2]
        if high[2] > room - 0.02 or deep > depth or x + wide > width / 2:
            x += 0.04
            continue
        y = look.rng.uniform(-1, 1) * (depth - deep) / 2
        things.append(moved(parts, x - low[0], y - (low[1] + high[1]) / 2, z))
        x += wide + look.between(0.005, 0.06)
    return things
