# SPDX-License-Identifier: Apache-2.0
"""Which side of a surface was seen: a wall scanned from a room has no back, and from outside it would show its mirror image."""

import numpy as np

from diff2i2p.camera import Camera
from diff2i2p.cloud import by_voxel
from diff2i2p.mapping.viewpoints import level_axes, viewpoints
from diff2i2p.render import render_cloud

CELL = 0.15  # metres; surfaces are cut into cubes
FEW = 6  # points of a cube that say nothing of its surface
FLAT = 0.3  # thickness of a plane in widths (standard deviations); a door scanned from both sides is thicker
SPACING = 1.2  # metres between the places that surfaces are looked at from
RANGE = 5.0  # metres that are looked at, each way
WALL_OF_A_CUBE = Camera(48, 48, (24.0, 24.0, 23.5, 23.5))
STANDING = np.s_[16:32, 16:32]  # what is right below, when it looks down
OBLIQUE = 0.2  # cosine from which on a surface is looked at
LOOKS = 2  # places that must have seen a surface
MAJORITY = 0.8  # of them must have been on one side


def seen_sides(points: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Normals (N, 3) int8, 127 long, of `points` (N, 3) towards the side that they were seen from; 0 where that is not certain.

    Only flat surfaces have sides. A scanner or camera was where a robot can be: in free space, with the map below it. What is seen from
    such places votes; the other side of an outer wall has no floor.
    """
    order, starts = by_voxel(points, CELL)
    centres, normals = _planes(points, order, starts)
    votes = _votes(centres, normals, up)
    decided = (np.abs(votes).sum(1) >= LOOKS) & (votes.max(1) >= MAJORITY * votes.sum(1))
    sign = np.where(votes[:, 0] > votes[:, 1], 1, -1) * decided
    sides = np.empty((len(points), 3), np.int8)
    sides[order] = np.repeat(
        np.rint(127 * sign[:, None] * normals).astype(np.int8),
        np.diff(starts, append=len(points)),
        0,
    )
    return sides


def _planes(
    points: np.ndarray, order: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each cube the middle (C, 3) float32 of its points and the unit normal (C, 3) of their plane, 0 where they are not flat."""
    counts = np.diff(starts, append=len(points))
    first = points[order[starts]]
    local = (points[order] - np.repeat(first, counts, 0)).T  # small numbers square well
    mean = np.stack([np.add.reduceat(axis, starts) for axis in local], 1) / counts[:, None]
    square = np.empty((len(starts), 3, 3))
    for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        square[:, i, j] = square[:, j, i] = (
            np.add.reduceat(local[i] * local[j], starts) / counts - mean[:, i] * mean[:, j]
        )
    flat = np.flatnonzero(counts >= FEW)
    variance, axes = np.linalg.eigh(square[flat])
    normals = np.zeros((len(starts), 3))
    normals[flat] = axes[:, :, 0] * (variance[:, :1] < FLAT**2 * variance[:, 1:2])
    return np.asfortranarray(first + mean.astype(np.float32)), normals


def _votes(centres: np.ndarray, normals: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(C, 2) from how many places each cube is seen in front and behind."""
    level = level_axes(up)
    votes = np.zeros((len(centres), 2), int)
    for place in viewpoints(centres @ level.T.astype(np.float32), SPACING) @ level:
        seen = _seen_from(place, centres, level)
        towards = place - centres[seen]
        cosine = (towards * normals[seen]).sum(1) / np.linalg.norm(towards, axis=1)
        votes[seen, 0] += cosine > OBLIQUE
        votes[seen, 1] += cosine < -OBLIQUE
    return votes


def _seen_from(place: np.ndarray, centres: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Indices of the cubes that are seen from a place; none where it does not stand on anything."""
    near = np.flatnonzero(
        np.logical_and.reduce(
            [np.abs(axis - x) < RANGE for axis, x in zip(centres.T, place, strict=True)]
        )
    )
    points = centres[near]
    down = _index_image(points, place, level.T @ _DOWN)
    if (down[STANDING] == 0).mean() > 0.5:
        return near[:0]
    seen = np.unique([down, *(_index_image(points, place, level.T @ wall) for wall in _AROUND)])
    return near[seen[seen > 0] - 1]


def _index_image(points: np.ndarray, place: np.ndarray, R_map_camera: np.ndarray) -> np.ndarray:
    """(48, 48) one more than the index of the point that is seen there, 0 where none is."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R_map_camera, place
    return render_cloud(
        points, np.arange(1, len(points) + 1, dtype=np.int32), WALL_OF_A_CUBE, T, 1.2 * CELL
    ).image


def _looking(forward: tuple, down: tuple) -> np.ndarray:
    """(3, 3) axes of a camera as columns."""
    return np.stack([np.cross(down, forward), down, forward], 1).astype(float)


_DOWN = _looking((0, 0, -1), (0, 1, 0))
_AROUND = [
    _looking((0, 0, 1), (0, 1, 0)),
    *(_looking(forward, (0, 0, -1)) for forward in ((1, 0, 0), (0, 1, 0), (-1, 0, 0), (0, -1, 0))),
]
