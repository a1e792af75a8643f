# SPDX-License-Identifier: Apache-2.0
"""Released checkpoints become weights, whatever else is in a file is refused unread."""

from pathlib import Path

import numpy as np
import pytest
import torch

from diff2i2p.camera import Camera, View
from diff2i2p.config import PAPER, PAPER_RGBD, Config, load_config
from diff2i2p.correspondences import Correspondences
from diff2i2p.mapping.compile_map import by_node
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.mapping.pyramid import build_pyramid
from diff2i2p.matchers import StageTimer
from diff2i2p.matchers.point_network import PointNetworkMatcher
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.parameters import override
from diff2i2p.weights import WeightsError, load_weights
from diff2i2p.weights.released import network_of, released_name


@pytest.fixture(scope="module")
def released():
    """Tensors named and shaped as released, by mode; sparse values keep the test quick."""
    return {"mono": tensors_of(PAPER), "rgbd": tensors_of(PAPER_RGBD)}


def tensors_of(preset) -> dict[str, torch.Tensor]:
    state = Diff2I2P(override(Config(), preset)).state_dict()
    return {released_name(own): tensor for own, tensor in state.items() if own != "log_sharpness"}


def save(path: Path, tensors) -> Path:
    torch.save({"metadata": {"epoch": 70, "total_steps": 100}, "model": tensors}, path)
    return path


def matches_of(network: Diff2I2P) -> Correspondences:
    """The network, run on a small image with depth and a piece of floor."""
    rng, grid = np.random.default_rng(0), network.config.map
    points = rng.uniform(0, 1, (3000, 3)).astype(np.float32) * np.float32([1, 1, 0.01])
    pyramid = build_pyramid(
        points, None, grid.fine_voxel, grid.levels, grid.neighbours, grid.search_radius
    )
    with torch.inference_mode():
        floor = CompiledMap(Path("floor"), {}, by_node(pyramid, network))
    image = rng.integers(0, 255, (96, 128), dtype=np.uint8)
    view = View(
        image, Camera(128, 96, (110.0, 110.0, 63.5, 47.5)), np.full((96, 128), 1.5, np.float32)
    )
    return (
        PointNetworkMatcher(network, floor, network.config)
        .match(view, None, StageTimer())[0]
        .correspondences
    )


@pytest.mark.parametrize("mode", ["mono", "rgbd"])
def test_names_and_shapes_are_those_of_the_release(released, mode):
    from released import FOLDER, keys

    if not FOLDER.is_dir():
        pytest.skip(f"no list of the released tensors in {FOLDER}")
    assert {name: list(tensor.shape) for name, tensor in released[mode].items()} == {
        row[0]: row[1] for row in keys(mode)
    }


def test_a_released_file_becomes_weights_that_load_with_its_thresholds(
    released, diff2i2p, tmp_path
):
    official, out = (
        save(tmp_path / "7scenes.pth", released["rgbd"]),
        tmp_path / "new/paper.safetensors",
    )
    code, said, _ = diff2i2p(
        "convert-checkpoint", official, "-o", out, "--experiment", "rgbd-scenes-v2"
    )
    assert code == 0 and "Diff2I2P, mode rgbd" in said
    network, _ = load_weights(out, load_config(out.with_suffix(".yaml")))
    assert (
        network.config.network.query_depth
        and network.config.matching.partners == 2
        and network.config.image.width == 640
    )
    assert np.isfinite(matches_of(network).points).all()
    weight = network.image_backbone.stages[1][0].shortcut[0].weight
    assert torch.equal(weight, released["rgbd"]["img_backbone.encoder3.0.identity.conv.weight"])


def test_kernel_points_come_from_the_file_in_voxels_of_their_level(released):
    name = "pcd_backbone.encoder3_2.conv.conv.kernel_points"  # the third level, voxels of 0.1 m
    network = network_of(released["mono"] | {name: torch.full((15, 3), 0.05)}, "7scenes.pth")
    assert torch.allclose(
        network.point_backbone.stages[2][0].conv.conv.kernel_points, torch.tensor(0.5)
    )


def test_a_2d3d_matr_file_has_no_tuning(released, diff2i2p, tmp_path):
    tensors = {
        name: tensor
        for name, tensor in released["mono"].items()
        if not name.startswith("coord_offset_net")
    }
    code, said, _ = diff2i2p(
        "convert-checkpoint",
        save(tmp_path / "matr.pth", tensors),
        "-o",
        tmp_path / "matr.safetensors",
    )
    assert code == 0 and "2D3D-MATR, mode mono" in said
    assert not load_weights(tmp_path / "matr.safetensors")[0].config.network.tuning


def test_another_network_is_refused_by_the_tensor_that_does_not_fit(released):
    without = {
        name: tensor
        for name, tensor in released["mono"].items()
        if name != "transformer.out_proj.bias"
    }
    for tensors, message in (
        (without, "lacks tensor transformer.out_proj.bias"),
        (released["mono"] | {"head.weight": torch.zeros(1)}, "foreign tensor head.weight"),
        (
            released["mono"] | {"transformer.out_proj.bias": torch.zeros(9)},
            r"is \(9,\), not \(256,\)",
        ),
        ({"layer.weight": torch.zeros(1)}, "neither a Diff2I2P nor a 2D3D-MATR checkpoint"),
    ):
        with pytest.raises(WeightsError, match=message):
            network_of(tensors, "other.pth")


class Trap:
    """An object whose unpickling leaves a trace."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_an_object_in_the_file_is_never_built(diff2i2p, tmp_path):
    torch.save(
        {"model": {"weight": torch.zeros(1)}, "config": Trap(tmp_path / "run")},
        tmp_path / "evil.pth",
    )
    code, _, err = diff2i2p(
        "convert-checkpoint", tmp_path / "evil.pth", "-o", tmp_path / "w.safetensors"
    )
    assert code == 2 and "no checkpoint of tensors" in err
    assert not (tmp_path / "run").exists() and not (tmp_path / "w.safetensors").exists()


def test_a_missing_damaged_or_empty_file_is_one_sentence(released, diff2i2p, tmp_path):
    (tmp_path / "cut.pth").write_bytes(
        save(tmp_path / "a.pth", {"weight": torch.zeros(1000)}).read_bytes()[:900]
    )
    (tmp_path / "text.pth").write_text("not found")
    (tmp_path / "zero.pth").touch()
    torch.save({"model": {}}, tmp_path / "empty.pth")
    torch.save(torch.zeros(3), tmp_path / "one.pth")
    for name in ("missing", "cut", "text", "zero", "empty", "one"):
        code, _, err = diff2i2p(
            "convert-checkpoint", tmp_path / f"{name}.pth", "-o", tmp_path / "w.safetensors"
        )
        assert code == 2 and err.count("\n") == 1 and f"{name}.pth" in err, (name, err)
