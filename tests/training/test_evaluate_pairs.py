# SPDX-License-Identifier: Apache-2.0
"""evaluate-pairs counts as the protocols say, and matches as the localizer does."""

import dataclasses
import json
import sys

import numpy as np
import pytest
import torch
from test_predicted_matches import TINY
from test_recipes import pairs  # noqa: F401  the fixture

from diff2i2p.camera import View
from diff2i2p.cloud import PointCloud
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.matchers import StageTimer
from diff2i2p.matchers.point_network import PointNetworkMatcher
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.parameters import override
from diff2i2p.weights import save_weights
from diff2i2p_training import cli
from diff2i2p_training import evaluate_pairs as evaluating
from diff2i2p_training.data.pair_dataset import PairDataset
from diff2i2p_training.data.pairs import read_pairs
from diff2i2p_training.evaluate_pairs import (
    PROTOCOLS,
    PairRecord,
    evaluate_pairs,
    fragment_rmse,
    limited,
    summarize,
)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Diff2I2P(
        override(TINY, {"matching": {"min_score": -1.0}, "retrieval": {"nodes": 16384}})
    ).eval()


@pytest.fixture
def some(pairs):  # noqa: F811
    return limited(read_pairs(pairs, "train"), 3)


def knowing(miss: float):
    """A matcher that knows the truth up to `miss` metres along x."""

    def match(network, image, site, batch, limit=None):
        known = batch.points[0].isfinite().all(-1).nonzero()[::7, 0]
        points = batch.points[0, known] + torch.tensor([miss, 0, 0])
        width = batch.images.shape[-1] // batch.stride
        pixels = torch.stack([known % width, known // width], 1) * batch.stride + 2.0
        none = torch.zeros(0, dtype=torch.long)
        return [
            evaluating.ViewMatches(
                known, pixels, points, points * 0, torch.ones(len(known)), (none, none)
            )
        ]

    return match


@pytest.mark.parametrize("solver", ["poselib", "opencv"])
def test_true_matches_register_every_pair(network, some, monkeypatch, solver):
    monkeypatch.setattr(evaluating, "match_views", knowing(0.0))
    for protocol in PROTOCOLS:
        mean = summarize(evaluate_pairs(network, some, solver), protocol)["mean"]
        assert (mean["IR"], mean["FMR"], mean["RR"]) == (100, 100, 100)
        assert mean["RRE"] < 0.2 and mean["RTE"] < 0.01


def test_a_miss_of_4_cm_passes_the_first_protocol_and_not_the_stricter(network, some, monkeypatch):
    monkeypatch.setattr(evaluating, "match_views", knowing(0.04))
    records = evaluate_pairs(network, some)
    loose, strict = (summarize(records, protocol)["mean"] for protocol in PROTOCOLS)
    assert (loose["IR"], loose["FMR"], loose["RR"]) == (100, 100, 100)
    assert (strict["IR"], strict["FMR"], strict["RR"]) == (0, 0, 0)
    assert loose["RTE"] == pytest.approx(0.04, abs=0.01) and strict["RTE"] is None


def test_means_are_taken_by_scene_first_and_errors_over_registered_pairs_only(some):
    pair = some.pairs[0]
    other = dataclasses.replace(pair, scene="stairs")
    good = PairRecord(pair, np.array([0.01, 0.02]), 1.0, 0.05, 0.04, 1.0)
    lost = PairRecord(pair, np.array([9.0, np.inf]), 0.0, np.inf, np.inf, np.inf)
    empty = dataclasses.replace(lost, pair=other, miss=np.zeros(0))
    table = summarize([good, good, good, lost, empty], PROTOCOLS[0])
    assert table["room"]["IR"] == 75 and table["room"]["RR"] == 75 and table["room"]["RRE"] == 1.0
    assert table["stairs"]["IR"] == 0 and table["stairs"]["RTE"] is None
    assert (
        table["mean"]["IR"] == 37.5 and table["mean"]["RR"] == 37.5 and table["mean"]["RTE"] == 0.04
    )
    assert table["mean"]["pairs"] == 5


def test_the_rmse_is_the_distance_between_the_fragment_seen_from_both_poses():
    points = np.random.default_rng(0).normal(size=(50, 3))
    shifted = np.eye(4)
    shifted[:3, 3] = (0.03, 0, 0.04)
    assert fragment_rmse(points, np.eye(4), shifted) == pytest.approx(0.05)


@pytest.mark.parametrize(
    "mode",
    [{}, {"query_depth": True, "point_input": "xyz", "tuning_extent": True}],
    ids=["mono", "rgbd"],
)
def test_pairs_are_matched_as_the_localizer_matches(network, some, tmp_path, mode):
    torch.manual_seed(0)
    network = Diff2I2P(override(network.config, {"network": mode})).eval()
    torch.nn.init.normal_(network.tuning.layers[-1].weight, std=0.01)
    pair = some.pairs[0]
    save_weights(tmp_path / "w.safetensors", network, {}, torch.float32)
    compile_map(
        PointCloud(pair.cloud()),
        tmp_path / "f.i2pmap",
        str(tmp_path / "w.safetensors"),
        up=np.array([0, 0, 1.0]),
    )
    batch = PairDataset(some, network.config, evaluating.AS_THEY_ARE).collate(
        [pair], np.random.default_rng(0)
    )
    with torch.inference_mode():
        site = network.encode_map(batch.pyramid)
        here = evaluating.match_views(network, network.encode_image(batch.images), site, batch)[0]
    matcher = PointNetworkMatcher(network, CompiledMap.open(tmp_path / "f.i2pmap"), network.config)
    matcher.fine, matcher.nodes = (
        site.fine[batch.pyramid.owners[0].argsort(stable=True)],
        site.nodes,
    )  # a map has them in half precision
    view = pair.view(160)
    there = matcher.match(View(view.grey, view.camera, view.depth), None, StageTimer())[
        0
    ].correspondences
    found, expected = (
        {
            tuple(map(int, pixel)): np.asarray(point)
            for pixel, point in zip(m.pixels, m.points, strict=True)
        }
        for m in (here, there)
    )
    same = [
        pixel
        for pixel in found.keys() & expected.keys()
        if np.linalg.norm(found[pixel] - expected[pixel]) < 0.003
    ]
    assert len(same) > 0.95 * len(expected) > 20


def test_the_command_writes_figures_by_scene_and_shows_the_published_ones(
    network,
    pairs,  # noqa: F811
    tmp_path,
    monkeypatch,
    capsys,  # noqa: F811
):
    save_weights(tmp_path / "w.safetensors", network, {})
    arguments = [
        str(pairs),
        "--weights",
        str(tmp_path / "w.safetensors"),
        "--split",
        "train",
        "--limit",
        "2",
        "--out",
        str(tmp_path / "p.json"),
    ]
    monkeypatch.setattr(sys, "argv", ["diff2i2p-train", "evaluate-pairs", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    text, result = capsys.readouterr().out, json.loads((tmp_path / "p.json").read_text())
    assert (
        not end.value.code
        and "mode mono" in text
        and "2D3D-MATR, mean *" in text
        and "room" in text
    )
    assert result["mode"] == "mono" and set(result["protocols"][0]["scenes"]) == {"room", "mean"}
    monkeypatch.setattr(
        sys, "argv", ["diff2i2p-train", "evaluate-pairs", *arguments, "--solver", "magic"]
    )
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2 and "magic" in capsys.readouterr().err
