# SPDX-License-Identifier: Apache-2.0
"""A depth image sharpens a pose: its points are laid onto the map's (small_gicp)."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import small_gicp
from scipy.spatial import cKDTree

from diff2i2p.camera import Camera, CameraError, View
from diff2i2p.config import PnpConfig
from diff2i2p.localization.result import Correspondences
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.pose.pnp import Pose, reprojection_errors

STEP = 4  # pixels between the depth pixels used
FARTHEST = 5.0  # metres; depth cameras guess beyond
VOXEL, REACH = 0.04, 0.25  # metres: what both clouds are thinned to, and from how far a point is drawn
NEAR = 0.04  # metres; a depth point this close to the map fits
ENOUGH = 200  # depth points
GAIN = 0.01  # share of the depth points that must newly fit


def rectify_depth(depth: np.ndarray, camera: Camera, pinhole: Camera) -> np.ndarray:
    """`depth` (H, W) metres of `camera` as the rectified `pinhole` sees it, nearest pixel. Raises CameraError on another size."""
    if depth.shape != (camera.height, camera.width):
        raise CameraError(
            f"the depth image is {depth.shape[1]}x{depth.shape[0]} but its camera_info says {camera.width}x{camera.height}:"
            " register it into the camera"
        )
    rows, columns, inside = _source(camera, pinhole)
    depth = np.nan_to_num(np.asarray(depth, np.float32)[rows, columns], posinf=0, neginf=0)
    return np.where(inside & (depth > 0), depth, 0)


@lru_cache(maxsize=4)
def _source(camera: Camera, pinhole: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and column (H, W) of `camera` that each pixel of `pinhole` looks at, and whether there is one."""
    v, u = np.indices((pinhole.height, pinhole.width))
    x, y = camera.project(pinhole.rays(np.stack([u.ravel(), v.ravel()], 1))).reshape(*u.shape, 2).round().astype(int).transpose(2, 0, 1)
    inside = (x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height)
    return y.clip(0, camera.height - 1), x.clip(0, camera.width - 1), inside


def refine_by_depth(pose: Pose, view: View, dense: DenseMap, matches: Correspondences, config: PnpConfig) -> Pose | None:
    """`pose` moved so that the view's depth lies on the map, with the inliers it then has; None where that fits no better."""
    seen = _points(view)
    index = dense.in_view(view.camera, pose.T_map_camera, FARTHEST)
    if len(seen) < ENOUGH or len(index) < ENOUGH:
        return None
    origin = pose.T_map_camera[:3, 3]  # maps may lie far from zero
    target, start = dense.points[index] - origin, pose.T_map_camera.copy()
    start[:3, 3] = 0
    moved = small_gicp.align(
        target, seen, init_T_target_source=start, downsampling_resolution=VOXEL, max_correspondence_distance=REACH, num_threads=1
    ).T_target_source
    tree = cKDTree(target)
    if not np.isfinite(moved).all() or _fit(tree, seen, moved) < _fit(tree, seen, start) + GAIN:
        return None
    T = moved.copy()
    T[:3, 3] += origin
    errors = reprojection_errors(matches.pixels, matches.points, view.camera, T[:3, :3].T, T[:3, 3])
    return replace(pose, T_map_camera=T, inliers=errors <= config.max_error)


def _points(view: View) -> np.ndarray:
    """(N, 3) float64 points of the view's depth, camera frame, metres."""
    v, u = (a[::STEP, ::STEP].ravel() for a in np.indices(view.depth.shape))
    z = view.depth[v, u]
    known = (z > 0) & (z < FARTHEST)
    return view.camera.rays(np.stack([u, v], 1)[known]) * z[known, None]


def _fit(tree: cKDTree, points: np.ndarray, T: np.ndarray) -> float:
    """Share of `points` (N, 3) that T (4, 4) lays near the map's."""
    return float(np.isfinite(tree.query(points @ T[:3, :3].T + T[:3, 3], distance_upper_bound=NEAR)[0]).mean())
