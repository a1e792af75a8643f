# SPDX-License-Identifier: Apache-2.0
"""The tables and tiles of report.html."""

from html import escape

from diff2i2p.evaluation.metric_table import FIGURES, Figure
from diff2i2p.evaluation.metrics import Record, frame_row

COLUMNS = (
    "name", "status", "matcher", "confidence", "translation_m", "rotation_deg", "rmse_m", "matches", "inliers", "inlier_ratio",
    "latency_ms",
)  # fmt: skip


def tiles(facts: dict) -> str:
    """What one wants to know first."""
    latency = (f"{facts['latency_ms']['p50']:.0f} ms", "per frame, median", "")
    answered = (f"{facts['answered']} of {facts['frames']}", "frames answered", "")
    if not facts["frames_with_truth"]:
        gap = (f"{facts['availability']['longest_gap_s']:.1f} s", "longest time without a pose", "")
        return _tiles([answered, gap, latency])
    error = f"{100 * facts['median_translation_m']:.1f} cm · {facts['median_rotation_deg']:.2f}°" if facts["answered"] else "none"
    false = facts["false_accepts"]
    return _tiles(
        [
            (f"{facts['recall']['25cm_5deg']:.1%}", "within 25 cm and 5°", ""),
            (error, "median error", ""),
            (str(false), "false poses published", "bad" if false else ""),
            answered,
            latency,
        ]
    )


def _tiles(tiles: list[tuple[str, str, str]]) -> str:
    return "".join(f'<div class="{mark}"><strong>{value}</strong><span>{name}</span></div>' for value, name, mark in tiles)


def comparison(summaries: dict[str, dict], records: dict[str, list[Record]]) -> str:
    """Every figure of every run, a column each, the best one marked; and which run finds the frames that others do not."""
    rows, marks = [], []
    for figure in FIGURES:
        values = [figure.value(facts) for facts in summaries.values()]
        if any(value is not None for value in values):
            rows.append([figure.name, *map(figure.written, values)])
            marks.append(_best(figure, values))
    cells = table(["", *summaries], rows, cell_marks=marks)
    return f"<div class=pair>{cells}{_complement(records)}</div>" if len(summaries) > 1 else cells


def _best(figure: Figure, values: list) -> list[str]:
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(set(known)) < 2:
        return []
    best = (max if figure.better == "higher" else min)(known)
    return ["", *("best" if value == best else "" for value in values)]


def _complement(records: dict[str, list[Record]]) -> str:
    """How many frames are right, within 25 cm and 5 deg, by each combination of the runs."""
    names = list(records)
    right = {name: {record.frame.index for record in run if record.within(0.25, 5)} for name, run in records.items()}
    frames = set.intersection(*({record.frame.index for record in run if record.judged} for run in records.values()))
    if not frames:
        return ""
    counts: dict[tuple[bool, ...], int] = {}
    for frame in frames:
        hit = tuple(frame in right[name] for name in names)
        counts[hit] = counts.get(hit, 0) + 1
    rows = [["✓" if yes else "·" for yes in hit] + [str(count)] for hit, count in sorted(counts.items(), reverse=True)]
    return table([*names, "frames right by these alone"], rows)


def frames(records: list[Record]) -> str:
    """A row per frame, sortable, with buttons that show false poses or silence only."""
    rows = [[_cell(frame_row(record)[key]) for key in COLUMNS] for record in records]
    marks = ["false" if record.false_accept else "" if record.answer.ok else "silent" for record in records]
    choices = {
        "": f"all {len(rows)}",
        "only-false": f"false poses ({marks.count('false')})",
        "only-silent": f"no answer ({marks.count('silent')})",
    }
    buttons = "".join(f'<button data-only="{key}">{name}</button>' for key, name in choices.items())
    return f"<div>{buttons}{table([key.replace('_', ' ') for key in COLUMNS], rows, marks, kind='sortable')}</div>"


def _cell(value) -> str:
    return "–" if str(value) in ("inf", "nan", "") else str(value)


def table(
    head: list[str], rows: list[list[str]], marks: list[str] | None = None, cell_marks: list[list[str]] | None = None, kind: str = ""
) -> str:
    """HTML of a table; marks are classes of its rows, cell_marks of their cells."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = []
    for i, row in enumerate(rows):
        classes = (cell_marks[i] if cell_marks else []) or [""] * len(row)
        cells = "".join(f'<td class="{mark}">{escape(cell)}</td>' for cell, mark in zip(row, classes, strict=True))
        body.append(f'<tr class="{marks[i] if marks else ""}">{cells}</tr>')
    return f'<div class="wide {kind}"><table><thead><tr>{top}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
