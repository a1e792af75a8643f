# SPDX-License-Identifier: Apache-2.0
"""Furnishing: what stands in which kind of room, and what hangs on the walls."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from . import furniture as f
from .description import Item, Light, Primitive, Room, Texture
from .furniture import Style, box, front, plain, seed
from .plan import Shell, Side, build_shell, make_shells

Builder = Callable[[Style], list[Primitive]]
# name: builder, width, depth, room kept free before it, hides the wall above it
FURNITURE: dict[str, tuple[Builder, float, float, float, bool]] = {
    "desk": (f.desk, 1.42, 0.77, 0.85, False),
    "bookcase": (f.bookcase, 0.92, 0.34, 0.3, True),
    "cupboard": (f.cupboard, 0.87, 0.46, 0.3, False),
    "wardrobe": (lambda style: f.cupboard(style, 0.9, 1.9), 0.92, 0.46, 0.3, True),
    "plant": (f.plant, 0.6, 0.6, 0.0, False),
    "bin": (f.bin_, 0.34, 0.34, 0.0, False),
    "boxes": (f.boxes, 0.58, 0.48, 0.0, False),
    "copier": (f.copier, 0.66, 0.64, 0.3, False),
    "rack": (f.server_rack, 0.62, 0.72, 0.3, True),
    "workbench": (f.workbench, 1.62, 0.72, 0.5, False),
    "sofa": (f.sofa, 1.74, 0.84, 0.3, False),
    "kitchenette": (f.kitchenette, 2.02, 0.64, 0.6, True),
    "bench": (f.bench, 1.22, 0.36, 0.0, False),
    "lamp_stand": (f.floor_lamp, 0.4, 0.4, 0.0, False),
    "visitor": (f.visitor_chair, 0.5, 0.5, 0.2, False),
}
WISHES = {
    "office": "desk desk desk bookcase wardrobe cupboard plant bin bin boxes",
    "meeting": "cupboard plant wardrobe bin lamp_stand",
    "kitchen": "kitchenette cupboard plant bin bin visitor",
    "lab": "workbench workbench rack desk bookcase boxes wardrobe bin boxes",
    "lounge": "sofa bookcase sofa plant lamp_stand bookcase copier plant",
    "storage": "bookcase wardrobe rack bookcase boxes wardrobe boxes boxes bookcase",
    "corridor": "bench bin plant",
}
FIXED = {"kitchenette", "rack", "bookcase", "wardrobe"}


@dataclass
class Furnisher:
    """Puts items into one room without overlap, keeping doors free."""

    shell: Shell
    style: Style
    counts: dict[str, int]
    items: list[Item] = field(default_factory=list)
    taken: list[np.ndarray] = field(default_factory=list)  # (2, 2) rectangles low, high

    def __post_init__(self):
        for side in self.shell.sides.values():
            for opening in side.openings:
                if opening.kind == "door":
                    self.taken.append(self._footprint(side, opening.at, opening.width + 0.3, 1.15))

    def add(self, kind: str, parts: list[Primitive], movable: bool = True) -> Item:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        item = Item(f"{kind}_{self.counts[kind]}", tuple(parts), movable)
        self.items.append(item)
        return item

    def _footprint(self, side: Side, at: float, width: float, depth: float) -> np.ndarray:
        corners = np.array([side.point(at + x, y) for x in (-width / 2, width / 2) for y in (0.0, -depth)])
        return np.stack([corners.min(0), corners.max(0)])

    def _fits(self, area: np.ndarray) -> bool:
        room = self.shell.room
        inside = (area[0] >= np.array(room.low) - 0.01).all() and (area[1] <= np.array(room.high) + 0.01).all()
        return inside and not any((area[0] < other[1]).all() and (area[1] > other[0]).all() for other in self.taken)

    def stand(self, kind: str) -> None:
        """Stand one piece against some wall, if it fits anywhere."""
        builder, width, depth, before, tall = FURNITURE[kind]
        rng = self.style.rng
        for _ in range(40):
            side = self.shell.sides[rng.choice(list(self.shell.sides))]
            at = self._snapped(side, width)
            if tall and not side.free(at, width):
                continue
            if not self._fits(self._footprint(side, at, width, depth + before)):
                continue
            self.taken.append(self._footprint(side, at, width, depth + before))
            if tall:
                side.taken.append((at - width / 2, at + width / 2))
            off = depth / 2 + 0.03 + (0.12 if self._radiator(side, at, width) else 0)
            self.add(kind, list(side.place("", builder(self.style), at, off).primitives), kind not in FIXED)
            if kind == "desk":
                self._seat(side, at, off)
            return

    def _snapped(self, side, width):
        """Corners are popular."""
        room = side.length / 2 - width / 2 - 0.03
        return float(self.style.rng.choice([-room, room, self.style.rng.uniform(-room, room)])) if room > 0 else 0.0

    def _radiator(self, side, at, width):
        return any(o.kind == "window" and abs(o.at - at) < (o.width + width) / 2 for o in side.openings)

    def _seat(self, side, at, off):
        rng = self.style.rng
        turned = [part.moved(0, 0, 0, np.pi + rng.uniform(-0.6, 0.6)) for part in f.chair(self.style)]
        self.add("chair", list(side.place("", turned, at + rng.uniform(-0.2, 0.2), off + 0.55).primitives))

    def centre(self, table: Builder, chair: Builder, width: float, depth: float, chairs: int) -> None:
        """A table in the middle of the room with chairs around it."""
        room, rng = self.shell.room, self.style.rng
        x, y = room.centre + rng.uniform(-0.15, 0.15, 2)
        yaw = 0.0 if room.high[0] - room.low[0] > room.high[1] - room.low[1] else f.QUARTER
        kind = "table"
        self.add(kind, [part.moved(x, y, 0, yaw) for part in table(self.style)])
        reach = np.array([width, depth]) / 2 + 0.55
        reach = reach if yaw == 0 else reach[::-1]
        self.taken.append(np.stack([(x, y) - reach, (x, y) + reach]))
        per_side = -(-chairs // 2)
        for k in range(chairs):
            side = 1 if k % 2 else -1
            at = ((k // 2) + 0.5) / per_side * width - width / 2
            turned = [p.moved(at, side * (depth / 2 + 0.12), 0, (0 if side > 0 else np.pi) + rng.uniform(-0.3, 0.3)) for p in chair(self.style)]
            self.add("chair", [part.moved(x, y, 0, yaw) for part in turned])

    def furnish(self) -> None:
        kind = self.shell.room.kind
        if kind == "kitchen":
            self.stand("kitchenette")
        if kind == "meeting":
            self.centre(f.meeting_table, f.chair, 2.0, 1.0, 4)
        if kind == "lounge":
            self._rug()
        for wish in WISHES[kind].split():
            self.stand(wish)
        if kind == "kitchen":
            self.centre(f.coffee_table, f.visitor_chair, 0.7, 0.7, 2)

    def _rug(self):
        x, y = self.shell.room.centre
        self.add("rug", [box(x, y, 0, 2.0, 1.5, 0.012, Texture("rug", seed(self.style.rng)))], False)
        self.add("table", [part.moved(x, y, 0, 0) for part in f.coffee_table(self.style)])
        self.taken.append(np.array([[x - 0.4, y - 0.4], [x + 0.4, y + 0.4]]))

    def decorate(self) -> None:
        """Hang pictures and boards wherever a wall is free."""
        room, rng = self.shell.room, self.style.rng
        for side in self.shell.sides.values():
            self._small_things(side)
            for _ in range(int(side.length * (2.0 if room.kind == "corridor" else 1.3))):
                kind, parts, width = self._picture(room.kind)
                for _ in range(12):
                    at = rng.uniform(-1, 1) * side.length / 2
                    if side.free(at, width + 0.1):
                        side.taken.append((at - width / 2 - 0.05, at + width / 2 + 0.05))
                        self.add(kind, list(side.place("", parts, at).primitives), False)
                        break

    def _picture(self, room: str):
        rng = self.style.rng
        choice = rng.random()
        if choice < 0.18 and room in ("office", "meeting", "lab"):
            return "whiteboard", board(rng, "whiteboard", 1.5, 1.0, 1.5), 1.5
        if choice < 0.3:
            return "corkboard", board(rng, "corkboard", 1.2, 0.8, 1.5), 1.2
        if choice < 0.4 and room in ("lab", "storage"):
            return "pegboard", board(rng, "pegboard", 1.2, 0.8, 1.45), 1.2
        if choice < 0.45:
            return "clock", [box(0, -0.02, 1.95, 0.34, 0.04, 0.34, plain(f.DARK)), front(0, -0.042, 2.12, 0.32, 0.32, Texture("clock", seed(rng)))], 0.36
        width = rng.uniform(0.42, 0.8)
        height = min(width * 4 / 3, 1.0)
        frame = rng.random() < 0.5
        z = rng.uniform(1.45, 1.65)
        if frame:
            return "picture", board(rng, "poster", width, height, z), width
        return "poster", [front(0, -0.004, z, width, height, Texture("poster", seed(rng)))], width

    def _small_things(self, side: Side) -> None:
        rng = self.style.rng
        for opening in side.openings:
            if opening.kind != "door":
                continue
            at = opening.at + (opening.width / 2 + 0.22) * (1 if rng.random() < 0.5 else -1)
            if abs(at) < side.length / 2 - 0.1:
                parts = [box(0, -0.01, 1.05, 0.08, 0.02, 0.08, plain(f.WHITE))]
                if self.shell.room.kind == "corridor":
                    parts.append(front(0, -0.012, 1.6, 0.2, 0.15, Texture("sign", seed(rng))))
                self.add("switch", list(side.place("", parts, at).primitives), False)
            elif self.shell.room.kind == "corridor":
                continue
        if self.shell.room.kind == "corridor" and side.length < 3:
            parts = [box(0, -0.02, 2.4, 0.4, 0.04, 0.2, plain(f.DARK)), front(0, -0.042, 2.5, 0.38, 0.19, Texture("exit_sign"))]
            self.add("exit", list(side.place("", parts, 0.0).primitives), False)
        elif self.shell.room.kind == "corridor":
            at = rng.uniform(-1, 1) * side.length / 2 * 0.8
            if side.free(at, 0.3):
                side.taken.append((at - 0.15, at + 0.15))
                parts = [f.cylinder(0, -0.1, 0.7, 0.08, 0.5, plain((0.75, 0.08, 0.06))), f.cylinder(0, -0.1, 1.2, 0.03, 0.08, plain(f.DARK))]
                self.add("extinguisher", list(side.place("", parts, at).primitives), False)


def board(rng, kind: str, width: float, height: float, z: float) -> list[Primitive]:
    """A picture in a frame 2 cm thick."""
    frame = plain(f.DARK if rng.random() < 0.5 else f.STEEL)
    rim = 0.03
    body = box(0, -0.01, z - height / 2 - rim, width + 2 * rim, 0.02, height + 2 * rim, frame)
    return [body, front(0, -0.023, z, width, height, Texture(kind, seed(rng)))]


def build_office(office_seed: int, rooms: int) -> tuple[tuple[Item, ...], tuple[Light, ...], tuple[Room, ...]]:
    """Items, lights and floor plan of a furnished office."""
    rng = np.random.default_rng([office_seed, 7])
    shells, style, counts = make_shells(rng, rooms), Style.of(rng), {}
    trim = plain(f.random_colour(rng, 0.3, rng.choice([0.3, 0.85])))
    items: list[Item] = []
    lights: list[Light] = []
    for index, shell in enumerate(shells):
        built, shining = build_shell(rng, index, shell, trim)
        furnisher = Furnisher(shell, style, counts)
        furnisher.furnish()
        furnisher.decorate()
        items += built + furnisher.items
        lights += shining
    return tuple(items), tuple(lights), tuple(shell.room for shell in shells)
