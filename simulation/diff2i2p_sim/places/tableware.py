# SPDX-License-Identifier: Apache-2.0
"""Things of kitchens: primitives around the origin, standing on z = 0."""

import numpy as np

from diff2i2p_sim.office.primitives import (
    DARK,
    WHITE,
    box,
    cylinder,
    front,
    metal,
    picture,
    plain,
)
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import Parts, ball, grounded, rod, turned


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
