# SPDX-License-Identifier: Apache-2.0
"""An evaluation as one page that opens anywhere: report.html with everything inside, and its pictures as PNG files beside it."""

import base64
import io
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np

from diff2i2p.evaluation import pictures
from diff2i2p.evaluation.metrics import FALSE_ACCEPT, MATCH_PIXELS, MATCH_RATIO, Record, frame_row
from diff2i2p.evaluation.page import PAGE
from diff2i2p.mapping.compiled_map import CompiledMap

WORST = 10


@dataclass(frozen=True)
class Run:
    """One pass over the sequence, under the name of its matcher."""

    name: str
    records: list[Record]
    summary: dict  # metrics.summarize


def write_report(out: Path | str, runs: list[Run], site: CompiledMap, title: str) -> Path:
    """Write report.html and pictures/ into `out`; gives the page's path.

    The first run is shown in detail, the others are compared with it. Records without matches, as of a node, are drawn without them.
    """
    out, main = Path(out), runs[0]
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    album = _Album(out / "pictures")
    sections = [
        ("Where the camera was", album.figure("map", pictures.top_view(main.records, site.points, site.up, _spacing(site))), MAP_NOTE),
        (
            "Errors",
            album.figure("errors", pictures.error_curves({run.name: run.records for run in runs})),
            "All frames count; dotted: the bounds of recall.",
        ),
        ("Errors along the way", album.figure("errors_by_frame", pictures.errors_by_frame(main.records)), "Red bars: no answer."),
        ("Time", album.figure("latency", pictures.latencies(main.summary["latency_ms"])), escape(main.summary["machine"])),
        ("Does it know?", album.figure("confidence", pictures.confidences(main.records)), CONFIDENCE_NOTE),
        ("Frames: best, median, and the worst", _frames(main.records, site, album), FRAMES_NOTE),
        ("Every frame", _frame_table(main.records), ""),
    ]
    body = "".join(f"<section><h2>{name}</h2>{content}<p class=note>{note}</p></section>" for name, content, note in sections)
    page = PAGE.format(
        title=escape(title), origin=_origin(main), tiles=_tiles(main), table=_comparison(runs), definitions=DEFINITIONS, body=body
    )
    (out / "report.html").write_text(page)
    return out / "report.html"


MAP_NOTE = "Seen from above, cut just over the camera. Ticks show where the camera looks; thin lines join an estimate to its truth."
CONFIDENCE_NOTE = (
    "Left: confidence of right (25 cm, 5 deg), wrong and withheld poses. Right: the share of published poses that were right;"
    " on the dotted line it knows exactly how sure it may be."
)
FRAMES_NOTE = (
    "Left: the rectified frame. Right: the map from the estimated pose, or from the true one where there is no estimate."
    " Green: inliers; red: outliers."
)
DEFINITIONS = (
    "Recall counts frames without an answer as failures. <b>rmse 10cm</b>: the map points in view move less than 10 cm (root mean square)"
    f" between true and estimated pose. <b>False poses</b>: published, yet more than {FALSE_ACCEPT[0]:g} m or {FALSE_ACCEPT[1]:g} deg off."
    f" <b>Inlier ratio</b>: matches whose map point the true pose puts within {MATCH_PIXELS:g} px of its pixel. <b>Feature matching"
    f" recall</b>: frames with an inlier ratio above {MATCH_RATIO:.0%}. Medians are over the answered frames."
)
PLAIN_ROWS = (
    ("false poses", "false_accepts", "{}"),
    ("median translation", "median_translation_m", "{:.3f} m"),
    ("median rotation", "median_rotation_deg", "{:.2f}°"),
    ("inlier ratio", "inlier_ratio", "{:.1%}"),
    ("feature matching recall", "feature_matching_recall", "{:.1%}"),
    ("peak memory", "peak_rss_mb", "{} MB"),
)


class _Album:
    """Pictures on disk, and as HTML with the picture inside."""

    def __init__(self, folder: Path):
        self.folder = folder

    def figure(self, name: str, figure) -> str:
        data = io.BytesIO()
        figure.savefig(data, format="png", bbox_inches="tight")
        (self.folder / f"{name}.png").write_bytes(data.getvalue())
        return _embedded("png", data.getvalue(), name)

    def photo(self, name: str, image: np.ndarray) -> str:
        """A photo goes into the page as JPEG, a quarter of the size."""
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(self.folder / f"{name}.png"), bgr)
        return _embedded("jpeg", cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes(), name)


def _embedded(kind: str, data: bytes, name: str) -> str:
    return f'<img alt="{escape(name)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def _origin(run: Run) -> str:
    facts = run.summary
    weights = f"weights {facts['weights']}" if facts["weights"] else "no weights"
    colour = "with colour" if facts["colour"] else "without colour"
    return escape(
        f"{facts['frames']} frames · map {facts['map']}, {colour} · matcher {run.name} · {weights} · {facts['git']} · {facts['machine']}"
    )


def _tiles(run: Run) -> str:
    facts = run.summary
    answered = facts["median_translation_m"] is not None
    error = f"{100 * facts['median_translation_m']:.1f} cm · {facts['median_rotation_deg']:.2f}°" if answered else "none"
    tiles = [
        (f"{facts['recall']['25cm_5deg']:.1%}", "within 25 cm and 5°"),
        (error, "median error"),
        (str(facts["false_accepts"]), "false poses published"),
        (f"{facts['latency_ms']['p50']:.0f} ms", "per frame, median"),
    ]
    return "".join(f"<div><strong>{value}</strong><span>{name}</span></div>" for value, name in tiles)


def _comparison(runs: list[Run]) -> str:
    """Every figure of every run, a column each."""
    rows = [("answered", [f"{run.summary['answered']} of {run.summary['frames']}" for run in runs])]
    for name in runs[0].summary["recall"]:
        rows.append((f"recall {name.replace('_', ' ')}", [f"{run.summary['recall'][name]:.1%}" for run in runs]))
    rows += [(name, [_shown(run.summary[key], form) for run in runs]) for name, key, form in PLAIN_ROWS]
    rows += [(f"latency {key}", [f"{run.summary['latency_ms'][key]:.0f} ms" for run in runs]) for key in ("p50", "p95")]
    return _table(["", *(run.name for run in runs)], [[name, *values] for name, values in rows])


def _shown(value, form: str) -> str:
    return "–" if value is None else form.format(value)


def _frames(records: list[Record], site: CompiledMap, album: _Album) -> str:
    """Match pictures of the best, the median and the worst frames."""
    ranked = sorted((record for record in records if record.answer.view is not None), key=_badness)
    if not ranked:
        return "<p>The matches of these frames were not recorded.</p>"
    parts = []
    for label, record in _chosen(ranked).items():
        picture = pictures.matches_picture(record, site.points, site.grey, _spacing(site))
        photo = album.photo(f"frame_{label.replace(' ', '_')}", picture)
        parts.append(f"<figure>{photo}<figcaption><b>{label}</b> · {escape(reason(record))}</figcaption></figure>")
    return "".join(parts)


def _chosen(ranked: list[Record]) -> dict[str, Record]:
    """Best, median and worst of records ordered from best to worst, each once."""
    places = {"best": 0, "median": len(ranked) // 2} | {f"worst {i}": len(ranked) - i for i in range(1, WORST + 1)}
    labels = {place: label for label, place in reversed(places.items()) if place >= 0}
    return {label: ranked[place] for place, label in sorted(labels.items(), key=lambda item: list(places).index(item[1]))}


def _spacing(site: CompiledMap) -> float:
    return float(site.header["voxel"])  # metres


def _badness(record: Record) -> tuple:
    """Wrong poses are worst, then silence, then error."""
    if not record.answer.ok:
        return 1, -record.inlier_ratio
    return (2 if record.false_accept else 0), max(record.translation_m / 0.25, record.rotation_deg / 5)


def reason(record: Record) -> str:
    """What came of a frame and why, in a sentence."""
    row, answer = frame_row(record), record.answer
    found = f"{row['inliers']} of {row['matches']} matches are inliers" if answer.ok else f"{row['matches']} matches"
    right = f"{record.inlier_ratio:.0%} are right by the truth"
    sure = f"confidence {answer.confidence:.2f}"
    result = f"{100 * record.translation_m:.1f} cm, {record.rotation_deg:.2f}° off" if answer.ok else f"no answer: {answer.status.value}"
    return f"{record.frame.name}: {result} ({answer.matcher or 'no matcher'}, {found}, {right}, {sure})"


def _frame_table(records: list[Record]) -> str:
    keys = (
        "name",
        "status",
        "matcher",
        "confidence",
        "translation_m",
        "rotation_deg",
        "rmse_m",
        "matches",
        "inliers",
        "inlier_ratio",
        "latency_ms",
    )
    rows = [[str(frame_row(record)[key]).replace("inf", "–") for key in keys] for record in records]
    marks = ["false" if record.false_accept else "" if record.answer.ok else "silent" for record in records]
    return f"<details><summary>{len(records)} rows</summary>{_table([key.replace('_', ' ') for key in keys], rows, marks)}</details>"


def _table(head: list[str], rows: list[list[str]], marks: list[str] | None = None) -> str:
    marks = marks or [""] * len(rows)
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        f'<tr class="{mark}">{"".join(f"<td>{escape(cell)}</td>" for cell in row)}</tr>' for row, mark in zip(rows, marks, strict=True)
    )
    return f"<div class=wide><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
