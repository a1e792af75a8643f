# SPDX-License-Identifier: Apache-2.0
"""In a corridor that repeats itself the right one of all places that look alike is found."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from diff2i2p.camera import Camera, View
from diff2i2p.cloud import PointCloud
from diff2i2p.config import Config
from diff2i2p.correspondences import Correspondences
from diff2i2p.geometry import pose_error
from diff2i2p.localization.hypotheses import Hypothesis, propose
from diff2i2p.localization.localizer import Localizer
from diff2i2p.localization.repetition import find_line, slide
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.matchers import MatchedPlace
from diff2i2p.pose.render_compare import compare
from diff2i2p.render import close_cracks, render_cloud

CAMERA, PNP = Camera(320, 240, (240.0, 240.0, 159.5, 119.5)), Config().pnp
LENGTH, WIDTH, HEIGHT, PERIOD = 24.0, 2.4, 2.6, 1.2  # metres
FINE = 0.02
# Looks along the corridor.
TRUTH = np.array([[0, 0, 1, 9.2], [-1, 0, 0, 1.1], [0, -1, 0, 1.3], [0, 0, 0, 1.0]])


@pytest.fixture(scope="module")
def corridor():
    """Walls, floor and ceiling in one pattern again and again, and faint marks here and there that are found once."""
    rng = np.random.default_rng(0)
    pattern, marks = (
        rng.uniform(low, high, (size, 80)) for low, high, size in ((0.2, 0.8, 12), (-0.2, 0.2, 240))
    )
    along = np.arange(0, LENGTH, FINE)
    around = np.arange(0, 2 * (WIDTH + HEIGHT), FINE)
    x, s = (axis.ravel() for axis in np.meshgrid(along, around))
    y = np.interp(
        s,
        (0, WIDTH, WIDTH + HEIGHT, 2 * WIDTH + HEIGHT, 2 * (WIDTH + HEIGHT)),
        (0, WIDTH, WIDTH, 0, 0),
    )
    z = np.interp(
        s,
        (0, WIDTH, WIDTH + HEIGHT, 2 * WIDTH + HEIGHT, 2 * (WIDTH + HEIGHT)),
        (0, 0, HEIGHT, HEIGHT, 0),
    )
    side = (8 * s).astype(int)
    shade = pattern[(10 * (x % PERIOD)).astype(int), side] + marks[(10 * x).astype(int), side]
    return PointCloud(
        np.stack([x, y, z], 1).astype(np.float32), intensity=shade.clip(0, 1).astype(np.float32)
    )


@pytest.fixture(scope="module")
def dense(corridor):
    return DenseMap.build(corridor)


@pytest.fixture(scope="module")
def view(corridor):
    picture = close_cracks(
        render_cloud(
            corridor.points, (corridor.grey * 255).astype(np.uint8), CAMERA, TRUTH, 1.5 * FINE
        )
    ).image
    return View(
        (0.6 * picture + np.random.default_rng(1).normal(0, 3, picture.shape))
        .clip(0, 255)
        .astype(np.uint8),
        CAMERA,
    )


def seen_from(T: np.ndarray, moved: float, count: int) -> MatchedPlace:
    """Matches of an image taken at T, all with what looks alike `moved` metres further along."""
    rng = np.random.default_rng(count)
    pixels = rng.uniform((0, 0), (320, 240), (count, 2))
    points = (
        (CAMERA.rays(pixels) * rng.uniform(1, 4, (count, 1))) @ T[:3, :3].T
        + T[:3, 3]
        + [moved, 0, 0]
    )
    return MatchedPlace(Correspondences(pixels, points, np.ones(count, np.float32), "appearance"))


def test_two_places_that_look_the_same_way_are_one_line_and_others_are_none():
    turned = TRUTH @ np.array([[0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1.0]])
    here, further, aside = (
        seen_from(T, moved, 60) for T, moved in ((TRUTH, -3.6), (TRUTH, 2.4), (turned, 2.4))
    )
    line = find_line(propose([here, further, aside], CAMERA, PNP))
    assert abs(line.direction @ (1, 0, 0)) > 0.999
    assert line.holds(propose([seen_from(TRUTH, 7.2, 60)], CAMERA, PNP)[0]) and not line.holds(
        propose([aside], CAMERA, PNP)[0]
    )
    assert find_line(propose([here, aside], CAMERA, PNP)) is None


def test_the_image_slides_to_where_the_map_looks_like_it(dense, view):
    line = find_line(propose([seen_from(TRUTH, -3.6, 60), seen_from(TRUTH, 2.4, 40)], CAMERA, PNP))
    best = slide(line, compare(view, dense, line.place.pose.T_map_camera), dense)[0]
    assert pose_error(TRUTH, best.pose.T_map_camera)[0] < 0.06
    assert isinstance(best, Hypothesis) and best.pose.inliers.sum() >= 40
    moved = best.correspondences.points - line.place.correspondences.points
    assert np.allclose(moved, moved[0]) and abs(np.linalg.norm(moved[0]) - 3.6) < 0.06


def test_floors_one_above_the_other_are_a_line_too(dense, view):
    upright = seen_from(TRUTH, 0, 60)
    below = seen_from(TRUTH, 0, 40).correspondences
    above = MatchedPlace(replace(below, points=below.points + [0, 0, 3.2]))
    line = find_line(propose([upright, above], CAMERA, PNP))
    assert abs(line.direction @ (0, 0, 1)) > 0.999
    assert slide(line, compare(view, dense, TRUTH), dense) == []  # the map has no other floor


def test_a_camera_that_matches_took_for_others_along_a_corridor_is_found(dense, view):
    says = SimpleNamespace(match=lambda *_: [seen_from(TRUTH, -3.6, 60), seen_from(TRUTH, 2.4, 40)])
    localizer = Localizer(
        SimpleNamespace(dense=dense, up=np.array([0, 0, 1.0]), origin=np.zeros(3)), [says], Config()
    )
    answer = localizer.localize(view.grey, CAMERA)
    metres, degrees = pose_error(TRUTH, answer.T_map_camera)
    assert metres < 0.05 and degrees < 0.5
