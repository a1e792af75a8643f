# SPDX-License-Identifier: Apache-2.0
"""Drives of a robot with a camera through the free floor of a world."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from diff2i2p_sim.description import Item, Room, box_corners

CELL = 0.1  # metres
RADIUS = 0.27  # of the robot, metres
TALL = 1.3  # metres; the robot passes under what hangs higher
SPEED, TURN_RATE = 0.5, 0.9  # m/s, rad/s
STEP = 0.05  # seconds of simulation
MOST_GOALS = 16  # in one room, so that a tour of a large one does not take for ever
SPACING = 0.05  # metres between the points of a path


@dataclass(frozen=True)
class Floor:
    """Clearance to the nearest obstacle on a grid, and the graph of cells where the robot fits."""

    origin: np.ndarray  # (2,) map coordinates of the middle of cell (0, 0)
    clearance: np.ndarray  # (rows = y, columns = x) metres
    cells: np.ndarray  # (N, 2) row, column of the reachable cells

    @property
    def points(self) -> np.ndarray:
        """(N, 2) map coordinates of the cells."""
        return self.cells[:, ::-1] * CELL + self.origin

    def clearance_at(self, points: np.ndarray) -> np.ndarray:
        """(N,) metres, bilinear, at points (N, 2)."""
        grid = ((points - self.origin) / CELL).astype(np.float32)
        return cv2.remap(self.clearance, grid[:, 0], grid[:, 1], cv2.INTER_LINEAR)[:, 0]


def survey(items: tuple[Item, ...], rooms: tuple[Room, ...]) -> Floor:
    """Find the floor that a robot can reach, the largest connected part of it."""
    low = np.min([room.low for room in rooms], 0) - 0.3
    high = np.max([room.high for room in rooms], 0) + 0.3
    fine = CELL / 4
    columns, rows = np.ceil((high - low) / CELL).astype(int) * 4
    free = np.zeros((rows, columns), np.uint8)
    for room in rooms:
        a, b = (
            np.round((np.array(corner) - low) / fine).astype(int)
            for corner in (room.low, room.high)
        )
        cv2.rectangle(free, (a - 3).tolist(), (b + 3).tolist(), 1, -1)
    for item in items:
        for primitive in item.primitives:
            corners = box_corners(primitive)
            if corners[:, 2].min() < TALL and corners[:, 2].max() > 0.03:
                outline = (
                    cv2.convexHull(((corners[:, :2] - low) / fine).astype(np.float32))
                    .round()
                    .astype(np.int32)
                )
                cv2.fillConvexPoly(free, outline, 0)
    clearance = cv2.distanceTransform(free, cv2.DIST_L2, 5) * fine
    clearance = np.ascontiguousarray(clearance[2::4, 2::4])
    _, labels = cv2.connectedComponents((clearance > RADIUS).astype(np.uint8))
    largest = 1 + np.bincount(labels[labels > 0] - 1).argmax()
    return Floor(low + 2 * fine, clearance, np.argwhere(labels == largest))


def drive(
    items, rooms, seed: int, frames: int, rate: float, cover: bool, height: float
) -> tuple[np.ndarray, np.ndarray]:
    """Stamps (F,) and camera poses T_map_camera (F, 4, 4); see World.drive."""
    rng = np.random.default_rng([seed, 11])
    floor = survey(items, rooms)
    router = Router(floor, rng)
    targets = router.tour(rooms) if cover else []
    track = simulate(router, rng, targets, frames / rate, spins=cover)
    times = np.arange(len(track)) * STEP
    duration = times[-1] if cover else (frames - 1) / rate
    stamps = np.linspace(0, min(duration, times[-1]), frames)
    x, y, yaw = (np.interp(stamps, times, column) for column in track.T)
    return stamps, _poses(rng, stamps, x, y, yaw, height)


class Router:
    """Shortest paths over the floor that prefer the middle of free space, a little different for every seed."""

    def __init__(self, floor: Floor, rng: np.random.Generator):
        self.floor, self.rng = floor, rng
        index = np.full(floor.clearance.shape, -1)
        index[tuple(floor.cells.T)] = np.arange(len(floor.cells))
        whim = gaussian_filter1d(
            gaussian_filter1d(rng.standard_normal(floor.clearance.shape), 5, 0), 5, 1
        )
        cost = (1 + (0.3 / np.maximum(floor.clearance, 0.1)) ** 2) * np.exp(6 * whim)
        edges = [self._edges(index, cost, dy, dx) for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1))]
        a, b, weight = (np.concatenate(column) for column in zip(*edges, strict=True))
        self.graph = coo_matrix((weight, (a, b)), (len(floor.cells),) * 2).tocsr()

    @staticmethod
    def _edges(index, cost, dy, dx):
        rows, columns = index.shape
        start = index[: rows - dy, max(0, -dx) : columns - max(0, dx)]
        end = index[dy:, max(0, dx) : columns + min(0, dx)]
        both = (start >= 0) & (end >= 0)
        a, b = start[both], end[both]
        flat = cost.ravel()
        place = np.full(index.max() + 1, 0)
        place[index[index >= 0]] = np.flatnonzero(index.ravel() >= 0)
        return a, b, (flat[place[a]] + flat[place[b]]) / 2 * CELL * np.hypot(dx, dy)

    def tour(self, rooms: tuple[Room, ...]) -> list[int]:
        """Cells that together let the robot see all rooms, each next one the nearest."""
        goals = [goal for room in rooms for goal in self._spread(room)]
        route = [goals.pop(int(self.rng.integers(len(goals))))]
        while goals:
            distance = dijkstra(self.graph, directed=False, indices=route[-1])[goals]
            route.append(goals.pop(int(distance.argmin())))
        return route

    def _spread(self, room: Room) -> list[int]:
        """Cells of a room, far from each other and off the walls."""
        points = self.floor.points
        inside = np.flatnonzero(((points > room.low) & (points < room.high)).all(1))
        inside = (
            inside[self.clearance[inside] >= np.median(self.clearance[inside])]
            if len(inside)
            else inside
        )
        chosen = [int(self.rng.choice(inside))] if len(inside) else []
        area = float(np.prod(np.subtract(room.high, room.low)))
        count = min(max(2, round(area / 5)), MOST_GOALS)
        while chosen and len(chosen) < count:
            distance = np.linalg.norm(points[inside, None] - points[chosen][None], axis=2).min(1)
            if distance.max() < 0.8:
                break
            chosen.append(int(inside[distance.argmax()]))
        return chosen

    @property
    def clearance(self) -> np.ndarray:
        return self.floor.clearance[tuple(self.floor.cells.T)]

    def anywhere(self, off: int = 0) -> int:
        """A random cell with room around it, rather far from cell `off`."""
        cells = self.rng.choice(
            np.flatnonzero(self.clearance > np.quantile(self.clearance, 0.6)), 6
        )
        return int(
            max(
                cells,
                key=lambda cell: np.linalg.norm(self.floor.points[cell] - self.floor.points[off]),
            )
        )

    def path(self, start: int, goal: int) -> np.ndarray:
        """(M, 2) smooth path between two cells, a point every SPACING, clear of obstacles."""
        _, before = dijkstra(self.graph, directed=False, indices=start, return_predecessors=True)
        cells = [goal]
        while cells[-1] != start:
            cells.append(before[cells[-1]])
        line = _even(self.floor.points[cells[::-1]])
        for sigma in (8, 5, 3, 1.5):
            smooth = _even(_smoothed(line, sigma))
            if self.floor.clearance_at(smooth).min() > RADIUS - 0.03:
                return smooth
        return line


def _even(line: np.ndarray) -> np.ndarray:
    """(M, 2) the same line with points about SPACING apart."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    even = np.linspace(0, along[-1], int(np.ceil(along[-1] / SPACING)) + 1)
    return np.stack([np.interp(even, along, column) for column in line.T], 1)


def _smoothed(line: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing that keeps both ends in place."""
    sigma = min(sigma, (len(line) - 1) / 5)
    reach = int(4 * sigma + 0.5)  # where the filter ends, too
    if reach < 1:
        return line
    padded = np.concatenate(
        [2 * line[0] - line[reach:0:-1], line, 2 * line[-1] - line[-2 : -reach - 2 : -1]]
    )
    return gaussian_filter1d(padded, sigma, axis=0, mode="nearest")[reach : reach + len(line)]


def simulate(router: Router, rng, targets: list[int], duration: float, spins: bool) -> np.ndarray:
    """(T, 3) x, y, yaw every STEP seconds: turn towards the path, drive along it, look around at the targets."""
    cell = targets[0] if targets else router.anywhere()
    states: list[tuple[float, float, float]] = []
    queue = list(targets[1:])
    while queue or len(states) * STEP < duration + 1:
        goal = queue.pop(0) if queue else router.anywhere(cell)
        if goal == cell:
            continue
        path = router.path(cell, goal)
        states = states or [(*path[0], _heading(path, 0) + rng.normal(0, 0.4))]
        _follow(states, path, rng.uniform(0.85, 1.15) * SPEED)
        if spins:
            _turn(states, states[-1][2] + rng.choice([-1, 1]) * rng.uniform(1.5, 4.5))
        cell = goal
    track = np.array(states)
    return np.stack(
        [*track[:, :2].T, gaussian_filter1d(np.unwrap(track[:, 2]), 8, mode="nearest")], 1
    )


def _follow(states, path, speed) -> None:
    """Drive along a path; slow down while turning."""
    position, last = 0.0, len(path) - 1
    while position < last:
        error = (_heading(path, int(position)) - states[-1][2] + np.pi) % (2 * np.pi) - np.pi
        yaw = states[-1][2] + np.clip(error, -TURN_RATE * STEP, TURN_RATE * STEP)
        position = min(position + max(0.0, np.cos(error)) ** 2 * speed * STEP / SPACING, last)
        k, share = min(int(position), last - 1), position - min(int(position), last - 1)
        states.append((*(path[k] * (1 - share) + path[k + 1] * share), yaw))


def _heading(path, k) -> float:
    """From point k of a path to the one 60 cm ahead."""
    ahead = path[min(k + 12, len(path) - 1)] - path[min(k, len(path) - 2)]
    return np.arctan2(ahead[1], ahead[0])


def _turn(states, goal) -> None:
    x, y, yaw = states[-1]
    for angle in np.arange(1, int(abs(goal - yaw) / (TURN_RATE * STEP)) + 1):
        states.append((x, y, yaw + np.sign(goal - yaw) * angle * TURN_RATE * STEP))


def _poses(rng, stamps, x, y, yaw, height) -> np.ndarray:
    """Camera poses with the sway of a small robot: glances left and right, some pitch, roll and bounce."""
    glance, pitch, roll, bounce = (_wobble(rng, stamps, period) for period in (9.0, 5.0, 4.0, 6.0))
    yaw, pitch, roll = yaw + 0.16 * glance, 0.03 + 0.03 * pitch, 0.012 * roll
    c, s = np.cos(yaw), np.sin(yaw)
    forward = np.stack([c * np.cos(pitch), s * np.cos(pitch), -np.sin(pitch)], 1)
    level = np.stack([s, -c, np.zeros_like(c)], 1)
    down = np.cross(forward, level)
    T = np.tile(np.eye(4), (len(x), 1, 1))
    T[:, :3, 0] = np.cos(roll)[:, None] * level + np.sin(roll)[:, None] * down
    T[:, :3, 1] = np.cos(roll)[:, None] * down - np.sin(roll)[:, None] * level
    T[:, :3, 2] = forward
    T[:, :3, 3] = np.stack([x, y, height + 0.02 * bounce], 1)
    return T


def _wobble(rng, stamps, period) -> np.ndarray:
    """(F,) smooth aperiodic motion of about unit size."""
    waves = [
        np.sin(2 * np.pi * (stamps / (period * scale) + rng.random()))
        for scale in (1.0, 0.61, 0.37)
    ]
    return (waves[0] + 0.6 * waves[1] + 0.3 * waves[2]) / 1.3
