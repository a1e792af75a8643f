# SPDX-License-Identifier: Apache-2.0
"""Depth splatted from a cloud is what the world shows from there, and its gradient leads a pose home."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from diff2i2p_training.diffusion.depth_render import densify, render_depth
from diff2i2p_training.losses.differentiable_pnp import differentiable_pnp

SIZE = (12, 16)
SMALL = torch.tensor([[14.0, 0, 7.5], [0, 14.0, 5.5], [0, 0, 1]], dtype=torch.float64)[None]


def camera_matrix(camera):
    return torch.from_numpy(camera.matrix)[None]


def moved(T, step):
    """T (4, 4) moved by step (6,) in its own frame: translation, then rotation vector."""
    zero = torch.zeros_like(step[0])
    v, r = step[:3], step[3:]
    twist = torch.stack(
        [zero, -r[2], r[1], v[0], r[2], zero, -r[0], v[1], -r[1], r[0], zero, v[2], *(zero,) * 4]
    )
    return T @ torch.matrix_exp(twist.reshape(4, 4))


@pytest.fixture
def corner():
    """Three walls in front of the camera and a post before them, 1,200 points, float64."""
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1.5, 1.5, (2, 400))
    walls = [np.stack([a, b, 3 + 0.3 * a], 1), np.stack([a, np.full(400, 1.0), 2 + b], 1)]
    post = np.stack([0.1 * a, b, 1.5 + 0 * a], 1)
    return torch.from_numpy(np.concatenate([*walls, post]))


def test_the_depth_is_that_of_rays_cast_into_the_world(room, site):
    cloud, sequence = site
    poses = np.stack([frame.T_map_camera for frame in sequence.frames[::5]])
    truth = torch.from_numpy(room.render(sequence.camera, poses)[1])
    K = camera_matrix(sequence.camera).expand(len(poses), 3, 3)
    depth, known = render_depth(
        torch.from_numpy(cloud.points),
        torch.from_numpy(poses).float(),
        K.float(),
        truth.shape[1:],
        0.04,
    )
    error = (densify(depth, known) - truth).abs() / truth
    assert known.float().mean() > 0.88
    assert error[known].median() < 0.01
    assert error[~known].median() < 0.2


@pytest.mark.parametrize("name", ["pose", "points", "K"])
def test_the_gradient_is_that_of_finite_differences(corner, name):
    shade = torch.rand(SIZE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    step = torch.tensor([0.02, -0.03, 0.05, 0.02, 0.01, -0.03], dtype=torch.float64)
    corner = corner[::12]
    values = {"pose": step, "points": corner, "K": SMALL}

    def picture(value):
        given = values | {name: value}
        T = moved(torch.eye(4, dtype=torch.float64), given["pose"])
        depth, known = render_depth(given["points"], T[None], given["K"], SIZE, 0.2)
        return (shade * depth).sum() + densify(depth, known).square().mean()

    changed = values[name].clone().requires_grad_()
    assert torch.autograd.gradcheck(picture, changed, eps=1e-7, atol=1e-5, rtol=1e-3)


def test_going_down_the_gradient_brings_a_displaced_pose_home(corner):
    T = torch.eye(4, dtype=torch.float64)
    target = densify(*render_depth(corner, T[None], SMALL * 2, (24, 32), 0.1))
    step = torch.tensor(
        [0.08, -0.05, 0.1, 0.04, 0.06, -0.05], dtype=torch.float64, requires_grad=True
    )
    begin = step.detach().clone()
    optimizer = torch.optim.Adam([step], lr=0.01)
    for _ in range(60):
        loss = (
            (
                densify(*render_depth(corner, moved(T, step)[None], SMALL * 2, (24, 32), 0.1))
                - target
            )
            .abs()
            .mean()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert step.detach().norm() < 0.25 * begin.norm()


def test_views_of_a_batch_are_independent_and_padding_is_not_drawn(corner):
    T = torch.eye(4, dtype=torch.float64).repeat(2, 1, 1)
    T[1, :3, :3] = torch.from_numpy(Rotation.from_euler("y", 10, degrees=True).as_matrix())
    clouds = torch.stack([corner, corner + 0.1])
    clouds[0, -100:] = torch.nan
    T.requires_grad_()
    both, known = render_depth(clouds, T, SMALL.expand(2, 3, 3), SIZE, 0.2)
    for i in range(2):
        cloud = clouds[i][clouds[i].isfinite().all(1)]
        alone = render_depth(cloud, T[i : i + 1], SMALL, SIZE, 0.2)
        torch.testing.assert_close(both[i], alone[0][0])
        assert (known[i] == alone[1][0]).all()
    (gradient,) = torch.autograd.grad(both.sum(), T)
    assert gradient.isfinite().all()


def test_what_is_behind_or_beside_the_camera_leaves_the_image_empty_without_gradient(corner):
    T = torch.diag(torch.tensor([1.0, -1, -1, 1], dtype=torch.float64))[None].requires_grad_()
    depth, known = render_depth(corner, T, SMALL, SIZE, 0.2)
    assert not known.any() and (depth == 0).all() and (densify(depth, known) == 0).all()
    assert (torch.autograd.grad(depth.sum(), T)[0] == 0).all()


def test_holes_are_filled_from_around():
    u = torch.arange(32.0).expand(24, 32)
    depth = 2 + 0.05 * u
    known = torch.ones(24, 32, dtype=torch.bool)
    known[8:14, 10:20] = False
    filled = densify((depth * known)[None], known[None])[0]
    assert (filled[known] == depth[known]).all()
    assert (filled - depth)[~known].abs().max() < 0.25


def test_the_gradient_reaches_the_matches_through_the_pose_solver(corner):
    pixels = (corner[::40] @ SMALL[0].mT)[:, :2] / corner[::40, 2:]
    points = corner[None, ::40].clone().requires_grad_()
    T, solved = differentiable_pnp(
        pixels[None], points, torch.ones_like(points[..., 0]), SMALL, torch.eye(4)[None]
    )
    depth, _ = render_depth(corner, T, SMALL, SIZE, 0.2)
    (gradient,) = torch.autograd.grad(depth.sum(), points)
    assert solved.all() and gradient.isfinite().all() and (gradient.abs().amax(-1) > 0).all()
