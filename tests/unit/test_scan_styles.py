# SPDX-License-Identifier: Apache-2.0
"""Every scan style does what its name says, in an empty room of 8 m by 6 m by 3 m."""

from dataclasses import replace

import numpy as np
import pytest

from diff2i2p_sim.description import Item, Light, Primitive, Room, Texture
from diff2i2p_sim.rendering.scan_style import ScanStyle
from diff2i2p_sim.world import World

HALF = np.array([4.0, 3.0, 1.5])
CENTRE = np.array([0.0, 0.0, 1.5])
EXACT = ScanStyle(noise=0.0, voxel=0.001, rays=48, sure=1.0)
MIDDLE = np.array([[0.2, -0.1, 1.2]])


@pytest.fixture(scope="module")
def room() -> World:
    """A floor, four walls and a ceiling, in one colour each."""
    thick = 0.1
    parts = []
    for axis in range(3):
        for sign in (-1, 1):
            middle, size = CENTRE.copy(), 2 * HALF + 2 * thick
            middle[axis] += sign * (HALF[axis] + thick / 2)
            size[axis] = thick
            colour = (0.9, 0.85 - 0.2 * axis, 0.5 + 0.2 * sign)
            texture = Texture("plain", 0, tuple(map(float, colour)), 0.3)
            parts.append(
                Primitive("box", (*map(float, middle), 0, 0, 0), tuple(map(float, size)), texture)
            )
    lamp = Light("lamp", (0.0, 0.0, 2.8), (0.0, 0.0, -1.0), 1.0)
    return World(
        (Item("room", tuple(parts)),), (lamp,), (Room("office", (-4.0, -3.0), (4.0, 3.0)),)
    )


def scanned(room, style, positions=MIDDLE, seed=0):
    return room.scan(np.random.default_rng(seed), positions, style)


def off_the_walls(points: np.ndarray) -> np.ndarray:
    """(N,) metres to the nearest of the six surfaces."""
    return np.abs(np.abs(points - CENTRE) - HALF).min(1)


@pytest.mark.parametrize("sensor", ["sphere", "rings", "depth"])
def test_without_noise_the_points_of_every_sensor_lie_on_the_walls(room, sensor):
    cloud = scanned(room, replace(EXACT, sensor=sensor))
    assert len(cloud) > 1000
    assert np.quantile(off_the_walls(cloud.points), 0.99) < 2e-3


def test_noise_is_as_large_as_it_says_and_grows_with_range_if_asked(room):
    even = off_the_walls(scanned(room, replace(EXACT, noise=0.02)).points)
    assert 0.005 < even.mean() < 0.02
    growing = scanned(room, replace(EXACT, noise_growth=0.1)).points
    far = np.linalg.norm(growing - MIDDLE[0], axis=1) > 3.5
    assert off_the_walls(growing[far]).mean() > 1.3 * off_the_walls(growing[~far]).mean()


def test_rings_are_few_heights_seen_from_the_sensor(room):
    cloud = scanned(room, replace(EXACT, sensor="rings", rays=16))
    offset = cloud.points - MIDDLE[0]
    rise = np.arctan2(offset[:, 2], np.hypot(offset[:, 0], offset[:, 1]))
    assert len(np.unique(np.round(rise, 3))) <= 2 * 16
    leaning = scanned(room, replace(EXACT, sensor="rings", rays=16, tilt=0.6)).points - MIDDLE[0]
    tilted = np.arctan2(leaning[:, 2], np.hypot(leaning[:, 0], leaning[:, 1]))
    assert len(np.unique(np.round(tilted, 3))) > 5 * 16


def test_nothing_is_measured_beyond_the_reach_or_nearer_than_the_nearest(room):
    cloud = scanned(room, replace(EXACT, nearest=1.4, reach=2.5))
    distance = np.linalg.norm(cloud.points - MIDDLE[0], axis=1)
    assert 1.4 <= distance.min() and distance.max() <= 2.5


def test_thinning_leaves_the_spacing_that_was_asked_for(room):
    fine, coarse = (len(scanned(room, replace(EXACT, voxel=voxel))) for voxel in (0.05, 0.2))
    assert coarse < 0.5 * fine


def test_grazing_surfaces_give_no_echo(room):
    steep = scanned(room, replace(EXACT, grazing=0.6))
    assert 0 < len(steep) < 0.9 * len(scanned(room, EXACT))


def test_a_run_that_saw_half_of_the_place_stood_in_one_half_only(room):
    positions = np.array([[x, 0.0, 1.2] for x in np.linspace(-3, 3, 7)])
    near = replace(EXACT, reach=2.0)
    whole, half = (scanned(room, replace(near, seen=seen), positions) for seen in (1.0, 0.5))
    assert np.ptp(half.points[:, 0]) < 0.8 * np.ptp(whole.points[:, 0])


def test_drift_doubles_the_walls_by_centimetres(room):
    positions = np.array([[x, 0.0, 1.2] for x in np.linspace(-2, 2, 5)])
    off = off_the_walls(scanned(room, replace(EXACT, drift=0.03), positions).points)
    assert 0.003 < off.mean() < 0.1


def test_mixed_points_hang_between_front_and_back():
    wall = Primitive("box", (3.0, 0, 1.5, 0, 0, 0), (0.1, 6.0, 3.0), Texture("plain"))
    post = Primitive("box", (1.5, 0, 1.5, 0, 0, 0), (0.1, 0.4, 3.0), Texture("plain"))
    lamp = Light("lamp", (0.0, 0.0, 2.8), (0.0, 0.0, -1.0), 1.0)
    world = World(
        (Item("two", (wall, post)),), (lamp,), (Room("office", (-1.0, -3.0), (3.0, 3.0)),)
    )
    position = np.array([[0.0, 0.0, 1.5]])
    clean, mixed = (
        world.scan(np.random.default_rng(0), position, replace(EXACT, mixed=share))
        for share in (0.0, 1.0)
    )
    between = [((c.points[:, 0] > 1.65) & (c.points[:, 0] < 2.9)).sum() for c in (clean, mixed)]
    assert between[0] == 0 and between[1] > 5


def test_infrared_is_not_what_the_camera_sees_and_leaves_the_points_alone(room):
    seen, infrared = (
        scanned(room, replace(EXACT, infrared=choice, incidence=False)) for choice in (False, True)
    )
    assert np.allclose(seen.points, infrared.points)
    assert np.array_equal(seen.colours, infrared.colours)
    assert np.abs(np.corrcoef(seen.intensity, infrared.intensity)[0, 1]) < 0.98
    assert 0 <= infrared.intensity.min() and infrared.intensity.max() <= 1


def test_an_uncorrected_intensity_falls_off_with_range(room):
    end = np.array([[-3.5, 0.0, 1.5]])
    corrected, raw = (
        scanned(room, replace(EXACT, corrected=choice), end) for choice in (True, False)
    )
    far = np.linalg.norm(raw.points - end[0], axis=1) > 6
    assert (raw.intensity[far] < 0.5 * corrected.intensity[far] + 1e-6).all()
    assert np.allclose(raw.intensity[~far].max(), corrected.intensity[~far].max(), rtol=0.2)


def test_black_is_lost_where_the_sensor_is_not_sure_of_it():
    black = Texture("plain", 0, (0.02, 0.02, 0.02), 0.3)
    wall = Primitive("box", (2.0, 0, 1.5, 0, 0, 0), (0.1, 4.0, 3.0), black)
    lamp = Light("lamp", (0.0, 0.0, 2.8), (0.0, 0.0, -1.0), 1.0)
    world = World((Item("wall", (wall,)),), (lamp,), (Room("office", (-1.0, -2.0), (2.0, 2.0)),))
    position = np.array([[0.0, 0.0, 1.5]])
    sure, unsure = (
        len(world.scan(np.random.default_rng(0), position, replace(EXACT, sure=share)))
        for share in (1.0, 0.1)
    )
    assert unsure < 0.3 * sure


def test_random_styles_differ_come_back_by_their_seed_and_all_work(room):
    styles = [ScanStyle.random(np.random.default_rng(seed)) for seed in range(12)]
    assert styles[3] == ScanStyle.random(np.random.default_rng(3))
    assert {style.sensor for style in styles} == {"sphere", "rings", "depth"}
    for style in styles[:6]:
        cloud = scanned(room, style)
        assert len(cloud) > 100 and np.isfinite(cloud.points).all()
        assert off_the_walls(cloud.points).mean() < 0.1
