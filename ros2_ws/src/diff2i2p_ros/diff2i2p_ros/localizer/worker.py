# SPDX-License-Identifier: Apache-2.0
"""A thread that always works on the newest item: what comes while it is busy replaces what waits."""

import threading
from collections.abc import Callable
from typing import Any


class NewestOnly:
    """Calls `handle(item)` in its own thread, one at a time. What nobody had time for is old news: dropped, and counted."""

    def __init__(self, handle: Callable[[Any], None]):
        self.skipped = 0
        self._handle = handle
        self._item = None
        self._running = True
        self._changed = threading.Condition()
        # not a daemon: one still inside a library when the interpreter goes would abort the process
        self._thread = threading.Thread(target=self._run, name="newest_only")
        self._thread.start()

    def put(self, item: Any) -> None:
        """Hand over an item; never blocks for longer than another `put`."""
        with self._changed:
            self.skipped += self._item is not None
            self._item = item
            self._changed.notify()

    def stop(self) -> None:
        """Finish the item at hand, drop the one that waits, end the thread."""
        with self._changed:
            self._running = False
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (item := self._take()) is not None:
            self._handle(item)

    def _take(self) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or not self._running)
            item, self._item = self._item, None
            return item if self._running else None
