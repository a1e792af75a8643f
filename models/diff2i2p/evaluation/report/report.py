# SPDX-License-Identifier: Apache-2.0
"""An evaluation as one page that opens anywhere: report.html with everything inside, and its pictures as PNG files beside it."""

import base64
import io
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np

from diff2i2p.drawing import matches_picture
from diff2i2p.evaluation.metric_table import FALSE_ACCEPT
from diff2i2p.evaluation.metrics import MATCH_PIXELS, MATCH_RATIO, Record, frame_row
from diff2i2p.evaluation.report import plots, tables
from diff2i2p.evaluation.report.page import PAGE
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

    The first run is shown in detail, the others are compared with it. Records without matches, as of a node, are drawn
    without them; without truth, what needs it is left out.
    """
    out = Path(out)
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    sections = _sections(runs, site, _Album(out / "pictures"))
    body = "".join(
        f'<section id="{_anchor(name)}"><h2>{name}</h2>{content}<p class=note>{note}</p></section>' for name, content, note in sections
    )
    links = "".join(f'<a href="#{_anchor(name)}">{name}</a>' for name, *_ in sections)
    page = PAGE.format(title=escape(title), origin=_origin(runs[0]), links=links, tiles=tables.tiles(runs[0].summary), body=body)
    (out / "report.html").write_text(page)
    return out / "report.html"


def _sections(runs: list[Run], site: CompiledMap, album: "_Album") -> list[tuple[str, str, str]]:
    """(title, HTML, note) of each section, in the order in which questions come up."""
    main, by_name = runs[0], {run.name: run.records for run in runs}
    judged = any(record.judged for record in main.records)
    where = album.figure("map", plots.top_view(main.records, site.points, site.up, site.header["voxel"]))
    errors = [("Errors", album.figure("errors", plots.error_curves(by_name)), ERRORS_NOTE)] if judged else []
    stages = main.summary["latency_ms"]["stages"]
    return [
        ("Figures", tables.comparison({run.name: run.summary for run in runs}, by_name), DEFINITIONS if judged else ""),
        ("Where the camera was", where, MAP_NOTE),
        *errors,
        ("Along the way", album.figure("timeline", plots.timeline(by_name)), TIMELINE_NOTE),
        ("Does it know?", album.figure("confidence", plots.confidences(by_name)), CONFIDENCE_NOTE if judged else ""),
        ("Time", album.figure("latency", plots.latencies(by_name, stages)), TIME_NOTE + escape(main.summary["machine"])),
        ("Frames, worst first", _frames(main.records, site, album), FRAMES_NOTE),
        ("Every frame", tables.frames(main.records), ""),
    ]


MAP_NOTE = "Seen from above, cut just over the camera. Ticks show where the camera looks; thin lines join an estimate to its truth."
ERRORS_NOTE = "All frames with truth count; dotted: the bounds of recall."
TIMELINE_NOTE = "Grey bars: no answer; red bars: a false pose (of the first matcher). Dotted: 25 cm and 5 deg."
CONFIDENCE_NOTE = (
    "Left: confidence of right (25 cm, 5 deg), wrong and withheld poses. Right: the share of published poses that were right,"
    " larger dots stand for more frames; on the dotted line it knows exactly how sure it may be."
)
TIME_NOTE = "Left: median time of each stage, with a line up to the 95th percentile. "
FRAMES_NOTE = (
    "Left: the rectified frame. Right: the map from the estimated pose, or from the true one where there is no estimate."
    " Green: inliers; red: outliers."
)
DEFINITIONS = (
    "Recall counts frames without an answer as failures. <b>rmse 10cm</b>: the map points in view move less than 10 cm (root mean square)"
    f" between true and estimated pose. <b>False poses</b>: published, yet more than {FALSE_ACCEPT[0]:g} m or {FALSE_ACCEPT[1]:g} deg off."
    " <b>APE, RPE</b> by evo, of the answered frames, without alignment."
    f" <b>Inlier ratio</b>: matches whose map point the true pose puts within {MATCH_PIXELS:g} px of its pixel. <b>Feature matching"
    f" recall</b>: frames with an inlier ratio above {MATCH_RATIO:.0%}. Medians are over the answered frames."
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


def _anchor(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def _origin(run: Run) -> str:
    facts = run.summary
    weights = f"weights {facts['weights']}" if facts["weights"] else "no weights"
    colour = "with colour" if facts["colour"] else "without colour"
    parts = [f"{facts['frames']} frames", f"map {facts['map']}, {colour}", f"matcher {run.name}", weights]
    parts += [f"{what}: {source}" for what, source in facts.get("sources", {}).items()]
    parts += ["truth aligned to the answers"] if facts.get("aligned") else []
    return escape(" · ".join([*parts, facts["git"], facts["machine"]]))


def _frames(records: list[Record], site: CompiledMap, album: _Album) -> str:
    """Match pictures of the worst frames, and of the median and the best."""
    ranked = sorted((record for record in records if record.answer.view is not None), key=_badness, reverse=True)
    if not ranked:
        return "<p>The matches of these frames were not recorded.</p>"
    parts = []
    for label, record in _chosen(ranked).items():
        photo = album.photo(f"frame_{label.replace(' ', '_')}", matches_picture(record.moved(-site.origin), site.dense))
        badge = "<span class=badge>false pose</span> · " if record.false_accept else ""
        parts.append(f"<figure>{photo}<figcaption><b>{label}</b> · {badge}{escape(reason(record))}</figcaption></figure>")
    return "".join(parts)


def _chosen(ranked: list[Record]) -> dict[str, Record]:
    """Worst, median and best of records ordered from worst to best, each once."""
    last = len(ranked) - 1
    places = {f"worst {i}": i - 1 for i in range(1, WORST + 1)} | {"median": len(ranked) // 2, "best": last}
    labels = {place: label for label, place in places.items() if place <= last}
    return {label: ranked[place] for place, label in sorted(labels.items())}


def _badness(record: Record) -> tuple:
    """Wrong poses are worst, then silence, then error; without truth the less sure is the worse."""
    if not record.answer.ok:
        return 1, -np.nan_to_num(record.inlier_ratio)
    if not record.judged:
        return 0, -record.answer.confidence
    return (2 if record.false_accept else 0), max(record.translation_m / 0.25, record.rotation_deg / 5)


def reason(record: Record) -> str:
    """What came of a frame and why, in a sentence."""
    row, answer = frame_row(record), record.answer
    found = f"{row['inliers']} of {row['matches']} matches are inliers" if answer.ok else f"{row['matches']} matches"
    right = [f"{record.inlier_ratio:.0%} are right by the truth"] if record.judged else []
    facts = ", ".join([answer.matcher or "no matcher", found, *right, f"confidence {answer.confidence:.2f}"])
    off = f"{100 * record.translation_m:.1f} cm, {record.rotation_deg:.2f}° off" if record.judged else "answered, truth unknown"
    result = off if answer.ok else f"no answer: {record.problem or answer.status.value}"
    return f"{record.frame.name}: {result} ({facts})"
