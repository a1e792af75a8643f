# SPDX-License-Identifier: Apache-2.0
"""Places of every kind are closed, stand on the ground, leave room to move, repeat by seed."""

import numpy as np
import pytest

from diff2i2p.camera import Camera
from diff2i2p_sim.description import Item
from diff2i2p_sim.lighting import random_lighting
from diff2i2p_sim.places import PLACES
from diff2i2p_sim.rendering.light_bake import inside_any
from diff2i2p_sim.rendering.raycast import Pinhole, cast
from diff2i2p_sim.robot.drive import survey
from diff2i2p_sim.world import World

GLANCE = Pinhole(64, 48, 46.0, 46.0, 31.5, 23.5)
POSES = 6
FLOATING = 0.06  # metres that a thing may hang above what carries it, tilted as it may be


@pytest.fixture(scope="module", params=sorted(PLACES))
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def place(name) -> World:
    return World.place(5, name)


@pytest.fixture(scope="module")
def poses(place):
    return place.handheld(1, POSES)


def kind(item: Item) -> str:
    return item.name.rsplit("_", 1)[0]


def test_the_same_seed_gives_the_same_place_and_another_seed_another(name, place):
    assert World.place(5, name) == place
    assert World.place(6, name) != place


def test_a_kind_drawn_by_the_seed_is_one_of_all():
    drawn = {World.place(seed).rooms[0].kind for seed in range(12)}
    assert len(drawn) > 3


def test_a_kind_that_nobody_knows_is_refused_with_the_kinds_there_are():
    with pytest.raises(ValueError, match="'cave'.*home"):
        World.place(1, "cave")


def test_every_ray_meets_a_surface(place, poses):
    for pose in poses:
        first, _, _ = cast(place.stage.faces, GLANCE, pose)
        assert (first >= 0).all()


def test_views_are_neither_blocked_nor_below_the_floor(place, poses):
    for pose in poses:
        _, inverse, _ = cast(place.stage.faces, GLANCE, pose)
        assert np.median(1 / inverse) > 0.6
    heights = poses[:, 2, 3]
    assert (heights > 0.5).all() and (heights < 2.0).all()


def test_poses_are_inside_a_room_and_outside_of_everything(place, poses):
    points = poses[:, :3, 3]
    rooms = [
        ((points[:, :2] > room.low) & (points[:, :2] < room.high)).all(1) for room in place.rooms
    ]
    through_doorways = 1  # between two rooms
    assert np.any(rooms, axis=0).sum() >= POSES - through_doorways
    assert not inside_any(points.astype(np.float32), place.primitives).any()


def test_there_is_room_to_drive_and_every_drive_keeps_clear(place):
    floor = survey(place.items, place.rooms)
    assert len(floor.cells) > 50  # half a square metre where the robot fits with all of its body
    _, track = place.drive(1, 30, cover=True)
    assert floor.clearance_at(track[:, :2, 3]).min() > 0.2


def test_what_can_be_moved_stands_on_the_ground(place):
    for item in place.items:
        if item.movable:
            assert abs(item.bounds[0, 2]) < 0.12, item.name


def test_things_rest_on_something(place):
    carriers = [part for item in place.items if kind(item) != "thing" for part in item.primitives]
    bounds = np.stack([Item("", (part,)).bounds for part in carriers])
    for thing in (item for item in place.items if kind(item) == "thing"):
        low, high = thing.bounds
        over = (bounds[:, 0, :2] < high[:2]).all(1) & (bounds[:, 1, :2] > low[:2]).all(1)
        at = (bounds[:, 0, 2] < low[2] + FLOATING) & (bounds[:, 1, 2] > low[2] - FLOATING)
        assert (over & at).any(), thing.name


def test_another_day_keeps_the_walls_and_changes_small_things(place):
    day = place.changed(3)
    assert day == place.changed(3) != place.changed(4)
    before, after = ({item.name: item for item in world.items} for world in (place, day))
    fixed = [
        name for name, item in before.items() if kind(item) in ("wall", "shell", "house", "pillar")
    ]
    assert all(after[name].bounds.tolist() == before[name].bounds.tolist() for name in fixed)
    things = [name for name in before if kind(before[name]) == "thing"]
    still = [name for name in things if after.get(name) == before[name]]
    assert len(things) < 10 or len(still) <= 0.7 * len(things)


def test_a_street_has_sky_without_depth_and_a_ground_under_the_sun():
    street = World.place(5, "street")
    camera = Camera(96, 72, (60.0, 60.0, 47.5, 35.5))
    image, depth = (frames[0] for frames in street.render(camera, street.handheld(2, 1), "day"))
    assert 0 < (depth == 0).mean() < 0.9
    assert image[depth == 0].mean() > 20
    assert (depth > 0).any()


def test_a_place_survives_being_written_as_sdf(tmp_path):
    street = World.place(5, "street")
    street.to_sdf(tmp_path / "street.sdf")
    again = World.from_sdf(tmp_path / "street.sdf")
    assert (again.items, again.lights, again.rooms) == (street.items, street.lights, street.rooms)


def test_random_light_is_by_night_glaring_or_dark_at_times_and_the_same_for_the_same_seed():
    drawn = [random_lighting(np.random.default_rng(seed)) for seed in range(150)]
    assert drawn[7] == random_lighting(np.random.default_rng(7))
    assert any(light.windows < 0.05 and light.level > 0.5 for light in drawn)
    assert any(light.windows > 2 for light in drawn)
    assert any(light.level < 0.45 for light in drawn) and any(light.level > 1.2 for light in drawn)
    assert (
        min(random_lighting(np.random.default_rng(seed), True).windows for seed in range(80))
        >= 0.05
    )
