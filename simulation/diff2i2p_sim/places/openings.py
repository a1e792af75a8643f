# SPDX-License-Identifier: Apache-2.0
"""What fills the holes in walls: doorways, closed doors, windows with what hangs before them."""

import numpy as np

from diff2i2p_sim.description import Texture
from diff2i2p_sim.office.primitives import (
    WHITE,
    box,
    cylinder,
    front,
    metal,
    picture,
    plain,
)
from diff2i2p_sim.places.chamber import Gap
from diff2i2p_sim.places.palette import Look
from diff2i2p_sim.places.solids import Parts, rod


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
    parts = [front(0, back, z + h / 2, w, h, picture(look.choose("window", "outside"), look.rng))]
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
