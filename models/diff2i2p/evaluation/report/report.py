# SPDX-License-Identifier: Apache-2.0
"""An evaluation as one page that opens anywhere: report.html with everything inside, and its pictures as PNG files beside it."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import jinja2
import numpy as np

from diff2i2p.drawing import matches_beside_map
from diff2i2p.evaluation.metric_table import FALSE_ACCEPT, RIGHT
from diff2i2p.evaluation.metrics import MATCH_PIXELS, MATCH_RATIO, Record
from diff2i2p.evaluation.report import plots, tables
from diff2i2p.evaluation.report.scene import scene
from diff2i2p.evaluation.report.wording import reason
from diff2i2p.mapping.compiled_map import CompiledMap

WORST = 10  # defined: frames shown, besides the median and the best


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
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined
    )
    content = _content(runs, site, _Album(out / "pictures"))
    page = environment.get_template("report.html.j2").render(title=title, **content)
    (out / "report.html").write_text(page)
    return out / "report.html"


def _content(runs: list[Run], site: CompiledMap, album: "_Album") -> dict:
    """What the template shows."""
    main, by_name = runs[0], {run.name: run.records for run in runs}
    judged = any(record.judged for record in main.records)
    every_frame, choices = tables.frames(main.records)
    stages = main.summary["latency_ms"]["stages"]
    top_view = plots.top_view(main.records, site.points, site.up, site.header["voxel"])
    return {
        "origin": _origin(main),
        "tiles": tables.tiles(main.summary),
        "judged": judged,
        "comparison": tables.comparison({run.name: run.summary for run in runs}),
        "complement": tables.complement(by_name),
        "false_accept": FALSE_ACCEPT,
        "match_pixels": MATCH_PIXELS,
        "match_ratio": MATCH_RATIO,
        "map": album.plot("map", top_view),
        "scene": scene(main.records, site),
        "errors": album.plot("errors", plots.error_curves(by_name)) if judged else None,
        "timeline": album.plot("timeline", plots.timeline(by_name)),
        "confidence": album.plot("confidence", plots.confidences(by_name)),
        "latency": album.plot("latency", plots.latencies(by_name, stages)),
        "machine": main.summary["machine"],
        "frames": _frames(main.records, site, album),
        "every_frame": every_frame,
        "choices": choices,
    }


@dataclass(frozen=True)
class Picture:
    """An image inside the page."""

    name: str
    uri: str  # with the image in it


class _Album:
    """Pictures on disk, and ready for the page."""

    def __init__(self, folder: Path):
        self.folder = folder

    def plot(self, name: str, figure) -> Picture:
        data = io.BytesIO()
        figure.savefig(data, format="png", bbox_inches="tight")
        (self.folder / f"{name}.png").write_bytes(data.getvalue())
        return _picture("png", data.getvalue(), name)

    def photo(self, name: str, image: np.ndarray) -> Picture:
        """A photo goes into the page as JPEG, a quarter of the size."""
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(self.folder / f"{name}.png"), bgr)
        jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
        return _picture("jpeg", jpeg.tobytes(), name)


def _picture(kind: str, data: bytes, name: str) -> Picture:
    return Picture(name, f"data:image/{kind};base64,{base64.b64encode(data).decode()}")


def _origin(run: Run) -> list[str]:
    """What the figures are of."""
    facts = run.summary
    weights = f"weights {facts['weights']}" if facts["weights"] else "no weights"
    colour = "with colour" if facts["colour"] else "without colour"
    parts = [f"{facts['frames']} frames", f"map {facts['map']}, {colour}", f"matcher {run.name}"]
    sources = [f"{what}: {source}" for what, source in facts.get("sources", {}).items()]
    aligned = ["truth aligned to the answers"] if facts.get("aligned") else []
    return [*parts, weights, *sources, *aligned, facts["git"], facts["machine"]]


@dataclass(frozen=True)
class ShownFrame:
    """One frame with its matches."""

    label: str
    picture: Picture
    reason: str
    false_accept: bool


def _frames(records: list[Record], site: CompiledMap, album: _Album) -> list[ShownFrame]:
    """Match pictures of the worst frames, and of the median and the best; none where none has matches."""
    viewed = (record for record in records if record.answer.view is not None)
    ranked = sorted(viewed, key=_badness, reverse=True)
    return [_shown(label, record, site, album) for label, record in _chosen(ranked).items()]


def _shown(label: str, record: Record, site: CompiledMap, album: _Album) -> ShownFrame:
    local = record.moved(-site.origin)
    answer = local.answer
    T = answer.T_map_camera if answer.ok else local.frame.T_map_camera
    image = matches_beside_map(answer.view, answer.correspondences, answer.inliers, T, site.dense)
    photo = album.photo(f"frame_{label.replace(' ', '_')}", image)
    return ShownFrame(label, photo, reason(record), record.false_accept)


def _chosen(ranked: list[Record]) -> dict[str, Record]:
    """Worst, median and best of records ordered from worst to best, each once."""
    if not ranked:
        return {}
    last = len(ranked) - 1
    places = {f"worst {i}": i - 1 for i in range(1, WORST + 1)} | {
        "median": len(ranked) // 2,
        "best": last,
    }
    labels = {place: label for label, place in places.items() if place <= last}
    return {label: ranked[place] for place, label in sorted(labels.items())}


def _badness(record: Record) -> tuple:
    """Wrong poses are worst, then silence, then error; without truth the less sure is the worse."""
    if not record.answer.ok:
        return 1, -np.nan_to_num(record.inlier_ratio)
    if not record.judged:
        return 0, -record.answer.confidence
    return (2 if record.false_accept else 0), max(
        record.translation_m / RIGHT[0], record.rotation_deg / RIGHT[1]
    )
