# SPDX-License-Identifier: Apache-2.0
"""A camera near where it is expected is tracked, without a search; anywhere else it is searched."""

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.camera import View
from diff2i2p.cloud import PointCloud
from diff2i2p.config import PnpConfig
from diff2i2p.geometry import pose_error
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.matchers import StageTimer
from diff2i2p.matchers.klt import KltMatcher
from diff2i2p.parameters import override
from diff2i2p.pose.pnp import solve_pnp
from diff2i2p.render import render_cloud

PNP = PnpConfig()
HERE = (1.4, 1.5, 1.1), 62  # place and heading


@pytest.fixture
def truth(looking):
    return looking(*HERE)


@pytest.fixture
def image(corner, truth, photograph):
    return photograph(corner, truth)


def moved(T: np.ndarray, metres, degrees) -> np.ndarray:
    after = T.copy()
    after[:3, 3] += metres
    after[:3, :3] = after[:3, :3] @ Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    return after


class Nobody:
    """A matcher that must not be asked."""

    def match(self, view, prior, timer):
        pytest.fail("searched for a camera that is where it is expected")


@pytest.mark.parametrize(
    "metres, degrees",
    [((0, 0, 0), (0, 0, 0)), ((0.15, -0.1, 0.05), (1, 4, -2)), ((-0.1, 0.15, 0), (0, -12, 1))],
)
def test_a_camera_near_where_it_is_expected_is_found_without_a_search(
    corner_localizer, image, truth, eye, metres, degrees
):
    localizer = Localizer(
        corner_localizer.map,
        [Nobody()],
        override(corner_localizer.config, {"track": {"sure": 0.999}}),
    )
    answer = localizer.localize(image, eye, moved(truth, metres, degrees))
    assert answer.ok and answer.matcher == "tracks" and 0.9 <= answer.confidence < 0.999
    error = pose_error(truth, answer.T_map_camera)
    assert error[0] < 0.02 and error[1] < 0.3
    assert "klt" in answer.milliseconds and np.linalg.eigvalsh(answer.covariance).min() > 0


def test_a_camera_far_from_where_it_is_expected_is_searched_and_found(
    corner_localizer, image, truth, eye
):
    answer = corner_localizer.localize(image, eye, moved(truth, (0.5, -0.8, 0), (0, 60, 0)))
    assert (
        answer.ok
        and answer.matcher == "appearance"
        and pose_error(truth, answer.T_map_camera)[0] < 0.02
    )


def test_an_image_of_another_place_is_not_tracked_into_the_map(
    corner_localizer, other_corner, truth, photograph, eye
):
    assert not corner_localizer.localize(photograph(other_corner, truth), eye, truth).ok


def test_nothing_is_tracked_where_the_map_has_nothing_nor_into_an_image_that_shows_nothing(
    corner_localizer, truth, eye
):
    klt, blank = (
        KltMatcher(corner_localizer.map.dense),
        View(np.full((240, 320), 255, np.uint8), eye),
    )
    assert klt.match(blank, truth, StageTimer()) == []
    assert klt.match(blank, moved(truth, (1e4, 0, 0), (0, 0, 0)), StageTimer()) == []


def test_without_an_expectation_or_on_a_bare_map_nothing_is_tracked(
    corner, corner_localizer, truth
):
    bare = DenseMap.build(corner, colour=False)
    assert KltMatcher(corner_localizer.map.dense).match(None, None, StageTimer()) == []
    assert KltMatcher(bare).match(None, truth, StageTimer()) == []


def test_along_a_wall_that_repeats_itself_a_camera_is_not_tracked_to_the_next_piece(eye):
    """One piece is 0.8 m long: from more than half of that away the next one is nearer than the right one."""
    rng = np.random.default_rng(0)
    piece = cv2.GaussianBlur(
        rng.normal(size=(100, 40)).astype(np.float32), (0, 0), 2, borderType=cv2.BORDER_REFLECT
    )
    shades = np.tile(128 + 60 * piece / piece.std() / 2, (1, 12)).clip(0, 255).astype(np.uint8)
    v, u = np.indices(shades.shape)
    points = np.stack([0.02 * u.ravel(), np.full(u.size, 2.0), 0.02 * v.ravel()], 1).astype(
        np.float32
    )
    wall = DenseMap.build(PointCloud(points, intensity=shades.ravel() / np.float32(255)))
    truth = np.eye(4)
    truth[:3, :3], truth[:3, 3] = (
        Rotation.from_euler("x", -90, degrees=True).as_matrix(),
        (4.8, 0.5, 1.0),
    )
    view = View(render_cloud(wall.points, wall.shades, eye, truth, 0.03).image, eye)
    klt = KltMatcher(wall)
    assert klt.match(view, moved(truth, (0.1, 0, 0), (0, 0, 0)), StageTimer())
    for aside in np.arange(-1.0, 1.01, 0.1):
        for place in klt.match(view, moved(truth, (aside, 0, 0), (0, 0, 0)), StageTimer()):
            assert (
                np.linalg.norm(
                    solve_pnp(place.correspondences, eye, PNP).T_map_camera[:3, 3] - truth[:3, 3]
                )
                < 0.05
                or abs(aside) > 0.55
            )
