# SPDX-License-Identifier: Apache-2.0
"""A surface is seen from the side that it was scanned from, and from both where that is not certain."""

from dataclasses import replace

import numpy as np
import pytest

from diff2i2p.cloud import PointCloud
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.normals import seen_sides

UP = np.array([0, 0, 1.0])


def plane(origin, along, upward, spacing=0.02) -> np.ndarray:
    """(N, 3) points of a rectangle."""
    i, j = np.meshgrid(
        *(np.arange(0, 1, spacing / np.linalg.norm(side)) for side in (along, upward))
    )
    return (
        np.array(origin) + i.reshape(-1, 1) * np.array(along) + j.reshape(-1, 1) * np.array(upward)
    )


FLOOR, WALL = plane((0, 0, 0), (6, 0, 0), (0, 6, 0)), plane((0, 6, 0), (6, 0, 0), (0, 0, 2.5))


def sided(*parts: np.ndarray) -> DenseMap:
    """The map of parts (N, 3) with its sides, grey."""
    points = np.concatenate(parts).astype(np.float32)
    dense = DenseMap.build(PointCloud(points, intensity=np.full(len(points), 0.5, np.float32)))
    return replace(dense, normals=seen_sides(dense.points, UP))


def share_seen(dense: DenseMap, T_map_camera: np.ndarray, eye, low: float, high: float) -> float:
    """Share of the middle of a view that shows something between two depths, metres."""
    depth = dense.render(eye, T_map_camera).depth[80:160, 100:220]
    return float(((depth > low) & (depth < high)).mean())


def test_a_wall_is_there_from_the_room_and_not_from_behind(looking, eye):
    dense = sided(FLOOR, WALL)
    assert share_seen(dense, looking((3, 4, 1.2), 90), eye, 1.9, 2.1) > 0.9
    assert share_seen(dense, looking((3, 8, 1.2), -90), eye, 1.9, 2.1) == 0


def test_a_wall_that_both_rooms_see_is_there_from_both(looking, eye):
    dense = sided(plane((0, 0, 0), (6, 0, 0), (0, 12, 0)), WALL)
    assert share_seen(dense, looking((3, 4, 1.2), 90), eye, 1.9, 2.1) > 0.9
    assert share_seen(dense, looking((3, 8, 1.2), -90), eye, 1.9, 2.1) > 0.9


@pytest.mark.parametrize("thickness", [0.02, 0.05, 0.12])
def test_a_door_scanned_from_both_sides_is_there_from_both(looking, eye, thickness):
    door = plane((2, 3, 0), (2, 0, 0), (0, 0, 2.2))
    dense = sided(FLOOR, door, door + (0, thickness, 0))
    assert share_seen(dense, looking((3, 1, 1.1), 90), eye, 1.9, 2.2) > 0.9
    assert share_seen(dense, looking((3, 5, 1.1), -90), eye, 1.8, 2.1) > 0.9


def test_what_is_not_flat_and_what_stands_nowhere_has_no_side():
    rng = np.random.default_rng(0)
    bush = (2, 2, 0.5) + rng.uniform(0, 1, (3000, 3))
    dense = sided(FLOOR, WALL, bush)
    inside = (np.abs(dense.points - (2.5, 2.5, 1.0)) < 0.5).all(1)
    assert (dense.normals[inside] == 0).all(1).mean() > 0.95
    assert not sided(WALL).normals.any()  # no floor: a camera may have been on either side


def test_normals_are_unit_vectors_towards_the_room():
    normals = sided(FLOOR, WALL).normals
    known = normals[normals.any(1)] / 127.0
    assert len(known) > 0.9 * len(normals) and np.allclose(
        np.linalg.norm(known, axis=1), 1, atol=0.02
    )
    assert ((known @ (0, -1, 0) > 0.9) | (known @ (0, 0, 1) > 0.9)).mean() > 0.98


def test_a_map_without_looks_knows_its_sides_too(corner, tmp_path):
    bare = PointCloud(corner.points)
    dense = compile_map(bare, tmp_path / "bare.i2pmap", up=UP).dense
    assert dense.shades is None and dense.normals.any(1).mean() > 0.85
