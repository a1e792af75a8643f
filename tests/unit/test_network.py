# SPDX-License-Identifier: Apache-2.0
"""The network's parts: pyramid, point convolution, matching, tuning."""

import numpy as np
import pytest
import torch

from diff2i2p.config import PAPER, Config, MatchingConfig
from diff2i2p.mapping.pyramid import build_pyramid
from diff2i2p.network import point_backbone
from diff2i2p.network.coarse_to_fine import gather_matches, match_around, match_coarse, match_fine
from diff2i2p.network.conv3x3_cpu import MIN_CHANNELS, Conv3x3
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.network.point_backbone import KernelPointConvolution, kernel_disposition
from diff2i2p.parameters import override

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
def pyramid():
    points = np.random.default_rng(0).uniform(0, 3, (20000, 3)).astype(np.float32)
    points[:, 2] *= 0.02
    return build_pyramid(points, points[:, 0] / 3, 0.08, 4, 12)


def test_a_pyramid_keeps_one_point_per_voxel_and_doubles_its_spacing(pyramid):
    counts = [len(points) for points in pyramid.points]
    assert all(fine > 2 * coarse for fine, coarse in zip(counts[:-1], counts[1:], strict=True))
    cells = np.floor((pyramid.points[0].numpy() - pyramid.points[0].numpy().min(0)) / 0.08)
    assert len(np.unique(cells, axis=0)) > 0.6 * counts[0]


def test_the_first_neighbour_of_a_point_is_the_point_itself(pyramid):
    for points, neighbours in zip(pyramid.points, pyramid.neighbours, strict=True):
        assert (neighbours[:, 0] == torch.arange(len(points))).all()


def test_with_a_radius_only_neighbours_within_it_count():
    points = np.random.default_rng(0).uniform(0, 1, (2000, 3)).astype(np.float32)
    reached = build_pyramid(points, None, 0.1, 2, 40, radius=2.5)
    for tables, queries, support, reach in (
        (reached.neighbours[0], reached.points[0], reached.points[0], 0.25),
        (reached.pools[0], reached.points[1], reached.points[0], 0.25),
        (reached.rises[0], reached.points[0], reached.points[1], 0.5),
    ):
        real = tables < len(support)
        distance = (support[tables.clamp(max=len(support) - 1)] - queries[:, None]).norm(dim=2)
        assert distance[real].max() <= reach and not real.all()
        within = (torch.cdist(queries, support) < reach - 1e-6).sum(1).clamp(max=40)
        assert (real.sum(1) >= within).all()


def test_a_crop_gives_inner_points_the_features_they_have_in_the_whole_map(pyramid):
    network = Diff2I2P(SMALL).eval()
    inside = pyramid.nodes[:, 0] < 2.2
    with torch.no_grad():
        whole, part = network.encode_map(pyramid), network.encode_map(pyramid.crop(inside))
    kept = inside[pyramid.owners[0]]
    deep = (pyramid.points[0][kept][:, 0] < 0.2).nonzero()[:, 0]
    assert len(part.fine) == kept.sum()
    assert torch.cosine_similarity(whole.fine[kept][deep], part.fine[deep]).median() > 0.99


def test_kernel_points_are_a_centre_and_a_unit_sphere():
    points = kernel_disposition()
    assert np.allclose(np.linalg.norm(points, axis=1), [0] + [1] * 14)
    gaps = np.linalg.norm(points[1:, None] - points[1:], axis=2) + 9 * np.eye(14)
    assert gaps.min() > 0.7


def test_a_point_convolution_follows_its_definition():
    torch.manual_seed(0)
    conv = KernelPointConvolution(2, 3, voxel=0.1).double()
    support, features = torch.rand(6, 3).double() * 0.3, torch.rand(6, 2).double()
    index = torch.tensor([[0, 1, 2, 6], [3, 4, 5, 1]])  # 6 is padding
    got = conv(features, support[:2], support, index)
    for query in range(2):
        near = [i for i in index[query].tolist() if i < 6]
        expected = torch.zeros(3).double()
        for i in near:
            for kernel_point, weight in zip(conv.kernel_points, conv.weights, strict=True):
                distance = (support[i] - support[query] - 0.1 * kernel_point).norm()
                expected += (1 - distance / 0.2).clamp(min=0) * (features[i] @ weight)
        assert torch.allclose(got[query], expected / len(near) + conv.bias)


def test_point_features_do_not_depend_on_how_many_are_computed_at_once(pyramid, monkeypatch):
    network = Diff2I2P(SMALL).eval()
    with torch.no_grad():
        together = network.encode_map(pyramid)
        monkeypatch.setattr(point_backbone, "AT_ONCE", 3000)
        parts = network.encode_map(pyramid)
    with_gradient = network.encode_map(pyramid)
    for other in (parts, with_gradient):
        assert torch.allclose(together.fine, other.fine, atol=1e-5) and torch.allclose(
            together.nodes, other.nodes, atol=1e-4
        )


def test_a_wide_convolution_gives_the_same_the_quick_way():
    torch.manual_seed(0)
    conv, x = Conv3x3(MIN_CHANNELS, 24), torch.randn(1, MIN_CHANNELS, 61, 83)
    with torch.no_grad():
        quick = conv(x)
    direct = conv(x)  # with a gradient
    assert quick.shape == direct.shape and not torch.equal(quick, direct)
    assert (quick - direct).abs().max() < 3e-5 * direct.abs().max()


@pytest.mark.parametrize("size", [(61, 83), (8, 16), (3, 2)])
def test_a_convolution_learns_the_same_the_quick_way(size):
    torch.manual_seed(0)
    conv, x = Conv3x3(12, 24), torch.randn(2, 12, *size, requires_grad=True)
    pull = torch.randn(2, 24, *size)
    wanted = (x, conv.weight, conv.bias)
    quick = torch.autograd.grad(conv(x), wanted, pull)
    direct = torch.autograd.grad(
        torch.nn.functional.conv2d(x, conv.weight, conv.bias, padding=1), wanted, pull
    )
    assert not torch.equal(quick[1], direct[1])
    for ours, theirs in zip(quick, direct, strict=True):
        assert (ours - theirs).abs().max() < 3e-5 * theirs.abs().max()


def test_every_second_fine_feature_alone_is_what_the_whole_map_has_there():
    config = override(SMALL, {"network": {"fine_stride": 1, "fine_step": 2, "thin_decoder": False}})
    backbone, image = Diff2I2P(config).image_backbone, torch.rand(1, 1, 64, 96)
    with torch.no_grad():
        whole, few = backbone.train()(image)[0], backbone.eval()(image)[0]
    assert whole.shape[-2:] == (64, 96) and few.shape[-2:] == (32, 48)
    assert torch.allclose(few, whole[..., ::2, ::2], atol=1e-5)


def test_one_map_feature_does_not_depend_on_the_image_and_any_image_size_fits(pyramid):
    network = Diff2I2P(SMALL).eval()
    with torch.no_grad():
        site = network.encode_map(pyramid)
        for height, width in ((240, 320), (180, 320), (200, 320)):
            image = network.encode_image(torch.rand(1, 1, height, width))
            assert image.fine.shape[-2:] == (-(-height // 4), width // 4)
            patches, nodes = network.fuse(image.tokens, site.nodes[None], pyramid.nodes[None])
            assert torch.allclose(patches.norm(dim=-1), torch.ones(())) and torch.allclose(
                nodes.norm(dim=-1), torch.ones(())
            )


def test_coarse_matching_pairs_what_looks_alike():
    nodes = torch.nn.functional.normalize(
        torch.randn(40, 16, generator=torch.manual_seed(0)), dim=1
    )
    patch, node = match_coarse(
        nodes[[7, 3, 20]], nodes, MatchingConfig(nodes_per_patch=1, patches_per_node=1)
    )
    assert dict(zip(patch.tolist(), node.tolist(), strict=True)) == {0: 7, 1: 3, 2: 20}


def test_fine_matching_is_mutual_ignores_padding_and_keeps_one_point_per_pixel():
    torch.manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(30, 16), dim=1)
    cells = torch.cat([points[[4, 9]], -points[:1]])
    patch_cells = torch.tensor([[0, 1, 3], [0, 1, 3]])  # 3 pads; two coarse pairs share the patch
    node_points = torch.tensor([[4, 5, 6, 30], [9, 10, 4, 30]])
    config = MatchingConfig(min_score=0.5)
    matches = gather_matches(
        [match_fine(cells, points, patch_cells, node_points, config)], len(points), config
    )
    assert sorted(zip(matches.cells.tolist(), matches.points.tolist(), strict=True)) == [
        (0, 4),
        (1, 9),
    ]
    assert (matches.scores > 0.99).all()


@pytest.mark.parametrize("partners", [1, 2])
def test_fine_matching_finds_the_same_in_parts_as_all_at_once(monkeypatch, partners):
    rng = torch.manual_seed(0)
    points, cells = (
        torch.nn.functional.normalize(torch.randn(count, 8, generator=rng), dim=1)
        for count in (40, 25)
    )
    patch_cells, node_points = (
        torch.randint(high, (50, width), generator=rng) for high, width in ((26, 4), (40, 12))
    )
    sizes = torch.randint(0, 13, (50, 1), generator=rng)
    node_points[torch.arange(12) >= sizes] = 40  # padding
    config = MatchingConfig(min_score=0.1, partners=partners)

    def found():
        matches = match_fine(cells, points, patch_cells, node_points, config)
        return sorted(
            zip(
                matches.cells.tolist(),
                matches.points.tolist(),
                matches.scores.tolist(),
                strict=True,
            )
        )

    whole = found()
    monkeypatch.setattr("diff2i2p.network.coarse_to_fine.AT_ONCE", 8 * 12 * 3)
    in_parts = found()
    assert len(whole) > 20
    np.testing.assert_allclose(in_parts, whole, rtol=1e-5)


def test_around_a_pose_every_point_finds_the_cell_like_it_in_its_window_and_no_other():
    torch.manual_seed(0)
    cells = torch.nn.functional.normalize(torch.randn(12 * 20, 16), dim=1)  # 12 rows of 20
    seen = torch.tensor([0, 2 * 20 + 7, 11 * 20 + 19, 6 * 20 + 10])
    expected = torch.tensor(
        [[3, 2], [7, 2], [19, 11], [1, 6]]
    )  # column and row; the last is too far away
    matches = match_around(cells, 20, cells[seen], expected)
    assert matches.cells[:3].tolist() == seen[:3].tolist() and (matches.scores[:3] > 0.99).all()
    assert matches.cells[3] != seen[3] and (matches.cells[3] % 20 - 1).abs() <= 4
    assert len(match_around(cells, 20, cells[:0], expected[:0]).cells) == 0


def test_no_coarse_pair_gives_no_match():
    none = torch.zeros((0, 4), dtype=torch.long)
    assert (
        len(match_fine(torch.rand(5, 8), torch.rand(6, 8), none, none, MatchingConfig()).scores)
        == 0
    )


def test_untrained_tuning_moves_nothing():
    network = Diff2I2P(SMALL)
    assert (network.tuning(torch.rand(5, 16), torch.rand(5, 16)) == 0).all()


def test_the_paper_preset_has_the_parameters_of_the_original():
    parts = {
        name: sum(p.numel() for p in part.parameters())
        for name, part in Diff2I2P(override(Config(), PAPER)).named_children()
    }
    assert parts["image_backbone"] == 17_588_096
    assert parts["point_backbone"] == 6_076_160
    assert parts["fusion"] + parts["image_proj"] + parts["point_proj"] == 3_649_536
    assert parts["patches"] == 3_740_928
    assert parts["tuning"] == 33_283
