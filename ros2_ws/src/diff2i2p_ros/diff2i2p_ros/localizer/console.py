# SPDX-License-Identifier: Apache-2.0
"""What is wrong, in the log: at once, and no more often than people want to read it."""

import time
from collections.abc import Mapping

from rclpy.impl.rcutils_logger import RcutilsLogger

from diff2i2p_ros.localizer.causes import Cause

PAUSE = 10.0  # seconds between two lines about one cause
REMINDER = 60.0  # seconds after which what is still wrong is said again
# told when it lasts: each image may have another reason; lost and found have lines of their own
FLICKERING = {Cause.NOT_LOCALIZED}


class Console:
    """Writes problems into the log, and when they are over."""

    def __init__(self, logger: RcutilsLogger):
        self._logger = logger
        self._told: dict[Cause, tuple[str, float]] = {}  # text, and when it was written

    def tell(self, problems: Mapping[Cause, str]) -> None:
        """To be called with all that is wrong, whenever that may have changed."""
        now = time.monotonic()
        for cause, text in problems.items():
            is_flickering = cause in FLICKERING
            first = "", now + (PAUSE if is_flickering else 0.0) - REMINDER
            before, then = self._told.setdefault(cause, first)
            is_news = text != before and not is_flickering
            if now - then >= (PAUSE if is_news else REMINDER):
                self._logger.warning(text)
                self._told[cause] = text, now
        for cause, (text, then) in list(self._told.items()):
            if cause not in problems and (not text or now - then >= PAUSE):
                del self._told[cause]
                if text:
                    self._logger.info(f"over: {text}")
