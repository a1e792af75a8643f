# SPDX-License-Identifier: Apache-2.0
"""What the node says about itself on /diagnostics."""

import json
import time
from collections.abc import Collection

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from diff2i2p_ros.localizer.causes import Cause
from diff2i2p_ros.localizer.session import Session

SILENCE = 2.0  # seconds without an image after which that is said
SLOW = 5.0  # seconds without an answer while images come, likewise
FADING = 10.0  # seconds that what happened once, and is over, is told
EVENTS = {Cause.MAP_REFUSED, Cause.POSE_REFUSED}
ERRORS = {Cause.NO_MAP, Cause.FAILURE}
# what may be wrong with a node that looks at no images
IDLE = {*EVENTS, *ERRORS, Cause.INACTIVE, Cause.CLOUD, Cause.NO_WEIGHTS}


class Health:
    """Keeps what is wrong, cause by cause, until it is right again, or over.

    The words of a problem stay the same while it lasts; what changes is among the values.
    """

    def __init__(self):
        self._problems: dict[Cause, tuple[str, float]] = {}  # text, and when it was said
        self._values: dict[str, object] = {}
        self._before: tuple[float, dict[str, int]] = (time.monotonic(), {})

    @property
    def problems(self) -> dict[Cause, str]:
        """What is wrong now, in words."""
        return {cause: text for cause, (text, _) in self._problems.items()}

    def note(self, cause: Cause, problem: str) -> bool:
        """Say what is wrong; empty: it is well. True when that is news."""
        is_news = self.problems.get(cause, "") != problem
        if problem:
            self._problems[cause] = problem, time.monotonic()
        else:
            self._problems.pop(cause, None)
        return is_news

    def forget(self) -> None:
        """The node is cleaned up: what was wrong with what it held does not matter any more."""
        self._problems.clear()

    def watch(self, session: Session | None) -> None:
        """What nobody comes to tell: silence, late odometry, answers so far. Once a second."""
        for cause in EVENTS & self._problems.keys():
            if time.monotonic() - self._problems[cause][1] > FADING:
                del self._problems[cause]
        if session is None:
            return self._rest()
        self.note(Cause.INACTIVE, "")
        for cause, problem in (session.problems() | _silence(session)).items():
            self.note(cause, problem)
        traffic = session.traffic
        counts = traffic.counts | {"skipped": session.skipped}
        ages = {"seconds_since_image": traffic.silence, "seconds_unanswered": traffic.muteness}
        self._values = counts | self._rates(counts) | _latency(traffic.latencies) | session.figures
        self._values |= {name: round(age, 1) for name, age in ages.items()}

    def _rest(self) -> None:
        """Nothing is looked at, and nothing of what was looked at is told any more."""
        self._problems = {cause: told for cause, told in self._problems.items() if cause in IDLE}
        self._values, self._before = {}, (time.monotonic(), {})
        self.note(Cause.INACTIVE, "not active")

    def _rates(self, counts: dict[str, int]) -> dict[str, str]:
        now, (then, before) = time.monotonic(), self._before
        self._before = now, counts
        rates = {key: (counts[key] - before.get(key, 0)) / (now - then) for key in counts}
        return {f"{key}_per_second": f"{rate:.1f}" for key, rate in rates.items()}

    def array(self, name: str, hardware_id: str, header: Header) -> DiagnosticArray:
        """The /diagnostics message: what is wrong in words and by name, and the figures."""
        problems = self.problems
        level = DiagnosticStatus.WARN if problems else DiagnosticStatus.OK
        if ERRORS & problems.keys():
            level = DiagnosticStatus.ERROR
        values = {"causes": " ".join(cause.name for cause in problems)} | self._values
        status = DiagnosticStatus(
            level=level, name=name, hardware_id=hardware_id,
            message="; ".join(problems.values()) or "localized",
            values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
        )  # fmt: skip
        return DiagnosticArray(header=header, status=[status])


def _silence(session: Session) -> dict[Cause, str]:
    """Why no answers come, where they do not."""
    traffic = session.traffic
    is_silent, is_mute = traffic.silence > SILENCE, traffic.muteness > SLOW
    is_stale = is_mute and traffic.is_overtaken
    stale = f"the stamps of the images on {session.topic} do not advance: is their clock running?"
    busy = "no image has been answered for a while: the localizer is busy with one"
    silent = f"no image on {session.topic}{session.silence_cause}" if is_silent else ""
    return {
        Cause.NO_IMAGE: silent,
        Cause.STALE_STAMPS: stale if is_stale else "",
        Cause.NO_ANSWER: busy if is_mute and not is_stale and traffic.last else "",
    }


def _latency(milliseconds: Collection[float]) -> dict[str, str]:
    """Of the last hundred answers."""
    if not milliseconds:
        return {}
    p50, p95 = np.percentile(milliseconds, (50, 95))
    return {"latency_ms_p50": f"{p50:.0f}", "latency_ms_p95": f"{p95:.0f}"}


def _text(value: object) -> str:
    """As it is, or as JSON where it is more than one text or number."""
    return json.dumps(value) if isinstance(value, dict) else str(value)
