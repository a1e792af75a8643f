# SPDX-License-Identifier: Apache-2.0
"""The memory of a site's places: codes told apart by where they are."""

import torch

from diff2i2p.network.place_memory import FINEST, PlaceMemory


def places(count: int) -> torch.Tensor:
    return 10 * torch.randn(count, 3, generator=torch.Generator().manual_seed(0))


def test_places_differ_before_anything_is_learned():
    torch.manual_seed(0)
    codes = PlaceMemory(8, 16).of_nodes(places(200))
    alike = torch.corrcoef(codes)[~torch.eye(200, dtype=bool)]
    assert alike.abs().mean() < 0.4


def test_what_is_remembered_changes_smoothly_also_across_the_borders_of_cells():
    memory = PlaceMemory(8, 16)
    line = torch.zeros(801, 3)
    line[:, 0] = torch.linspace(-2, 2, 801)  # ten cells each way, in steps of a fortieth of one
    steps = (memory.of_points(line)[1:] - memory.of_points(line)[:-1]).norm(dim=1)
    assert steps.max() < 0.2 * (memory.of_points(line)[:400] - memory.of_points(line)[401:]).norm(dim=1).mean()


def test_learning_about_one_place_leaves_the_others_as_they_were():
    memory = PlaceMemory(8, 16)
    here, elsewhere = torch.zeros(1, 3), torch.tensor([[30.0, -20.0, 2.0]])
    before = memory.of_points(elsewhere).detach()
    memory.of_points(here).sum().backward()
    touched = memory.codes.grad.abs().sum(1) > 0
    assert 0 < touched.sum() <= 8 * 4
    with torch.no_grad():
        memory.codes -= 10 * memory.codes.grad
    assert torch.allclose(memory.of_points(elsewhere), before)


def test_places_a_cell_apart_can_be_told_apart():
    memory = PlaceMemory(8, 16)
    codes = memory.of_points(torch.tensor([[0.0, 0.0, 0.0], [FINEST, 0.0, 0.0]]))
    assert (codes[0] - codes[1]).norm() > 0.1 * codes[0].norm()
