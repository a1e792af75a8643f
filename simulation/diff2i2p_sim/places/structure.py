# SPDX-License-Identifier: Apache-2.0
"""Floors, walls, ceilings, windows, doors and lamps of a room."""

import numpy as np

from diff2i2p_sim.description import Light, Primitive, Texture
from diff2i2p_sim.office.floor_plan import Side
from diff2i2p_sim.office.primitives import (
    QUARTER,
    WHITE,
    box,
    cylinder,
    front,
    metal,
    picture,
    plain,
    rounded,
    sheet,
)
from diff2i2p_sim.places.chamber import Chamber, Gap
from diff2i2p_sim.places.palette import Look, material
from diff2i2p_sim.places.solids import Parts, rod

LAMP = Texture("lamp", 0, (1.0, 1.0, 1.0))


def enclose(
    chamber: Chamber,
    ceiling: str | None = None,
    wall: Texture | None = None,
    floor: Texture | None = None,
) -> None:
    """Build everything that holds the room together; `ceiling` is a key of CEILINGS."""
    look = chamber.look
    wall, accent = wall or look.wall(), look.wall()
    feature = look.choose(*"nesw") if look.chance(0.5) else ""
    chamber.add("shell", _floor(chamber, floor or look.floor()))
    CEILINGS[ceiling or look.choose(*CEILINGS)](chamber)
    for name, side in chamber.sides.items():
        texture = accent if name == feature else wall
        chamber.add("wall", side.place(_wall(chamber, name, texture), 0.0))
        for gap in side.openings:
            built = OPENINGS[gap.kind](look, gap, chamber.thickness(name))
            chamber.add(gap.kind, side.place(built, gap.at))
            if gap.kind == "window":
                chamber.lights.append(_daylight(side, gap))


def _floor(chamber: Chamber, texture: Texture) -> Parts:
    thick = 2 * max(chamber.thickness(name) for name in chamber.sides)
    return [sheet(*chamber.room.centre, 0, *chamber.size + thick, texture)]


def _wall(chamber: Chamber, name: str, texture: Texture) -> Parts:
    """Boxes between, below and above the openings, a skirting board, perhaps tiles or a dado."""
    side, thick, height = chamber.sides[name], chamber.thickness(name), chamber.room.height
    gaps = sorted(side.openings, key=lambda gap: gap.at)
    edges = [
        -side.length / 2 - thick,
        *(gap.at + end * gap.width / 2 for gap in gaps for end in (-1, 1)),
        side.length / 2 + thick,
    ]
    parts: Parts = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        parts.append(box((start + end) / 2, thick / 2, 0, end - start, thick, height, texture))
        parts.append(
            box(
                (start + end) / 2,
                -0.006,
                0,
                max(end - start - 0.1, 0.01),
                0.012,
                0.08,
                chamber.look.trim,
            )
        )
    for gap in gaps:
        parts.append(box(gap.at, thick / 2, gap.top, gap.width, thick, height - gap.top, texture))
        if gap.bottom > 0:
            parts.append(box(gap.at, thick / 2, 0, gap.width, thick, gap.bottom, texture))
    return parts


def _doorway(look: Look, gap: Gap, thick: float) -> Parts:
    """A frame, and often a leaf that stands open."""
    w, top = gap.width, gap.top
    parts = [
        box(s * (w / 2 + 0.02), thick / 2 - 0.02, 0, 0.08, thick + 0.02, top, look.trim)
        for s in (-1, 1)
    ]
    parts.append(box(0, thick / 2 - 0.02, top - 0.02, w + 0.12, thick + 0.02, 0.08, look.trim))
    if w < 1.2 and look.chance(0.35):
        hinge, swing, long = look.choose(-1, 1), look.between(0.9, 1.75), w - 0.06
        x, y = -hinge * np.cos(swing), -np.sin(swing)
        at = hinge * (w / 2 + 0.02) + x * long / 2, -0.03 + y * long / 2
        parts.append(box(*at, 0.01, long, 0.04, top - 0.05, _leaf(look), np.arctan2(y, x)))
    return parts


def _leaf(look: Look) -> Texture:
    if look.chance(0.5):
        return picture("door", look.rng, look.colour())
    return look.choose(look.timber(), look.shade(), plain(WHITE))


def _door(look: Look, gap: Gap, thick: float) -> Parts:
    """A closed door of one or two leaves, set back into the wall."""
    w, top, back = gap.width, gap.top, look.between(0.0, 0.8) * thick
    leaves = 2 if w > 1.3 else 1
    parts = [
        box(s * (w / 2 - 0.03), thick / 2 - 0.01, 0, 0.07, thick + 0.03, top, look.trim)
        for s in (-1, 1)
    ]
    texture = _leaf(look)
    for k in range(leaves):
        x = (k + 0.5) * w / leaves - w / 2
        parts.append(box(x, back + 0.02, 0, w / leaves, 0.04, top, texture))
        parts.append(box(x + 0.38 * w / leaves, back - 0.03, 1.02, 0.1, 0.04, 0.03, metal()))
        if look.chance(0.4):
            panel = look.choose(look.trim, texture)
            parts += [
                box(x, back - 0.005, z, 0.6 * w / leaves, 0.012, 0.36 * top, panel)
                for z in (0.08 * top, 0.54 * top)
            ]
    return parts


def _window(look: Look, gap: Gap, thick: float) -> Parts:
    """A pane deep in the wall, its bars, a sill, and what hangs before it."""
    w, h, z, back = gap.width, gap.top - gap.bottom, gap.bottom, 0.8 * thick
    bar = look.choose(plain(WHITE), look.trim, look.wood)
    parts = [front(0, back, z + h / 2, w, h, picture("window", look.rng))]
    for x in np.linspace(-w / 2, w / 2, int(look.rng.integers(2, 5))):
        parts.append(box(x, back - 0.03, z, 0.06, 0.05, h, bar))
    for level in {z, z + h - 0.05, *([z + look.between(0.3, 0.7) * h] if look.chance(0.4) else [])}:
        parts.append(box(0, back - 0.03, level, w, 0.05, 0.06, bar))
    if z > 0.2:
        parts.append(
            box(
                0,
                (thick - 0.14) / 2,
                z - 0.03,
                w + 0.1,
                thick + 0.14,
                0.03,
                look.choose(bar, look.trim),
            )
        )
    parts += look.choose(_no_blind, _curtains, _curtains, _slats, _roller)(look, gap)
    if z > 0.6 and look.chance(0.5):
        wide = min(w, look.between(0.6, 1.6))
        parts.append(
            box(0, -0.06, 0.12, wide, 0.1, z - 0.3, Texture("radiator", 0, (0.88, 0.88, 0.86)))
        )
    return parts


def _no_blind(look: Look, gap: Gap) -> Parts:
    return []


def _curtains(look: Look, gap: Gap) -> Parts:
    """Folds left and right, from a rail."""
    cloth, top, low = look.cloth(), gap.top + 0.1, look.choose(0.03, max(gap.bottom - 0.1, 0.03))
    parts = [
        rod((-gap.width / 2 - 0.3, -0.08, top), (gap.width / 2 + 0.3, -0.08, top), 0.014, look.trim)
    ]
    for side in (-1, 1):
        for k in range(int(look.rng.integers(2, 7))):
            x, r = side * (gap.width / 2 + 0.22 - 0.09 * k), look.between(0.04, 0.06)
            parts.append(cylinder(x, -0.08 + 0.02 * (k % 2), low, r, top - low, cloth))
    return parts


def _slats(look: Look, gap: Gap) -> Parts:
    """A venetian blind, let down some way."""
    texture, tilt, h = (
        look.choose(plain(WHITE), look.shade()),
        look.between(-0.9, 0.9),
        gap.top - gap.bottom,
    )
    count = int(look.rng.uniform(0.2, 1) * h / 0.09)
    return [
        box(0, -0.03, gap.top - 0.05 - 0.09 * k, gap.width, 0.06, 0.004, texture, roll=tilt)
        for k in range(count)
    ]


def _roller(look: Look, gap: Gap) -> Parts:
    drop = look.between(0.15, 0.95) * (gap.top - gap.bottom)
    cloth = box(0, -0.02, gap.top - drop, gap.width, 0.006, drop, look.cloth())
    return [
        cloth,
        rod((-gap.width / 2, -0.03, gap.top), (gap.width / 2, -0.03, gap.top), 0.03, look.trim),
    ]


OPENINGS = {"doorway": _doorway, "door": _door, "window": _window}


def _daylight(side: Side, gap: Gap) -> Light:
    inwards = 0.95 * np.sin(side.yaw), -0.95 * np.cos(side.yaw)
    middle = (gap.bottom + gap.top) / 2
    strength = 0.9 * gap.width * (gap.top - gap.bottom)
    return Light(
        "window",
        rounded(*side.point(gap.at, -0.2), middle, digits=4),
        rounded(*inwards, -0.31225),
        round(strength, 3),
    )


def _overhead(chamber: Chamber, z: float, texture: Texture) -> Primitive:
    thick = 2 * max(chamber.thickness(name) for name in chamber.sides)
    return Primitive(
        "plane",
        rounded(*chamber.room.centre, z, 2 * QUARTER, 0, 0),
        rounded(*chamber.size + thick, 0),
        texture,
    )


def _flat(chamber: Chamber) -> None:
    """Painted, boarded or bare."""
    look = chamber.look
    name = look.choose("paint", "paint", "plaster", "panelling", "concrete")
    white = look.choose((0.93, 0.93, 0.9), (0.88, 0.87, 0.85), look.colour())
    chamber.add("shell", [_overhead(chamber, chamber.room.height, material(look.rng, name, white))])


def _panels(chamber: Chamber) -> None:
    """Hung panels with lamps among them."""
    look = chamber.look
    texture = Texture("acoustic", int(look.rng.integers(20)), (0.88, 0.88, 0.86), 2.4)
    chamber.add("shell", [_overhead(chamber, chamber.room.height, texture)])


def _beams(chamber: Chamber) -> None:
    """A boarded ceiling on beams."""
    look, (wide, deep) = chamber.look, chamber.size
    chamber.add(
        "shell",
        [_overhead(chamber, chamber.room.height, material(look.rng, "panelling", look.colour()))],
    )
    h, b, wood, pitch = (
        look.between(0.1, 0.3),
        look.between(0.06, 0.22),
        look.timber(),
        look.between(0.6, 1.8),
    )
    x, y = chamber.room.centre
    for k in range(max(1, int(wide / pitch))):
        along = x + (k + 0.5) * wide / max(1, int(wide / pitch)) - wide / 2
        chamber.add("beam", [box(along, y, chamber.room.height - h, b, deep, h, wood)])


def _ducts(chamber: Chamber) -> None:
    """Bare concrete with pipes, ducts and cable trays."""
    look, height = chamber.look, chamber.room.height
    chamber.add(
        "shell", [_overhead(chamber, height, material(look.rng, "concrete", look.colour()))]
    )
    (x0, y0), (x1, y1) = chamber.room.low, chamber.room.high
    for _ in range(int(look.rng.integers(2, 7))):
        r, texture = look.between(0.02, 0.2), look.choose(metal(), look.shade())
        z = height - r - look.between(0.02, 0.3)
        if look.chance(0.5):
            y = look.between(y0 + 0.2, y1 - 0.2)
            chamber.add("pipe", _pipe(look, (x0, y, z), (x1, y, z), r, texture))
        else:
            x = look.between(x0 + 0.2, x1 - 0.2)
            chamber.add("pipe", _pipe(look, (x, y0, z), (x, y1, z), r, texture))


def _pipe(look: Look, start, end, radius: float, texture: Texture) -> Parts:
    """A round pipe, or a flat duct, with collars."""
    start, end = np.array(start), np.array(end)
    if radius > 0.08 and look.chance(0.5):
        middle, size = (start + end) / 2, np.abs(end - start)
        body = [
            box(
                *middle[:2],
                middle[2] - radius,
                *np.maximum(size[:2], 3 * radius),
                2 * radius,
                texture,
            )
        ]
    else:
        body = [rod(start, end, radius, texture)]
    for share in np.arange(0.1, 1.0, look.between(0.15, 0.4)):
        at = start + share * (end - start)
        along = (end - start) / np.linalg.norm(end - start) * 0.03
        body.append(rod(at - along, at + along, 1.12 * radius, look.trim))
    return body


def _slope(chamber: Chamber) -> None:
    """Under a roof: two slopes that meet along the longer axis; the room's height is the ridge."""
    look, ridge = chamber.look, chamber.room.height
    texture = material(
        look.rng,
        look.choose("paint", "panelling", "plaster"),
        look.choose((0.93, 0.92, 0.89), look.colour()),
    )
    (wide, deep), (x, y) = chamber.size + 0.4, chamber.room.centre
    along_x = wide > deep
    span, length = (deep, wide) if along_x else (wide, deep)
    drop = min(look.between(0.25, 0.9) * span / 2, ridge - 1.9)
    tilt, slant = np.arctan2(drop, span / 2), np.hypot(drop, span / 2)
    parts = []
    for s in (-1, 1):
        middle = (x, y + s * span / 4) if along_x else (x + s * span / 4, y)
        size = (length, slant) if along_x else (slant, length)
        turn = (2 * QUARTER - s * tilt, 0, 0) if along_x else (2 * QUARTER, s * tilt, 0)
        parts.append(
            Primitive(
                "plane", rounded(*middle, ridge - drop / 2, *turn), rounded(*size, 0), texture
            )
        )
    chamber.add("shell", parts)


CEILINGS = {"flat": _flat, "panels": _panels, "beams": _beams, "ducts": _ducts, "slope": _slope}


def add_lamps(chamber: Chamber, kind: str | None = None, most: int = 6) -> None:
    """Lamps of one kind spread under the ceiling."""
    look, build = chamber.look, LAMPS[kind or chamber.look.choose(*LAMPS)]
    pitch = max(look.between(2.2, 3.4), float(np.sqrt(chamber.area / most)))
    nx, ny = np.maximum(np.round(chamber.size / pitch).astype(int), 1)
    for i in range(nx):
        for j in range(ny):
            x, y = chamber.room.low + chamber.size * ((i + 0.5) / nx, (j + 0.5) / ny)
            parts, z = build(look, chamber.room.height)
            chamber.add("lamp", [part.moved(x, y, 0, 0) for part in parts])
            chamber.lights.append(Light("lamp", rounded(x, y, z, digits=3), (0.0, 0.0, -1.0), 1.0))


def _panel(look: Look, height: float) -> tuple[Parts, float]:
    w, d = look.choose((0.6, 0.6), (1.2, 0.3), (1.2, 0.15))
    return [box(0, 0, height - 0.04, w, d, 0.04, LAMP)], height - 0.08


def _pendant(look: Look, height: float) -> tuple[Parts, float]:
    drop, r, h = (
        look.between(0.3, 0.45) * (height - 1.2),
        look.between(0.1, 0.3),
        look.between(0.12, 0.3),
    )
    z = height - drop
    cord = cylinder(0, 0, z, 0.008, drop, look.trim)
    return [
        cord,
        cylinder(0, 0, z - h, r, h, look.cloth()),
        cylinder(0, 0, z - h - 0.02, 0.7 * r, 0.02, LAMP),
    ], z - h - 0.05


def _disc(look: Look, height: float) -> tuple[Parts, float]:
    return [cylinder(0, 0, height - 0.09, look.between(0.12, 0.28), 0.09, LAMP)], height - 0.13


def _tube(look: Look, height: float) -> tuple[Parts, float]:
    """A fluorescent lamp on chains."""
    drop, long = look.between(0.0, 0.6) if height > 2.9 else 0.0, look.between(1.0, 1.6)
    z = height - drop - 0.1
    yaw = look.choose(0, QUARTER)
    chains = [
        cylinder(s * long / 3, 0, z + 0.1, 0.006, max(drop, 0.01), look.trim) for s in (-1, 1)
    ]
    parts = [
        box(0, 0, z + 0.04, long, 0.12, 0.06, plain(WHITE)),
        rod((-long / 2, 0, z + 0.02), (long / 2, 0, z + 0.02), 0.02, LAMP),
    ]
    return [part.moved(0, 0, 0, yaw) for part in (*parts, *chains)], z - 0.03


LAMPS = {"panel": _panel, "pendant": _pendant, "disc": _disc, "tube": _tube}
