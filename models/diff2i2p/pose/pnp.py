# SPDX-License-Identifier: Apache-2.0
"""Correspondences -> pose with covariance: LO-RANSAC of PoseLib, robust least squares on the
inliers.
"""

from dataclasses import dataclass, replace

import numpy as np
import poselib

from diff2i2p.camera import Camera
from diff2i2p.config import PnpConfig
from diff2i2p.correspondences import Correspondences
from diff2i2p.geometry import in_camera, reprojection_errors, translated

MIN_SIGMA = 0.5  # pixels; no match counts as better than that
RAYLEIGH_MEDIAN = 1.1774  # median length of a 2D Gaussian residual, in standard deviations
CAUCHY_SCALE = 2.385  # in standard deviations: 95 % efficient on Gaussian residuals
MAX_STD = 2.0  # metres or radians; a pose that may be further off is no pose


@dataclass(frozen=True)
class Pose:
    """A camera pose and how well the matches pin it down.

    The covariance is of (dx, dy, dz, rx, ry, rz) where the true pose is the translation + (dx, dy,
    dz) and the rotation turned by the small vector (rx, ry, rz) about the map's axes: R_true =
    exp([r]x) R, as in geometry_msgs.
    """

    T_map_camera: np.ndarray  # (4, 4) float64
    inliers: np.ndarray  # (M,) bool over the correspondences
    covariance: np.ndarray  # (6, 6) m^2 and rad^2

    def moved(self, offset: np.ndarray) -> "Pose":
        """The same in a frame whose coordinates are `offset` (3,), metres, larger."""
        return replace(self, T_map_camera=translated(self.T_map_camera, offset))


def solve_pnp(correspondences: Correspondences, camera: Camera, config: PnpConfig) -> Pose | None:
    """The pose most correspondences agree on, for a pinhole camera; None when they fix none.

    Never raises on what they hold.
    """
    pixels, points = (
        np.asarray(correspondences.pixels, float),
        np.asarray(correspondences.points, float),
    )
    finite = np.isfinite(pixels).all(1) & np.isfinite(points).all(1)
    usable = np.flatnonzero(finite)
    order = usable[np.argsort(-np.asarray(correspondences.scores)[usable], kind="stable")]
    if len(order) < max(config.min_inliers, 4):
        return None
    origin = points[order].mean(0)  # georeferenced maps lie far from zero
    pixels, local = pixels[order], points[order] - origin
    T_local_camera = _ransac(pixels, local, camera, config)
    if T_local_camera is None:
        return None
    errors = reprojection_errors(pixels, local, camera, T_local_camera)
    close = errors <= config.max_error
    if close.sum() < config.min_inliers:
        return None
    covariance = _covariance(local[close], errors[close], camera, T_local_camera)
    if covariance is None:
        return None
    inliers = np.zeros(len(finite), bool)
    inliers[order[close]] = True
    T_map_camera = T_local_camera.copy()
    T_map_camera[:3, 3] += origin
    return Pose(T_map_camera, inliers, covariance)


def _ransac(pixels, points, camera: Camera, config: PnpConfig) -> np.ndarray | None:
    """T_points_camera (4, 4) by RANSAC on matches, best first, refined on its inliers; or None."""
    model = _pinhole(camera)
    options = {
        "max_reproj_error": config.max_error, "max_iterations": config.max_iterations,
        "min_iterations": min(100, config.max_iterations), "progressive_sampling": True,
    }  # fmt: skip
    pose, info = poselib.estimate_absolute_pose(
        pixels, points, model, options, {"loss_type": "CAUCHY", "loss_scale": 1.0}
    )
    close = np.array(info["inliers"], bool)
    if close.sum() < config.min_inliers or not np.isfinite(pose.Rt).all():
        return None
    errors = reprojection_errors(pixels[close], points[close], camera, _matrix(pose))
    robust = {"loss_type": "CAUCHY", "loss_scale": CAUCHY_SCALE * _sigma(errors)}
    pose, _ = poselib.refine_absolute_pose(pixels[close], points[close], pose, model, robust)
    return _matrix(pose) if np.isfinite(pose.Rt).all() else None


def _pinhole(camera: Camera) -> dict:
    return {
        "model": "PINHOLE",
        "width": camera.width,
        "height": camera.height,
        "params": list(camera.K),
    }


def _matrix(pose) -> np.ndarray:
    """T_points_camera (4, 4) of a PoseLib pose."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = pose.R.T, -pose.R.T @ pose.t
    return T


def _sigma(errors: np.ndarray) -> float:
    """Standard deviation of a residual component in pixels, from the median length."""
    return max(float(np.median(errors)) / RAYLEIGH_MEDIAN, MIN_SIGMA)


def _covariance(points, errors, camera: Camera, T_points_camera: np.ndarray) -> np.ndarray | None:
    """Inverse Gauss-Newton Hessian times residual variance; None where a direction is open."""
    arms = points - T_points_camera[:3, 3]
    x, y, z = in_camera(points, T_points_camera).T
    fx, fy = camera.K[:2]
    zero = np.zeros_like(z)
    # (M, 2, 3)
    d_project = np.array(
        [[fx / z, zero, -fx * x / z**2], [zero, fy / z, -fy * y / z**2]]
    ).transpose(2, 0, 1)
    d_point = d_project @ T_points_camera[:3, :3].T
    # d(arm) = -d(position) + arm x r
    J = np.concatenate([-d_point, np.cross(d_point, arms[:, None])], 2).reshape(-1, 6)
    scale = np.maximum(np.linalg.norm(J, axis=0), 1e-12)
    eigenvalues, axes = np.linalg.eigh((J / scale).T @ (J / scale))
    if eigenvalues[0] < 1e-10 * eigenvalues[-1]:
        return None
    half = axes / np.sqrt(eigenvalues) / scale[:, None] * _sigma(errors)
    covariance = half @ half.T
    return covariance if np.sqrt(np.diag(covariance)).max() < MAX_STD else None
