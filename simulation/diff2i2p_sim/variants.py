# SPDX-License-Identifier: Apache-2.0
"""Another day in the same place: what people move, take away, bring along and switch on."""

from dataclasses import replace

import numpy as np

from diff2i2p_sim.description import Item, Light, Lighting, Room
from diff2i2p_sim.lighting import random_lighting
from diff2i2p_sim.office.furniture import boxes
from diff2i2p_sim.office.primitives import Style, rounded, seed

FRESH = {
    "screen": 0.9,
    "paper": 0.6,
    "whiteboard": 0.4,
    "corkboard": 0.1,
}  # chance that a picture shows something else
PUSHED = {
    "chair": 0.7,
    "visitor": 0.6,
    "bin": 0.5,
    "boxes": 0.5,
    "plant": 0.25,
}  # chance that an item is moved
GONE = {
    "chair": 0.08,
    "bin": 0.1,
    "boxes": 0.3,
    "plant": 0.1,
    "thing": 0.3,
    "car": 0.5,
    "bicycle": 0.6,
}
NUDGED = 0.5  # chance that a small thing is shifted a little


def another_day(
    items: tuple[Item, ...], lights: tuple[Light, ...], rooms: tuple[Room, ...], day: int
) -> tuple[tuple[Item, ...], tuple[Light, ...], Lighting]:
    """Changed items, lights and lighting; the same day gives the same change."""
    rng = np.random.default_rng([day, 13])
    kept = [item for item in items if rng.random() >= GONE.get(_kind(item), 0.0)]
    for k, item in enumerate(kept):
        if item.movable and rng.random() < PUSHED.get(_kind(item), 0.15):
            kept[k] = _pushed(rng, item, kept[:k] + kept[k + 1 :], rooms)
        elif _kind(item) == "thing" and rng.random() < NUDGED:
            kept[k] = _nudged(rng, item)
    for k in range(len(rooms) // 2):
        kept += _brought(rng, f"visiting_boxes_{k + 1}", kept, rooms)
    items = tuple(_refreshed(rng, item) for item in kept)
    if any(room.outdoors for room in rooms):
        return items, _other_sun(rng, lights), random_lighting(rng, outdoors=True)
    return items, lights, _lighting(rng)


def _nudged(rng, item: Item) -> Item:
    """Turned about itself and shifted by a few centimetres, still on its table."""
    centre = tuple(item.bounds.mean(0)[:2])
    return item.moved(*rng.uniform(-0.03, 0.03, 2), 0.0, rng.uniform(-0.6, 0.6), about=centre)


def _other_sun(rng, lights: tuple[Light, ...]) -> tuple[Light, ...]:
    """The first light is the sun itself: elsewhere, brighter or behind clouds."""
    yaw, high = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.1)
    direction = (-np.cos(high) * np.cos(yaw), -np.cos(high) * np.sin(yaw), -np.sin(high))
    strength = rng.choice([0.0, rng.uniform(0.6, 3.0)])
    sun = replace(lights[0], direction=rounded(*direction), intensity=round(float(strength), 3))
    return (sun, *lights[1:])


def _kind(item: Item) -> str:
    return item.name.rsplit("_", 1)[0]


def _lighting(rng) -> Lighting:
    warm = rng.uniform(-0.12, 0.2)
    return Lighting(
        windows=round(float(rng.choice([0.05, 0.5, 1.3])), 3),
        lamps=1.0,
        lamp_colour=(round(1 + warm, 3), 1.0, round(1 - 1.3 * warm, 3)),
        share_on=0.85,
        level=round(float(rng.uniform(0.72, 0.92)), 3),
        seed=seed(rng),
    )


def _pushed(rng, item: Item, others: list[Item], rooms) -> Item:
    """Moved by 0.3 to 1 m and turned a little, where there is space; else left alone."""
    centre = tuple(item.bounds.mean(0)[:2])
    for _ in range(12):
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0)
        yaw = rng.uniform(-0.8, 0.8) if _kind(item) == "chair" else rng.uniform(-0.1, 0.1)
        moved = item.moved(
            distance * np.cos(angle), distance * np.sin(angle), 0.0, yaw, about=centre
        )
        if _stands_free(moved, others, rooms):
            return moved
    return item


def _brought(rng, name, others, rooms) -> list[Item]:
    parts = tuple(boxes(Style.of(rng)))
    for _ in range(30):
        room = rooms[rng.integers(1, len(rooms))] if len(rooms) > 1 else rooms[0]
        at = rng.uniform(np.add(room.low, 0.3), np.subtract(room.high, 0.3))
        item = Item(name, parts, True).moved(*at)
        if _stands_free(item, others, rooms, 0.1):
            return [item]
    return []


def _stands_free(item: Item, others, rooms, margin: float = 0.02) -> bool:
    """Within one room, and its upright box apart from everybody else's."""
    low, high = item.bounds
    if not any((low[:2] > room.low).all() and (high[:2] < room.high).all() for room in rooms):
        return False
    apart = (
        (other.bounds[1] + margin < low) | (other.bounds[0] - margin > high)
        for other in others
        if not _background(other)
    )
    return all(gap.any() for gap in apart)


def _background(item: Item) -> bool:
    return item.name.startswith(("shell_", "wall_", "rug_", "sky_"))


def _refreshed(rng, item: Item) -> Item:
    def fresh(primitive):
        if rng.random() >= FRESH.get(primitive.texture.kind, 0.0):
            return primitive
        return replace(primitive, texture=replace(primitive.texture, seed=seed(rng)))

    return replace(item, primitives=tuple(fresh(primitive) for primitive in item.primitives))
