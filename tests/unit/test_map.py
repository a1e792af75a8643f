# SPDX-License-Identifier: Apache-2.0
"""Compiled maps are written whole, refused when they do not fit, and searched by votes."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from diff2i2p.camera import Camera
from diff2i2p.cloud import PointCloud
from diff2i2p.config import Config, RetrievalConfig
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.compiled_map import FORMAT, CompiledMap, MapError
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.retrieve import NodeIndex, retrieve
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.network.geometry_network import GeometryNetwork
from diff2i2p.parameters import override
from diff2i2p.render import close_cracks, render_cloud
from diff2i2p.weights import save_weights

SMALL = override(
    Config(),
    {
        "network": {
            "image_channels": [8, 8, 16, 16],
            "point_width": 4,
            "fine_dim": 16,
            "token_dim": 16,
        }
    },
)


@pytest.fixture(scope="module")
def cloud():
    """A bare room of 4 x 3 x 2.5 m."""
    rng = np.random.default_rng(0)
    size = np.array([4.0, 3.0, 2.5])
    points = rng.uniform(0, 1, (60000, 3)) * size
    side = rng.integers(0, 6, len(points))
    points[np.arange(len(points)), side % 3] = (side // 3) * size[side % 3]
    return PointCloud(points.astype(np.float32))


@pytest.fixture(scope="module")
def painted(cloud):
    """A corner of the room in two shades, without walls to look at from outside."""
    near = cloud[(cloud.points[:, 0] < 2.5) | (cloud.points[:, 2] < 0.1)]
    return PointCloud(near.points, intensity=(near.points[:, 1] % 0.5 > 0.25).astype(np.float32))


@pytest.fixture(scope="module")
def site(painted, tmp_path_factory):
    """The painted corner, compiled with a few looks."""
    few = override(Config(), {"appearance": {"spacing": 3.0, "headings": 4}})
    return compile_map(painted, tmp_path_factory.mktemp("map") / "room.i2pmap", config=few)


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
    with pytest.raises(MapError, match="neither colour nor intensity.* without weights"):
        Localizer.open(tmp_path / "room.i2pmap")


def test_a_bare_map_whose_weights_do_not_ship_asks_for_them(corner, tmp_path):
    torch.manual_seed(0)
    own = tmp_path / "own.safetensors"
    save_weights(own, GeometryNetwork(), {}, torch.float32)
    bare = PointCloud(corner.points)
    few = override(Config(), {"geometry": {"places": 2, "headings": 4, "seen": 0.1}})
    compile_map(bare, tmp_path / "room.i2pmap", str(own), few, up=np.array([0, 0, 1.0]))
    with pytest.raises(MapError, match="its weights do not ship: give them with --weights"):
        Localizer.open(tmp_path / "room.i2pmap")
    assert len(Localizer.open(tmp_path / "room.i2pmap", str(own)).matchers) == 1


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


def test_a_coloured_map_comes_back_as_it_was_compiled(painted, site):
    opened = CompiledMap.open(site.path)
    assert opened.header == site.header and opened.tensors.keys() == site.tensors.keys()
    assert all(torch.equal(opened.tensors[name], site.tensors[name]) for name in opened.tensors)
    assert opened.dense.spacing == site.dense.spacing and len(opened.dense.shades) == len(painted)


@pytest.mark.parametrize(
    "change, complaint",
    [
        ({"appearance.octaves": None}, "'appearance.octaves' is missing"),
        ({"appearance.words": torch.zeros(3)}, "unknown array 'appearance.words'"),
        ({"appearance.angles": torch.zeros(3)}, "'appearance.angles' is float32"),
        (
            {"appearance.descriptors": torch.zeros(3, 64, dtype=torch.uint8)},
            "'appearance.descriptors' is uint8",
        ),
        ({"appearance.starts": torch.tensor([0, 1])}, "'appearance.starts' does not divide"),
        ({"dense.shades": torch.zeros(3, dtype=torch.uint8)}, "differ in length"),
        ({"points": None}, "'points' is missing"),
    ],
)
def test_arrays_of_another_version_are_refused_with_a_remedy(site, tmp_path, change, complaint):
    tensors = {
        name: tensor for name, tensor in (site.tensors | change).items() if tensor is not None
    }
    CompiledMap(tmp_path / "other.i2pmap", site.header, tensors).save()
    with pytest.raises(MapError, match=f"{complaint}.* compile the map again"):
        CompiledMap.open(tmp_path / "other.i2pmap")


@pytest.mark.parametrize(
    "header, complaint",
    [({"format": "i2pmap-1"}, f"of format {FORMAT}"), ({"spacing": None}, "no proper 'spacing'")],
)
def test_a_header_of_another_version_is_refused(site, tmp_path, header, complaint):
    CompiledMap(tmp_path / "other.i2pmap", site.header | header, site.tensors).save()
    with pytest.raises(MapError, match=f"{complaint}.* compile the map again"):
        CompiledMap.open(tmp_path / "other.i2pmap")


def test_the_arrays_of_an_opened_map_are_read_when_they_are_looked_at(tmp_path):
    rows = torch.zeros(1_000_000, 3)
    empty = {
        "dense.starts": torch.tensor([0, len(rows)]),
        "dense.centres": torch.zeros(1, 3),
        "dense.points": rows,
    }
    empty["dense.normals"] = rows.to(torch.int8)
    nodes = {
        "points": torch.zeros(1, 3),
        "node_points": torch.zeros(1, 3),
        "node_starts": torch.tensor([0, 1]),
    }
    header = {
        "format": FORMAT,
        "frame_id": "map",
        "up": [0.0, 0.0, 1.0],
        "colour": False,
        "voxel": 0.08,
        "spacing": 0.02,
    }
    CompiledMap(tmp_path / "large.i2pmap", header, empty | nodes).save()
    before = resident()
    opened = CompiledMap.open(tmp_path / "large.i2pmap")
    assert resident() - before < 4e6 < rows.nbytes
    assert opened.dense.points[500_000].sum() == 0


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_camera_gets_all_that_it_sees_of_the_dense_map_and_little_else(painted):
    dense = DenseMap.build(painted)
    T = np.array([[0, 0, 1, 1.0], [-1, 0, 0, 1.5], [0, -1, 0, 1.2], [0, 0, 0, 1]])  # looks along x
    camera = Camera(320, 240, (400.0, 400.0, 159.5, 119.5))
    index = dense.in_view(camera, T)
    local = (dense.points - T[:3, 3]) @ T[:3, :3]
    uv = local[:, :2] / local[:, 2:] * camera.K[:2] + camera.K[2:]
    inside = (local[:, 2] > 0) & (uv > 0).all(1) & (uv < (320, 240)).all(1)
    assert set(np.flatnonzero(inside)) <= set(index)
    assert len(index) < 0.6 * len(dense.points) and len(np.unique(index)) == len(index)
    whole = render_cloud(dense.points, dense.shades, camera, T, dense.spacing)
    assert np.array_equal(dense.render(camera, T).depth, whole.depth)


def test_what_walls_hide_is_not_drawn_and_the_picture_is_the_same(monkeypatch):
    y, z = (axis.ravel() for axis in np.meshgrid(np.arange(0, 6, 0.03), np.arange(0, 2.5, 0.03)))
    wall = np.stack([np.zeros(len(y)), y, z], 1)
    walls = np.concatenate([wall + [x, 0, 0] for x in range(2, 15, 2)]).astype(
        np.float32
    )  # one behind the other
    walls = walls[(walls[:, 0] > 3) | (walls[:, 1] < 3.4)]  # and a gap in the first
    dense = DenseMap.build(
        PointCloud(
            walls, intensity=np.random.default_rng(0).uniform(0.2, 1, len(walls)).astype(np.float32)
        )
    )
    T = np.array([[0, 0, 1, 0.5], [-1, 0, 0, 3.0], [0, -1, 0, 1.2], [0, 0, 0, 1]])  # looks along x
    camera = Camera(160, 120, (160.0, 160.0, 79.5, 59.5))
    whole, drawn = render_cloud(dense.points, dense.shades, camera, T, dense.spacing), []

    def counting(points, *rest):
        drawn.append(len(points))
        return render_cloud(points, *rest)

    monkeypatch.setattr("diff2i2p.mapping.dense.render_cloud", counting)
    seen = dense.render(camera, T)
    assert sum(drawn) < 0.5 * len(dense.in_view(camera, T))
    assert np.array_equal(seen.depth, whole.depth) and np.array_equal(seen.image, whole.image)
    assert (seen.depth > 3).any()


def test_a_small_image_of_every_fourth_point_shows_the_same(painted):
    dense = DenseMap.build(painted)
    T = np.array([[0, 0, 1, 1.0], [-1, 0, 0, 1.5], [0, -1, 0, 1.2], [0, 0, 0, 1]])  # looks along x
    camera = Camera(80, 60, (60.0, 60.0, 39.5, 29.5))
    full, coarse = (close_cracks(dense.render(camera, T, every=every)) for every in (1, 4))
    known = full.depth > 0
    assert (coarse.depth > 0)[known].mean() > 0.98
    off = np.abs(coarse.depth - full.depth)[known]
    assert np.median(off) < 0.03 and np.corrcoef(coarse.image[known], full.image[known])[0, 1] > 0.8


def test_a_cloud_denser_than_anything_needs_is_thinned(cloud):
    fine = PointCloud((cloud.points / 8).astype(np.float32))
    assert len(DenseMap.build(fine).points) < 0.7 * len(fine)


def test_votes_find_the_part_of_a_large_map_that_looks_like_the_image():
    index, here, patches = office_floor(30)
    candidates = retrieve(patches, index, RetrievalConfig(candidates=2, nodes=64))
    assert [len(nodes) for nodes in candidates] == [64, 64]
    assert set(here.tolist()) <= set(candidates[0].tolist())


def test_the_lists_of_a_huge_map_find_the_same_place_as_comparing_all(monkeypatch):
    monkeypatch.setattr("diff2i2p.mapping.retrieve.EXACT", 500)
    listed, here, patches = office_floor(60)
    monkeypatch.undo()
    exact, _, _ = office_floor(60)
    assert listed.lists is not None and exact.lists is None
    (near, found), (_, true) = listed.alike(patches), exact.alike(patches)
    assert (found[:, 0] == true[:, 0]).float().mean() > 0.9
    assert torch.allclose(near[:, 0], (patches * listed.nodes[found[:, 0]]).sum(1), atol=1e-5)
    assert set(here.tolist()) <= set(
        retrieve(patches, listed, RetrievalConfig(nodes=64))[0].tolist()
    )


def office_floor(side: int):
    """Nodes on a square of `side` metres, which of them the image shows, and its patches."""
    generator = torch.manual_seed(0)
    nodes = torch.nn.functional.normalize(torch.randn(side**2, 32, generator=generator), dim=1)
    grid = torch.stack(
        torch.meshgrid(torch.arange(float(side)), torch.arange(float(side)), indexing="ij"), -1
    ).flatten(0, 1)
    here = ((grid - torch.tensor([20.0, 7.0])).norm(dim=1) < 2.5).nonzero()[:, 0]
    patches = torch.nn.functional.normalize(
        nodes[here] + 0.1 * torch.randn(len(here), 32, generator=generator), dim=1
    )
    return NodeIndex(nodes, torch.cat([grid, torch.zeros(len(grid), 1)], 1)), here, patches


def test_a_small_map_is_one_candidate():
    assert (
        len(
            retrieve(
                torch.rand(5, 8), NodeIndex(torch.rand(20, 8), torch.rand(20, 3)), RetrievalConfig()
            )[0]
        )
        == 20
    )
