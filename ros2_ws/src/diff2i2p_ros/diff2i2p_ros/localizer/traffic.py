# SPDX-License-Identifier: Apache-2.0
"""How many images have come and been answered, and how long ago the last ones were."""

import time
from collections import deque

from diff2i2p_ros.localizer.pipeline import Answer


class Traffic:
    """What an active node has been sent, and what it has said to it."""

    def __init__(self):
        self.counts = {"received": 0, "overtaken": 0, "answered": 0, "published": 0}
        self.latencies: deque[float] = deque(maxlen=100)  # milliseconds
        self._last_image = time.monotonic()
        self.restart()

    def restart(self) -> None:
        """What has been answered so far says nothing of what will be."""
        self.last: Answer | None = None
        self._unanswered_since: float | None = None  # time.monotonic
        self._received = self._overtaken = 0  # since the last answer

    def come(self) -> None:
        """An image has come."""
        self._last_image = time.monotonic()

    def receive(self) -> None:
        """One that has a calibration, and can be looked at."""
        self.counts["received"] += 1
        self._received += 1
        if self._unanswered_since is None:
            self._unanswered_since = time.monotonic()

    def overtake(self) -> None:
        """It is no newer than one before, and is left out."""
        self.counts["overtaken"] += 1
        self._overtaken += 1

    def answer(self, answer: Answer) -> None:
        """One has been answered."""
        self.restart()
        self.last = answer
        self.counts["answered"] += 1
        self.counts["published"] += answer.ok
        self.latencies.append(answer.latency_ms)

    @property
    def silence(self) -> float:
        """Seconds since the last image."""
        return time.monotonic() - self._last_image

    @property
    def muteness(self) -> float:
        """Seconds that images have been coming without any being answered."""
        since = self._unanswered_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def is_overtaken(self) -> bool:
        """Whether none of the images since the last answer was a newer one."""
        return 0 < self._received == self._overtaken

    @property
    def reason(self) -> str:
        """Why there is no pose at present; empty: there is one, or the last image could not be used."""
        if self.last:
            return "" if self.last.problem else self.last.reason
        return "the first image is still being looked at" if self._received else "no image yet"
