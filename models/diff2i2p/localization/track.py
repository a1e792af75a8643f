# SPDX-License-Identifier: Apache-2.0
"""LOST -> TRACKING -> LOST: where the camera is expected next, and whether it can have got to where it was found."""

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from diff2i2p.config import TrackConfig
from diff2i2p.localization.result import Localization, Status

# two poses that are both right, each to 0.25 m and 5 deg, may lie this far apart
SLACK_METRES = 0.5
SLACK_RADIANS = np.radians(10)
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

    In TRACKING a pose must be reachable from the last one. LOST there is nothing to hold it against, so a pose that is
    not `sure` by itself waits for a second one that agrees with it.
    """

    def __init__(self, config: TrackConfig = TrackConfig()):
        self._config = config
        self._last: Fix | None = None
        self._believed = False  # else the last fix still waits for one that agrees
        self._misses = 0

    @property
    def state(self) -> State:
        return State.TRACKING if self._believed else State.LOST

    def predict(self, T_odom_camera: np.ndarray | None = None) -> np.ndarray | None:
        """Expected T_map_camera (4, 4): the last pose moved on by odometry; without odometry the last pose. None when LOST."""
        return self._moved_on(T_odom_camera) if self._believed else None

    def update(self, stamp: float, found: Localization, T_odom_camera: np.ndarray | None = None) -> Localization:
        """Take in what was found in the image of `stamp` (seconds); the answer is `found`, or its rejection."""
        if not found.ok:
            return self._miss(found)
        fix = Fix(stamp, found.T_map_camera, T_odom_camera)
        reachable = self._last is not None and self._is_reachable(fix)
        if self._believed and not reachable:
            return self._miss(_without_pose(found, Status.REJECTED_MOTION))
        self._last, self._misses = fix, 0
        self._believed = self._believed or reachable or found.confidence >= self._config.sure
        return found if self._believed else _without_pose(found, Status.REJECTED_LOW_CONFIDENCE)

    def _miss(self, answer: Localization) -> Localization:
        self._misses += 1
        if self._misses >= self._config.lost_after:
            self._last, self._believed = None, False
        return answer

    def _moved_on(self, T_odom_camera: np.ndarray | None) -> np.ndarray:
        last = self._last
        if last.T_odom_camera is None or T_odom_camera is None:
            return last.T_map_camera
        return last.T_map_camera @ np.linalg.inv(last.T_odom_camera) @ T_odom_camera

    def _is_reachable(self, fix: Fix) -> bool:
        elapsed = abs(fix.stamp - self._last.stamp)
        difference = np.linalg.inv(self._moved_on(fix.T_odom_camera)) @ fix.T_map_camera
        angle = np.arccos(np.clip((np.trace(difference[:3, :3]) - 1) / 2, -1, 1))
        return (
            np.linalg.norm(difference[:3, 3]) <= SLACK_METRES + self._config.max_speed * elapsed
            and angle <= SLACK_RADIANS + self._config.max_turn_rate * elapsed
        )


def _without_pose(found: Localization, status: Status) -> Localization:
    return replace(found, status=status, T_map_camera=None, covariance=None)
