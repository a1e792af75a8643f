# SPDX-License-Identifier: Apache-2.0
"""What the soak makes of what it saw."""

import sys

import pytest


@pytest.fixture
def soak(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    pytest.importorskip("rclpy")
    import soak

    yield soak
    sys.modules.pop("soak")


def judged(soak, memory=(100.0,) * 100, beats=range(100)):
    return soak.judged(
        1.0,
        2.0,
        list(memory),
        list(map(float, beats)),
        (-0.5, 99.5),
        [("OK", 20.0), ("NO_MATCHES", 40.0)],
    )


def test_a_node_that_neither_grows_nor_misses_a_beat_passes(soak):
    result = judged(soak)
    assert result.passed and (result.answers, result.published, result.missed_heartbeats) == (
        2,
        1,
        0,
    )


def test_growth_counts_from_the_end_of_the_warm_up(soak):
    assert judged(soak, [50.0] * 20 + [100.0] * 80).passed
    grown = judged(soak, [100.0] * 60 + [103.0] * 40)
    assert grown.rss_growth == pytest.approx(0.03) and not grown.passed


def test_every_second_without_a_beat_is_one_missed(soak):
    result = judged(soak, beats=[*range(50), *range(53, 100)])
    assert result.missed_heartbeats == 3 and result.longest_gap_s == 4 and not result.passed


def test_a_heart_that_stops_or_never_beats_has_missed_beats(soak):
    assert judged(soak, beats=range(60)).missed_heartbeats == 39
    assert judged(soak, beats=[]).missed_heartbeats == 99
