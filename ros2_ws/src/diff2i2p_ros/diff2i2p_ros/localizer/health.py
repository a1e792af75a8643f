# SPDX-License-Identifier: Apache-2.0
"""What the node says about itself on /diagnostics."""

import time
from collections.abc import Collection

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from diff2i2p_ros.localizer.session import Session

SILENCE = 2.0  # seconds without an image after which that is said


class Health:
    """Keeps what is wrong, part by part, until it is right again."""

    def __init__(self):
        self._problems: dict[str, str] = {}
        self._values: dict[str, object] = {}
        self._before: tuple[float, dict[str, int]] = (time.monotonic(), {})

    def note(self, part: str, problem: str) -> bool:
        """Say what is wrong with a part of the node; empty: it is well. True when that is news."""
        news = self._problems.get(part, "") != problem
        self._problems[part] = problem
        return news

    def forget(self) -> None:
        """The node is cleaned up: what was wrong with what it held does not matter any more."""
        self._problems.clear()
        self._values.clear()

    def watch(self, session: Session | None) -> None:
        """What nobody comes to tell: silence, odometry that stays away, the answers so far. To be called once a second."""
        self.note("lifecycle", "" if session else "not active")
        if session is None:
            return
        silent, last = session.silence > SILENCE, session.last
        told = f"no image on {session.topic} for {session.silence:.0f} s"
        self.note("silence", f"{told}{session.silence_cause}" if silent else "")
        self.note("odometry", session.transforms.problem)
        nothing_yet = "the first image is still being looked at" if session.counts["received"] else "no image yet"
        self.note("localization", "" if last and last.problem else last.reason if last else nothing_yet)
        counts = session.counts | {"skipped": session.skipped}
        self._values = counts | self._rates(counts) | _latency(session.latencies) | (last.figures if last else {})

    def _rates(self, counts: dict[str, int]) -> dict[str, str]:
        now, (then, before) = time.monotonic(), self._before
        self._before = now, counts
        return {f"{key}_per_second": f"{(counts[key] - before.get(key, 0)) / (now - then):.1f}" for key in counts}

    def array(self, name: str, hardware_id: str, header: Header) -> DiagnosticArray:
        """The /diagnostics message: what is wrong in words, and the figures."""
        problems = {part: problem for part, problem in self._problems.items() if problem}
        level = DiagnosticStatus.ERROR if "map" in problems else DiagnosticStatus.WARN if problems else DiagnosticStatus.OK
        values = [KeyValue(key=key, value=str(value)) for key, value in self._values.items()]
        message = "; ".join(problems.values()) or "localized"
        status = DiagnosticStatus(level=level, name=name, message=message, hardware_id=hardware_id, values=values)
        return DiagnosticArray(header=header, status=[status])


def _latency(milliseconds: Collection[float]) -> dict[str, str]:
    """Of the last hundred answers."""
    if not milliseconds:
        return {}
    p50, p95 = np.percentile(milliseconds, (50, 95))
    return {"latency_ms_p50": f"{p50:.0f}", "latency_ms_p95": f"{p95:.0f}"}
