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
    """Remembers the last believed pose of one camera."""

    def __init__(self, config: TrackConfig = TrackConfig()):
        self._config = config
        self._last: Fix | None = None
        self._misses = 0

    @property
    def state(self) -> State:
        return State.TRACKING if self._last else State.LOST

    def predict(self, T_odom_camera: np.ndarray | None = None) -> np.ndarray | None:
        """Expected T_map_camera (4, 4): the last pose moved on by odometry; without odometry the last pose. None when LOST."""
        last = self._last
        if last is None or last.T_odom_camera is None or T_odom_camera is None:
            return last and last.T_map_camera
        return last.T_map_camera @ np.linalg.inv(last.T_odom_camera) @ T_odom_camera

    def update(self, stamp: float, found: Localization, T_odom_camera: np.ndarray | None = None) -> Localization:
        """Take in what was found in the image of `stamp` (seconds); the answer is `found`, or its rejection as REJECTED_MOTION."""
        if found.ok and not self._is_reachable(stamp, found.T_map_camera, T_odom_camera):
            found = replace(found, status=Status.REJECTED_MOTION, T_map_camera=None, covariance=None)
        if found.ok:
            self._last = Fix(stamp, found.T_map_camera, T_odom_camera)
            self._misses = 0
        else:
            self._misses += 1
            if self._misses >= self._config.lost_after:
                self._last = None
        return found

    def _is_reachable(self, stamp: float, T_map_camera: np.ndarray, T_odom_camera: np.ndarray | None) -> bool:
        expected = self.predict(T_odom_camera)
        if expected is None:
            return True
        elapsed = abs(stamp - self._last.stamp)
        difference = np.linalg.inv(expected) @ T_map_camera
        angle = np.arccos(np.clip((np.trace(difference[:3, :3]) - 1) / 2, -1, 1))
        return (
            np.linalg.norm(difference[:3, 3]) <= SLACK_METRES + self._config.max_speed * elapsed
            and angle <= SLACK_RADIANS + self._config.max_turn_rate * elapsed
        )
