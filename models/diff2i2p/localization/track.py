# SPDX-License-Identifier: Apache-2.0
"""LOST -> TRACKING -> LOST: where a camera is expected, and whether it can have got to a pose."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from diff2i2p.camera import Camera
from diff2i2p.config import Config
from diff2i2p.geometry import motion_extent
from diff2i2p.localization.calibration import calibration
from diff2i2p.localization.result import Localization, Status

# two poses that are both right, each to 0.25 m and 5 deg, may lie this far apart
SLACK = np.array([0.5, np.radians(10)])  # metres, radians
AGREES = SLACK / 2  # a pose this near to where odometry leads is expected
# metres, radians; from nearer a camera sees the same once more
ELSEWHERE = np.array([0.1, np.radians(5)])
AGAIN = 0.5  # share of the doubt in one image that the same view, however often, leaves
LEAST = 0.05  # that the odds of being in the map become, however many images prove no pose
JUMP = 0.5  # seconds back in time that are a new start, of a clock or of a bag, not a late image


class State(Enum):
    """LOST: search the whole map. TRACKING: search around the predicted pose."""

    LOST = "LOST"
    TRACKING = "TRACKING"


@dataclass(frozen=True)
class TrackedPose:
    """A pose of the camera, with the odometry of its time where there is any."""

    stamp: float  # seconds
    T_map_camera: np.ndarray  # (4, 4)
    T_odom_camera: np.ndarray | None  # (4, 4)

    def has_odometry(self, T_odom_camera: np.ndarray | None) -> bool:
        """Whether odometry tells the way from here to there."""
        return T_odom_camera is not None and self.T_odom_camera is not None

    def way(self, T_odom_camera: np.ndarray | None) -> np.ndarray:
        """The motion (4, 4) from here by odometry, none where that does not tell."""
        return (
            np.linalg.inv(self.T_odom_camera) @ T_odom_camera
            if self.has_odometry(T_odom_camera)
            else np.eye(4)
        )

    def expected(self, T_odom_camera: np.ndarray | None) -> np.ndarray:
        """T_map_camera (4, 4) after that way."""
        return self.T_map_camera @ self.way(T_odom_camera)

    def off(self, other: "TrackedPose") -> np.ndarray:
        """(metres, radians) between another pose and the one expected in its place."""
        return motion_extent(np.linalg.inv(self.expected(other.T_odom_camera)) @ other.T_map_camera)

    def is_elsewhere(self, other: "TrackedPose") -> bool:
        """Whether the camera saw something else there: by odometry; without, by the poses."""
        by_poses = np.linalg.inv(self.T_map_camera) @ other.T_map_camera
        by_odometry = self.has_odometry(other.T_odom_camera)
        way = self.way(other.T_odom_camera) if by_odometry else by_poses
        return (motion_extent(way) > ELSEWHERE).any()


class Tracker:
    """Remembers the last verified pose of one camera.

    In TRACKING a pose must be reachable from the last one, and one that odometry leads to is
    likelier right. LOST there is nothing to hold it against, so a pose that is too doubtful by
    itself waits for others that agree with it, seen from elsewhere; and the longer a camera has
    looked around in vain, the likelier it is somewhere else, and the more proof it takes.
    """

    def __init__(self, config: Config = Config()):
        self._config, self.min_confidence = config.track, config.verify.min_confidence
        self._last: TrackedPose | None = None
        self._confirmed = False  # else the last pose still waits for others that agree
        self._doubt = 1.0  # probability that all that agree are wrong
        # odds that the camera is in the map at all, by the images that proved no pose
        self._in_map = 1.0
        self._unproven: TrackedPose | None = None  # the last of those
        self._misses = 0

    @property
    def state(self) -> State:
        return State.TRACKING if self._confirmed else State.LOST

    def localize(
        self, localizer, image: np.ndarray, camera: Camera, stamp: float,
        odometry: Callable[[], np.ndarray | None], guess: np.ndarray | None = None, **evidence,
    ) -> Localization:  # fmt: skip
        """Localize an image where it is expected, LOST near `guess` (4, 4) first, and take it in.

        odometry: gives T_odom_camera (4, 4) at `stamp` (seconds) or None; asked again once the
        image has been looked at, for by then it may have come. evidence: depth and up of
        Localizer.localize. Raises what that raises.
        """
        prior = self.predict(odometry())
        found = localizer.localize(image, camera, guess if prior is None else prior, **evidence)
        # a wrong guess costs time, not the answer
        if prior is None and guess is not None and not found.ok:
            found = localizer.localize(image, camera, None, **evidence)
        return self.update(stamp, found, odometry())

    def predict(self, T_odom_camera: np.ndarray | None = None) -> np.ndarray | None:
        """Expected T_map_camera (4, 4): the last pose, moved on by odometry; None when LOST."""
        return self._last.expected(T_odom_camera) if self._confirmed else None

    def update(
        self, stamp: float, found: Localization, T_odom_camera: np.ndarray | None = None
    ) -> Localization:
        """Take in what was found at `stamp` (seconds): what is known now, or its rejection."""
        pose = found if found.ok else found.rejected
        if pose is None:
            return self._miss(found)
        tracked = TrackedPose(stamp, pose.T_map_camera, T_odom_camera)
        answer = self._weighed(found, pose, tracked)
        if not answer.ok:
            self._count_unproven(tracked)
            return self._miss(answer)
        if self._confirmed and not self._is_reachable(tracked):
            return self._miss(answer.withheld(Status.REJECTED_MOTION))
        # from what only odometry verifies nothing is expected in turn: one doubt after the other
        # may lead astray
        if found.ok:
            self._take(tracked, found.confidence)
        return answer if self._confirmed else answer.withheld(Status.REJECTED_LOW_CONFIDENCE)

    def _weighed(
        self, found: Localization, pose: Localization, tracked: TrackedPose
    ) -> Localization:
        """What was found, with the confidence it deserves where odometry leads to its pose."""
        if not self._confirmed or not self._is_expected(tracked):
            return found
        confidence = likelier(pose.confidence, calibration().constants.odds_expected)
        if confidence < self.min_confidence:
            return found
        return replace(pose, confidence=confidence, milliseconds=found.milliseconds)

    def _take(self, tracked: TrackedPose, confidence: float) -> None:
        """Go on from a pose proven by its image.

        LOST, doubt in poses that agree multiplies, but not of the same view.
        """
        self._misses = 0
        agrees = self._last is not None and self._agrees(tracked)
        is_new = self._confirmed or not agrees or self._last.is_elsewhere(tracked)
        if not self._confirmed:
            before = self._doubt if agrees else 1.0
            self._doubt = (
                before * (1 - confidence) if is_new else min(before, AGAIN * (1 - confidence))
            )
            self._confirmed = likelier(1 - self._doubt, self._in_map) >= self._config.sure
        if self._confirmed:
            self._in_map, self._unproven = 1.0, None
        if is_new or self._confirmed:
            self._last = tracked

    def _count_unproven(self, tracked: TrackedPose) -> None:
        """A pose that its image does not prove: every new view makes the map less likely."""
        if self._unproven is None or self._unproven.is_elsewhere(tracked):
            odds = calibration().constants.odds_unproven * self._in_map
            self._in_map, self._unproven = max(odds, LEAST), tracked

    def _miss(self, answer: Localization) -> Localization:
        self._misses += 1
        if self._misses >= self._config.lost_after:
            self._last, self._confirmed = None, False
        return answer

    def _agrees(self, tracked: TrackedPose) -> bool:
        """Whether the pose before speaks for this one, by odometry or by the time for the way."""
        by_odometry = self._last.has_odometry(tracked.T_odom_camera)
        return self._is_expected(tracked) if by_odometry else self._is_reachable(tracked)

    def _is_expected(self, tracked: TrackedPose) -> bool:
        """Whether odometry, and not just the lack of it, leads here."""
        has_odometry = self._last.has_odometry(tracked.T_odom_camera)
        return has_odometry and (self._last.off(tracked) <= AGREES).all()

    def _is_reachable(self, tracked: TrackedPose) -> bool:
        """Whether odometry, but for its drift, or the time allows the way to `tracked`."""
        if self._last.has_odometry(tracked.T_odom_camera):
            reach = self._config.odometry_drift * motion_extent(
                self._last.way(tracked.T_odom_camera)
            )
        else:
            reach = abs(tracked.stamp - self._last.stamp) * np.array(
                [self._config.max_speed, self._config.max_turn_rate]
            )
        return (self._last.off(tracked) <= SLACK + reach).all()


def likelier(confidence: float, times: float) -> float:
    """A probability whose odds are so many times as good."""
    return times * confidence / (times * confidence + 1 - confidence)
