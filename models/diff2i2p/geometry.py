# SPDX-License-Identifier: Apache-2.0
"""Rigid motions, and points between camera and map: what many parts compute, once."""

import numpy as np

from diff2i2p.camera import Camera

# axes of a ROS body (x forward, y left, z up) of a camera looking forward, REP-103
T_BODY_OPTICAL = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)
SAME_PLACE, SAME_VIEW = 0.5, np.cos(np.radians(15))  # metres, cosine: nearer poses are one place
AHEAD = 1e-6  # metres before the camera from which a point is seen
# A map point is hidden when another in its cell of the image is nearer by this factor; derived: a
# cell of 1/32 of a 60 deg view is 2 deg wide, so that a surface seen at up to 75 deg from its normal
# spans less than 15 % in depth within a cell, and no point of it hides another.
OCCLUSION_CELLS, OCCLUSION_SLACK = 32, 1.15


def rotation_angle(R: np.ndarray) -> float:
    """Radians of a rotation (3, 3)."""
    sine = np.linalg.norm([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]]) / 2
    return float(np.arctan2(sine, (np.trace(R) - 1) / 2))  # arccos of the trace loses small angles


def motion_extent(motion: np.ndarray) -> np.ndarray:
    """(metres, radians) of a motion (4, 4)."""
    return np.array([np.linalg.norm(motion[:3, 3]), rotation_angle(motion[:3, :3])])


def pose_error(T_a: np.ndarray, T_b: np.ndarray) -> tuple[float, float]:
    """Distance in metres and angle in degrees between two poses (4, 4)."""
    metres = float(np.linalg.norm(T_a[:3, 3] - T_b[:3, 3]))
    return metres, float(np.degrees(rotation_angle(T_a[:3, :3].T @ T_b[:3, :3])))


def turn_cosine(T_a: np.ndarray, T_b: np.ndarray) -> float:
    """Cosine of the turn between two poses (4, 4)."""
    return float((np.trace(T_a[:3, :3].T @ T_b[:3, :3]) - 1) / 2)


def same_place(T_a: np.ndarray, T_b: np.ndarray) -> bool:
    """Whether two poses (4, 4) may be taken for one."""
    is_near = np.linalg.norm(T_a[:3, 3] - T_b[:3, 3]) < SAME_PLACE
    return bool(is_near and turn_cosine(T_a, T_b) > SAME_VIEW)


def in_camera(points: np.ndarray, T_map_camera: np.ndarray) -> np.ndarray:
    """(N, 3) float64 map points in the camera frame."""
    return (np.asarray(points, float) - T_map_camera[:3, 3]) @ T_map_camera[:3, :3]


def in_map(points: np.ndarray, T_map_camera: np.ndarray) -> np.ndarray:
    """(N, 3) camera-frame points in the map."""
    return points @ T_map_camera[:3, :3].T + T_map_camera[:3, 3]


def project(
    points: np.ndarray, camera: Camera, T_map_camera: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 2) as (u, v), infinite behind the camera, and depths (N,) of map points (N, 3)."""
    local = in_camera(points, T_map_camera)
    pixels, ahead = np.full((len(local), 2), np.inf), local[:, 2] > AHEAD
    pixels[ahead] = camera.project(local[ahead])
    return pixels, local[:, 2]


def reprojection_errors(
    pixels: np.ndarray, points: np.ndarray, camera: Camera, T_map_camera: np.ndarray
) -> np.ndarray:
    """(M,) pixels from `pixels` (M, 2) to projected `points` (M, 3); infinite behind."""
    return np.linalg.norm(project(points, camera, T_map_camera)[0] - pixels, axis=1)


def lift(
    pixels: np.ndarray, depth: np.ndarray, camera: Camera, T_map_camera: np.ndarray
) -> np.ndarray:
    """(N, 3) float64 map points seen at `pixels` (N, 2), `depth` (N,) metres ahead."""
    return in_map(camera.rays(pixels) * np.asarray(depth)[:, None], T_map_camera)


def at_pixels(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(N,) values of an image (H, W) at the whole pixels nearest to `pixels` (N, 2), inside it."""
    u, v = pixels.round().astype(int).T
    return image[v.clip(0, image.shape[0] - 1), u.clip(0, image.shape[1] - 1)]


def visible(points: np.ndarray, camera: Camera, T_map_camera: np.ndarray) -> np.ndarray:
    """Indices of the points (N, 3) in the undistorted image, not clearly behind nearer ones."""
    pixels, depth = project(points, camera.undistorted, T_map_camera)
    size = camera.width - 0.5, camera.height - 0.5
    index = np.flatnonzero((depth > 0.05) & ((pixels >= -0.5) & (pixels < size)).all(1))
    pixels, depth = pixels[index], depth[index]
    cells = ((pixels + 0.5) * (OCCLUSION_CELLS / camera.width)).astype(int) @ (1, OCCLUSION_CELLS)
    nearest = np.full(cells.max(initial=0) + 1, np.inf)
    np.minimum.at(nearest, cells, depth)
    return index[depth <= OCCLUSION_SLACK * nearest[cells]]


def translated(T: np.ndarray, offset) -> np.ndarray:
    """A pose (4, 4) whose place is `offset` (3,) further on, in double precision."""
    moved = np.array(T, float)
    moved[:3, 3] += offset
    return moved
