# SPDX-License-Identifier: Apache-2.0
"""The network that reads geometry as ONNX graphs: what torch finds, by operators of TensorRT."""

import json

import numpy as np
import onnx
import pytest
import torch
from tensorrt_operators import assert_ready_for_tensorrt
from torch import nn
from torch.nn import functional as F

from diff2i2p.camera import Camera, View
from diff2i2p.config import Config
from diff2i2p.correspondences import Correspondences
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.mapping.drawn_geometry import CHANNELS
from diff2i2p.matchers import StageTimer
from diff2i2p.matchers.geometry import GeometryMatcher
from diff2i2p.network.cell_backends import OnnxCells, TorchCells
from diff2i2p.network.cell_export import CellMatching
from diff2i2p.network.cell_matching import match_cells
from diff2i2p.network.geometry_network import Cells, GeometryNetwork
from diff2i2p.network.onnx_graphs import NO_MATCH
from diff2i2p.network.trunk import DIM
from diff2i2p.parameters import override
from diff2i2p.weights import load_weights, save_weights

ROWS = 400  # cells of a view of a map
FEW_VIEWS = {"matcher": "network", "geometry": {"places": 3, "headings": 4, "views": 3}}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of untrained weights, whose cells differ and whose tuning moves them."""
    torch.manual_seed(0)
    network = GeometryNetwork()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0  # takes the statistics of what it is shown
    with torch.no_grad():
        network.encode_photo(torch.rand(4, 1, 128, 128))
        network.encode_geometry(torch.randn(4, CHANNELS, 128, 128))
        nn.init.normal_(network.tuning.layers[-1].weight, std=0.1)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_weights(path, network, {})
    return path


@pytest.fixture(scope="module")
def network(weights) -> GeometryNetwork:
    """As it runs: folded, channels last."""
    return load_weights(weights)[0]


@pytest.fixture(scope="module")
def site(weights, corner, tmp_path_factory) -> CompiledMap:
    """The corner without its paint, drawn from a few places."""
    path = tmp_path_factory.mktemp("map") / "corner.i2pmap"
    return compile_map(corner, path, str(weights), override(Config(), FEW_VIEWS), False)


@pytest.fixture
def onnx_cells(network, tmp_path, monkeypatch) -> OnnxCells:
    """onnxruntime, its graphs in a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return OnnxCells(network, Config(), "untrained", ROWS)


@pytest.mark.parametrize("height", [240, 180])
def test_both_branches_give_the_cells_that_torch_gives(network, onnx_cells, height):
    torch.manual_seed(1)
    photo, drawn = 255 * torch.rand(1, 1, height, 320), torch.randn(1, CHANNELS, height, 320)
    with torch.inference_mode():
        for branch, image in (("encode_photo", photo), ("encode_geometry", drawn)):
            runtimes = TorchCells(network), onnx_cells
            ours, theirs = (getattr(runtime, branch)(image) for runtime in runtimes)
            torch.testing.assert_close(ours.features, theirs.features, atol=5e-5, rtol=0)
            torch.testing.assert_close(ours.reliability, theirs.reliability, atol=5e-5, rtol=0)


@pytest.mark.parametrize("count", [60, ROWS, 1200])
def test_matching_finds_the_pixels_that_torch_finds(network, onnx_cells, count):
    torch.manual_seed(2)
    photo = Cells(F.normalize(torch.randn(1, DIM, 30, 40), dim=1), torch.rand(1, 1, 30, 40))
    seen = photo.flat()[0][torch.randperm(1200)[:count]]
    drawn = F.normalize(seen + 0.25 * torch.randn(count, DIM), dim=1)
    with torch.inference_mode():
        ours, theirs = (who.match(photo, drawn) for who in (TorchCells(network), onnx_cells))
    assert count / 3 < len(ours.drawn) < count
    assert set(ours.drawn.tolist()) == set(theirs.drawn.tolist())
    assert (theirs.scores.diff() <= 0).all()
    a, b = ours.drawn.argsort(), theirs.drawn.argsort()
    torch.testing.assert_close(ours.pixels[a], theirs.pixels[b], atol=1e-3, rtol=0)
    torch.testing.assert_close(ours.scores[a], theirs.scores[b], atol=1e-5, rtol=0)


def test_rows_that_only_fill_the_graph_match_nothing_and_hide_nothing():
    torch.manual_seed(3)
    photo = F.normalize(torch.rand(1, DIM, 3, 4), dim=1)
    drawn = -F.normalize(torch.rand(5, DIM), dim=1)  # less like any cell than rows of zeros are
    filled = torch.arange(8) < 5
    with torch.no_grad():
        padded = F.pad(drawn, (0, 0, 0, 3))
        scores = CellMatching(GeometryNetwork().tuning)(photo, padded, filled)[1]
    found = match_cells(photo[0].flatten(1).T, drawn)
    assert len(found.drawn) > 0
    assert set(found.drawn.tolist()) == set(torch.nonzero(scores > NO_MATCH)[:, 0].tolist())


def matched(network, site, runtime: str, prior=None) -> list[Correspondences]:
    """What the matcher of a runtime finds in noise, and again at a pose that sees the corner."""
    config = override(Config(), FEW_VIEWS | {"runtime": runtime})
    image = np.random.default_rng(1).integers(0, 255, (240, 320), dtype=np.uint8)
    view = View(image, Camera(320, 240, (260.0, 260.0, 159.5, 119.5)))
    places = GeometryMatcher(network, site, config).match(view, prior, StageTimer())
    return [place.correspondences for place in places]


def pairs(matches: Correspondences) -> dict[tuple, np.ndarray]:
    """The matched pixel of every matched point."""
    return dict(zip(map(tuple, matches.points.round(4)), matches.pixels, strict=True))


@pytest.mark.parametrize("lost", [True, False])
def test_the_matcher_finds_with_onnxruntime_what_it_finds_with_torch(
    network, site, looking, lost, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    prior = None if lost else looking((1.1, 1.7, 1.2), 60)
    ours, theirs = (matched(network, site, name, prior) for name in ("torch", "onnxruntime"))
    assert len(ours) == len(theirs) == (3 if lost else 1)
    kept = {path.name.split(".")[1] for path in (tmp_path / "diff2i2p/onnx").glob("*.onnx")}
    assert kept == ({"photo", "cells"} if lost else {"photo", "geometry", "cells"})
    for a, b in zip(map(pairs, ours), map(pairs, theirs), strict=True):
        common = a.keys() & b.keys()
        assert len(common) > 3
        assert len(common) >= 0.99 * max(len(a), len(b))  # equals may fall either way
        assert max(np.abs(a[key] - b[key]).max() for key in common) < 1e-2  # px


def test_a_damaged_graph_is_made_again(onnx_cells, network, tmp_path):
    image = torch.rand(1, 1, 64, 96)
    first = onnx_cells.encode_photo(image)
    (path,) = (tmp_path / "diff2i2p/onnx").glob("*.photo.onnx")
    path.write_bytes(path.read_bytes()[:1000])
    again = OnnxCells(network, Config(), "untrained", ROWS).encode_photo(image)
    assert path.stat().st_size > 1000 and torch.equal(first.features, again.features)


def test_the_export_command_writes_three_graphs_ready_for_tensorrt(
    weights, site, tmp_path, diff2i2p
):
    out = tmp_path / "new/generic.onnx"
    arguments = ["export", "--onnx", out, "--weights", weights, "--height", 180, "--json"]
    code, printed, _ = diff2i2p(*arguments, "--map", site.path)
    assert code == 0
    made = json.loads(printed)
    assert (made["width"], made["height"], made["drawn"]) == (320, 180, 920)
    inputs = {}
    for name in ("photo", "geometry", "matching"):
        assert_ready_for_tensorrt(made[name])
        for end in onnx.load(made[name]).graph.input:
            sizes = [size.dim_value for size in end.type.tensor_type.shape.dim]
            inputs[name, end.name] = sizes
    assert inputs["photo", "image"] == [1, 1, 180, 320]
    assert inputs["geometry", "image"] == [1, CHANNELS, 180, 320]
    assert inputs["matching", "drawn"] == [920, DIM] and inputs["matching", "filled"] == [920]
    code, _, told = diff2i2p(*arguments, "--views", 3)
    assert code == 2 and "one view at a time" in told
