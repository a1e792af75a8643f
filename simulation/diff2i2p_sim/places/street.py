# SPDX-License-Identifier: Apache-2.0
"""Street fronts: houses on one or both sides, ground, parked cars, trees, under a sky."""

import numpy as np

from diff2i2p_sim.description import Light, Primitive, Texture
from diff2i2p_sim.office.primitives import QUARTER, box, picture, rounded, sheet
from diff2i2p_sim.places import outdoors as o
from diff2i2p_sim.places.chamber import Built, Chamber, gather, open_chamber
from diff2i2p_sim.places.facade import house
from diff2i2p_sim.places.palette import Look, material
from diff2i2p_sim.places.public import bench, planter

FAR = 110.0  # metres to the sky
GROUNDS = ["asphalt", "asphalt", "paving", "concrete", "rubble", "grass"]
LOOSE = (
    o.car,
    o.tree,
    o.hedge,
    o.sign,
    o.street_lamp,
    o.bicycle,
    o.bollards,
    o.container,
    bench,
    planter,
    o.cafe_table,
    o.shelter,
    o.boulder,
)


def build_street(rng: np.random.Generator) -> Built:
    """A street or a yard of 25 to 45 m by 9 to 20 m, along x, open to the sky."""
    look = Look.of(rng)
    length, width = rng.uniform(25, 45), rng.uniform(9, 20)
    street = open_chamber("street", (0, 0), (length, width), 0.0, look, {})
    _ground(street, width)
    _fronts(street, length, width, north=True)
    _fronts(street, length, width, north=False)
    _cars(street, width)
    street.scatter(int(street.area / 15), LOOSE, 0.4, square=0.9)
    _ends(street, length, width)
    _sky(street)
    _lights(street)
    return gather([street])


def _ground(street: Chamber, width: float) -> None:
    """A road, pavements along both sides, and land around."""
    look, (x, y) = street.look, street.room.centre
    walk = look.between(1.2, 0.3 * width)
    road, pavement, land = (_ground_material(look) for _ in range(3))
    street.add("shell", [sheet(x, y, 0, 2 * FAR, 2 * FAR, land)])
    street.add("shell", [sheet(x, y, 0.006, FAR, width - 2 * walk, road)])
    kerb = material(look.rng, "granite", (0.6, 0.6, 0.6))
    for side in (-1, 1):
        at = y + side * (width - walk) / 2
        street.add("shell", [sheet(x, at, 0.012, FAR, walk, pavement)])
        street.add("shell", [box(x, at - side * walk / 2, 0, FAR, 0.12, 0.025, kerb)])
    if look.chance(0.6):
        white = Texture("plain", 0, (0.9, 0.9, 0.88), 0.3)
        marks = [sheet(at, y, 0.009, 2.0, 0.12, white) for at in np.arange(0, 2 * x, 4.0)]
        street.add("shell", marks)


def _ground_material(look: Look) -> Texture:
    colour = look.choose((0.3, 0.3, 0.31), (0.5, 0.48, 0.45), (0.3, 0.4, 0.2))
    return material(look.rng, look.choose(*GROUNDS), colour)


def _fronts(street: Chamber, length: float, width: float, north: bool) -> None:
    """Houses side by side, with gaps, set back or not; or just a fence and trees."""
    look = street.look
    if not north and look.chance(0.35):
        piece = o.fence(look, length)
        street.put(piece.moved(length / 2, 0.1, 0, 0))
        for x in np.arange(1, length, look.between(3.0, 7.0)):
            green = look.choose(o.tree, o.tree, o.hedge)(look)
            street.put(green.moved(x, -look.between(1.5, 6.0), 0, look.between(0, 3)))
        return
    x = -look.between(2, 8)
    while x < length + 4:
        wide = look.between(5, 13)
        back = look.choose(0.0, 0.0, look.between(0.2, 2.5))
        front = house(look, wide)
        at = x + wide / 2
        y, yaw = (width + back, 0.0) if north else (-back, 2 * QUARTER)
        street.put(front.moved(at, y, 0, yaw))
        x += wide
        if look.chance(0.25):
            gap = look.between(1.5, 5)
            street.put(o.fence(look, gap).moved(x + gap / 2, width + 0.3 if north else -0.3, 0, 0))
            x += gap


def _cars(street: Chamber, width: float) -> None:
    """A row parked along one side, most of its places taken."""
    look, (x0, _), (x1, _) = street.look, street.room.low, street.room.high
    y = look.choose(width - 2.6, 2.6, 0.3 * width)
    if look.chance(0.25):
        return
    for x in np.arange(x0 + 3, x1 - 3, look.between(5.4, 6.5)):
        if look.chance(0.65):
            yaw = look.choose(0.0, np.pi) + look.between(-0.05, 0.05)
            street.at(o.car(look), x, y + look.between(-0.15, 0.15), yaw, 0.2)


def _ends(street: Chamber, length: float, width: float) -> None:
    """Distant houses and trees close both ends."""
    look = street.look
    for end in (-1, 1):
        for _ in range(int(look.rng.integers(4, 9))):
            x = length / 2 + end * (length / 2 + look.between(12, 55))
            y = width / 2 + look.rng.uniform(-25, 25)
            w, d, h = look.rng.uniform([6, 6, 4], [16, 12, 18])
            face = picture("facade", look.rng, look.colour())
            street.add("far", [box(x, y, 0, w, d, h, face, look.between(-0.2, 0.2))])
        for _ in range(int(look.rng.integers(0, 5))):
            x = length / 2 + end * (length / 2 + look.between(5, 14))
            street.put(o.tree(look).moved(x, width * look.rng.uniform(-0.2, 1.2)))


def _sky(street: Chamber) -> None:
    """Four walls and a lid, far away, seen from inside only."""
    texture, (x, y) = picture("sky", street.look.rng), street.room.centre
    walls = []
    for yaw in QUARTER * np.arange(4):
        at = x + FAR * np.sin(yaw), y - FAR * np.cos(yaw), FAR - 10
        pose = rounded(*at, QUARTER, 0, yaw + 2 * QUARTER)
        walls.append(Primitive("plane", pose, (2 * FAR, 2 * FAR, 0.0), texture))
    above = rounded(x, y, 2 * FAR - 11, 2 * QUARTER, 0, 0)
    lid = Primitive("plane", above, (2 * FAR, 2 * FAR, 0.0), texture)
    street.add("sky", [*walls, lid])


def _lights(street: Chamber) -> None:
    """The sun, brighter or behind clouds, and the sky from many sides."""
    look = street.look
    yaw, high = look.rng.uniform(0, 2 * np.pi), look.rng.uniform(0.3, 1.1)
    sky = [(angle, up) for up in (0.25, 0.8) for angle in np.arange(4) * np.pi / 2 + 0.4]
    sun = look.choose(0.0, look.between(0.6, 3.0))
    beams = [(yaw, high, sun), (0.0, 1.57, 0.4), (0.0, -1.57, 0.25)]
    beams += [(angle, up, 0.2) for angle, up in sky]
    for angle, up, strength in beams:
        towards = -np.cos(up) * np.cos(angle), -np.cos(up) * np.sin(angle), -np.sin(up)
        at = rounded(*street.room.centre, 2.0)
        street.lights.append(Light("sun", at, rounded(*towards), round(strength, 3)))
