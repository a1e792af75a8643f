# SPDX-License-Identifier: Apache-2.0
"""Furnishing: what stands in which kind of room, and where."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from diff2i2p_sim.description import Item, Light, Primitive, Room
from diff2i2p_sim.office import furniture as f
from diff2i2p_sim.office import wall_objects
from diff2i2p_sim.office.floor_plan import Shell, Side, build_shell, make_shells
from diff2i2p_sim.office.primitives import QUARTER, Style, box, picture


@dataclass(frozen=True)
class Piece:
    """A kind of furniture and the floor it takes."""

    build: Callable[[Style], list[Primitive]]
    width: float
    depth: float
    before: float = 0.0  # metres kept free before it
    tall: bool = False  # hides the wall behind it
    movable: bool = True


PIECES = {
    "desk": Piece(f.desk, 1.42, 0.77, 0.85),
    "bookcase": Piece(f.bookcase, 0.92, 0.34, 0.3, tall=True, movable=False),
    "cupboard": Piece(f.cupboard, 0.87, 0.46, 0.3),
    "wardrobe": Piece(f.wardrobe, 0.92, 0.46, 0.3, tall=True, movable=False),
    "plant": Piece(f.plant, 0.6, 0.6),
    "bin": Piece(f.waste_bin, 0.34, 0.34),
    "boxes": Piece(f.boxes, 0.58, 0.48),
    "copier": Piece(f.copier, 0.66, 0.64, 0.3),
    "rack": Piece(f.server_rack, 0.62, 0.72, 0.3, tall=True, movable=False),
    "workbench": Piece(f.workbench, 1.62, 0.72, 0.5),
    "sofa": Piece(f.sofa, 1.74, 0.84, 0.3),
    "kitchenette": Piece(f.kitchenette, 2.02, 0.64, 0.6, tall=True, movable=False),
    "bench": Piece(f.bench, 1.22, 0.36),
    "lamp": Piece(f.floor_lamp, 0.4, 0.4),
    "visitor": Piece(f.visitor_chair, 0.5, 0.5, 0.2),
}
WISHES = {
    "office": "desk desk desk bookcase wardrobe cupboard plant bin bin boxes",
    "meeting": "cupboard plant wardrobe bin lamp visitor",
    "kitchen": "kitchenette cupboard plant bin bin visitor",
    "lab": "workbench workbench rack desk bookcase boxes wardrobe bin boxes",
    "lounge": "sofa bookcase sofa plant lamp bookcase copier plant",
    "storage": "bookcase wardrobe rack bookcase boxes wardrobe boxes boxes bookcase",
    "corridor": "bench bin plant copier",
}


@dataclass
class Furnisher:
    """Puts items into one room without overlap, keeping doors free."""

    shell: Shell
    style: Style
    counts: dict[str, int]  # of the whole office, for names
    items: list[Item] = field(default_factory=list)
    taken: list[np.ndarray] = field(
        default_factory=list
    )  # (2, 2) floor rectangles, low and high corner

    def furnish(self) -> None:
        """Tables in the middle first, then everything that stands against walls, then what hangs there."""
        kind = self.shell.room.kind
        doors = [
            (side, opening)
            for side in self.shell.sides.values()
            for opening in side.openings
            if opening.kind == "door"
        ]
        self.taken += [
            _footprint(side, opening.at, opening.width + 0.3, 1.15) for side, opening in doors
        ]
        if kind == "meeting":
            self._table(f.meeting_table, f.office_chair, 2.0, 1.0, 4)
        if kind == "lounge":
            self._rug()
        for wish in WISHES[kind].split():
            self._stand(wish)
        if kind == "kitchen":
            self._table(f.coffee_table, f.visitor_chair, 0.7, 0.7, 2)
        for side in self.shell.sides.values():
            self._decorate(side)

    def _add(self, kind: str, parts: list[Primitive], movable: bool = True) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.items.append(Item(f"{kind}_{self.counts[kind]}", tuple(parts), movable))

    def _stand(self, kind: str) -> None:
        """Stand one piece against some wall, if it fits anywhere."""
        piece, rng = PIECES[kind], self.style.rng
        for _ in range(40):
            side = self.shell.sides[rng.choice(list(self.shell.sides))]
            reach = max(side.length / 2 - piece.width / 2 - 0.06, 0)
            at = rng.choice([-reach, reach, rng.uniform(-reach, reach)])  # corners are popular
            off = 0.16 if side.covers(at, piece.width, "window") else 0.02  # radiators need air
            area = _footprint(side, at, piece.width, piece.depth + off + piece.before)
            if (piece.tall and not side.free(at, piece.width)) or not self._fits(area):
                continue
            self.taken.append(area)
            if piece.tall:
                side.take(at, piece.width)
            self._add(
                kind, side.place(piece.build(self.style), at, off + piece.depth / 2), piece.movable
            )
            if kind == "desk":
                self._seat(side, at, off + piece.depth)
            return

    def _fits(self, area: np.ndarray) -> bool:
        room = self.shell.room
        inside = (area[0] >= np.array(room.low) - 0.01).all() and (
            area[1] <= np.array(room.high) + 0.01
        ).all()
        return inside and not any(
            (area[0] < other[1]).all() and (area[1] > other[0]).all() for other in self.taken
        )

    def _seat(self, side: Side, at: float, edge: float) -> None:
        """A chair before a desk."""
        rng = self.style.rng
        turned = [
            part.moved(0, 0, 0, np.pi + rng.uniform(-0.6, 0.6))
            for part in f.office_chair(self.style)
        ]
        self._add("chair", side.place(turned, at + rng.uniform(-0.2, 0.2), edge + 0.18))

    def _table(self, table, chair, width: float, depth: float, chairs: int) -> None:
        """A table in the middle of the room with chairs on both sides."""
        room, rng = self.shell.room, self.style.rng
        x, y = room.centre + rng.uniform(-0.15, 0.15, 2)
        wide, deep = np.subtract(room.high, room.low)
        yaw = 0.0 if wide > deep else QUARTER
        reach = np.array([width, depth] if wide > deep else [depth, width]) / 2 + 0.55
        self.taken.append(np.stack([(x, y) - reach, (x, y) + reach]))
        self._add("table", [part.moved(x, y, 0, yaw) for part in table(self.style)])
        for k in range(chairs):
            side, at = (1 if k % 2 else -1), (k // 2 + 0.5) * width / (chairs / 2) - width / 2
            heading = (0 if side > 0 else np.pi) + rng.uniform(-0.3, 0.3)
            placed = [
                part.moved(at, side * (depth / 2 + 0.12), 0, heading) for part in chair(self.style)
            ]
            self._add("chair", [part.moved(x, y, 0, yaw) for part in placed])

    def _rug(self) -> None:
        x, y = self.shell.room.centre
        self._add(
            "rug", [box(x, y, 0, 2.0, 1.5, 0.012, picture("rug", self.style.rng))], movable=False
        )
        self._add("table", [part.moved(x, y, 0, 0) for part in f.coffee_table(self.style)])
        self.taken.append(np.array([[x - 0.4, y - 0.4], [x + 0.4, y + 0.4]]))

    def _decorate(self, side: Side) -> None:
        """Switches and signs by the doors, and pictures and boards wherever the wall is free."""
        rng, corridor = self.style.rng, self.shell.room.kind == "corridor"
        for opening in side.openings:
            at = opening.at + (opening.width / 2 + 0.22) * rng.choice([-1, 1])
            if opening.kind == "door" and abs(at) < side.length / 2 - 0.1:
                self._add(
                    "switch",
                    side.place(wall_objects.switch(self.style, corridor), at),
                    movable=False,
                )
        if corridor and side.length < 3:
            self._add("exit", side.place(wall_objects.exit_sign(self.style)[1], 0.0), movable=False)
        wanted = [
            wall_objects.hang(self.style, self.shell.room.kind)
            for _ in range(int(side.length * (2.0 if corridor else 1.4)))
        ]
        if corridor and side.length > 3:
            wanted.insert(0, wall_objects.extinguisher(self.style))
        for kind, parts, width in wanted:
            self._hang(side, kind, parts, width)

    def _hang(self, side, kind, parts, width) -> None:
        for _ in range(12):
            at = self.style.rng.uniform(-1, 1) * side.length / 2
            if side.free(at, width + 0.1):
                side.take(at, width + 0.1)
                self._add(kind, side.place(parts, at), movable=False)
                return


def _footprint(side: Side, at: float, width: float, depth: float) -> np.ndarray:
    """(2, 2) low and high corner of the floor before a stretch of wall."""
    corners = np.array(
        [side.point(at + x, y) for x in (-width / 2, width / 2) for y in (0.0, -depth)]
    )
    return np.stack([corners.min(0), corners.max(0)])


def build_office(
    seed: int, rooms: int
) -> tuple[tuple[Item, ...], tuple[Light, ...], tuple[Room, ...]]:
    """Items, lights and floor plan of a furnished office."""
    rng = np.random.default_rng([seed, 7])
    shells, style, counts = make_shells(rng, rooms), Style.of(rng), {}
    items: list[Item] = []
    lights: list[Light] = []
    for index, shell in enumerate(shells):
        built, shining = build_shell(style, index, shell)
        furnisher = Furnisher(shell, style, counts)
        furnisher.furnish()
        items += built + furnisher.items
        lights += shining
    return tuple(items), tuple(lights), tuple(shell.room for shell in shells)
