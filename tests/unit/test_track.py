# SPDX-License-Identifier: Apache-2.0
"""The tracker believes what can be, and lets go of what no longer is."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.config import Config
from diff2i2p.localization.result import Localization, Status
from diff2i2p.localization.track import State, Tracker
from diff2i2p.parameters import override

MISS = Localization(Status.NO_MATCHES)


def at(x: float, yaw: float = 0.0) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("y", yaw, degrees=True).as_matrix()
    T[0, 3] = x
    return T


def fix(x: float, yaw: float = 0.0, confidence: float = 0.97) -> Localization:
    return Localization(Status.OK, at(x, yaw), np.eye(6), confidence)


def rejected(x: float, yaw: float = 0.0, confidence: float = 0.4) -> Localization:
    return fix(x, yaw, confidence).withheld(Status.REJECTED_LOW_CONFIDENCE)


@pytest.fixture
def tracker() -> Tracker:
    track = {
        "max_speed": 2.0,
        "max_turn_rate": 1.0,
        "sure": 0.9,
        "odometry_drift": 0.2,
        "lost_after": 3,
    }
    return Tracker(override(Config(), {"track": track, "verify": {"min_confidence": 0.65}}))


def test_a_new_tracker_is_lost_and_expects_nothing(tracker):
    assert tracker.state is State.LOST
    assert tracker.predict() is None


def test_a_first_fix_is_believed_anywhere_and_is_expected_again(tracker):
    assert tracker.update(0.0, fix(100.0)).ok
    assert tracker.state is State.TRACKING
    np.testing.assert_allclose(tracker.predict(), at(100.0))


def test_odometry_moves_the_prediction_on(tracker):
    tracker.update(0.0, fix(10.0, 90.0), T_odom_camera=at(1.0))
    moved_forward = tracker.predict(T_odom_camera=at(1.0) @ at(0.3))
    np.testing.assert_allclose(moved_forward, at(10.0, 90.0) @ at(0.3), atol=1e-12)


@pytest.mark.parametrize("jump", [fix(2.0), fix(0.0, 40.0)], ids=["too far", "turned too far"])
def test_a_jump_no_robot_can_make_is_rejected_without_a_pose(tracker, jump):
    tracker.update(0.0, fix(0.0))
    answer = tracker.update(0.1, jump)
    assert answer.status is Status.REJECTED_MOTION
    assert answer.T_map_camera is None and answer.covariance is None
    np.testing.assert_allclose(tracker.predict(), at(0.0))


def test_the_same_move_is_believed_once_there_was_time_for_it(tracker):
    tracker.update(0.0, fix(0.0))
    assert tracker.update(1.0, fix(2.0)).ok


def test_a_jump_that_odometry_confirms_is_believed(tracker):
    tracker.update(0.0, fix(0.0), T_odom_camera=at(0.0))
    assert tracker.update(0.1, fix(5.0), T_odom_camera=at(5.0)).ok


def test_after_too_many_misses_it_is_lost_and_believes_a_far_fix(tracker):
    tracker.update(0.0, fix(0.0))
    for stamp in (0.1, 0.2):
        assert tracker.update(stamp, MISS).status is Status.NO_MATCHES
        assert tracker.state is State.TRACKING
    tracker.update(0.3, MISS)
    assert tracker.state is State.LOST
    assert tracker.update(0.4, fix(50.0)).ok


def test_a_wrong_first_fix_is_given_up_after_a_few_contradictions(tracker):
    tracker.update(0.0, fix(50.0))
    answers = [tracker.update(0.1 * n, fix(0.0)).ok for n in range(1, 5)]
    assert answers == [False, False, False, True]


def test_a_fix_between_misses_starts_the_count_again(tracker):
    for n in range(6):
        tracker.update(0.1 * n, fix(0.0) if n % 3 == 0 else MISS)
    assert tracker.state is State.TRACKING


def test_when_lost_an_unsure_pose_waits_for_a_second_one_that_agrees(tracker):
    first = tracker.update(0.0, fix(5.0, confidence=0.6))
    assert first.status is Status.REJECTED_LOW_CONFIDENCE and first.T_map_camera is None
    assert tracker.state is State.LOST and tracker.predict() is None
    assert tracker.update(0.1, fix(5.2, confidence=0.8)).ok
    assert tracker.state is State.TRACKING


def test_when_lost_doubt_in_poses_that_agree_multiplies(tracker):
    answers = [tracker.update(0.1 * n, fix(5.0 + 0.2 * n, confidence=0.66)).ok for n in range(4)]
    assert answers == [False, False, True, True]


@pytest.mark.parametrize("odometry", [None, at(1.0)], ids=["without odometry", "with odometry"])
def test_the_same_look_again_and_again_proves_little_more_than_once(tracker, odometry):
    assert not any(
        tracker.update(0.1 * n, fix(5.0 + 0.002 * n, confidence=0.78), odometry).ok
        for n in range(10)
    )
    assert tracker.update(1.0, fix(5.02, confidence=0.82), odometry).ok


@pytest.mark.parametrize(
    "x, answered", [(5.4, True), (5.0, False)], ids=["moves as odometry does", "stands still"]
)
def test_when_lost_with_odometry_the_second_pose_must_be_where_odometry_expects_it(
    tracker, x, answered
):
    tracker.update(0.0, fix(5.0, confidence=0.7), T_odom_camera=at(0.0))
    assert tracker.update(1.0, fix(x, confidence=0.7), T_odom_camera=at(0.5)).ok is answered


def test_when_lost_unsure_poses_that_contradict_each_other_are_never_published(tracker):
    places = [0.0, 20.0, 3.0, -9.0, 40.0]
    assert not any(tracker.update(0.1 * n, fix(x, confidence=0.7)).ok for n, x in enumerate(places))


def test_while_tracking_an_unsure_pose_in_reach_is_believed_at_once(tracker):
    tracker.update(0.0, fix(0.0))
    assert tracker.update(0.1, fix(0.1, confidence=0.6)).ok


@pytest.mark.parametrize("jump", [fix(1.0), fix(0.0, 40.0)], ids=["too far", "turned too far"])
def test_what_there_was_time_for_is_rejected_where_odometry_says_that_the_robot_stood_still(
    tracker, jump
):
    tracker.update(0.0, fix(0.0), T_odom_camera=at(3.0))
    assert tracker.update(1.0, jump, T_odom_camera=at(3.0)).status is Status.REJECTED_MOTION


def test_odometry_may_be_wrong_by_a_share_of_the_way(tracker):
    tracker.update(0.0, fix(0.0), T_odom_camera=at(0.0))
    assert tracker.update(0.1, fix(11.2), T_odom_camera=at(10.0)).ok
    assert not tracker.update(0.2, fix(24.0), T_odom_camera=at(20.0)).ok


def test_a_rejected_pose_where_odometry_expects_it_is_verified(tracker):
    tracker.update(0.0, fix(10.0), T_odom_camera=at(0.0))
    answer = tracker.update(0.1, rejected(10.5, confidence=0.3), T_odom_camera=at(0.4))
    assert answer.ok and 0.8 < answer.confidence < 0.82
    np.testing.assert_allclose(answer.T_map_camera, at(10.5))


@pytest.mark.parametrize(
    "answer",
    [rejected(10.7), rejected(10.4, 6.0), rejected(10.4, confidence=0.1)],
    ids=["elsewhere", "turned", "without any proof"],
)
def test_a_rejected_pose_that_odometry_does_not_confirm_stays_withheld(tracker, answer):
    tracker.update(0.0, fix(10.0), T_odom_camera=at(0.0))
    answer = tracker.update(0.1, answer, T_odom_camera=at(0.4))
    assert answer.status is Status.REJECTED_LOW_CONFIDENCE and answer.T_map_camera is None


def test_a_rejected_pose_stays_withheld_without_odometry_and_while_lost(tracker):
    assert not tracker.update(0.0, rejected(10.0), T_odom_camera=at(0.0)).ok
    assert tracker.update(0.1, fix(10.0)).ok
    assert not tracker.update(0.2, rejected(10.0), T_odom_camera=at(0.0)).ok


def test_odometry_raises_the_confidence_only_of_a_pose_that_it_leads_to(tracker):
    tracker.update(0.0, fix(10.0), T_odom_camera=at(0.0))
    assert tracker.update(0.1, fix(10.4, confidence=0.7), T_odom_camera=at(0.4)).confidence > 0.9
    assert tracker.update(0.2, fix(10.8, confidence=0.7), T_odom_camera=at(0.4)).confidence == 0.7


def test_rejected_poses_never_lead_away_from_odometry(tracker):
    tracker.update(0.0, fix(0.0), T_odom_camera=at(0.0))
    answers = [
        tracker.update(0.1 * n, rejected(0.1 * n), T_odom_camera=at(0.0)).ok for n in range(1, 6)
    ]
    assert answers == [True, True, False, False, False]


@pytest.mark.parametrize("has_odometry", [True, False], ids=["with odometry", "without odometry"])
def test_a_camera_that_has_looked_around_in_vain_needs_more_proof(tracker, has_odometry):
    for n in range(4):
        tracker.update(n, rejected(n, confidence=0.01), at(n) if has_odometry else None)
    assert not tracker.update(4.0, fix(4.0, confidence=0.95), at(4.0) if has_odometry else None).ok
    assert tracker.update(5.0, fix(5.0, confidence=0.95), at(5.0) if has_odometry else None).ok


def test_one_look_in_vain_counts_once_however_long_it_lasts(tracker):
    for n in range(20):
        tracker.update(0.1 * n, rejected(0.0, confidence=0.01), at(0.0))
    assert tracker.update(2.0, fix(0.0, confidence=0.97), at(0.0)).ok


def test_images_that_show_nothing_say_nothing_about_where_they_are(tracker):
    for n in range(20):
        tracker.update(n, MISS, at(n))
    assert tracker.update(20.0, fix(0.0, confidence=0.92), at(20.0)).ok


def test_a_camera_that_was_known_before_it_got_lost_is_not_taken_for_a_stranger(tracker):
    for n in range(4):
        tracker.update(n, rejected(n, confidence=0.01), at(n))
    tracker.update(4.0, fix(4.0, confidence=0.999), at(4.0))
    for n in range(5, 8):
        tracker.update(n, MISS, at(n))
    assert tracker.state is State.LOST
    assert tracker.update(8.0, fix(0.0, confidence=0.92), at(8.0)).ok
