# SPDX-License-Identifier: Apache-2.0
"""A camera near where it is expected is followed, without a search; anywhere else it is searched."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.evaluation.metrics import pose_error
from diff2i2p.localization.follow import Follower
from diff2i2p.localization.localizer import Localizer, StageTimer
from diff2i2p.mapping.dense import DenseMap

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


@pytest.mark.parametrize("metres, degrees", [((0, 0, 0), (0, 0, 0)), ((0.15, -0.1, 0.05), (1, 4, -2)), ((-0.1, 0.2, 0), (0, -5, 1))])
def test_a_camera_near_where_it_is_expected_is_found_without_a_search(corner_localizer, image, truth, eye, metres, degrees):
    localizer = Localizer(corner_localizer.map, [Nobody()], corner_localizer.config)
    answer = localizer.localize(image, eye, moved(truth, metres, degrees))
    assert answer.ok and answer.matcher == "tracks" and answer.confidence >= localizer.config.track.sure
    error = pose_error(truth, answer.T_map_camera)
    assert error[0] < 0.02 and error[1] < 0.3
    assert "follow" in answer.milliseconds and np.linalg.eigvalsh(answer.covariance).min() > 0


def test_a_camera_far_from_where_it_is_expected_is_searched_and_found(corner_localizer, image, truth, eye):
    answer = corner_localizer.localize(image, eye, moved(truth, (0.5, -0.8, 0), (0, 60, 0)))
    assert answer.ok and answer.matcher == "appearance" and pose_error(truth, answer.T_map_camera)[0] < 0.02


def test_an_image_of_another_place_is_not_followed_into_the_map(corner_localizer, other_corner, truth, photograph, eye):
    assert not corner_localizer.localize(photograph(other_corner, truth), eye, truth).ok


def test_without_an_expectation_or_on_a_map_without_looks_nothing_is_followed(corner, corner_localizer, truth):
    bare = DenseMap.build(corner, colour=False)
    assert Follower(corner_localizer.map.dense).match(None, None, StageTimer()) == []
    assert Follower(bare).match(None, truth, StageTimer()) == []
