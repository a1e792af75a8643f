# SPDX-License-Identifier: Apache-2.0
"""Rigid motions and points: what several parts of the project compute of them, once."""

import numpy as np

from diff2i2p.camera import Camera

# A map point is hidden when another in its cell of the image is nearer by this factor.
OCCLUSION_CELLS, OCCLUSION_SLACK = 32, 1.15


def pose_error(T_a: np.ndarray, T_b: np.ndarray) -> tuple[float, float]:
    """Distance in metres and angle in degrees between two poses (4, 4)."""
    R = T_a[:3, :3].T @ T_b[:3, :3]
    sine = np.linalg.norm([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]]) / 2  # arccos alone loses small angles
    return float(np.linalg.norm(T_a[:3, 3] - T_b[:3, 3])), float(np.degrees(np.arctan2(sine, (np.trace(R) - 1) / 2)))


def in_camera(points: np.ndarray, T_map_camera: np.ndarray) -> np.ndarray:
    """(N, 3) float64 map points in the camera frame."""
    return (np.asarray(points, float) - T_map_camera[:3, 3]) @ T_map_camera[:3, :3]


def visible(points: np.ndarray, camera: Camera, T_map_camera: np.ndarray) -> np.ndarray:
    """Indices of the points (N, 3) inside the undistorted image and not clearly behind nearer ones."""
    local = in_camera(points, T_map_camera)
    index = np.flatnonzero(local[:, 2] > 0.05)
    uv = local[index, :2] / local[index, 2:] * camera.K[:2] + camera.K[2:]
    inside = ((uv >= -0.5) & (uv < (camera.width - 0.5, camera.height - 0.5))).all(1)
    index, uv = index[inside], uv[inside]
    cells = ((uv + 0.5) * (OCCLUSION_CELLS / camera.width)).astype(int) @ (1, OCCLUSION_CELLS)
    nearest = np.full(cells.max(initial=0) + 1, np.inf)
    np.minimum.at(nearest, cells, local[index, 2])
    return index[local[index, 2] <= OCCLUSION_SLACK * nearest[cells]]
