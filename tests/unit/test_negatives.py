# SPDX-License-Identifier: Apache-2.0
"""Whatever the camera sees, a pose is right or it is not given."""

import numpy as np
import pytest

from diff2i2p.geometry import pose_error
from diff2i2p_sim import negatives
from diff2i2p_sim.world import World

PLACES = [((1.4, 1.5, 1.1), 50), ((1.0, 2.0, 1.3), 30), ((2.0, 1.0, 1.0), 75)]  # camera and heading


@pytest.fixture(scope="module")
def poses(looking):
    return [looking(*place) for place in PLACES]


@pytest.fixture(scope="module")
def images(corner, poses, photograph):
    return [photograph(corner, T) for T in poses]


def test_the_images_themselves_are_found(corner_localizer, images, poses, eye):
    assert all(corner_localizer.localize(image, eye).ok for image in images)


@pytest.mark.parametrize("spoil", [negatives.blurred, negatives.dark, negatives.overexposed])
def test_a_spoiled_image_gets_the_right_pose_or_none(corner_localizer, images, poses, eye, spoil):
    rng = np.random.default_rng(0)
    for image, T in zip(images, poses, strict=True):
        spoiled = spoil(image, rng)
        answer = corner_localizer.localize(spoiled, eye)
        assert spoiled.shape == image.shape and not np.array_equal(spoiled, image)
        assert not answer.ok or pose_error(T, answer.T_map_camera)[0] < 0.25


@pytest.mark.parametrize("spoil", [negatives.covered, negatives.mirrored])
def test_an_image_of_nothing_in_the_map_gets_no_pose(corner_localizer, images, eye, spoil):
    rng = np.random.default_rng(0)
    assert [corner_localizer.localize(spoil(image, rng), eye).ok for image in images] == [
        False
    ] * len(images)


def test_the_same_walls_painted_otherwise_get_no_pose(
    corner_localizer, other_corner, poses, photograph, eye
):
    assert [corner_localizer.localize(photograph(other_corner, T), eye).ok for T in poses] == [
        False
    ] * len(poses)


def test_a_place_that_the_map_holds_twice_gets_no_pose(corner_localizer, images, eye):
    twice = negatives.repeated(corner_localizer, np.array([15.0, 0, 0]))
    assert len(twice.map.points) == 2 * len(corner_localizer.map.points)
    assert [twice.localize(image, eye).ok for image in images] == [False] * len(images)


def test_a_refurnished_office_has_the_same_walls_and_other_furniture():
    here = World.office(11, 1)
    ours, theirs = (
        {item.name: item for item in world.items}
        for world in (here, negatives.refurnished(here, 11, 1, tenant=3))
    )
    walls = [name for name in ours if name.startswith(negatives.STRUCTURE)]
    assert walls and all(theirs[name] == ours[name] for name in walls)
    furniture = {item for item in here.items if item.name not in walls}
    assert len(furniture & set(theirs.values())) < 0.1 * len(furniture)


def test_another_floor_is_built_alike_of_other_pieces_of_the_same_materials():
    here = World.office(11, 1)
    floor = {item.name: item for item in negatives.other_floor(here, 11, 1, floor=3).items}
    walls = [item for item in here.items if item.name.startswith(negatives.STRUCTURE)]
    pairs = [
        (a, b)
        for item in walls
        for a, b in zip(item.primitives, floor[item.name].primitives, strict=True)
    ]
    assert all(a.pose == b.pose and a.size == b.size for a, b in pairs)
    assert all(
        (a.texture.kind, a.texture.colour) == (b.texture.kind, b.texture.colour) for a, b in pairs
    )
    laid = [
        a.texture.seed != b.texture.seed for a, b in pairs if a.texture.kind in negatives.UNIQUE
    ]
    assert (
        laid
        and all(laid)
        and all(a == b for a, b in pairs if a.texture.kind not in negatives.UNIQUE)
    )


def test_a_changed_room_has_a_third_of_its_movable_furniture_elsewhere():
    here = World.office(11, 1)
    assert negatives.moved_share(here, here) == 0
    assert 0.3 <= negatives.moved_share(here, negatives.rearranged(here, 11)) < 0.8
