# SPDX-License-Identifier: Apache-2.0
"""How long ago something was, whatever happens to the clock meanwhile."""

import time
from typing import NamedTuple

from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node

from diff2i2p.localization.track import JUMP

LEAP = 60.0  # seconds forward at once that no playback makes: the time is another clock's


class Moment(NamedTuple):
    """A reading of the clocks."""

    steady: int  # nanoseconds
    simulated: int  # nanoseconds; 0 while no simulated time runs
    era: object  # changes with the simulated clock


class Stopwatch:
    """Measures by simulated time, which may be slow or stand still, and else by the steady clock.

    So it does where simulated time has begun, ended or jumped in between: its two readings are
    not of one clock then.
    """

    def __init__(self, node: Node):
        self._clock, self._era = node.get_clock(), object()
        threshold = JumpThreshold(
            min_forward=Duration(seconds=LEAP), min_backward=Duration(seconds=-JUMP),
            on_clock_change=True,
        )  # fmt: skip
        self._handle = self._clock.create_jump_callback(threshold, post_callback=self._on_jump)

    def close(self) -> None:
        self._handle.unregister()

    @property
    def is_simulated(self) -> bool:
        """Whether the node is to take the time from /clock."""
        return self._clock.ros_time_is_active

    def now(self) -> Moment:
        """The present."""
        simulated = self._clock.now().nanoseconds if self.is_simulated else 0
        return Moment(time.monotonic_ns(), simulated, self._era)

    def since(self, then: Moment) -> int:
        """Nanoseconds that have passed."""
        now = self.now()
        if now.era is then.era and now.simulated and then.simulated:
            return max(0, now.simulated - then.simulated)
        return now.steady - then.steady

    def _on_jump(self, jump) -> None:
        self._era = object()
