# SPDX-License-Identifier: Apache-2.0
"""What changed between two evaluations: figure by figure, and frame by frame."""

import csv
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from diff2i2p.evaluation.metric_table import FALSE_ACCEPT, FIGURES, RIGHT, Figure
from diff2i2p.parameters import parameter

RANK = {"right": 0, "imprecise": 1, "silent": 2, "false": 3}  # defined: from good to bad


class CompareError(ValueError):
    """Runs that cannot be compared: says why and what to do."""


@dataclass(frozen=True)
class Tolerances:
    """How much worse the second run may be before that is a regression."""

    share: float = parameter(0.01, "Loss of recall and other shares that is let pass.", "", 0, 1)
    count: float = parameter(
        0, "More false poses, or unusable images, that are let pass.", "", 0, 10**9
    )
    error: float = parameter(0.15, "Growth of errors that is let pass, as a share.", "", 0, 100)
    error_floor: float = parameter(
        0.005, "Growth of errors that is let pass in any case.", "m, deg", 0, 10
    )
    seconds: float = parameter(0.5, "Longer waits for a pose that are let pass.", "s", 0, 10**6)
    latency: float = parameter(0.25, "Growth of latency that is let pass, as a share.", "", 0, 100)
    memory: float = parameter(0.1, "Growth of memory that is let pass, as a share.", "", 0, 100)


@dataclass(frozen=True)
class Change:
    """One figure in both runs."""

    figure: Figure
    before: float | None
    after: float | None
    regression: bool

    @property
    def better(self) -> bool:
        if self.before is None or self.after is None:
            return False
        return (self.after - self.before) * (1 if self.figure.better == "higher" else -1) > 0


@dataclass(frozen=True)
class FrameChange:
    """One frame in both runs; errors are None where there was no answer, or no truth."""

    name: str
    before: str  # right, imprecise, silent or false; or answered where there is no truth
    after: str
    before_m: float | None
    after_m: float | None


@dataclass(frozen=True)
class Comparison:
    """Everything that changed."""

    changes: list[Change]
    frames: list[FrameChange]  # those that got worse, the worst first
    improved: int  # frames that got better
    common: int  # frames that both runs have
    counts: tuple[int, int]  # frames that each has

    @property
    def regressions(self) -> list[Change]:
        return [change for change in self.changes if change.regression]

    @property
    def summary(self) -> dict:
        """Ready for JSON."""
        rows = [
            {
                "figure": c.figure.key,
                "before": c.before,
                "after": c.after,
                "regression": c.regression,
            }
            for c in self.changes
        ]
        frames = [asdict(frame) for frame in self.frames]
        shared = {"better_frames": self.improved, "common_frames": self.common}
        return {"figures": rows, "worse_frames": frames, "frames": self.counts, **shared}


def compare(
    before: Path | str, after: Path | str, tolerances: Tolerances = Tolerances()
) -> Comparison:
    """Compare two folders that an evaluation wrote, or their metrics.json. Raises CompareError."""
    first, second = (_read(Path(run)) for run in (before, after))
    changes = []
    for figure in FIGURES:
        values = figure.value(first.summary), figure.value(second.summary)
        if values != (None, None):
            changes.append(
                Change(figure, *values, regression=is_regression(figure, *values, tolerances))
            )
    common = first.frames.keys() & second.frames.keys()
    frames = [
        _frame_change(name, first.frames[name], second.frames[name])
        for name in first.frames
        if name in common
    ]
    worse = sorted((frame for frame in frames if _loss(frame) > 0), key=_loss, reverse=True)
    improved, counts = sum(_loss(f) < 0 for f in frames), (len(first.frames), len(second.frames))
    return Comparison(changes, worse, improved, len(common), counts)


def is_regression(
    figure: Figure, before: float | None, after: float | None, tolerances: Tolerances
) -> bool:
    """Whether a figure got worse by more than is let pass; what was there and is no more, is worse."""
    if before is None or after is None:
        return before is not None and figure.kind in ("share", "error", "seconds")
    allowed = getattr(tolerances, figure.kind)
    if figure.kind in ("error", "latency", "memory"):  # shares of what it was
        allowed = max(allowed * before, tolerances.error_floor if figure.kind == "error" else 0)
    worse = before - after if figure.better == "higher" else after - before
    return worse > allowed + 1e-9


@dataclass(frozen=True)
class _Recorded:
    summary: dict
    frames: dict[str, dict]  # rows of frames.csv by name


def _read(path: Path) -> _Recorded:
    folder = path.parent if path.is_file() else path
    metrics = path if path.is_file() else path / "metrics.json"
    if not metrics.is_file():
        raise CompareError(
            f"{path} is no evaluation: it has no metrics.json; `diff2i2p evaluate` or `evaluate-bag` writes one"
        )
    try:
        summary = json.loads(metrics.read_text())
        table = folder / "frames.csv"
        rows = list(csv.DictReader(table.read_text().splitlines())) if table.is_file() else []
        frames = {row["name"]: row for row in rows}
    except (OSError, ValueError, KeyError) as error:
        raise CompareError(
            f"{metrics} or its frames.csv cannot be read ({error}): evaluate again"
        ) from error
    if not isinstance(summary, dict) or "recall" not in summary:
        raise CompareError(f"{metrics} is not the metrics.json of an evaluation")
    return _Recorded(summary, frames)


def _frame_change(name: str, before: dict, after: dict) -> FrameChange:
    return FrameChange(name, _verdict(before), _verdict(after), _error(before), _error(after))


def _verdict(row: dict) -> str:
    """What a row of frames.csv amounts to."""
    if row["status"] != "OK":
        return "silent"
    metres, degrees = float(row["translation_m"]), float(row["rotation_deg"])
    if math.isnan(metres):
        return "answered"
    if metres > FALSE_ACCEPT[0] or degrees > FALSE_ACCEPT[1]:
        return "false"
    return "right" if metres <= RIGHT[0] and degrees <= RIGHT[1] else "imprecise"


def _error(row: dict) -> float | None:
    metres = float(row["translation_m"])
    return metres if math.isfinite(metres) else None


def _loss(frame: FrameChange) -> float:
    """How much worse a frame got: its verdict first, then metres; negative when better, 0 when nothing that matters changed."""
    rank = RANK.get(frame.after, 0) - RANK.get(frame.before, 0)
    if rank or frame.before_m is None or frame.after_m is None:
        return 1000.0 * rank
    grown = frame.after_m - frame.before_m
    return grown if abs(grown) > 0.01 else 0.0
