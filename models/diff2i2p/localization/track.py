# SPDX-License-Identifier: Apache-2.0
"""LOST -> TRACKING -> LOST: where the camera is expected next, and whether it can have got to where it was found."""

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from diff2i2p.config import TrackConfig
from diff2i2p.localization.result import Localization, Status

# two poses that are both right, each to 0.25 m and 5 deg, may lie this far apart
SLACK = np.array([0.5, np.radians(10)])  # metres, radians
AGREES = SLACK / 2  # a pose this near to where odometry expects it needs little proof of its own
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

    In TRACKING a pose must be reachable from the last one, and one that odometry expects is believed with less proof. LOST
    there is nothing to hold it against, so a pose that is not `sure` by itself waits for a second one that agrees with it.
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
        return self._last.T_map_camera @ self._way(T_odom_camera) if self._believed else None

    def update(self, stamp: float, found: Localization, T_odom_camera: np.ndarray | None = None) -> Localization:
        """Take in what was found in the image of `stamp` (seconds); the answer is `found`, its rejection, or what it doubted."""
        if not found.ok:
            return self._confirmed(found, T_odom_camera) or self._miss(found)
        fix = Fix(stamp, found.T_map_camera, T_odom_camera)
        if self._believed and not self._is_reachable(fix):
            return self._miss(found.withheld(Status.REJECTED_MOTION))
        self._believed = self._believed or found.confidence >= self._config.sure or self._is_second(fix)
        self._last, self._misses = fix, 0
        return found if self._believed else found.withheld(Status.REJECTED_LOW_CONFIDENCE)

    def _confirmed(self, found: Localization, T_odom_camera: np.ndarray | None) -> Localization | None:
        """A doubted pose that odometry expects. Not expected from in turn: one doubted pose after the other may lead astray."""
        doubted = found.doubted
        if doubted is None or doubted.confidence < self._config.confirmed:
            return None
        is_expected = self._believed and self._is_expected(doubted.T_map_camera, T_odom_camera)
        return replace(doubted, milliseconds=found.milliseconds) if is_expected else None

    def _miss(self, answer: Localization) -> Localization:
        self._misses += 1
        if self._misses >= self._config.lost_after:
            self._last, self._believed = None, False
        return answer

    def _is_second(self, fix: Fix) -> bool:
        """Whether an unsure pose before it speaks for this one: by odometry; without, because there was time for the way."""
        if self._last is None:
            return False
        return self._is_expected(fix.T_map_camera, fix.T_odom_camera) if self._has_odometry(fix.T_odom_camera) else self._is_reachable(fix)

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
