# SPDX-License-Identifier: Apache-2.0
"""The differentiable pose solver finds the minimum, knows its gradient, and is silent where no pose is fixed."""

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from diff2i2p_training.losses.differentiable_pnp import differentiable_pnp, ransac_start

NAMES = ("pixels", "points", "weights", "K")


def problem(count=14, noise=2.0, sets=2, seed=0):
    """Noisy matches (pixels, points, weights, K) of cameras at random poses, and the true poses."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    K = torch.tensor([[262.0, 0, 159.5], [0, 250, 119.5], [0, 0, 1]], dtype=torch.float64).repeat(
        sets, 1, 1
    )
    pixels = uniform(sets, count, 2) * torch.tensor([320.0, 240])
    rays = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1) @ K.inverse().mT
    T = torch.eye(4, dtype=torch.float64).repeat(sets, 1, 1)
    T[:, :3, :3] = torch.from_numpy(Rotation.from_rotvec(uniform(sets, 3).numpy() * 2).as_matrix())
    T[:, :3, 3] = 5 * uniform(sets, 3)
    points = (rays * (1 + 4 * uniform(sets, count, 1))) @ T[:, :3, :3].mT + T[:, None, :3, 3]
    noisy = pixels + noise * torch.randn(pixels.shape, generator=generator, dtype=torch.float64)
    return (noisy, points, 0.2 + uniform(sets, count), K), T


def disturbed(T, metres=0.3, degrees=8.0):
    turn = torch.from_numpy(Rotation.from_euler("xyz", [degrees] * 3, degrees=True).as_matrix())
    moved = T.clone()
    moved[:, :3, :3] = T[:, :3, :3] @ turn
    moved[:, :3, 3] += metres
    return moved


@pytest.mark.parametrize("with_start", [True, False])
def test_without_noise_the_pose_is_exact_also_far_from_the_origin(with_start):
    data, T = problem(noise=0.0)
    far = torch.tensor([5e5, -3e5, 100.0])
    data[1].add_(far)
    T[:, :3, 3] += far
    found, solved = differentiable_pnp(*data, disturbed(T) if with_start else None)
    assert solved.all()
    torch.testing.assert_close(found, T, atol=1e-6, rtol=0)


def test_with_equal_weights_the_minimum_is_the_one_that_opencv_finds():
    (pixels, points, weights, K), T = problem(count=40, noise=3.0, sets=1)
    found, _ = differentiable_pnp(pixels, points, torch.ones_like(weights), K, T)
    back = torch.linalg.inv(T[0]).numpy()
    turn, shift = cv2.solvePnPRefineLM(
        points[0].numpy(),
        pixels[0].numpy(),
        K[0].numpy(),
        None,
        cv2.Rodrigues(back[:3, :3])[0],
        back[:3, 3:].copy(),
    )
    R = cv2.Rodrigues(turn)[0]
    np.testing.assert_allclose(found[0, :3, :3].numpy(), R.T, atol=1e-5)
    np.testing.assert_allclose(found[0, :3, 3].numpy(), -R.T @ shift[:, 0], atol=1e-5)


def test_u_comes_first_and_v_second():
    (pixels, points, weights, K), T = problem(noise=0.0)
    swapped, solved = differentiable_pnp(pixels.flip(-1), points, weights, K, T)
    assert ((swapped - T)[:, :3, 3].norm(dim=1) > 0.1)[solved].all()


@pytest.mark.parametrize("noise", [0.0, 2.0, 15.0])
@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_that_of_finite_differences(name, noise):
    data, T = problem(8, noise, sets=1)
    place = NAMES.index(name)
    changed = data[place].clone().requires_grad_()

    def solve(value):
        return differentiable_pnp(*data[:place], value, *data[place + 1 :], T)[0][:, :3]

    assert torch.autograd.gradcheck(solve, changed, eps=1e-6, atol=1e-6, rtol=1e-4)


def test_a_step_against_the_gradient_brings_the_pose_to_the_truth():
    (pixels, points, weights, K), T = problem(count=30, noise=0.0, sets=1)
    pixels[:, :5] += 25
    logits = torch.zeros_like(weights).requires_grad_()
    errors = []
    for _ in range(30):
        found, solved = differentiable_pnp(pixels, points, logits.sigmoid(), K, T)
        error = (found - T)[:, :3].square().sum()
        (gradient,) = torch.autograd.grad(error, logits)
        logits = (logits - 0.5 * gradient.sign()).detach().requires_grad_()
        errors.append(error.item())
    assert solved.all() and errors[-1] < 0.01 * errors[0]
    assert logits[:, :5].max() < 0 < logits[:, 5:].median()


def test_padding_changes_nothing_and_gets_no_gradient():
    (pixels, points, weights, K), T = problem()
    alone, _ = differentiable_pnp(pixels, points, weights, K, disturbed(T))
    padded = [
        torch.cat([part, torch.full_like(part[:, :6], torch.nan)], 1) for part in (pixels, points)
    ]
    padded.append(torch.cat([weights, torch.zeros_like(weights[:, :6])], 1))
    padded = [part.requires_grad_() for part in padded]
    found, solved = differentiable_pnp(*padded, K, disturbed(T))
    assert solved.all()
    torch.testing.assert_close(found, alone)
    gradients = torch.autograd.grad(found[:, :3].square().sum(), padded)
    assert all(
        (g[:, -6:] == 0).all() and g[:, :-6].isfinite().all() and (g[:, :-6] != 0).any()
        for g in gradients
    )


def spoil_too_few(data):
    data[2][0, 3:] = 0


def spoil_all_padding(data):
    data[2][0] = 0


def spoil_a_number(data):
    data[1][0, 2, 1] = torch.nan


def spoil_a_pixel(data):
    data[0][0, 2, 1] = torch.inf


def spoil_a_weight(data):
    data[2][0, 0] = -1


def spoil_by_a_line(data):
    data[1][0] = data[1][0, :1] + torch.linspace(0, 1, len(data[1][0])).double()[
        :, None
    ] * torch.tensor([0.3, -0.2, 0.1])


def spoil_by_one_point(data):
    data[1][0] = data[1][0, :1]


def spoil_by_points_behind(data):
    data[1][0] = -data[1][0] + 2 * data[4][0, :3, 3]


def spoil_the_camera(data):
    data[3][0] = 0


@pytest.mark.parametrize("spoil", [v for k, v in globals().items() if k.startswith("spoil")])
@pytest.mark.parametrize("with_start", [True, False])
def test_a_set_that_fixes_no_pose_is_unsolved_without_gradient_and_leaves_the_others_alone(
    spoil, with_start
):
    data, T = problem()
    whole, _ = differentiable_pnp(*data, T)
    spoil((*data, T))
    data = [part.requires_grad_() for part in data]
    found, solved = differentiable_pnp(*data, T if with_start else None)
    assert solved.tolist() == [False, True]
    assert found.isfinite().all()
    torch.testing.assert_close(found[1], whole[1])
    for gradient in torch.autograd.grad(found.square().sum(), data):
        assert (gradient[0] == 0).all()
        assert gradient[1].isfinite().all() and (gradient[1] != 0).any()


def test_ransac_names_the_matches_that_agree():
    (pixels, points, weights, K), T = problem(count=60, noise=0.5)
    pixels[:, 40:] = pixels[:, 40:].flip(1) + 40
    start, inliers = ransac_start(pixels, points, weights, K)
    found, solved = differentiable_pnp(pixels, points, weights * inliers, K, start)
    assert (
        solved.all()
        and inliers[:, :40].double().mean() > 0.95
        and inliers[:, 40:].double().mean() < 0.1
    )
    assert (found - T)[:, :3, 3].norm(dim=1).max() < 0.05


def test_single_precision_in_single_precision_out():
    data, T = problem()
    found, _ = differentiable_pnp(*(part.float().requires_grad_() for part in data), T.float())
    exact, _ = differentiable_pnp(*data, T)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, atol=1e-4, rtol=0)
