# SPDX-License-Identifier: Apache-2.0
"""Where a camera could be in a map: places in its free space, on every storey."""

import numpy as np
from scipy.ndimage import minimum_filter
from scipy.spatial import cKDTree

from diff2i2p.camera import Camera

# defined: looks around from there, 67 deg wide; the shipped weights were trained on its drawings
EYE = Camera(320, 240, (240.0, 240.0, 159.5, 119.5))

HEIGHTS = (0.8, 1.5)  # metres above the lowest points around
CLEARANCE = 0.35  # metres without map points around a viewpoint
MARGIN = 1.2  # metres around the map in which viewpoints may lie
GROUND, TILE = 3.0, 0.8  # metres around a viewpoint in which its ground is looked for, tile by tile
STOREY, HEADROOM = 2.2, 1.6  # metres between two floors at least, and free above a floor
FLOOR_TILES = 12  # tiles that make a storey
PITCHES = (0.0, -35.0)  # degrees, upwards
# bound: how far one sees from a place is measured in such steps, up to there, metres
VOXEL, FARTHEST = 0.25, 12.0
RAYS, DOWN = 32, 25.0  # bound: rays around a place; degrees by which every second looks down
CROWD = 2.0  # bound: metres around a place within which the map's voxels are counted
WIDER = 1.15  # bound: times the distance between places that are too many
CANDIDATES = 6000  # bound: places that are considered
MAX_PLACES = 600  # a large map gets viewpoints further apart


def level_axes(up: np.ndarray) -> np.ndarray:
    """(3, 3) rows: two level axes and up, map frame."""
    level = np.eye(3)[np.argmin(np.abs(up))]
    level = level - level @ up * up
    level /= np.linalg.norm(level)
    return np.stack([level, np.cross(up, level), up])


def viewpoints(local: np.ndarray, spacing: float, most: int = MAX_PLACES) -> np.ndarray:
    """Places (V, 3) on a grid in the free space of a levelled cloud, about `most` at most.

    They lie at HEIGHTS above the ground, on every storey.
    """
    low, high = local[:, :2].min(0) - MARGIN, local[:, :2].max(0) + MARGIN
    grounds = _grounds(local, low, np.ceil((high - low) / TILE).astype(int))
    area = TILE**2 * sum(np.isfinite(ground).sum() for ground in grounds)
    spacing = max(spacing, float(np.sqrt(len(HEIGHTS) * area / most)))
    x, y = np.meshgrid(
        *(np.arange(a + spacing / 2, b, spacing) for a, b in zip(low, high, strict=True)),
        indexing="ij",
    )
    tile = tuple(((axis - edge) / TILE).astype(int) for axis, edge in zip((x, y), low, strict=True))
    stack = (
        np.stack([x, y, ground[tile] + height], -1).reshape(-1, 3)
        for ground in grounds
        for height in HEIGHTS
    )
    places = np.concatenate(list(stack))
    places = places[np.isfinite(places[:, 2])]
    return places[np.isinf(cKDTree(local).query(places, distance_upper_bound=CLEARANCE)[0])]


def spread(places: np.ndarray, local: np.ndarray, share: float, most: int) -> np.ndarray:
    """Of places (V, 3) in a levelled cloud (N, 3) at most `most`, apart by a share of their sight.

    Where much is near a step changes the view, in a hall it does not. Places among many points come
    first: a scanner is nowhere nearer than where it was carried, and there a camera will be, too.
    """
    voxels = _voxels(local)
    sight = _sight(places, voxels)
    crowd = cKDTree(voxels * VOXEL).query_ball_point(places, CROWD, return_length=True)
    order = np.argsort(-crowd, kind="stable")
    tree = cKDTree(places)
    while True:
        kept, free = [], np.ones(len(places), bool)
        for place in order:
            if free[place]:
                kept.append(place)
                free[tree.query_ball_point(places[place], share * sight[place])] = False
        if len(kept) <= most:
            return places[kept]
        share *= WIDER


def _voxels(local: np.ndarray) -> np.ndarray:
    """(M, 3) int64 voxels of a cloud that are not empty."""
    return np.unique(np.floor(local / VOXEL).astype(np.int64), axis=0)


def _sight(places: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """(V,) how far one sees from each place, metres: the median ray of those that hit anything.

    FARTHEST where none does.
    """
    low = voxels.min(0) - 1
    shape = voxels.max(0) - low + 2
    filled = np.sort((voxels - low) @ np.array([shape[1] * shape[2], shape[2], 1]))
    angles, down = 2 * np.pi * np.arange(RAYS) / RAYS, np.radians(DOWN) * (np.arange(RAYS) % 2)
    rays = np.stack(
        [np.cos(angles) * np.cos(down), np.sin(angles) * np.cos(down), -np.sin(down)], 1
    )
    sight = np.full((len(places), RAYS), np.nan)
    for distance in np.arange(FARTHEST, 0, -VOXEL):  # the nearest hit is written last
        at = np.floor((places[:, None] + distance * rays) / VOXEL).astype(np.int64) - low
        inside = ((at >= 0) & (at < shape)).all(2)
        key = at @ np.array([shape[1] * shape[2], shape[2], 1])
        hit = inside & (filled[np.searchsorted(filled, key).clip(0, len(filled) - 1)] == key)
        sight[hit] = distance
    blind = np.isnan(sight).all(1)
    sight[blind] = FARTHEST
    return np.nanmedian(sight, axis=1)


def look_around(
    place: np.ndarray, level: np.ndarray, headings: int, number: int = 0
) -> list[np.ndarray]:
    """T_map_camera (4, 4) of a camera at `place` (3,) that looks around, level and down.

    Every second `number` looks between the headings of the others.
    """
    poses = []
    for heading in 2 * np.pi * (np.arange(headings) + 0.5 * (number % 2)) / headings:
        for pitch in np.radians(PITCHES):
            forward = np.array(
                [np.cos(pitch) * np.cos(heading), np.cos(pitch) * np.sin(heading), np.sin(pitch)]
            )
            right = np.array([np.sin(heading), -np.cos(heading), 0.0])
            T = np.eye(4)
            T[:3, :3] = level.T @ np.stack([right, np.cross(forward, right), forward], 1)
            T[:3, 3] = place
            poses.append(T)
    return poses


def _grounds(local: np.ndarray, low: np.ndarray, shape: np.ndarray) -> list[np.ndarray]:
    """Height of the ground over each tile, infinite where there is none near.

    The lowest first, then every storey above it.
    """
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
