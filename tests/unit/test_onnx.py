# SPDX-License-Identifier: Apache-2.0
"""The network as ONNX graphs: the same matches as torch, and only operators that TensorRT knows."""

import json
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from tensorrt_operators import assert_ready_for_tensorrt

from diff2i2p import cli
from diff2i2p.camera import Camera, View
from diff2i2p.config import PAPER, Config
from diff2i2p.correspondences import Correspondences
from diff2i2p.mapping.compile_map import by_node
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.mapping.pyramid import build_pyramid
from diff2i2p.matchers import StageTimer
from diff2i2p.matchers.point_network import PointNetworkMatcher
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.network.onnx_export import (
    Shapes,
    export_image_side,
    export_matching,
    require_exportable,
)
from diff2i2p.network.onnx_graphs import providers
from diff2i2p.parameters import ConfigError, override
from diff2i2p.weights import save_weights, sha256


@pytest.fixture(scope="module")
def network() -> Diff2I2P:
    """The paper's network made small, untrained."""
    torch.manual_seed(0)
    return Diff2I2P(Config()).eval()


@pytest.fixture(scope="module")
def site(network) -> CompiledMap:
    """A floor of more nodes than one candidate view has."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 12, (60000, 3)).astype(np.float32) * [1, 1, 0.01]
    with torch.inference_mode():
        tensors = by_node(
            build_pyramid(points.astype(np.float32), rng.random(60000, np.float32), 0.08, 4, 12),
            network,
        )
    return CompiledMap("floor", {"weights_sha256": "0" * 64}, tensors)


@pytest.fixture
def matcher(network, site, tmp_path, monkeypatch):
    """A function: the matcher of a runtime, graphs kept in a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def make(runtime: str) -> PointNetworkMatcher:
        return PointNetworkMatcher(
            network,
            site,
            override(
                Config(),
                {"runtime": runtime, "matching": {"min_score": -1.0, "max_matches": 100000}},
            ),
        )

    return make


@pytest.fixture
def matched(matcher):
    """A function: matches of a view by a runtime."""

    def match(view: View, runtime: str, prior=None) -> list[Correspondences]:
        return [
            place.correspondences for place in matcher(runtime).match(view, prior, StageTimer())
        ]

    return match


def test_the_network_takes_as_many_threads_as_it_is_given(network, site):
    before = torch.get_num_threads()
    try:
        PointNetworkMatcher(network, site, override(Config(), {"threads": before + 1}))
        assert torch.get_num_threads() == before + 1
        PointNetworkMatcher(network, site, Config())
        assert torch.get_num_threads() == before + 1  # 0 leaves it alone
    finally:
        torch.set_num_threads(before)


def noise(height: int, width: int = 320) -> View:
    image = np.random.default_rng(1).integers(0, 255, (height, width), dtype=np.uint8)
    return View(image, Camera(width, height, (260.0, 260.0, 159.5, 119.5)))


def by_pair(pixels, points, scores) -> dict[tuple, float]:
    """Score of every matched pixel and point."""
    return dict(zip(map(tuple, np.column_stack([pixels, points]).round(3)), scores, strict=True))


def assert_alike(one: dict[tuple, float], other: dict[tuple, float]) -> None:
    """The same pairs with the same scores; equals in float32 may fall either way."""
    common = one.keys() & other.keys()
    assert len(common) >= 0.995 * max(len(one), len(other))
    assert max(abs(one[key] - other[key]) for key in common) < 1e-4


@pytest.mark.parametrize("height, prior", [(240, None), (180, np.eye(4))])
def test_onnxruntime_finds_the_matches_that_torch_finds(matched, tmp_path, height, prior):
    ours, theirs = (matched(noise(height), runtime, prior) for runtime in ("torch", "onnxruntime"))
    assert len(ours) == len(theirs) and len(ours[0]) > 300
    assert (
        len(list((tmp_path / "diff2i2p/onnx").glob("*.onnx"))) == 3
    )  # of the image; of one candidate view, and of as many as when lost
    for a, b in zip(ours, theirs, strict=True):
        assert_alike(by_pair(a.pixels, a.points, a.scores), by_pair(b.pixels, b.points, b.scores))


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
@pytest.mark.parametrize("views", [2, 3])
def test_candidate_views_are_matched_together_as_each_is_alone(matcher, runtime, views):
    ours = matcher(runtime)
    places = np.array([[0, 0, 0], [6, 6, 0], [12, 3, 0]])[:views]
    crops = [ours.crop(ours.index.around(place, 192)) for place in places]
    assert (
        len({len(crop.points) for crop in crops}) == views
        and len({crop.members.shape[1] for crop in crops}) == 2
    )  # ragged
    with torch.inference_mode():
        image = ours.engine.encode_image(torch.from_numpy(noise(120).grey)[None, None] / 255)
        cells = image.fine[0].flatten(1).T.contiguous()
        together = ours.engine.match(image, cells, crops, None)
        alone = [ours.engine.match(image, cells, [crop], None)[0] for crop in crops]
    for some, same in zip(together, alone, strict=True):
        assert len(some.cells) > 100
        assert_alike(
            by_pair(some.cells, some.points, some.scores),
            by_pair(same.cells, same.points, same.scores),
        )


def test_graphs_are_made_once_for_a_size_and_again_when_damaged(matched, tmp_path):
    first = matched(noise(120), "onnxruntime", np.eye(4))[0]
    (image,), matching = (
        [*(tmp_path / "diff2i2p/onnx").glob(f"*.{part}.onnx")] for part in ("image", "matching")
    )
    written = image.stat().st_mtime_ns
    for path in matching:
        path.write_bytes(path.read_bytes()[:1000])
    again = matched(noise(120), "onnxruntime", np.eye(4))[0]
    assert image.stat().st_mtime_ns == written and all(
        path.stat().st_size > 1000 for path in matching
    )
    assert (first.points == again.points).all()


def test_graphs_have_fixed_shapes_and_only_operators_of_tensorrt(network, tmp_path):
    shapes = Shapes(180, 320, 3, 48, 70)
    export_image_side(network, Config().matching, shapes, tmp_path / "image.onnx")
    export_matching(network, Config().matching, shapes, tmp_path / "matching.onnx")
    for name in ("image", "matching"):
        assert_ready_for_tensorrt(tmp_path / f"{name}.onnx")


def test_providers_are_tensorrt_then_cuda_then_cpu_where_they_are(tmp_path):
    every = ["CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"]
    tensorrt, *others = providers(override(Config(), {"half_precision": True}), tmp_path, every)
    assert tensorrt[0] == "TensorrtExecutionProvider" and [name for name, _ in others] == [
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    ]
    assert tensorrt[1]["trt_engine_cache_path"] == str(tmp_path) and tensorrt[1]["trt_fp16_enable"]
    assert [
        name for name, _ in providers(override(Config(), {"device": "cpu"}), tmp_path, every)
    ] == ["CPUExecutionProvider"]


def test_what_fixed_graphs_cannot_do_is_refused_by_name():
    require_exportable(Config())
    with pytest.raises(ConfigError, match="network.patch_levels"):
        require_exportable(override(Config(), PAPER))
    with pytest.raises(ConfigError, match="matching.partners"):
        require_exportable(override(Config(), {"matching": {"partners": 2}}))


def test_the_export_command_writes_both_graphs_in_the_sizes_of_a_map(
    network, site, tmp_path, monkeypatch, capsys
):
    save_weights(tmp_path / "edge.safetensors", network, {})
    arguments = [
        "export",
        "--onnx",
        tmp_path / "new/edge.onnx",
        "--weights",
        tmp_path / "edge.safetensors",
        "--height",
        180,
        "--json",
    ]
    assert run_command(monkeypatch, *arguments) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["width"], made["height"], made["views"], made["nodes"], made["members"]) == (
        320,
        180,
        1,
        192,
        256,
    )
    image = onnx.load(made["image"]).graph.input[0]
    assert [size.dim_value for size in image.type.tensor_type.shape.dim] == [1, 1, 180, 320]
    mapped = replace(
        site,
        path=tmp_path / "floor.i2pmap",
        header={"weights_sha256": sha256(tmp_path / "edge.safetensors")},
    )
    monkeypatch.setattr(CompiledMap, "open", classmethod(lambda cls, path: mapped))
    assert run_command(monkeypatch, *arguments, "--map", mapped.path, "--views", 3) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["members"] == int(site.tensors["node_starts"].diff().max())
    sizes = {
        end.name: [size.dim_value for size in end.type.tensor_type.shape.dim]
        for end in onnx.load(made["matching"]).graph.input
    }
    assert sizes["members"] == [3, 192, made["members"], 64]


def test_weights_that_cannot_be_exported_are_one_sentence(tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    small = {
        "image_channels": [8, 8, 16, 16],
        "point_width": 4,
        "fine_dim": 16,
        "token_dim": 16,
        "patch_levels": 2,
    }
    save_weights(
        tmp_path / "levels.safetensors", Diff2I2P(override(Config(), {"network": small})), {}
    )
    assert (
        run_command(
            monkeypatch,
            "export",
            "--onnx",
            tmp_path / "a.onnx",
            "--weights",
            tmp_path / "levels.safetensors",
        )
        == 2
    )
    assert "use runtime torch" in capsys.readouterr().err and not (tmp_path / "a.onnx").exists()


def run_command(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["diff2i2p", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as end:
        return end.code or 0
    return 0
