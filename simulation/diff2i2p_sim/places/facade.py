# SPDX-License-Identifier: Apache-2.0
"""House fronts: piers and spandrels around recessed windows, doors, shops, balconies, roofs."""

import numpy as np

from diff2i2p_sim.description import Texture
from diff2i2p_sim.office.primitives import WHITE, box, front, metal, picture, plain
from diff2i2p_sim.places.palette import Look, material
from diff2i2p_sim.places.public import railing
from diff2i2p_sim.places.solids import Parts, Piece, moved, rod

FRONTS = "plaster plaster paint brick brick rubble concrete planking tiles mosaic".split()
BODY = 6.0  # metres that a house is deep


def house(look: Look, width: float) -> Piece:
    """A house `width` metres wide, its front at y = 0 facing -y."""
    storeys, storey = int(look.rng.integers(1, 5)), look.between(2.7, 3.6)
    ground = storey + look.between(0.0, 0.8)
    height = ground + (storeys - 1) * storey + 0.3
    wall = material(look.rng, look.choose(*FRONTS), look.colour())
    base = wall if look.chance(0.5) else material(look.rng, look.choose(*FRONTS), look.colour())
    columns = max(1, int(width / look.between(1.7, 3.2)))
    deep = look.between(0.12, 0.4)
    parts: Parts = [box(0, deep + BODY / 2, 0, width, BODY, height, wall)]
    pitch, share = width / columns, look.between(0.35, 0.65)
    style = WindowStyle(look, pitch * share)
    for level in range(storeys):
        z, h = (0.0, ground) if level == 0 else (ground + (level - 1) * storey, storey)
        texture = base if level == 0 else wall
        parts += _storey(look, level, z, h, width, columns, deep, texture, style)
    parts.append(
        box(0, deep / 2 - 0.05, height - 0.3, width, deep + 0.1, 0.3, look.choose(wall, look.trim))
    )
    return Piece("house", [*parts, *_roof(look, width, height)])


class WindowStyle:
    """What the windows of one house have in common."""

    def __init__(self, look: Look, width: float):
        self.width, self.sill, self.height = (
            round(width, 3),
            look.between(0.5, 1.0),
            look.between(1.2, 1.7),
        )
        self.bar = look.choose(plain(WHITE), look.trim, look.wood)
        self.shutters = look.shade() if look.chance(0.35) else None
        self.rail = look.choose(0.0, 0.5, 0.65)
        self.surround = look.trim if look.chance(0.4) else None
        self.balcony = look.choose(0.0, 0.0, 0.25, 0.6)
        self.panes = [picture("pane", look.rng) for _ in range(4)]


def _storey(look, level, z, h, width, columns, deep, texture, style) -> Parts:
    """Piers between the windows, walls above and below each, and what fills the holes."""
    pitch, parts = width / columns, []
    edges = [-width / 2]
    for k in range(columns):
        x = (k + 0.5) * pitch - width / 2
        hole, bottom, top, filling = _opening(look, level, h, pitch, style)
        parts.append(_pier(edges[-1], x - hole / 2, deep, z, h, texture))
        edges.append(x + hole / 2)
        if bottom > 0:
            parts.append(box(x, deep / 2, z, hole, deep, bottom, texture))
        parts.append(box(x, deep / 2, z + top, hole, deep, h - top, texture))
        parts += moved(filling, x, 0.8 * deep, z)
        if level and look.chance(style.balcony):
            parts += moved(_balcony(look, pitch), x, 0, z + 0.05)
    return [*parts, _pier(edges[-1], width / 2, deep, z, h, texture)]


def _pier(start, end, deep, z, h, texture):
    return box((start + end) / 2, deep / 2, z, max(end - start, 0.01), deep, h, texture)


def _opening(look, level, h, pitch, style):
    """Width, bottom, top and filling of one hole: a window, a door or a shop."""
    if level == 0 and look.chance(0.45):
        kind = look.choose("door", "shop", "gate")
        wide = min(pitch - 0.3, {"door": 1.1, "shop": 3.0, "gate": 2.6}[kind])
        top = min(h - 0.3, look.between(2.1, 2.8))
        texture = {
            "door": picture("door", look.rng, look.colour()),
            "shop": picture("shopfront", look.rng, look.colour()),
        }
        face = texture.get(kind) or Texture("corrugated", 0, look.colour(), 1.3)
        step = (
            [box(0, -0.3, 0, wide + 0.3, 0.5, 0.14, plain((0.6, 0.6, 0.58)))]
            if kind == "door"
            else []
        )
        awning = (
            [box(0, -0.8, top, wide + 0.3, 1.0, 0.04, look.cloth(), roll=0.3)]
            if kind == "shop" and look.chance(0.5)
            else []
        )
        return wide, 0.0, top, [front(0, 0, top / 2, wide, top, face), *step, *awning]
    top = min(style.sill + style.height, h - 0.2)
    return style.width, style.sill, top, _window(look, style, top)


def _window(look, style, top) -> Parts:
    w, z, h = style.width, style.sill, top - style.sill
    parts = [front(0, 0, z + h / 2, w, h, look.choose(*style.panes))]
    parts.append(box(0, -0.02, z, 0.07, 0.05, h, style.bar))
    parts.append(box(0, -0.02, z + style.rail * h, w, 0.05, 0.07, style.bar))
    parts.append(box(0, -0.25, z - 0.05, w + 0.16, 0.3, 0.05, plain((0.7, 0.7, 0.68))))
    if style.surround:
        parts += [box(s * (w / 2 + 0.07), -0.28, z, 0.14, 0.1, h, style.surround) for s in (-1, 1)]
        parts.append(box(0, -0.28, z + h, w + 0.3, 0.12, 0.16, style.surround))
    if style.shutters:
        parts += [
            box(s * (w * 0.75 + 0.06), -0.32, z, w / 2, 0.04, h, style.shutters) for s in (-1, 1)
        ]
    return parts


def _balcony(look: Look, pitch: float) -> Parts:
    w, d, style = 0.85 * pitch, look.between(0.7, 1.3), look.choose("rails", "panels")
    parts = [box(0, -d / 2, -0.15, w, d, 0.15, plain((0.68, 0.67, 0.65)))]
    parts += moved(railing(look, w, style), -w / 2, -d + 0.04)
    sides = moved(railing(look, d - 0.05, style), 0, 0, 0, np.pi / 2)
    return [*parts, *moved(sides, -w / 2 + 0.03, -d + 0.04), *moved(sides, w / 2 - 0.03, -d + 0.04)]


def _roof(look: Look, width: float, height: float) -> Parts:
    """Flat with a parapet, or a slope with tiles, chimneys and gutters."""
    tiles = material(
        look.rng,
        look.choose("brick", "corrugated", "planking"),
        look.choose((0.5, 0.25, 0.18), (0.3, 0.3, 0.33), look.colour()),
    )
    parts: Parts = [rod((-width / 2, -0.12, height), (width / 2, -0.12, height), 0.07, metal())]
    if look.chance(0.3):
        return [*parts, box(0, 0.2, height, width, 0.3, look.between(0.3, 0.9), tiles)]
    pitch, long = look.between(0.4, 0.9), look.between(3.4, 4.5)
    middle = long / 2 * np.array([np.cos(pitch), np.sin(pitch)])
    parts.append(
        box(
            0,
            middle[0] - 0.35,
            height + middle[1] - 0.1,
            width + 0.3,
            long,
            0.16,
            tiles,
            roll=pitch,
        )
    )
    for _ in range(int(look.rng.integers(0, 3))):
        x = look.rng.uniform(-0.4, 0.4) * width
        parts.append(box(x, 2.0, height, 0.6, 0.5, look.between(2.0, 3.6), tiles))
    return parts
