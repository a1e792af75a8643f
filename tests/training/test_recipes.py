# SPDX-License-Identifier: Apache-2.0
"""Training configurations load, and every loss runs on pairs: matching, tuning, pose and, late, distillation."""

import dataclasses

import numpy as np
import pytest
import torch
from rich.console import Console

from diff2i2p.config import PAPER, Config
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.parameters import ConfigError, override
from diff2i2p.weights import load_weights
from diff2i2p_training import train as training
from diff2i2p_training.data import prepare as preparing
from diff2i2p_training.data.downloads import Run
from diff2i2p_training.data.pair_dataset import PairDataset
from diff2i2p_training.data.pairs import read_pairs, write_pairs
from diff2i2p_training.evaluate_pairs import evaluate_pairs, limited
from diff2i2p_training.losses.objective import Objective
from diff2i2p_training.recipe import Recipe, ScheduleRecipe, load_recipe
from diff2i2p_training.resume import Progress
from diff2i2p_training.train import Budget
from diff2i2p_training.train_pairs import train_pairs

CONFIGS = ("paper-7scenes", "paper-rgbd-scenes-v2", "tiny")


@pytest.fixture(scope="module")
def pairs(site, tmp_path_factory):
    """A folder of pairs from the mapping run of a room."""
    root = tmp_path_factory.mktemp("pairs")
    sequence = site[1]
    run = Run("room", "seq-01", "train", sequence.camera, sequence.frames)
    folder = root / "data" / "room"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "FRAMES", 8)
        preparing.write_intrinsics(folder, run.camera)
        found = preparing.overlapping(
            preparing.take_shots(run, folder, 4), preparing.build_fragments(run, folder)
        )
    write_pairs(root, "train", found)
    return root


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    """A diffusion pipeline that knows nothing, but heeds its control."""
    from diff2i2p_training.diffusion.train_prior import PriorShape, new_pipeline

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("prior")
    pipeline = new_pipeline(PriorShape(32, 8))
    for (
        parameter
    ) in pipeline.controlnet.parameters():  # it begins with zeros, as if it were not there
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture
def tiny(root, pairs, prior, tmp_path):
    """(Config, Recipe) of tiny.yaml."""
    text = (root / "training" / "configs" / "tiny.yaml").read_text()
    (tmp_path / "tiny.yaml").write_text(
        text.replace("pairs: PAIRS", f"pairs: {pairs}").replace("prior: PRIOR", f"prior: {prior}")
    )
    return load_recipe(tmp_path / "tiny.yaml")


@pytest.fixture
def batch(tiny, pairs):
    config, recipe = tiny
    return PairDataset(read_pairs(pairs, "train"), config, recipe.data).draw(
        np.random.default_rng(0)
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_every_shipped_training_configuration_loads(root, name):
    config, recipe = load_recipe(root / "training" / "configs" / f"{name}.yaml")
    assert isinstance(config, Config) and isinstance(recipe, Recipe)
    if name.startswith("paper"):
        assert config.network.image_channels == PAPER["network"]["image_channels"]
        assert recipe.data.batch == 1 and recipe.losses.csd_from > 0.4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {losses: {pnp: 1}}", "training.losses.pnp"),
        ("preset: big", "paper"),
        ("training: 3", "group"),
        ("nets: {}", "nets"),
    ],
)
def test_a_mistake_in_a_training_configuration_is_named(tmp_path, text, message):
    (tmp_path / "wrong.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_recipe(tmp_path / "wrong.yaml")


def test_two_steps_of_every_loss(tiny, monkeypatch, tmp_path):
    config, recipe = tiny
    seen = []
    monkeypatch.setattr(training.Log, "add", lambda self, losses, progress: seen.append(losses))
    steps = dataclasses.replace(
        recipe.schedule,
        epochs=2 / PairDataset(read_pairs(recipe.data.pairs, "train"), config, recipe.data).epoch,
    )
    train_pairs(
        tmp_path / "tiny.safetensors", 0, config, dataclasses.replace(recipe, schedule=steps)
    )
    assert len(seen) == 2
    assert {"coarse", "votes", "fine", "tuning", "pose", "csd"} <= seen[0].keys()
    assert all(np.isfinite(value) for losses in seen for value in losses.values())
    assert load_weights(tmp_path / "tiny.safetensors")[0].config.network == config.network


def test_losses_are_logged_for_tensorboard(tmp_path):
    log = training.Log(tmp_path / "w.ckpt", True, Console(quiet=True))
    log.add({"pose": 0.5}, Progress(step=3))
    log.close()
    events = b"".join(path.read_bytes() for path in (tmp_path / "w.tensorboard").iterdir())
    assert b"pose" in events


def test_the_distillation_pulls_on_poses_that_see_the_fragment_and_on_no_others(tiny, batch):
    config, recipe = tiny
    objective = Objective(Diff2I2P(config), recipe.losses)
    poses = batch.T_map_camera.clone()
    poses[1, :3, 3] += 100.0
    poses.requires_grad_()
    loss = objective.distil(poses, torch.tensor([True, True]), batch)
    loss.backward()
    assert loss > 0 and poses.grad[0].abs().max() > 0 and poses.grad[1].abs().max() == 0
    assert objective.distil(poses, torch.tensor([False, False]), batch) == 0


@pytest.mark.parametrize("form", ["score", "full", "released"])
def test_every_form_of_the_distillation_has_a_finite_gradient(tiny, batch, form):
    config, recipe = tiny
    objective = Objective(Diff2I2P(config), dataclasses.replace(recipe.losses, csd_form=form))
    poses = batch.T_map_camera.clone().requires_grad_()
    objective.distil(poses, torch.tensor([True, True]), batch).backward()
    assert poses.grad.isfinite().all() and poses.grad.abs().max() > 0


def test_the_distillation_joins_late(tiny, batch):
    config, recipe = tiny
    objective = Objective(Diff2I2P(config), dataclasses.replace(recipe.losses, csd_from=0.4))
    assert "csd" not in objective(batch, 0.39)[1]
    assert "csd" in objective(batch, 0.41)[1]


@pytest.mark.parametrize("depth", [False, True], ids=["mono", "rgbd"])
def test_a_small_network_of_the_papers_build_trains_and_is_evaluated(tiny, pairs, depth):
    config, recipe = tiny
    small = {
        "image_channels": [8, 8, 16, 24],
        "point_width": 8,
        "fine_dim": 16,
        "token_dim": 32,
        "token_grid": [6, 8],
    }
    changes = {
        "image": {"width": 64},
        "map": {"fine_voxel": 0.1, "levels": 3, "neighbours": 12},
        "network": small | {"query_depth": depth},
        "matching": {"min_score": -1.0},  # it has not learnt anything
    }
    config = override(override(Config(), PAPER), changes)
    torch.manual_seed(0)
    network, data = Diff2I2P(config), dataclasses.replace(recipe.data, turn=False, relight=False)
    batch = PairDataset(read_pairs(pairs, "train"), config, data).draw(np.random.default_rng(0))
    known = batch.points.isfinite().all(-1).unflatten(1, (48, 64))
    assert known[:, ::2, ::2].any() and not known[:, 1::2].any() and not known[:, :, 1::2].any()
    losses = dataclasses.replace(recipe.losses, csd=0.0)
    total, parts = Objective(network, losses)(batch, 0.0)
    total.backward()
    assert (
        {"coarse", "votes", "fine", "tuning", "pose"} <= parts.keys()
        and parts["fine"] > 0
        and parts["coarse"] > 0
    )
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    record = evaluate_pairs(network, limited(read_pairs(pairs, "train"), 1))[0]
    assert len(record.miss) > 0 and np.isfinite(record.miss).any() and 0 <= record.coarse_right <= 1


def test_moving_a_fragment_moves_all_that_is_known_of_it_alike(tiny, pairs):
    config, recipe = tiny
    still, moved = (
        PairDataset(
            read_pairs(pairs, "train"),
            config,
            dataclasses.replace(recipe.data, move=move, turn=False, relight=False),
        )
        for move in (False, True)
    )
    pair = still.pairs.pairs[0]
    a, b = (dataset.collate([pair], np.random.default_rng(0)) for dataset in (still, moved))
    assert (a.points[0] - b.points[0]).nanmean().abs() > 1e-3
    assert torch.equal(a.targets, b.targets)
    for batch in (a, b):
        labelled = batch.targets[0, :, 0] >= 0
        gap = (
            batch.points[0][labelled] - batch.pyramid.points[0][batch.targets[0, labelled, 0]]
        ).norm(dim=1)
        assert gap.max() < 0.22
        local = (batch.points[0][labelled] - batch.T_map_camera[0, :3, 3]) @ batch.T_map_camera[
            0, :3, :3
        ]
        seen = local @ batch.K[0].T
        u = torch.arange(len(labelled))[labelled] % 40 * 4 + 2
        assert (seen[:, 0] / seen[:, 2] - u).abs().max() < 0.6


def test_epochs_end_a_training_and_lower_its_rate():
    dataset = type("Data", (), {"epoch": 20.0})()
    budget = Budget(ScheduleRecipe(epochs=3, decay="epochs"), 0, dataset, processes=2)
    assert budget.done(Progress(step=15)) == pytest.approx(0.5)
    assert budget.rate(Progress(step=9)) == 1 and budget.rate(Progress(step=10)) == pytest.approx(
        0.95
    )
    with pytest.raises(ValueError, match="pairs"):
        Budget(ScheduleRecipe(epochs=3), 0, object(), 1)
