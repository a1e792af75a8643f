# SPDX-License-Identifier: Apache-2.0
"""What hangs on walls: primitives around a point of the wall at z = 0, the wall towards +y."""

from collections.abc import Callable

from diff2i2p_sim.description import Primitive, Texture
from diff2i2p_sim.office.furniture import shelf_load
from diff2i2p_sim.office.primitives import (
    DARK,
    RED,
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
)

Hanging = tuple[str, list[Primitive], float]  # kind, parts, width


def framed(style: Style, kind: str, width: float, height: float, z: float) -> list[Primitive]:
    """A picture in a frame 2 cm thick, its middle at z."""
    frame = (plain(DARK), metal(STEEL), style.wood)[style.rng.integers(3)]
    body = box(0, -0.01, z - height / 2 - 0.03, width + 0.06, 0.02, height + 0.06, frame)
    return [body, front(0, -0.023, z, width, height, picture(kind, style.rng))]


def poster(style: Style) -> Hanging:
    width = round(float(style.rng.uniform(0.45, 0.78)), 2)
    height, z = width * 4 / 3, style.rng.uniform(1.45, 1.65)
    if style.rng.random() < 0.5:
        return "picture", framed(style, "poster", width, height, z), width + 0.06
    return "poster", [front(0, -0.004, z, width, height, picture("poster", style.rng))], width


def whiteboard(style: Style) -> Hanging:
    return "whiteboard", framed(style, "whiteboard", 1.5, 1.0, 1.5), 1.56


def corkboard(style: Style) -> Hanging:
    return "corkboard", framed(style, "corkboard", 1.2, 0.8, 1.5), 1.26


def pegboard(style: Style) -> Hanging:
    return "pegboard", framed(style, "pegboard", 1.2, 0.8, 1.45), 1.26


def television(style: Style) -> Hanging:
    return (
        "television",
        [
            box(0, -0.03, 1.1, 1.1, 0.06, 0.64, plain(DARK)),
            front(0, -0.063, 1.42, 1.06, 0.6, picture("screen", style.rng)),
        ],
        1.1,
    )


def clock(style: Style) -> Hanging:
    return (
        "clock",
        [
            box(0, -0.02, 1.95, 0.32, 0.04, 0.32, plain(DARK)),
            front(0, -0.043, 2.11, 0.31, 0.31, picture("clock", style.rng)),
        ],
        0.34,
    )


def wall_shelf(style: Style) -> Hanging:
    boards = [box(0, -0.13, z, 0.9, 0.24, 0.025, style.wood) for z in (1.35, 1.75)]
    loads = [
        part.moved(0, -0.13, 0, 0)
        for z in (1.375, 1.775)
        for part in shelf_load(style.rng, 0.88, 0.24, z, 0.36)
    ]
    return "wallshelf", boards + loads, 0.92


def coats(style: Style) -> Hanging:
    rng = style.rng
    parts = [box(0, -0.015, 1.7, 0.9, 0.03, 0.08, style.wood)]
    for x in (-0.33, -0.11, 0.11, 0.33):
        parts.append(box(x, -0.05, 1.72, 0.02, 0.06, 0.02, metal()))
        if rng.random() < 0.6:
            cloth = Texture("fabric", 0, pick(rng, "seat"), 0.25)
            high = round(float(rng.uniform(0.6, 0.95)), 2)
            parts += [
                box(x, -0.09, 1.72 - high, 0.3, 0.1, high, cloth),
                box(x, -0.1, 1.74 - high * 0.6, 0.4, 0.06, high * 0.5, cloth),
            ]
    return "coats", parts, 0.95


def extinguisher(style: Style) -> Hanging:
    parts = [
        cylinder(0, -0.1, 0.7, 0.08, 0.5, plain(RED)),
        cylinder(0, -0.1, 1.2, 0.03, 0.08, plain(DARK)),
    ]
    return "extinguisher", [*parts, front(0, -0.004, 1.6, 0.2, 0.2, Texture("sign", 7))], 0.3


def exit_sign(style: Style) -> Hanging:
    return (
        "exit",
        [
            box(0, -0.02, 2.4, 0.4, 0.04, 0.2, plain(DARK)),
            front(0, -0.043, 2.5, 0.38, 0.19, Texture("exit_sign")),
        ],
        0.4,
    )


def switch(style: Style, sign: bool) -> list[Primitive]:
    """A light switch, and a door sign outside the room."""
    parts = [box(0, -0.01, 1.05, 0.08, 0.02, 0.08, plain(WHITE))]
    return [*parts, front(0, -0.004, 1.6, 0.2, 0.15, picture("sign", style.rng))] if sign else parts


CHOICE: dict[
    str, list[tuple[Callable[[Style], Hanging], float]]
] = {  # room -> what may hang there, how often
    "office": [
        (poster, 6),
        (whiteboard, 2),
        (corkboard, 1.5),
        (wall_shelf, 2),
        (coats, 1),
        (clock, 0.5),
    ],
    "meeting": [(poster, 5), (whiteboard, 2), (television, 2), (clock, 0.6), (coats, 0.6)],
    "kitchen": [(poster, 5), (corkboard, 2), (wall_shelf, 2), (clock, 0.8), (coats, 0.7)],
    "lab": [(poster, 4), (pegboard, 3), (whiteboard, 1.5), (wall_shelf, 2), (television, 0.7)],
    "lounge": [(poster, 7), (wall_shelf, 2), (television, 1), (clock, 0.5)],
    "storage": [(poster, 3), (pegboard, 3), (wall_shelf, 2), (coats, 1.5)],
    "corridor": [(poster, 7), (corkboard, 1.5), (coats, 0.8), (clock, 0.3)],
}


def hang(style: Style, room: str) -> Hanging:
    """Something that suits the room."""
    choices, often = zip(*CHOICE[room], strict=True)
    return choices[style.rng.choice(len(choices), p=[weight / sum(often) for weight in often])](
        style
    )
