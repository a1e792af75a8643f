# SPDX-License-Identifier: Apache-2.0
"""LOST -> TRACKING -> LOST: where the camera is expected next, and whether it can have got to where it was found."""

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from diff2i2p.config import Config
from diff2i2p.localization.result import Localization, Status

# two poses that are both right, each to 0.25 m and 5 deg, may lie this far apart
SLACK = np.array([0.5, np.radians(10)])  # metres, radians
AGREES = SLACK / 2  # a pose this near to where odometry leads is expected
LIKELIER = 10.0  # times are the odds of an expected pose those of any other; 13 by the 102 of them that BENCHMARK.md counts
ELSEWHERE = np.array([0.1, np.radians(5)])  # metres, radians; from nearer a camera sees the same once more,
AGAIN = 0.5  # which leaves this share of the doubt in one look, however often
JUMP = 0.5  # seconds back in time that are a new start, of a clock or of a bag, not a late image


class State(Enum):
    """LOST: search the whole map. TRACKING: look around the predicted pose."""

    LOST = "LOST"
    TRACKING = "TRACKING"


@dataclass(frozen=True)
class Fix:
    """The last pose believed, with the odometry of its time where there is any."""

    stamp: float  # seconds
    T_map_camera: np.ndarray  # (4, 4)
    T_odom_camera: np.ndarray | None  # (4, 4)


class Tracker:
    """Remembers the last believed pose of one camera.

    In TRACKING a pose must be reachable from the last one, and one that odometry leads to is likelier right. LOST there is
    nothing to hold it against, so a pose that is too doubtful by itself waits for others that agree with it, seen from elsewhere.
    """

    def __init__(self, config: Config = Config()):
        self._config, self.min_confidence = config.track, config.verify.min_confidence
        self._last: Fix | None = None
        self._believed = False  # else the last fix still waits for others that agree
        self._doubt = 1.0  # probability that all that agree are wrong
        self._misses = 0

    @property
    def state(self) -> State:
        return State.TRACKING if self._believed else State.LOST

    def predict(self, T_odom_camera: np.ndarray | None = None) -> np.ndarray | None:
        """Expected T_map_camera (4, 4): the last pose moved on by odometry; without odometry the last pose. None when LOST."""
        return self._last.T_map_camera @ self._way(T_odom_camera) if self._believed else None

    def update(self, stamp: float, found: Localization, T_odom_camera: np.ndarray | None = None) -> Localization:
        """Take in what was found in the image of `stamp` (seconds); the answer is what is believed of it now, or its rejection."""
        answer = self._weighed(found, T_odom_camera)
        if not answer.ok:
            return self._miss(answer)
        fix = Fix(stamp, answer.T_map_camera, T_odom_camera)
        if self._believed and not self._is_reachable(fix):
            return self._miss(answer.withheld(Status.REJECTED_MOTION))
        if found.ok:  # from what only odometry makes believable nothing is expected in turn: one doubt after the other may lead astray
            self._take(fix, found.confidence)
        return answer if self._believed else answer.withheld(Status.REJECTED_LOW_CONFIDENCE)

    def _take(self, fix: Fix, confidence: float) -> None:
        """Go on from a pose proven by its image; LOST, doubt in poses that agree multiplies, but not of the same look."""
        self._misses = 0
        agrees = self._last is not None and self._agrees(fix)
        is_look = self._believed or not agrees or self._has_moved(fix)
        if not self._believed:
            before = self._doubt if agrees else 1.0
            self._doubt = before * (1 - confidence) if is_look else min(before, AGAIN * (1 - confidence))
            self._believed = self._doubt <= 1 - self._config.sure
        if is_look or self._believed:
            self._last = fix

    def _weighed(self, found: Localization, T_odom_camera: np.ndarray | None) -> Localization:
        """What was found, believed or doubted, with the confidence that it deserves because odometry leads there."""
        pose = found if found.ok else found.doubted
        if pose is None or not self._believed or not self._is_expected(pose.T_map_camera, T_odom_camera):
            return found
        confidence = LIKELIER * pose.confidence / (LIKELIER * pose.confidence + 1 - pose.confidence)
        return replace(pose, confidence=confidence, milliseconds=found.milliseconds) if confidence >= self.min_confidence else found

    def _miss(self, answer: Localization) -> Localization:
        self._misses += 1
        if self._misses >= self._config.lost_after:
            self._last, self._believed = None, False
        return answer

    def _agrees(self, fix: Fix) -> bool:
        """Whether the pose before speaks for this one: by odometry; without, because there was time for the way."""
        return self._is_expected(fix.T_map_camera, fix.T_odom_camera) if self._has_odometry(fix.T_odom_camera) else self._is_reachable(fix)

    def _has_moved(self, fix: Fix) -> bool:
        """Whether the camera sees something else than at the last pose: by odometry; without, by the poses."""
        by_poses = np.linalg.inv(self._last.T_map_camera) @ fix.T_map_camera
        return (_extent(self._way(fix.T_odom_camera) if self._has_odometry(fix.T_odom_camera) else by_poses) > ELSEWHERE).any()

    def _is_expected(self, T_map_camera: np.ndarray, T_odom_camera: np.ndarray | None) -> bool:
        """Whether odometry, and not just the lack of it, leads here."""
        return self._has_odometry(T_odom_camera) and (self._off(T_map_camera, T_odom_camera) <= AGREES).all()

    def _is_reachable(self, fix: Fix) -> bool:
        """Whether the way to `fix` is that of odometry but for its drift; without odometry, whether there was time for it."""
        if self._has_odometry(fix.T_odom_camera):
            reach = self._config.odometry_drift * _extent(self._way(fix.T_odom_camera))
        else:
            reach = abs(fix.stamp - self._last.stamp) * np.array([self._config.max_speed, self._config.max_turn_rate])
        return (self._off(fix.T_map_camera, fix.T_odom_camera) <= SLACK + reach).all()

    def _off(self, T_map_camera: np.ndarray, T_odom_camera: np.ndarray | None) -> np.ndarray:
        """(metres, radians) between a pose and where odometry expects it."""
        return _extent(np.linalg.inv(self._last.T_map_camera @ self._way(T_odom_camera)) @ T_map_camera)

    def _way(self, T_odom_camera: np.ndarray | None) -> np.ndarray:
        """The camera's motion (4, 4) since the last pose, none where no odometry tells."""
        return np.linalg.inv(self._last.T_odom_camera) @ T_odom_camera if self._has_odometry(T_odom_camera) else np.eye(4)

    def _has_odometry(self, T_odom_camera: np.ndarray | None) -> bool:
        return T_odom_camera is not None and self._last.T_odom_camera is not None


def _extent(motion: np.ndarray) -> np.ndarray:
    """(metres, radians) of a motion (4, 4)."""
    angle = np.arccos(np.clip((np.trace(motion[:3, :3]) - 1) / 2, -1, 1))
    return np.array([np.linalg.norm(motion[:3, 3]), angle])
