# SPDX-License-Identifier: Apache-2.0
"""A pose made sharper: by tracks between map and image, or by a depth image laid onto the map."""

from dataclasses import replace

import numpy as np
import small_gicp
from scipy.spatial import cKDTree

from diff2i2p.camera import Camera, View
from diff2i2p.config import PnpConfig
from diff2i2p.correspondences import Correspondences
from diff2i2p.geometry import in_map, reprojection_errors
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.pose.pnp import Pose
from diff2i2p.pose.render_compare import ViewComparison

STEP = 4  # pixels between the depth pixels used
FARTHEST = 5.0  # metres; depth cameras guess beyond
# metres: what both clouds are thinned to, and from how far a point is drawn
VOXEL, REACH = 0.04, 0.25
NEAR = 0.04  # metres; a depth point this close to the map fits
ENOUGH = 200  # depth points
GAIN = 0.01  # share of the depth points that must newly fit


def refine_by_tracks(
    comparison: ViewComparison, matches: Correspondences, config: PnpConfig
) -> Pose | None:
    """The pose that the tracks agree on, with its inliers among `matches`; None without."""
    found = comparison.pose
    return (
        None
        if found is None
        else replace(
            found, inliers=_inliers(matches, comparison.view.camera, found.T_map_camera, config)
        )
    )


def refine_by_depth(
    pose: Pose, view: View, dense: DenseMap, matches: Correspondences, config: PnpConfig
) -> Pose | None:
    """`pose` moved so that the view's depth lies on the map; None where that fits no better."""
    seen = _points(view)
    index = dense.in_view(view.camera, pose.T_map_camera, FARTHEST)
    if len(seen) < ENOUGH or len(index) < ENOUGH:
        return None
    origin = pose.T_map_camera[:3, 3]  # maps may lie far from zero
    target, start = dense.points[index] - origin, pose.T_map_camera.copy()
    start[:3, 3] = 0
    moved = small_gicp.align(
        target,
        seen,
        init_T_target_source=start,
        downsampling_resolution=VOXEL,
        max_correspondence_distance=REACH,
        num_threads=1,
    ).T_target_source
    tree = cKDTree(target)
    if not np.isfinite(moved).all() or _fit(tree, seen, moved) < _fit(tree, seen, start) + GAIN:
        return None
    T = moved.copy()
    T[:3, 3] += origin
    return replace(pose, T_map_camera=T, inliers=_inliers(matches, view.camera, T, config))


def _inliers(
    matches: Correspondences, camera: Camera, T_map_camera: np.ndarray, config: PnpConfig
) -> np.ndarray:
    """(M,) bool, the matches that a pose explains."""
    return (
        reprojection_errors(matches.pixels, matches.points, camera, T_map_camera)
        <= config.max_error
    )


def _points(view: View) -> np.ndarray:
    """(N, 3) float64 points of the view's depth, camera frame, metres."""
    v, u = (a[::STEP, ::STEP].ravel() for a in np.indices(view.depth.shape))
    z = view.depth[v, u]
    known = (z > 0) & (z < FARTHEST)
    return view.camera.rays(np.stack([u, v], 1)[known]) * z[known, None]


def _fit(tree: cKDTree, points: np.ndarray, T: np.ndarray) -> float:
    """Share of `points` (N, 3) that T (4, 4) lays near the map's."""
    return float(np.isfinite(tree.query(in_map(points, T), distance_upper_bound=NEAR)[0]).mean())
