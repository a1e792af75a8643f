# SPDX-License-Identifier: Apache-2.0
"""The worker thread: newest only, one at a time, gone when told."""

import threading

from diff2i2p_ros.localizer.worker import NewestOnly


def test_what_waits_is_replaced_by_what_is_newer_and_counted():
    busy, go, seen = threading.Event(), threading.Event(), []

    def handle(item):
        seen.append(item)
        busy.set()
        go.wait(5)

    worker = NewestOnly(handle)
    worker.put(1)
    assert busy.wait(5)
    for item in 2, 3, 4:
        worker.put(item)
    busy.clear()
    go.set()
    assert busy.wait(5)
    worker.stop()
    assert seen == [1, 4] and worker.skipped == 2


def test_stopping_finishes_the_item_at_hand_and_drops_the_one_that_waits():
    busy, go, seen = threading.Event(), threading.Event(), []

    def handle(item):
        busy.set()
        go.wait(5)
        seen.append(item)

    worker = NewestOnly(handle)
    worker.put(1)
    assert busy.wait(5)
    worker.put(2)
    threading.Timer(0.05, go.set).start()
    worker.stop()
    assert seen == [1]
    assert not any(thread.name == "newest_only" for thread in threading.enumerate())
