# SPDX-License-Identifier: Apache-2.0
"""Preset `paper` computes what the original network computes, on synthetic weights, to the tolerances of the reference's README."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from released import FOLDER, keys, needs_reference, probe, tensors

from diff2i2p.camera import Camera, View
from diff2i2p.config import RGBD_SCENES_MATCHING
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.mapping.pyramid import Pyramid
from diff2i2p.matchers import StageTimer
from diff2i2p.matchers.point_network import PointNetworkMatcher, back_project
from diff2i2p.network.coarse_to_fine import match_coarse
from diff2i2p.parameters import override
from diff2i2p.weights.released import network_of

pytestmark = needs_reference
VARIANTS = {  # what each changes of the preset
    "official": {},
    "lowered": {"max_distance": 1.31, "min_score": 0.2},
    "k2": RGBD_SCENES_MATCHING | {"max_distance": 1.31, "min_score": 0.2},
}


@pytest.fixture(scope="module", params=["mono", "rgbd"])
def run(request):
    """The network of one case on the reference's image and cloud, beside what the original made of them."""
    given, expected = (
        dict(np.load(FOLDER / f"parity_{name}.npz")) for name in ("input", request.param)
    )
    network = network_of(tensors(request.param), request.param)
    fx, cx, fy, cy = given["intrinsics"][[0, 0, 1, 1], [0, 2, 1, 2]].tolist()
    view = View(
        given["image_u8"],
        Camera(640, 480, (fx, fy, cx, cy)),
        given["depth_mm"].astype(np.float32) / 1000,
    )
    image = torch.from_numpy(view.grey)[None] / 255
    if request.param == "rgbd":
        image = torch.cat([image, back_project(view)])
    raw = {}
    for part in (network.image_backbone, network.point_backbone):
        part.register_forward_hook(lambda module, _, outputs: raw.update({module: outputs}))
    with torch.inference_mode():
        features, site = network.encode_image(image[None]), network.encode_map(pyramid(given))
        fused = network.fusion(
            features.tokens, site.nodes[None], torch.from_numpy(given["points_3"])[None]
        )
        unit = network.fuse(
            features.tokens, site.nodes[None], torch.from_numpy(given["points_3"])[None]
        )
        votes = network.votes(features.tokens, site.nodes)
    (fine, coarse), (points, point_coarse) = (
        raw[network.image_backbone],
        raw[network.point_backbone],
    )
    network.encode_image = lambda image: features  # the image is encoded once
    return SimpleNamespace(**locals())


def pyramid(given) -> Pyramid:
    def tables(name, count):
        return tuple(
            torch.from_numpy(given[f"{name}_{level}"].astype(np.int64)) for level in range(count)
        )

    points = tuple(torch.from_numpy(given[f"points_{level}"]) for level in range(4))
    owners = tuple(torch.cdist(level.double(), points[-1].double()).argmin(1) for level in points)
    return Pyramid(
        points,
        tables("neighbors", 4),
        tables("subsampling", 3),
        tables("upsampling", 3),
        owners,
        None,
        0.025,
    )


def assert_close(got: torch.Tensor, expected: np.ndarray, bound: float) -> None:
    assert tuple(got.shape) == expected.shape
    assert np.abs(got.double().numpy() - expected).max() <= bound


def contracted(features: torch.Tensor) -> torch.Tensor:
    """The probe (C,) of features (..., C)."""
    return features.double() @ torch.from_numpy(probe(features.shape[-1]))


def test_the_synthetic_weights_are_those_of_the_reference():
    for (name, tensor), row in zip(tensors("rgbd").items(), keys("rgbd"), strict=True):
        assert tensor.double().sum().item() == pytest.approx(row[4], rel=1e-6, abs=1e-6), name
        assert np.allclose(tensor.flatten()[:3], row[5], rtol=1e-6)


def test_image_features_are_the_originals(run):
    case = run.expected
    step = 8 if "latent1_s8" in case else 16
    assert_close(run.fine[0, :, :: step // 2, :: step // 2], case[f"latent1_s{step}"], 1e-4)
    assert_close(contracted(run.fine[0].movedim(0, -1)), case["latent1_probe_s2"], 1e-4)
    assert_close(run.coarse[0, :, ::4, ::4], case["latent4_s4"], 1e-4)
    assert_close(contracted(run.coarse[0].movedim(0, -1)), case["latent4_probe"], 1e-4)


def test_point_features_are_the_originals(run):
    case = run.expected
    step = 2 if "pcd_fine_s2" in case else 4
    assert_close(run.point_coarse, case["pcd_coarse"], 1e-4)
    assert_close(run.points[::step], case[f"pcd_fine_s{step}"], 1e-4)
    assert_close(contracted(run.points), case["pcd_fine_probe"], 1e-4)


def test_fused_tokens_and_nodes_are_the_originals(run):
    tokens, nodes = run.fused
    assert_close(tokens[0].flatten(1).T, run.expected["img_tokens"], 2e-4)
    assert_close(nodes[0], run.expected["pcd_tokens"], 2e-4)
    assert_close(run.unit[0][0], run.expected["img_nodes"], 2e-5)
    assert_close(run.unit[1][0], run.expected["pcd_nodes"], 2e-5)


def test_patches_and_nodes_before_fusion_are_those_of_the_multi_scale_branch(run):
    assert_close(contracted(run.votes[0][0]), run.expected["ms_img_nodes_probe"], 2e-5)
    assert_close(contracted(run.votes[1]), run.expected["ms_pcd_nodes_probe"], 2e-5)


def test_a_node_has_the_points_nearest_to_it_at_most_128(run):
    points, members = matcher(run, "official")._members(torch.arange(106))
    assert [set(row) for row in by_original_index(run, points, members)] == [
        set(row) for row in run.expected["node_knn_indices"].tolist()
    ]
    assert (((members < len(points)).sum(1) >= 6).numpy() == run.expected["pcd_node_mask"]).all()


@pytest.mark.parametrize("variant", ["mutual3", *VARIANTS])
def test_coarse_matches_are_the_originals(run, variant):
    case = run.expected
    config = settings(run, variant if variant in VARIANTS else "official").matching
    if variant == "mutual3":
        config = override(config, {"max_distance": 2.0})
    valid = torch.from_numpy(case["pcd_node_mask"]).nonzero()[:, 0]
    patches, nodes = run.unit[0][0], run.unit[1][0]
    patch, node = match_coarse(patches, nodes[valid], config)
    node = valid[node]
    prefix = variant if variant == "mutual3" else f"{variant}_coarse"
    distance = ((2 - 2 * (patches[patch] * nodes[node]).sum(1)).clamp(min=0) + 1e-8).sqrt()
    ours, theirs = (
        np.lexsort((node, patch)),
        np.lexsort((case[f"{prefix}_pcd"], case[f"{prefix}_img"])),
    )
    assert (patch.numpy()[ours] == case[f"{prefix}_img"][theirs]).all() and (
        node.numpy()[ours] == case[f"{prefix}_pcd"][theirs]
    ).all()
    assert_close(distance[ours], case[f"{prefix}_dist"][theirs], 1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_matcher_finds_the_originals_pixels_and_points(run, variant):
    found = matcher(run, variant).match(run.view, None, StageTimer())[0].correspondences
    case = {
        name.removeprefix(f"{variant}_"): value
        for name, value in run.expected.items()
        if name.startswith(variant)
    }
    pixels = case["fine_pixels"][:, ::-1]
    ours = np.lexsort((found.scores, *found.pixels.T))
    theirs = np.lexsort((case["fine_score"], *pixels.T))
    assert (found.pixels[ours] == pixels[theirs]).all()
    assert np.abs(found.scores[ours] - case["fine_score"][theirs]).max() < 1e-5
    moved = case["fine_points_moved"]
    if (
        not run.network.config.network.query_depth
    ):  # mono: offsets are shares of the cloud's extent, for the query's depth is not known
        points = run.given["points_0"]
        moved = points[case["fine_point_index"]] + case["dct_rel"] * np.ptp(points, 0)
    assert np.abs(found.points[ours] - moved[theirs]).max() < 1e-5


def test_offsets_of_the_tuning_are_the_originals(run):
    case = run.expected
    pixels, points = (torch.from_numpy(case[f"lowered_{side}_feat"]) for side in ("img", "pcd"))
    where = ()
    if run.network.config.network.query_depth:
        rows, columns = case["lowered_fine_pixels"].T.astype(int)
        where = (
            torch.from_numpy(run.given["points_0"][case["lowered_fine_point_index"]]),
            back_project(run.view)[:, rows, columns].T,
        )
    with torch.inference_mode():
        offsets = run.network.tuning(
            pixels, points, *where, extent=torch.from_numpy(case["dct_extent"])
        )
    assert_close(offsets, case["lowered_dct_offset"], 1e-5)


def settings(run, variant: str):
    return override(run.network.config, {"matching": VARIANTS[variant]})


def matcher(run, variant: str) -> PointNetworkMatcher:
    """The matcher on a map of the reference's cloud, its features in full precision."""
    order = torch.argsort(pyramid(run.given).owners[0], stable=True)
    owners = pyramid(run.given).owners[0][order]
    tensors = {
        "points": torch.from_numpy(run.given["points_0"])[order],
        "fine": run.site.fine[order],
        "node_starts": torch.searchsorted(owners, torch.arange(107)),
        "node_points": torch.from_numpy(run.given["points_3"]),
        "nodes": run.site.nodes,
    }
    return PointNetworkMatcher(
        run.network, CompiledMap(FOLDER, {}, tensors), settings(run, variant)
    )


def by_original_index(run, points: torch.Tensor, members: torch.Tensor) -> list[list[int]]:
    order = torch.argsort(pyramid(run.given).owners[0], stable=True)
    return torch.cat([order[points], torch.tensor([5000])])[members].tolist()
