# SPDX-License-Identifier: Apache-2.0
"""The classical matcher finds the camera from rendered views alone, and its index stays small."""

import cv2
import numpy as np
import pytest

from diff2i2p.camera import View, rectify
from diff2i2p.config import AppearanceConfig, PnpConfig
from diff2i2p.geometry import pose_error
from diff2i2p.mapping import descriptor_index
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.viewpoints import GROUND, HEIGHTS, MAX_PLACES, viewpoints
from diff2i2p.matchers import MatchedPlace, StageTimer
from diff2i2p.matchers.appearance import AppearanceMatcher
from diff2i2p.pose.pnp import solve_pnp
from diff2i2p.render import Surfaces
from diff2i2p_sim.negatives import repeated

UP = np.array([0, 0, 1.0])


@pytest.fixture(scope="module")
def index(corner_localizer):
    return corner_localizer.map.appearance


def match(index, view: View) -> list[MatchedPlace]:
    return AppearanceMatcher(**index, config=AppearanceConfig()).match(view, None, StageTimer())


@pytest.mark.parametrize(
    "place, heading, roll",
    [((1.1, 1.7, 1.2), 70, 0), ((2.3, 1.4, 1.0), 20, 0), ((1.5, 1.5, 1.4), 45, 40)],
)
def test_a_camera_between_the_viewpoints_is_found_also_when_rolled(
    corner, index, looking, photograph, eye, place, heading, roll
):
    T = looking(place, heading, roll)
    correspondences = match(index, rectify(photograph(corner, T), eye, 320))[0].correspondences
    metres, degrees = pose_error(T, solve_pnp(correspondences, eye, PnpConfig()).T_map_camera)
    assert metres < 0.03 and degrees < 0.5


def test_matches_come_best_first_and_none_twice(corner, index, looking, photograph, eye):
    correspondences = match(
        index, rectify(photograph(corner, looking((1.1, 1.7, 1.2), 70)), eye, 320)
    )[0].correspondences
    assert (np.diff(correspondences.scores) <= 0).all()
    assert correspondences.scores.min() >= 0 and correspondences.scores.max() <= 1
    rows = np.column_stack([correspondences.pixels, correspondences.points])
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_every_good_match_in_a_map_that_holds_its_place_twice_has_its_double_among_the_alternatives(
    corner_localizer, corner, looking, photograph, eye
):
    twice, shift = (
        repeated(corner_localizer, np.array([15.0, 0, 0])).map.appearance,
        np.array([15.0, 0, 0]),
    )
    poor = cv2.blur(photograph(corner, looking((1.1, 1.7, 1.2), 70)), (7, 3))
    place = match(twice, rectify(poor, eye, 320))[0]
    others = place.alternatives()
    alternatives = set(map(tuple, np.column_stack([others.pixels, others.points]).round(2)))
    pixels, points = (
        place.correspondences.pixels[:200],
        place.correspondences.points[:200],
    )  # the best
    doubles = (np.column_stack([pixels, points + sign * shift]).round(2) for sign in (1, -1))
    assert (
        len(pixels) > 20
        and np.mean(
            [
                tuple(a) in alternatives or tuple(b) in alternatives
                for a, b in zip(*doubles, strict=True)
            ]
        )
        > 0.95
    )


def test_an_image_without_features_has_no_matches(index, eye):
    assert match(index, View(np.full((240, 320), 128, np.uint8), eye)) == []


def test_views_that_show_nothing_to_recognize_are_not_matched(
    corner, index, looking, photograph, eye
):
    view = rectify(photograph(corner, looking((1.4, 1.5, 1.1), 50)), eye, 320)
    features = len(index["points"])
    found = match({**index, "starts": np.array([0, 0, 0, features, features])}, view)
    assert len(found) == 2 and all(len(place.correspondences) for place in found)


def test_features_lie_on_the_surfaces_of_the_map(index):
    x, y, z = index["points"].T
    off = np.min([np.abs(z), np.abs(x - 4), np.abs(y - 4), np.abs(x - 2.6), np.abs(y - 3)], axis=0)
    assert len(off) > 1000 and np.percentile(off, 95) < 0.02


def test_a_full_index_keeps_the_strongest_features_of_every_view(corner, monkeypatch):
    monkeypatch.setattr(descriptor_index, "MAX_FEATURES", 1000)
    small = descriptor_index.build_appearance(
        DenseMap.build(corner), UP, AppearanceConfig(spacing=2.0, headings=6)
    )
    counts = np.diff(small["starts"])
    assert 900 < len(small["points"]) == counts.sum() <= 1000
    assert np.median(counts) == counts.max()


def test_viewpoints_are_free_and_stand_above_the_ground_around_them():
    x, y = (a.ravel() for a in np.mgrid[0:20:0.1, 0:4:0.1])
    stairs = np.where(x < 10, 0.0, 3.0)  # a lower and an upper storey
    places = viewpoints(np.stack([x, y, stairs], 1), 1.0)
    height = places[:, 2] - np.where(places[:, 0] < 10, 0, 3)
    sure = np.abs(places[:, 0] - 10) > GROUND + 1
    assert set(height[sure].round(6)) == set(HEIGHTS)


def test_every_storey_of_a_house_gets_viewpoints():
    x, y = (a.ravel() for a in np.mgrid[0:8:0.1, 0:6:0.1])
    slabs = [
        np.stack([x, y, np.full_like(x, z)], 1) for z in (0, 2.6, 3.0, 5.6)
    ]  # floors and ceilings
    table = np.stack([x, y, np.full_like(x, 0.75)], 1)[(x > 3) & (x < 5) & (y > 2) & (y < 4)]
    places = viewpoints(np.concatenate([*slabs, table]), 0.8)
    expected = [storey + height for storey in (0, 3) for height in HEIGHTS]
    assert np.allclose(np.unique(places[:, 2].round(6)), np.sort(expected))
    assert (places[:, 2] > 3).mean() > 0.4


def test_a_huge_map_gets_no_more_viewpoints_than_a_large_one():
    ground = np.random.default_rng(0).uniform((0, 0, 0), (1000, 1000, 0.1), (20000, 3))
    assert len(viewpoints(ground, 0.8)) < 1.3 * MAX_PLACES


def test_what_the_mask_leaves_out_takes_no_place_of_the_features_that_stay(eye):
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (240, 320)).astype(np.uint8), (0, 0), 2.0).astype(
        float
    )
    image[:, 160:] = 128 + 0.4 * (image[:, 160:] - 128)  # the fainter half
    holes = np.tile(np.arange(320) < 160, (240, 1))
    surfaces = Surfaces(
        image, np.where(holes, 0, 2).astype(np.float32), np.zeros_like(holes), holes
    )
    features = descriptor_index.describe(
        image.astype(np.uint8), surfaces, eye, np.eye(4), 40, descriptor_index.FAINT
    )
    assert len(features.points) == 40 and (features.points[:, 0] > 0).all()
