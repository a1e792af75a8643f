# SPDX-License-Identifier: Apache-2.0
"""A pose solver that learns can be trained through: weighted PnP with the exact gradient of its minimum.

The pose is the minimum of E(xi) = 1/2 sum_i w_i |pi(K, q_i(xi)) - x_i|^2 over the correspondences. It is found by
Levenberg-Marquardt; its gradient follows from the implicit function theorem (the idea of BPnP, Chen et al., CVPR 2020):
dE/dxi = g(xi, theta) = 0 at the minimum, so dxi/dtheta = -H^-1 dg/dtheta with the Hessian H of E. One Newton step
xi = -H^-1 g, in which H is held constant, has the value 0 and that very gradient, so autograd does the rest.

Looked at, and not taken: kornia's solve_pnp_dlt (no weights, six points at least, differentiates through an SVD);
theseus' implicit mode (Gauss-Newton in place of H, exact only without residuals; a large dependency for six unknowns);
EPro-PnP (a loss on the distribution of poses, not a pose); BPnP's code (one set at a time, no weights, OpenCV inside).
"""

from dataclasses import dataclass, fields

import numpy as np
import torch

from diff2i2p.camera import Camera
from diff2i2p.config import PnpConfig
from diff2i2p.correspondences import Correspondences
from diff2i2p.pose.pnp import solve_pnp

MIN_MATCHES = 4  # three leave up to four poses
NEAREST = 0.01  # metres; what is closer to the camera plane counts as behind it
ITERATIONS = 50
HOPELESS = 1e8  # damping at which no step lowers the energy
STILL = 1e-4  # pixels that a last step moves the projections by, root mean square; the Newton step squares what is left
CONVERGED = 0.01  # pixels that the Newton step may still move them by
WORST = 1e-9  # smallest over largest eigenvalue of the scaled normal equations; below, a direction is free


@dataclass(frozen=True)
class _Problem:
    """B sets of N correspondences in float64, points relative to an origin near them; weights sum to 1 or 0."""

    pixels: torch.Tensor  # (B, N, 2)
    points: torch.Tensor  # (B, N, 3)
    weights: torch.Tensor  # (B, N)
    K: torch.Tensor  # (B, 3, 3)

    def detached(self) -> "_Problem":
        return _Problem(*(getattr(self, f.name).detach() for f in fields(self)))

    def only(self, sets: torch.Tensor) -> "_Problem":
        """The same with harmless numbers in all sets but `sets` (B,): nothing flows from or into them."""
        parts = (getattr(self, f.name) for f in fields(self))
        return _Problem(
            *(torch.where(sets.reshape(-1, *(1,) * (part.ndim - 1)), part, 0.0) for part in parts)
        )


@dataclass(frozen=True)
class _Pose:
    """B camera poses relative to the origin of the points."""

    R: torch.Tensor  # (B, 3, 3) camera to map
    c: torch.Tensor  # (B, 3) camera in the map

    def moved(self, step: torch.Tensor) -> "_Pose":
        """The camera moved by step (B, 6) in its own frame: translation, then rotation vector."""
        return _Pose(
            self.R @ torch.matrix_exp(_cross(step[:, 3:])),
            self.c + torch.einsum("bij,bj->bi", self.R, step[:, :3]),
        )

    def local(self, points: torch.Tensor) -> torch.Tensor:
        """points (B, N, 3) in the camera frame."""
        return (points - self.c[:, None]) @ self.R


def differentiable_pnp(
    pixels: torch.Tensor,
    points: torch.Tensor,
    weights: torch.Tensor,
    K: torch.Tensor,
    start: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Poses T_map_camera (B, 4, 4) that minimise the weighted squared reprojection error, and which of them are `solved` (B,) bool.

    pixels (B, N, 2) as (u, v); points (B, N, 3) map frame, metres; weights (B, N) >= 0, of which only the ratios matter, 0 = padding
    (its content is ignored and gets no gradient); K (B, 3, 3). start (B, 4, 4): T_map_camera to begin at, else RANSAC finds one
    (`ransac_start`). Gradients go to pixels, points, weights and K, not to start.

    A set is unsolved when it has fewer than 4 matches, numbers that are not finite, negative weights, a point behind the camera,
    points that leave the pose open (on a line), or no minimum near the start. Its pose is then the start, or the identity without
    one, and carries no gradient. Squared errors heed outliers: weigh them down, or leave out those of `ransac_start`.
    """
    if start is None:
        start = ransac_start(pixels, points, weights, K)[0]
    start = start.detach().double()
    problem, origin, sound = _prepare(pixels, points, weights, K, start)
    safe = torch.where(sound[:, None, None], start, torch.eye(4).to(start))
    begin = _Pose(safe[:, :3, :3], safe[:, :3, 3] - origin)
    frozen = problem.detached()
    pose = _minimise(frozen, begin)
    H, solved = _hessian(frozen, pose)
    solved = solved & sound
    step = _newton_step(problem.only(solved), pose, H)
    solved = solved & (_movement(frozen, pose, step.detach()) < CONVERGED)
    pose = pose.moved(torch.where(solved[:, None], step, 0.0))
    found = _matrix(pose.R, pose.c + origin)
    known = start.isfinite().all(-1).all(-1)[:, None, None]
    fallback = torch.where(known, start, torch.eye(4).to(start))
    return torch.where(solved[:, None, None], found, fallback).to(points.dtype), solved


@torch.no_grad()
def ransac_start(
    pixels: torch.Tensor,
    points: torch.Tensor,
    weights: torch.Tensor,
    K: torch.Tensor,
    max_error: float = PnpConfig.max_error,
) -> tuple[torch.Tensor, torch.Tensor]:
    """T_map_camera (B, 4, 4), NaN where none is found, and which matches (B, N) bool agree with it to `max_error` pixels.

    Arguments as those of `differentiable_pnp`. The best weighted are tried first.
    """
    T, inliers = (
        torch.full((len(points), 4, 4), torch.nan, dtype=torch.float64),
        torch.zeros(weights.shape, dtype=torch.bool),
    )
    config = PnpConfig(max_error=max_error, min_inliers=MIN_MATCHES)
    for i, (x, p, w, k) in enumerate(
        zip(*(part.cpu().double().numpy() for part in (pixels, points, weights, K)), strict=True)
    ):
        used = np.flatnonzero(w > 0)
        if len(used) < MIN_MATCHES or not (np.isfinite(k).all() and k[0, 0] > 0 and k[1, 1] > 0):
            continue
        size = (
            max(round(2 * k[0, 2]), 1),
            max(round(2 * k[1, 2]), 1),
        )  # not known here, and of no consequence
        camera = Camera(*size, (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
        pose = solve_pnp(Correspondences(x[used], p[used], w[used], "training"), camera, config)
        if pose is not None:
            T[i], inliers[i, used] = (
                torch.from_numpy(pose.T_map_camera),
                torch.from_numpy(pose.inliers),
            )
    return T.to(points.device), inliers.to(points.device)


def _prepare(pixels, points, weights, K, start) -> tuple[_Problem, torch.Tensor, torch.Tensor]:
    """The problem, the origin (B, 3) of its points, and which sets (B,) may be solvable; the others get harmless numbers."""
    pixels, points, weights, K = (part.double() for part in (pixels, points, weights, K))
    used = weights != 0
    fine = ~used | (
        points.isfinite().all(-1) & pixels.isfinite().all(-1) & weights.isfinite() & (weights > 0)
    )
    sound = (
        fine.all(1)
        & (used.sum(1) >= MIN_MATCHES)
        & K.isfinite().all(-1).all(-1)
        & start.isfinite().all(-1).all(-1)
    )
    used = used & sound[:, None]
    pixels, points = (torch.where(used[..., None], part, 0.0) for part in (pixels, points))
    weights = torch.where(used, weights, 0.0)
    origin = points.detach().sum(1) / used.sum(1, keepdim=True).clamp(
        min=1
    )  # georeferenced maps lie far from zero
    weights = weights / weights.detach().sum(1, keepdim=True).clamp(
        min=torch.finfo(weights.dtype).tiny
    )
    points = torch.where(used[..., None], points - origin[:, None], 0.0)
    return (
        _Problem(pixels, points, weights, torch.where(sound[:, None, None], K, torch.eye(3).to(K))),
        origin,
        sound,
    )


@torch.no_grad()
def _minimise(problem: _Problem, pose: _Pose) -> _Pose:
    """The minimum of E next to `pose`, by Levenberg-Marquardt; each set has its own damping."""
    J, residuals = _linearised(problem, pose)
    energy, damping = _energy(problem, residuals), torch.full_like(problem.weights[:, 0], 1e-3)
    for _ in range(ITERATIONS):
        normal, g = _normal_equations(problem, J, residuals)
        diagonal = normal.diagonal(dim1=1, dim2=2).clamp(min=1e-12)
        step = -torch.linalg.solve_ex(normal + torch.diag_embed(damping[:, None] * diagonal), g)[0]
        step = step.nan_to_num(0, 0, 0).clamp(-10, 10)
        moved = pose.moved(step)
        J_moved, residuals_moved = _linearised(problem, moved)
        energy_moved = _energy(problem, residuals_moved)
        better = energy_moved <= energy
        pose = _Pose(
            torch.where(better[:, None, None], moved.R, pose.R),
            torch.where(better[:, None], moved.c, pose.c),
        )
        J, residuals = (
            torch.where(better.reshape(-1, *(1,) * (a.ndim - 1)), b, a)
            for a, b in ((J, J_moved), (residuals, residuals_moved))
        )
        energy, damping = (
            torch.where(better, energy_moved, energy),
            torch.where(better, damping / 10, damping * 10).clamp(1e-12, 1e12),
        )
        if (((diagonal * step**2).sum(1) < STILL**2) | (damping > HOPELESS)).all():
            break
    return pose


def _project(K: torch.Tensor, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels (..., N, 2) of camera points q (..., N, 3), and their third homogeneous coordinate (..., N, 1), kept positive."""
    homogeneous = q @ K.mT
    w = homogeneous[..., 2:].clamp(min=NEAREST)
    return homogeneous[..., :2] / w, w


def _linearised(problem: _Problem, pose: _Pose) -> tuple[torch.Tensor, torch.Tensor]:
    """J (B, N, 2, 6) = d pixel / d step, and the residuals (B, N, 2)."""
    q = pose.local(problem.points)
    projected, w = _project(problem.K, q)
    d_point = (problem.K[:, None, :2] - projected[..., None] * problem.K[:, None, 2:]) / w[
        ..., None
    ]
    return torch.cat(
        [-d_point, d_point @ _cross(q)], -1
    ), projected - problem.pixels  # dq = -translation + q x rotation


def _energy(problem: _Problem, residuals: torch.Tensor) -> torch.Tensor:
    return 0.5 * (problem.weights * residuals.square().sum(-1)).sum(-1)


def _normal_equations(
    problem: _Problem, J: torch.Tensor, residuals: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, 6, 6) and (B, 6): J^T W J and the gradient J^T W r."""
    weighted = problem.weights[..., None, None] * J
    return torch.einsum("bnki,bnkj->bij", weighted, J), torch.einsum(
        "bnki,bnk->bi", weighted, residuals
    )


@torch.no_grad()
def _hessian(problem: _Problem, pose: _Pose) -> tuple[torch.Tensor, torch.Tensor]:
    """Second derivatives (B, 6, 6) of E with respect to a step, and whether (B,) they belong to an isolated minimum."""
    J, residuals = _linearised(problem, pose)
    normal = _normal_equations(problem, J, residuals)[0]
    H = normal + _curvature(problem, pose, J, residuals)
    scale = normal.diagonal(dim1=1, dim2=2).clamp(min=1e-24).rsqrt()
    spectra = (
        torch.linalg.eigvalsh(scale[:, None] * part.nan_to_num(0, 0, 0) * scale[..., None])
        for part in (normal, H)
    )
    pinned, isolated = (values[:, 0] > WORST * values[:, -1] for values in spectra)
    ahead = ((pose.local(problem.points) @ problem.K.mT)[..., 2] > NEAREST) | (problem.weights == 0)
    return H, pinned & isolated & ahead.all(1)


def _curvature(
    problem: _Problem, pose: _Pose, J: torch.Tensor, residuals: torch.Tensor
) -> torch.Tensor:
    """sum_i w_i r_i . d2 pixel_i (B, 6, 6), what Gauss-Newton leaves out.

    With pixel = h / h_3 and h = K q: d2 pixel = (d2 h - pixel d2 h_3 - d pixel d h_3 - d h_3 d pixel) / h_3, and of the camera point
    d2 q = rotation x (rotation x q) / 2 + rotation x translation.
    """
    q = pose.local(problem.points)
    projected, h_3 = _project(problem.K, q)
    pull = problem.weights[..., None] * residuals / h_3  # (B, N, 2)
    m = (
        pull @ problem.K[:, :2] - (pull * projected).sum(-1, keepdim=True) * problem.K[:, None, 2]
    )  # of d2 q
    mq = torch.einsum("bni,bnj->bij", m, q)
    turning = 0.5 * (mq + mq.mT) - torch.diag_embed(
        mq.diagonal(dim1=1, dim2=2).sum(1, keepdim=True).expand(-1, 3)
    )
    both = _cross(m.sum(1))
    second = torch.cat(
        [torch.cat([torch.zeros_like(both), both], 2), torch.cat([both.mT, turning], 2)], 1
    )
    d_h_3 = torch.einsum(
        "bi,bnij->bnj",
        problem.K[:, 2],
        torch.cat([-torch.eye(3).to(q).expand(*q.shape, 3), _cross(q)], -1),
    )
    first = torch.einsum("bnk,bnki,bnj->bij", pull, J, d_h_3)
    return second - first - first.mT


def _newton_step(problem: _Problem, pose: _Pose, H: torch.Tensor) -> torch.Tensor:
    """-H^-1 g (B, 6): next to nothing at the minimum, but its gradient is that of the minimum. Where g is exactly 0, H is not used."""
    g = _normal_equations(problem, *_linearised(problem, pose))[1]
    empty = (problem.weights == 0).all(1)[:, None, None]
    return -torch.linalg.solve(torch.where(empty, torch.eye(6).to(H), H), g)


def _movement(problem: _Problem, pose: _Pose, step: torch.Tensor) -> torch.Tensor:
    """(B,) pixels that the step moves the projections by, root mean square."""
    J = _linearised(problem, pose)[0]
    return (
        (problem.weights[..., None] * torch.einsum("bnki,bi->bnk", J, step).square())
        .sum((1, 2))
        .sqrt()
    )


def _cross(v: torch.Tensor) -> torch.Tensor:
    """(..., 3, 3) matrix of the cross product with v (..., 3)."""
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))


def _matrix(R: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """(B, 4, 4) of rotation (B, 3, 3) and translation (B, 3)."""
    bottom = torch.tensor([[[0.0, 0, 0, 1]]]).to(R).expand(len(R), 1, 4)
    return torch.cat([torch.cat([R, c[..., None]], -1), bottom], 1)
