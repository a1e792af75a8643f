# SPDX-License-Identifier: Apache-2.0
"""Small things of any room: primitives around the origin, standing on z = 0."""

import numpy as np

from diff2i2p_sim.description import Texture
from diff2i2p_sim.office.furniture import laptop, monitor, papers
from diff2i2p_sim.office.primitives import (
    DARK,
    STEEL,
    box,
    cylinder,
    front,
    metal,
    picture,
    plain,
)
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import Parts, ball, grounded, moved, rod, tray, turned
from diff2i2p_sim.places.tableware import roll


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
