# SPDX-License-Identifier: Apache-2.0
"""Training learns, goes on where it stopped, and what it writes localizes with."""

import dataclasses

import numpy as np
import pytest
import torch

from diff2i2p.camera import rectify
from diff2i2p.config import Config
from diff2i2p.geometry import reprojection_errors
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.compiled_map import CompiledMap, MapError
from diff2i2p.mapping.pyramid import build_pyramid
from diff2i2p.matchers import StageTimer
from diff2i2p.matchers.point_network import PointNetworkMatcher
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.parameters import override
from diff2i2p.render import Surfaces
from diff2i2p.weights import load_weights
from diff2i2p_training.adapt import adapt
from diff2i2p_training.data import site_dataset
from diff2i2p_training.data.site_dataset import SiteDataset
from diff2i2p_training.data.synthesis import ViewSynthesizer
from diff2i2p_training.data.worlds import WorldDataset, world_site
from diff2i2p_training.losses.infonce import MeanLogSumExp, _named_back, bfloat16_pays
from diff2i2p_training.losses.objective import Objective
from diff2i2p_training.train import _groups, train

TINY = override(
    Config(),
    {
        "image": {"width": 160},
        "map": {"fine_voxel": 0.2, "levels": 3},
        "network": {"image_channels": [8, 16, 16, 24], "point_width": 8, "fine_dim": 16, "token_dim": 32, "contrast_window": 33},
    },
)


@pytest.mark.parametrize("has", [True, False])
def test_bfloat16_is_used_where_the_processor_has_instructions_for_it(monkeypatch, has):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": has})
    assert bfloat16_pays("cpu") == has and bfloat16_pays("cuda")


@pytest.fixture
def dataset(site):
    cloud, sequence = site
    pyramid = build_pyramid(cloud.points, cloud.grey, 0.2, 3, 12)
    return SiteDataset(ViewSynthesizer(cloud, 0.03, sequence, 160, 100.0), pyramid, 2, 4, max_nodes=10_000)


def test_every_parameter_but_the_last_tuning_layers_gets_a_gradient(dataset):
    torch.manual_seed(0)
    network = Diff2I2P(TINY)
    batch = dataset.draw(np.random.default_rng(0))
    Objective(network)(batch, torch.zeros(len(batch.nodes), 32), 0.0)[0].backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert without == []


def test_logits_made_some_rows_at_a_time_have_the_mean_the_best_and_the_gradient_of_all_at_once():
    torch.manual_seed(0)
    queries, keys = (torch.randn(count, 16, dtype=torch.float64, requires_grad=True) for count in (300, 70))
    mean, best = MeanLogSumExp.apply(queries, keys)
    assert torch.equal(best, (queries @ keys.T).argmax(1))
    expected = (queries @ keys.T).logsumexp(1).mean()
    torch.testing.assert_close(mean, expected)
    torch.testing.assert_close(torch.autograd.grad(3 * mean, (queries, keys)), torch.autograd.grad(3 * expected, (queries, keys)))


def test_a_map_point_names_all_cells_that_see_it():
    torch.manual_seed(0)
    cells, points = (torch.randn(count, 8, dtype=torch.float64, requires_grad=True) for count in (40, 12))
    target = torch.randint(9, (40,))
    logits = (points[target.unique()] @ cells.T).log_softmax(1)  # (seen, cells)
    expected = -torch.stack([row[target == point].logsumexp(0) for row, point in zip(logits, target.unique(), strict=True)]).mean()
    loss = _named_back(cells, points, target, (cells * points[target]).sum(1))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, (cells, points)), torch.autograd.grad(expected, (cells, points)))


def test_training_begins_in_a_corner_of_the_site(dataset, monkeypatch):
    monkeypatch.setattr(site_dataset, "FIRST", 4)
    middles = np.stack([dataset.pyramid.nodes.numpy()[nodes].mean(0) for nodes in dataset.seen])
    away = np.linalg.norm(middles - middles[0], axis=1)
    furthest, rng = [], np.random.default_rng(0)
    for effort in (0.0, 1.0):
        dataset.effort.fill_(effort)
        furthest.append(max(away[dataset._neighbourhood(rng)[0]].max() for _ in range(60)))
    assert furthest[0] == np.sort(away)[3] and furthest[1] > 2 * furthest[0]


def test_codes_of_places_learn_faster_and_forget_nothing():
    groups = _groups(Diff2I2P(override(TINY, {"network": {"place_memory": True}})))
    codes = [group for group in groups if any(p.shape == (4 * 2**14, 16) for p in group["params"])]
    assert len(codes) == 1 and codes[0]["pace"] > 1 and codes[0]["weight_decay"] == 0


def test_training_learns_to_name_map_nodes(dataset, tmp_path):
    torch.manual_seed(0)
    network = Diff2I2P(TINY)
    batch, bank = dataset.draw(np.random.default_rng(0)), torch.zeros(len(dataset.pyramid.nodes), 32)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    history = []
    for _ in range(40):
        total, losses = Objective(network)(batch, bank, 0.0)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(total.item())
    assert history[-1] < 0.75 * history[0]
    assert losses["tokens_right"] > 0.3


def test_an_interrupted_training_goes_on_where_it_stopped(dataset, tmp_path):
    torch.manual_seed(0)
    checkpoint = tmp_path / "site.ckpt"
    first = train(Diff2I2P(TINY), dataset, checkpoint, minutes=0.03, workers=0)
    again = train(Diff2I2P(TINY), dataset, checkpoint, minutes=0.06, workers=0)
    assert 0 < first.step < again.step
    assert again.seconds > first.seconds >= 1.8


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"something else"])
def test_a_damaged_checkpoint_is_refused(content, dataset, tmp_path):
    (tmp_path / "site.ckpt").write_bytes(content)
    with pytest.raises(ValueError, match="site.ckpt is no checkpoint"):
        train(Diff2I2P(TINY), dataset, tmp_path / "site.ckpt", minutes=1, workers=0)


def test_a_checkpoint_of_another_network_is_refused(dataset, tmp_path):
    train(Diff2I2P(override(TINY, {"network": {"token_dim": 64}})), dataset, tmp_path / "site.ckpt", minutes=0.01, workers=0)
    with pytest.raises(ValueError, match="site.ckpt was begun with another network"):
        train(Diff2I2P(TINY), dataset, tmp_path / "site.ckpt", minutes=1, workers=0)


def test_a_site_begins_with_what_other_weights_have_seen_or_with_nothing(site, tmp_path):
    cloud, sequence = site
    shipped = load_weights("demo-office")[0]

    def filters(network) -> torch.Tensor:
        return torch.cat([weight.flatten() for weight in network.image_backbone.parameters() if weight.dim() == 4])

    likeness = []
    for start in ("demo-office", None):
        network = adapt(cloud, sequence, tmp_path / f"{start}.safetensors", 0.001, shipped.config, start)
        likeness.append(torch.nn.functional.cosine_similarity(filters(network), filters(shipped), 0).item())
    assert likeness[0] > 0.999 and likeness[1] < 0.9  # of the same seed, so that they began alike


def test_adapted_weights_compile_a_map_and_match_images_to_it(site, tmp_path):
    cloud, sequence = site
    adapt(cloud, sequence, tmp_path / "site.safetensors", minutes=0.05, config=TINY)
    network, digest = load_weights(tmp_path / "site.safetensors")
    compile_map(dataclasses.replace(cloud, colours=None, intensity=None), tmp_path / "site.i2pmap", str(tmp_path / "site.safetensors"))
    site_map = CompiledMap.open(tmp_path / "site.i2pmap")
    site_map.require_weights(digest)
    view = rectify(sequence.frames[0].image(), sequence.camera, 160)
    config = override(network.config, {"matching": {"min_score": -1.0}})  # three seconds of training teach little
    place = PointNetworkMatcher(network, site_map, config).match(view, None, StageTimer())[0]
    assert len(place.correspondences) > 0
    assert np.isfinite(place.correspondences.points).all()
    T = sequence.frames[0].T_map_camera
    for depth in (10.0, 0.0):  # metres; 0 where the map shows nothing
        flat, nowhere = np.full(view.grey.shape, depth, np.float32), np.zeros(view.grey.shape, bool)
        again = place.rematch(T, Surfaces(flat, flat, nowhere, nowhere))
        assert len(again) > 100 if depth else len(again) == 0
        assert (reprojection_errors(again.pixels, again.points, view.camera, T) < 32).all()
    with pytest.raises(MapError, match="other weights"):
        site_map.require_weights("0" * 64)


def test_generic_training_goes_from_world_to_world(tmp_path):
    dataset = WorldDataset(TINY, batch_size=2)
    first, other = (next(iter(world_site(TINY, 2, seed))) for seed in (1000, 1001))
    assert first.site != other.site and len(first.pyramid.points[0]) != len(other.pyramid.points[0])
    assert train(Diff2I2P(TINY), dataset, tmp_path / "generic.ckpt", minutes=0.02, workers=0).step > 0
