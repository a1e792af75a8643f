# SPDX-License-Identifier: Apache-2.0
"""Where a camera could be in a map: places in its free space, on every storey."""

import numpy as np
from scipy.ndimage import minimum_filter
from scipy.spatial import cKDTree

HEIGHTS = (0.8, 1.5)  # metres above the lowest points around
CLEARANCE = 0.35  # metres without map points around a viewpoint
MARGIN = 1.2  # metres around the map in which viewpoints may lie
GROUND, TILE = 3.0, 0.8  # metres around a viewpoint in which its ground is looked for, tile by tile
STOREY, HEADROOM = 2.2, 1.6  # metres between two floors at least, and free above a floor
FLOOR_TILES = 12  # tiles that make a storey
PITCHES = (0.0, -35.0)  # degrees, upwards
MAX_PLACES = 600  # a large map gets viewpoints further apart


def level_axes(up: np.ndarray) -> np.ndarray:
    """(3, 3) rows: two level axes and up, map frame."""
    level = np.eye(3)[np.argmin(np.abs(up))]
    level = level - level @ up * up
    level /= np.linalg.norm(level)
    return np.stack([level, np.cross(up, level), up])


def viewpoints(local: np.ndarray, spacing: float) -> np.ndarray:
    """Places (V, 3) on a grid in the free space of a levelled cloud, at HEIGHTS above the ground around them, on every storey."""
    low, high = local[:, :2].min(0) - MARGIN, local[:, :2].max(0) + MARGIN
    grounds = _grounds(local, low, np.ceil((high - low) / TILE).astype(int))
    spacing = max(spacing, float(np.sqrt(len(grounds) * len(HEIGHTS) * np.prod(high - low) / MAX_PLACES)))
    x, y = np.meshgrid(*(np.arange(a + spacing / 2, b, spacing) for a, b in zip(low, high, strict=True)), indexing="ij")
    tile = tuple(((axis - edge) / TILE).astype(int) for axis, edge in zip((x, y), low, strict=True))
    stack = (np.stack([x, y, ground[tile] + height], -1).reshape(-1, 3) for ground in grounds for height in HEIGHTS)
    places = np.concatenate(list(stack))
    places = places[np.isfinite(places[:, 2])]
    return places[np.isinf(cKDTree(local).query(places, distance_upper_bound=CLEARANCE)[0])]


def look_around(place: np.ndarray, level: np.ndarray, headings: int, number: int = 0) -> list[np.ndarray]:
    """T_map_camera (4, 4) of a camera at `place` (3,) that looks around and down; every second `number` looks between the headings."""
    poses = []
    for heading in 2 * np.pi * (np.arange(headings) + 0.5 * (number % 2)) / headings:
        for pitch in np.radians(PITCHES):
            forward = np.array([np.cos(pitch) * np.cos(heading), np.cos(pitch) * np.sin(heading), np.sin(pitch)])
            right = np.array([np.sin(heading), -np.cos(heading), 0.0])
            T = np.eye(4)
            T[:3, :3] = level.T @ np.stack([right, np.cross(forward, right), forward], 1)
            T[:3, 3] = place
            poses.append(T)
    return poses


def _grounds(local: np.ndarray, low: np.ndarray, shape: np.ndarray) -> list[np.ndarray]:
    """Height of the ground over each tile, infinite where there is none near: the lowest, then every storey above it."""
    tiles = ((local[:, :2] - low) / TILE).astype(int).clip(0, shape - 1) @ (shape[1], 1)
    order = np.lexsort((local[:, 2], tiles))
    tiles, heights = tiles[order], local[order, 2]
    owners, first, count = np.unique(tiles, return_index=True, return_counts=True)
    ground = np.full(shape, np.inf)
    ground.flat[owners] = heights[first + count // 50]  # the lowest but 2 %
    open_above = np.flatnonzero((np.diff(heights) > HEADROOM) & (np.diff(tiles) == 0))
    floors = open_above[heights[open_above] > ground.flat[tiles[open_above]] + STOREY]
    grounds = [_spread(ground)]
    for storey in _storeys(heights[floors]):
        ground = np.full(shape, np.inf)
        here = floors[np.abs(heights[floors] - storey) < STOREY / 2]
        ground.flat[tiles[here]] = heights[here]
        grounds.append(_spread(ground))
    return grounds


def _storeys(heights: np.ndarray) -> list[float]:
    """The heights that many floors share, STOREY apart at least."""
    storeys, left = [], np.sort(heights)
    while len(left) >= FLOOR_TILES:
        around = np.searchsorted(left, left + STOREY / 4) - np.searchsorted(left, left - STOREY / 4)
        best = left[around.argmax()]
        if around.max() >= FLOOR_TILES:
            storeys.append(float(best))
        left = left[np.abs(left - best) > STOREY]
    return storeys


def _spread(ground: np.ndarray) -> np.ndarray:
    """The lowest ground within GROUND metres of each tile."""
    return minimum_filter(ground, 2 * int(np.ceil(GROUND / TILE)) + 1, mode="nearest")
