# SPDX-License-Identifier: Apache-2.0
"""The losses of the geometry network ask for what they say, and training by them learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from diff2i2p.mapping.drawn_geometry import CHANNELS
from diff2i2p.network.geometry_network import Cells, GeometryNetwork, cell_middles
from diff2i2p.network.trunk import DIM, STRIDE
from diff2i2p_training.data.cell_batches import MATCHES, CellBatch, CellBatches, collate
from diff2i2p_training.data.drawn_pairs import DrawnPair
from diff2i2p_training.data.pair_augmentation import Sample
from diff2i2p_training.losses import cell_losses as losses
from diff2i2p_training.losses.cell_losses import CellObjective, at_pixels, candidates, of_cells
from diff2i2p_training.precision import bfloat16_pays

WIDTH, HEIGHT = 96, 64
MIDDLES = cell_middles(HEIGHT, WIDTH).numpy()


class Places:
    """Two places: photo and drawing of each are one pattern: there is something to learn."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.pairs = [self._pair(name, rng) for name in ("here", "there")]

    def _pair(self, name: str, rng: np.random.Generator) -> DrawnPair:
        photo = (
            rng.integers(0, 255, (HEIGHT // 4, WIDTH // 4))
            .astype(np.uint8)
            .repeat(4, 0)
            .repeat(4, 1)
        )
        drawing = np.broadcast_to((photo // 2).astype(np.int8), (CHANNELS, HEIGHT, WIDTH))
        return DrawnPair(name, photo, drawing, MIDDLES)

    def draw(self, rng: np.random.Generator) -> DrawnPair:
        return self.pairs[rng.integers(2)]


@pytest.fixture
def batch() -> CellBatch:
    """The two places and the first again, as they are."""
    places = Places().pairs
    samples = [
        Sample(p.site, p.photo.astype(np.float32), p.drawing / np.float32(127), p.pixels.copy())
        for p in (*places, places[0])
    ]
    samples[1].pixels[:50] = np.nan
    return collate(samples, np.random.default_rng(0))


def test_a_batch_holds_some_of_what_each_pair_has_in_common(batch):
    counts = torch.bincount(batch.pair).tolist()
    assert counts == [96, 46, 96] and MATCHES >= 96
    assert batch.sites[0] == batch.sites[2] != batch.sites[1]
    assert batch.photos.shape == (3, 1, HEIGHT, WIDTH) and batch.photos.dtype == torch.float32
    torch.testing.assert_close(batch.pixels, torch.from_numpy(MIDDLES)[batch.cells])


def test_batches_of_a_seed_are_the_same_again_and_of_another_are_not():
    first, again, other = (next(iter(CellBatches(Places(), 2, seed))) for seed in (1, 1, 2))
    assert torch.equal(first.photos, again.photos) and torch.equal(first.pixels, again.pixels)
    assert not torch.equal(first.photos, other.photos)


def test_pairs_that_share_nothing_end_in_a_sentence(monkeypatch):
    places = Places()
    places.pairs = [replace(p, pixels=np.full_like(p.pixels, np.nan)) for p in places.pairs]
    monkeypatch.setattr("diff2i2p_training.data.cell_batches.TRIES", 3)
    with pytest.raises(ValueError, match="poses"):
        next(iter(CellBatches(places, 2)))


def test_a_cell_competes_with_others_of_its_photo_and_with_other_sites(batch):
    allowed = candidates(batch)
    apart = torch.cdist(batch.pixels, batch.pixels)
    same = batch.pair[:, None] == batch.pair
    here, there = batch.pair != 1, batch.pair == 1
    assert allowed.diagonal().all()
    assert (
        not allowed[same & (apart < 9) & (apart > 0)].any() and allowed[same & (apart > 11)].all()
    )
    assert allowed[here][:, there].all()
    assert not allowed[(batch.pair == 0)][:, batch.pair == 2].any()


def test_matching_is_the_cross_entropy_of_both_directions():
    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    own = torch.arange(5)
    expected = F.cross_entropy(logits, own) / 2 + F.cross_entropy(logits.T, own) / 2
    torch.testing.assert_close(losses.infonce(logits).mean(), expected)


def test_a_match_is_mutual_when_both_sides_prefer_it():
    logits = torch.tensor([[3.0, 1, 0], [0, 1, 2], [4, 0, 3]])
    assert losses.mutual(logits).tolist() == [0, 0, 0]
    logits[2, 0] = 0
    assert losses.mutual(logits).tolist() == [1, 0, 1]


def test_what_both_sides_trust_counts_more_and_nothing_counts_for_nothing():
    sure = torch.tensor([0.9, 0.1, 0.9])
    weights = losses.weights(sure, torch.tensor([0.9, 0.9, 0.01]))
    assert weights[0] > weights[1] > weights[2] > losses.LEAST_WEIGHT
    torch.testing.assert_close(weights.mean(), torch.tensor(1.0), atol=1e-3, rtol=0)


def test_features_are_read_at_pixels_and_at_cells(batch):
    maps = torch.stack([torch.arange(96.0).reshape(8, 12) + 100 * image for image in range(3)])[
        :, None
    ]
    expected = batch.cells + 100.0 * batch.pair
    torch.testing.assert_close(of_cells(maps, batch)[:, 0], expected)
    torch.testing.assert_close(at_pixels(maps, batch)[:, 0], expected)
    right = batch.pixels + torch.tensor([STRIDE / 2, 0.0])
    inner = batch.cells % 12 < 11
    between = at_pixels(maps, replace(batch, pixels=right))[:, 0]
    torch.testing.assert_close(between[inner], expected[inner] + 0.5)


def test_right_tuning_costs_nothing_and_wrong_tuning_what_it_misses(batch, monkeypatch):
    network, photo = GeometryNetwork(), Cells(torch.zeros(3, DIM, 8, 12), torch.ones(3, 1, 8, 12))
    monkeypatch.setattr(losses, "BESIDE", 0.0)
    shown = torch.zeros(len(batch.cells), DIM)
    moved = replace(batch, pixels=batch.pixels + torch.tensor([2.0, -1.0]))
    offset = torch.tensor([2.0, -1.0])
    monkeypatch.setattr(network.tuning, "forward", lambda f, r, c, s: offset.expand(len(r), 2))
    assert losses.tuning_loss(network, photo, shown, moved) == 0
    missed = losses.tuning_loss(network, photo, shown, batch)
    torch.testing.assert_close(missed, torch.tensor((2 / 4 - 0.125 + 0.25**2 / 2 / 0.25) / 2))


def test_every_parameter_of_both_branches_and_of_the_tuning_gets_a_gradient(batch):
    torch.manual_seed(0)
    network = GeometryNetwork()
    CellObjective(network)(batch, 0.0)[0].backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    assert [name for name, g in gradients.items() if g is None or not g.isfinite().all()] == []
    branches = [g for name, g in gradients.items() if name.split(".")[0] in ("photo", "geometry")]
    assert all(g.abs().max() > 0 for g in branches)


def test_the_photos_branch_moves_at_a_tenth_of_the_pace():
    network = GeometryNetwork()
    rest, photo = CellObjective(network).groups()
    assert {id(p) for p in photo["params"]} == {id(p) for p in network.photo.parameters()}
    assert len(rest["params"]) + len(photo["params"]) == len(list(network.parameters()))
    assert photo["pace"] == pytest.approx(0.1 * rest["pace"])


def test_two_places_are_learnt_in_a_few_steps(batch):
    torch.manual_seed(0)
    objective = CellObjective(GeometryNetwork())
    optimizer = torch.optim.AdamW(objective.parameters(), lr=3e-3)
    history = []
    for _ in range(15):
        total, parts = objective(batch, 0.0)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append((parts["matching"].item(), parts["mutual"].item()))
    assert history[-1][0] < 0.8 * history[0][0]
    assert history[-1][1] > 2 * history[0][1] + 0.1


@pytest.mark.parametrize("has", [True, False])
def test_bfloat16_is_used_where_the_processor_has_instructions_for_it(monkeypatch, has):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": has})
    assert bfloat16_pays("cpu") == has and bfloat16_pays("cuda")
