# SPDX-License-Identifier: Apache-2.0
"""Losses of pairs: what overlaps is told right, circle losses pull and push, and a pose learns through the network's own matches."""

import numpy as np
import pytest
import torch

from diff2i2p.config import Config, override
from diff2i2p.mapping.pyramid import build_pyramid
from diff2i2p.network.coarse_to_fine import patch_cells
from diff2i2p.network.diff2i2p import Diff2I2P, ImageFeatures, MapFeatures
from diff2i2p_training.data.pair_dataset import Batch
from diff2i2p_training.losses import predicted_matches
from diff2i2p_training.losses.circle import circle_loss, circle_losses, overlaps, true_matches

TINY = override(
    Config(),
    {
        "image": {"width": 160},
        "map": {"fine_voxel": 0.1, "levels": 3},
        "network": {
            "image_channels": [8, 16, 16, 24], "point_width": 8, "fine_dim": 16, "token_dim": 32, "contrast_window": 33, "patch_levels": 2,
        },
    },
)  # fmt: skip
GRID, STRIDE = (30, 40), 4


@pytest.fixture
def batch():
    """Two views of a wall 2 m ahead and a step before it, both from known poses; half of the second sees beyond the map."""
    rng = np.random.default_rng(0)
    wall = np.column_stack([rng.uniform(-1.6, 1.6, (6000, 2)) * (1, 0.8), np.full(6000, 2.0)])
    wall[:2000, 2] = 1.6
    wall[:2000, :2] *= 0.4
    pyramid = build_pyramid(wall.astype(np.float32), None, 0.1, 3, 12)
    K = np.array([[115.0, 0, 79.5], [0, 115.0, 59.5], [0, 0, 1]], np.float32)
    poses = np.tile(np.eye(4, dtype=np.float32), (2, 1, 1))
    poses[1, 0, 3] = 1.5
    cells = np.stack(
        np.meshgrid(*(np.arange(2, n * STRIDE, STRIDE) for n in GRID[::-1])), -1
    ).reshape(-1, 2)
    rays = np.column_stack([(cells - K[:2, 2]) / 115.0, np.ones(len(cells))]).astype(np.float32)
    points, targets = [], []
    for T in poses:
        far = rays * 2.0 + T[:3, 3]
        step = (np.abs(far[:, 0]) < 0.64) & (np.abs(far[:, 1]) < 0.5)
        seen = np.where(step[:, None], rays * 1.6 + T[:3, 3], far)
        distance, index = torch.cdist(torch.from_numpy(seen), pyramid.points[0]).topk(
            3, largest=False
        )
        points.append(torch.from_numpy(seen))
        targets.append(torch.where(distance[:, :1] < 0.2, index, -1))
    images = torch.rand(2, 1, 120, 160, generator=torch.Generator().manual_seed(0))
    K = torch.from_numpy(K).expand(2, 3, 3)
    return Batch(
        images,
        torch.stack(points),
        torch.stack(targets),
        pyramid,
        K,
        torch.from_numpy(poses),
        STRIDE,
    )


def perfect_features(batch):
    """Features by which every cell that sees the map knows its nearest point; other cells look like nothing."""
    code = torch.nn.functional.normalize(
        torch.randn(len(batch.pyramid.points[0]), 16, generator=torch.Generator().manual_seed(1)),
        dim=1,
    )
    nearest = batch.targets[..., 0]
    fine = torch.where((nearest >= 0)[..., None], code[nearest.clamp(min=0)], -code.mean(0))
    return torch.nn.functional.normalize(fine, dim=-1).transpose(1, 2).unflatten(2, GRID), code


def test_overlaps_are_high_where_patch_and_node_show_the_same_and_zero_beyond_the_map(batch):
    image = ImageFeatures(torch.zeros(2, 16, *GRID), torch.zeros(2, 32, 8, 10))
    levels = patch_cells((8, 10), GRID, 2)
    shares = overlaps(batch, 0, levels)
    assert shares.shape == (80 + 20, len(batch.pyramid.nodes)) and image.tokens.shape[-2:] == (
        8,
        10,
    )
    assert 0.3 < shares.max() <= 1 and shares.min() == 0
    points = batch.points[0][levels[0][45]]
    assert (points.mean(0) - batch.pyramid.nodes[shares[45].argmax()]).norm() < 0.4
    beyond = (batch.targets[1, :, 0] < 0)[levels[0].clamp(max=1199)].all(1)
    assert beyond.any() and overlaps(batch, 1, levels)[:80][beyond].max() == 0


def test_true_matches_are_one_to_one_and_near(batch):
    cell, point = true_matches(batch, 0)
    assert len(cell) > 100
    assert len(cell.unique()) == len(cell) and len(point.unique()) == len(point)
    assert (batch.points[0, cell] - batch.pyramid.points[0][point]).norm(dim=1).max() < 0.15


def test_the_circle_loss_pulls_positives_and_pushes_negatives():
    distance = torch.full((4, 4), 0.7, requires_grad=True)
    loss = circle_loss(distance, torch.eye(4), ~torch.eye(4, dtype=torch.bool), 24.0)
    loss.backward()
    assert (distance.grad.diagonal() > 0).all()
    assert (distance.grad[~torch.eye(4, dtype=torch.bool)] < 0).all()
    apart = torch.where(torch.eye(4) > 0, 0.05, 1.5)
    assert circle_loss(apart, torch.eye(4), ~torch.eye(4, dtype=torch.bool), 24.0) < 0.1 * loss


def test_the_circle_loss_agrees_with_its_formula_on_one_row():
    distance, positive = torch.tensor([[0.5, 1.0]]), torch.tensor([[0.8, 0.0]])
    pull, push = 10 * 0.4 * 0.4 * 0.8, 10 * 0.4 * 0.4
    expected = np.log1p(np.exp(pull + push)) / 10 / 2  # no column has both kinds
    assert circle_loss(
        distance, positive, torch.tensor([[False, True]]), 10.0
    ).item() == pytest.approx(expected, rel=1e-5)


def test_nothing_to_tell_apart_costs_nothing():
    distance = torch.ones(2, 2, requires_grad=True)
    loss = circle_loss(distance, torch.zeros(2, 2), torch.ones(2, 2, dtype=torch.bool), 24.0)
    loss.backward()
    assert loss == 0 and distance.grad.abs().max() == 0


def test_every_circle_loss_reaches_both_backbones(batch):
    torch.manual_seed(0)
    network = Diff2I2P(TINY)
    for name in ("coarse", "votes", "fine"):
        network.zero_grad()
        losses = circle_losses(
            network, network.encode_image(batch.images), network.encode_map(batch.pyramid), batch
        )
        losses[name].backward()
        for side in (network.image_backbone, network.point_backbone):
            assert sum(p.grad.abs().sum() for p in side.parameters() if p.grad is not None) > 0, (
                name
            )


def matched(batch, fine, code, network):
    torch.manual_seed(0)
    image = ImageFeatures(fine, torch.zeros(2, 32, 8, 10))
    site = MapFeatures(code, torch.zeros(len(batch.pyramid.nodes), 32))
    matching = {
        "nodes_per_patch": 64,
        "patches_per_node": 4096,
    }  # every patch with every node: the fine features alone decide
    network.config = override(network.config, {"matching": matching})
    return predicted_matches.own_matches(network, image, site, batch)


def test_own_matches_of_perfect_features_give_the_true_pose(batch):
    matches = matched(batch, *perfect_features(batch), Diff2I2P(TINY))
    poses, solved = predicted_matches.predicted_poses(matches, batch)
    assert solved.all()
    assert (poses - batch.T_map_camera).abs().max() < 0.05
    assert predicted_matches.pose_loss(poses, solved, batch) < predicted_matches.pose_loss(
        poses + torch.tensor([0, 0, 0, 0.1]), solved, batch
    )
    assert predicted_matches.pose_loss(batch.T_map_camera, solved, batch) < 1e-4


def test_the_pose_loss_teaches_tuning_and_features(batch):
    network = Diff2I2P(TINY)
    torch.nn.init.normal_(network.tuning.layers[-1].weight, std=0.02)
    fine, code = (part.requires_grad_() for part in perfect_features(batch))
    matches = matched(batch, fine, code, network)
    loss = predicted_matches.pose_loss(*predicted_matches.predicted_poses(matches, batch), batch)
    loss.backward()
    for gradient in (fine.grad, code.grad, network.tuning.layers[0].weight.grad):
        assert gradient.isfinite().all() and gradient.abs().max() > 0


def test_the_pose_loss_lowers_the_pose_error_by_tuning_alone(batch):
    network = Diff2I2P(TINY)
    features = perfect_features(batch)
    torch.manual_seed(0)
    with torch.no_grad():
        network.tuning.layers[-1].bias.copy_(torch.tensor([1.0, -0.5, 0.5]))  # 10 cm off
    optimizer = torch.optim.Adam(network.tuning.parameters(), lr=3e-2)
    history = []
    for _ in range(12):
        loss = predicted_matches.pose_loss(
            *predicted_matches.predicted_poses(matched(batch, *features, network), batch), batch
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.6 * history[0]


def test_views_without_matches_have_no_pose_and_no_gradient(batch):
    network = Diff2I2P(override(TINY, {"matching": {"min_score": 1.0}}))
    fine = torch.nn.functional.normalize(torch.randn(2, 16, *GRID), dim=1).requires_grad_()
    code = torch.nn.functional.normalize(torch.randn(len(batch.pyramid.points[0]), 16), dim=1)
    matches = matched(batch, fine, code, network)
    poses, solved = predicted_matches.predicted_poses(matches, batch)
    assert not solved.any()
    assert predicted_matches.pose_loss(poses, solved, batch) == 0
    assert predicted_matches.tuning_loss(matches, batch) == 0


def test_the_tuning_loss_is_least_where_matches_lie_on_what_their_pixels_see(batch):
    matches = matched(batch, *perfect_features(batch), Diff2I2P(TINY))
    seen = batch.points.gather(1, matches.cells[..., None].expand(-1, -1, 3))
    exact = predicted_matches.OwnMatches(
        matches.cells, matches.pixels, seen, torch.zeros_like(seen), matches.weights
    )
    assert (
        predicted_matches.tuning_loss(exact, batch)
        < 1e-5
        < predicted_matches.tuning_loss(matches, batch)
    )
