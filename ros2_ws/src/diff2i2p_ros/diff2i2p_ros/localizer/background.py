# SPDX-License-Identifier: Apache-2.0
"""Work that takes longer than an executor may stand still: done in threads, its outcome handed back to the executor."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.task import Future


class Background:
    """Runs functions in threads of their own. What waits for their futures runs in the executor's thread, like all callbacks."""

    def __init__(self, node: Node):
        self._node = node
        self._done: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._threads: list[threading.Thread] = []
        self._wake = node.create_guard_condition(self._hand_over)

    def run(self, work: Callable[[], Any]) -> Future:
        """Start `work`; the future brings its result or its exception."""
        future = Future()
        thread = threading.Thread(
            target=self._work, args=(work, future), name="background"
        )  # no daemon: see worker.py
        self._threads = [thread, *(other for other in self._threads if other.is_alive())]
        thread.start()
        return future

    def close(self) -> None:
        """Wait for the work at hand; nobody hears of its outcome."""
        for thread in self._threads:
            thread.join()
        self._node.destroy_guard_condition(self._wake)

    def _work(self, work: Callable[[], Any], future: Future) -> None:
        try:
            outcome = future.set_result, work()
        except Exception as error:  # told by whoever waits
            outcome = future.set_exception, error
        self._done.append(outcome)
        self._wake.trigger()

    def _hand_over(self) -> None:
        while self._done:
            settle, outcome = self._done.popleft()
            settle(outcome)
