# SPDX-License-Identifier: Apache-2.0
"""Which way is up in a cloud: across the floors, ceilings and table tops, away from the floor."""

import numpy as np
from scipy.spatial import cKDTree

from diff2i2p.cloud.content import CloudError
from diff2i2p.cloud.point_cloud import PointCloud

SAMPLES, NEIGHBOURS = 4000, 16
FLAT = 0.35  # thickness over width of a neighbourhood that counts as a plane
SAME, APART = np.cos(np.radians(8)), np.cos(np.radians(30))
Z_IS_UP = 1.5  # how much more is believed of z, which mapping tools put up (REP 103): a corridor has more wall than floor
# Z up, or y down in a camera's frame, where floor and ceiling look alike.
SIGN = np.array([0, -0.1, 0.1])


def axis_up(name: str) -> np.ndarray:
    """(3,) float64 unit vector of 'x', 'y', 'z', '-x', '-y' or '-z'. Raises CloudError."""
    sign, axis = (-1.0, name[1:]) if name[:1] in ("-", "−") else (1.0, name.lstrip("+"))
    if axis not in ("x", "y", "z"):
        raise CloudError(f"the up axis is one of x, y, z, -x, -y, -z, not '{name}'")
    return sign * np.eye(3)["xyz".index(axis)]


def find_up(cloud: PointCloud) -> np.ndarray:
    """(3,) float64 unit vector against gravity, found from floors, ceilings and table tops. Raises CloudError when nothing is flat."""
    low, high = np.percentile(cloud.points[:: max(len(cloud) // 100_000, 1)], (2, 98), axis=0)
    voxel = float(
        np.clip(np.linalg.norm(high - low) / 150, 0.01, 0.25)
    )  # metres; coarser, the floors of a large site are no planes
    up = up_from_planes(cloud.voxel_downsample(voxel).points)
    if up is None:
        raise CloudError(
            "the cloud has no floor or other plane to tell which way is up: say it, e.g. --up z"
        )
    return up


def up_from_planes(points: np.ndarray) -> np.ndarray | None:
    """(3,) float64 unit vector against gravity of evenly spaced `points` (N, 3), metres; None where nothing is flat."""
    if len(points) <= NEIGHBOURS:
        return None
    places, normals = _planes(points)
    if len(places) < NEIGHBOURS:
        return None
    axes = _dominant(normals)
    axis = max(
        axes,
        key=lambda axis: (
            (np.abs(normals @ axis) > SAME).sum() * (Z_IS_UP if abs(axis[2]) > 0.9 else 1)
        ),
    )
    return axis if _floor_is_low(axis, points, places[np.abs(normals @ axis) > SAME]) else -axis


def _planes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (M, 3) where the cloud is flat, and the normals (M, 3) there, signs arbitrary."""
    points = points.astype(float)
    places = points[np.linspace(0, len(points) - 1, min(SAMPLES, len(points))).astype(int)]
    around = points[cKDTree(points).query(places, NEIGHBOURS)[1]]
    around -= around.mean(1, keepdims=True)
    spread, directions = np.linalg.eigh(around.transpose(0, 2, 1) @ around)
    flat = spread[:, 0] < FLAT**2 * spread[:, 1]
    return places[flat], directions[flat, :, 0]


def _dominant(normals: np.ndarray) -> list[np.ndarray]:
    """Up to three directions that most normals share, at least 30 degrees apart."""
    axes, left = [], normals
    while len(axes) < 3 and len(left):
        votes = (np.abs(left @ normals.T) > SAME).sum(1)
        axis = left[votes.argmax()]
        for _ in range(3):
            sharing = normals[np.abs(normals @ axis) > SAME]
            axis = np.linalg.eigh(sharing.T @ sharing)[1][:, 2]
        axes.append(axis)
        left = left[np.abs(left @ axis) < APART]
    return axes


def _floor_is_low(axis: np.ndarray, points: np.ndarray, levels: np.ndarray) -> bool:
    """Whether the floor lies at the low end of `axis`: the only end that is seen, or the one that things stand on."""
    low, high = np.percentile(points @ axis, (1, 99))
    heights, levels = ((places @ axis - low) / max(high - low, 1e-9) for places in (points, levels))
    end = 0.15
    floor, ceiling = (levels < end).mean(), (levels > 1 - end).mean()
    alone = floor - ceiling if min(floor, ceiling) < 0.25 * max(floor, ceiling) else 0.0
    between = heights[(heights > end) & (heights < 1 - end)]
    standing = 0.5 - between.mean() if len(between) else 0.0
    return bool(alone + 4 * standing + SIGN @ axis >= 0)
