# SPDX-License-Identifier: Apache-2.0
"""The tables and tiles of report.html, as data; report.html.j2 writes them."""

from dataclasses import dataclass

from diff2i2p.evaluation.metric_table import FIGURES, RIGHT, Figure
from diff2i2p.evaluation.metrics import Record, frame_row

COLUMNS = (
    "name", "status", "matcher", "confidence", "translation_m", "rotation_deg", "rmse_m", "matches", "inliers", "inlier_ratio",
    "latency_ms",
)  # fmt: skip


@dataclass(frozen=True)
class Tile:
    """A figure that one wants to know first."""

    value: str
    name: str
    mark: str = ""  # "bad" where it should alarm


@dataclass(frozen=True)
class Cell:
    text: str
    mark: str = ""  # CSS class


@dataclass(frozen=True)
class Row:
    cells: list[Cell]
    mark: str = ""  # CSS class


@dataclass(frozen=True)
class Table:
    head: list[str]
    rows: list[Row]


@dataclass(frozen=True)
class Choice:
    """Which rows a button shows."""

    rows: str  # CSS class of the table while it is chosen
    name: str
    count: int


def tiles(facts: dict) -> list[Tile]:
    """What one wants to know first, of a summary."""
    latency = Tile(f"{facts['latency_ms']['p50']:.0f} ms", "per frame, median")
    answered = Tile(f"{facts['answered']} of {facts['frames']}", "frames answered")
    if not facts["frames_with_truth"]:
        gap = f"{facts['availability']['longest_gap_s']:.1f} s"
        return [answered, Tile(gap, "longest time without a pose"), latency]
    error, false = "none", facts["false_accepts"]
    if facts["answered"]:
        error = (
            f"{100 * facts['median_translation_m']:.1f} cm · {facts['median_rotation_deg']:.2f}°"
        )
    return [
        Tile(f"{facts['recall']['25cm_5deg']:.1%}", "within 25 cm and 5°"),
        Tile(error, "median error"),
        Tile(str(false), "false poses published", "bad" if false else ""),
        answered,
        latency,
    ]


def comparison(summaries: dict[str, dict]) -> Table:
    """Every figure of every run, a column each, the best one marked."""
    rows = []
    for figure in FIGURES:
        values = [figure.value(facts) for facts in summaries.values()]
        if any(value is not None for value in values):
            cells = (Cell(figure.written(value), _mark(figure, value, values)) for value in values)
            rows.append(Row([Cell(figure.name), *cells]))
    return Table(["", *summaries], rows)


def _mark(figure: Figure, value, values: list) -> str:
    known = [value for value in values if value is not None]
    if len(set(known)) < 2:
        return ""
    return "best" if value == (max if figure.better == "higher" else min)(known) else ""


def complement(records: dict[str, list[Record]]) -> Table | None:
    """How many frames are right by each combination of several runs."""
    names = list(records)
    right = {
        name: {record.frame.index for record in run if record.within(*RIGHT)}
        for name, run in records.items()
    }
    frames = set.intersection(
        *({record.frame.index for record in run if record.judged} for run in records.values())
    )
    if not frames or len(names) < 2:
        return None
    counts: dict[tuple[bool, ...], int] = {}
    for frame in frames:
        hit = tuple(frame in right[name] for name in names)
        counts[hit] = counts.get(hit, 0) + 1
    ranked = sorted(counts.items(), reverse=True)
    rows = [
        Row([*(Cell("✓" if yes else "·") for yes in hit), Cell(str(count))])
        for hit, count in ranked
    ]
    return Table([*names, "frames right by these alone"], rows)


def frames(records: list[Record]) -> tuple[Table, list[Choice]]:
    """A row per frame, and what may be chosen of them."""
    rows = []
    for record in records:
        row = frame_row(record)
        mark = "false" if record.false_accept else "" if record.answer.ok else "silent"
        rows.append(Row([Cell(_written(row[key])) for key in COLUMNS], mark))
    marks = [row.mark for row in rows]
    choices = [
        Choice("", "all", len(rows)),
        Choice("only-false", "false poses", marks.count("false")),
        Choice("only-silent", "no answer", marks.count("silent")),
    ]
    return Table([key.replace("_", " ") for key in COLUMNS], rows), choices


def _written(value) -> str:
    return "–" if str(value) in ("inf", "nan", "") else str(value)
