# SPDX-License-Identifier: Apache-2.0
"""Compiled maps are written whole, refused when they do not fit, and searched by votes."""

import numpy as np
import pytest
import torch

from diff2i2p.cloud import PointCloud
from diff2i2p.config import Config, RetrievalConfig, override
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.compiled_map import CompiledMap, MapError
from diff2i2p.mapping.retrieve import retrieve
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.weights import save_weights

SMALL = override(Config(), {"network": {"image_channels": [8, 8, 16, 16], "point_width": 4, "fine_dim": 16, "token_dim": 16}})


@pytest.fixture(scope="module")
def cloud():
    """A bare room of 4 x 3 x 2.5 m."""
    rng = np.random.default_rng(0)
    size = np.array([4.0, 3.0, 2.5])
    points = rng.uniform(0, 1, (60000, 3)) * size
    side = rng.integers(0, 6, len(points))
    points[np.arange(len(points)), side % 3] = (side // 3) * size[side % 3]
    return PointCloud(points.astype(np.float32))


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    save_weights(tmp_path / "w.safetensors", Diff2I2P(SMALL), {})
    return str(tmp_path / "w.safetensors")


def test_a_map_holds_the_features_of_all_its_points_sorted_by_node(cloud, weights, tmp_path):
    compile_map(cloud, tmp_path / "room.i2pmap", weights)
    room = CompiledMap.open(tmp_path / "room.i2pmap")
    starts, points = room.tensors["node_starts"], torch.from_numpy(room.points)
    assert len(room.points) == len(room.tensors["fine"]) == starts[-1]
    assert room.tensors["fine"].dtype == torch.float16
    middle = len(starts) // 2
    mine = points[starts[middle] : starts[middle + 1]]
    assert (torch.cdist(mine, room.tensors["node_points"]).argmin(1) == middle).all()
    assert abs(room.up @ [0, 0, 1]) > 0.99


def test_a_truncated_map_is_refused_with_a_remedy(cloud, tmp_path):
    compile_map(cloud, tmp_path / "room.i2pmap")
    whole = (tmp_path / "room.i2pmap").read_bytes()
    for length in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.i2pmap").write_bytes(whole[:length])
        with pytest.raises(MapError, match="compile the map again"):
            CompiledMap.open(tmp_path / "cut.i2pmap")


def test_a_missing_map_says_how_to_make_one(tmp_path):
    with pytest.raises(MapError, match="compile-map CLOUD -o"):
        CompiledMap.open(tmp_path / "nowhere.i2pmap")


def test_weights_are_no_map(weights):
    with pytest.raises(MapError, match="not a compiled map"):
        CompiledMap.open(weights)


def test_a_map_of_other_weights_is_refused(cloud, weights, tmp_path):
    compile_map(cloud, tmp_path / "room.i2pmap", weights)
    torch.manual_seed(1)
    save_weights(tmp_path / "other.safetensors", Diff2I2P(SMALL), {})
    with pytest.raises(MapError, match="compiled with other weights"):
        Localizer.open(tmp_path / "room.i2pmap", str(tmp_path / "other.safetensors"))


def test_a_map_without_colour_and_without_weights_cannot_be_used(cloud, tmp_path):
    compile_map(cloud, tmp_path / "room.i2pmap")
    with pytest.raises(MapError, match="no colour .* no weights"):
        Localizer.open(tmp_path / "room.i2pmap")


def test_an_interrupted_compilation_leaves_the_old_map_alone(cloud, tmp_path, monkeypatch):
    compile_map(cloud, tmp_path / "room.i2pmap")
    before = (tmp_path / "room.i2pmap").read_bytes()

    def full_disk(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr("diff2i2p.mapping.compiled_map.save_file", full_disk)
    with pytest.raises(MapError, match="No space left"):
        compile_map(cloud, tmp_path / "room.i2pmap")
    assert (tmp_path / "room.i2pmap").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["room.i2pmap"]


def test_votes_find_the_part_of_a_large_map_that_looks_like_the_image():
    generator = torch.manual_seed(0)
    nodes = torch.nn.functional.normalize(torch.randn(900, 32, generator=generator), dim=1)
    grid = torch.stack(torch.meshgrid(torch.arange(30.0), torch.arange(30.0), indexing="ij"), -1).flatten(0, 1)
    places = torch.cat([grid, torch.zeros(900, 1)], 1)
    here = ((grid - torch.tensor([20.0, 7.0])).norm(dim=1) < 2.5).nonzero()[:, 0]
    patches = torch.nn.functional.normalize(nodes[here] + 0.1 * torch.randn(len(here), 32, generator=generator), dim=1)
    candidates = retrieve(patches, nodes, places, RetrievalConfig(candidates=2, nodes=64))
    assert [len(nodes) for nodes in candidates] == [64, 64]
    assert set(here.tolist()) <= set(candidates[0].tolist())


def test_a_small_map_is_one_candidate():
    assert len(retrieve(torch.rand(5, 8), torch.rand(20, 8), torch.rand(20, 3), RetrievalConfig())[0]) == 20
