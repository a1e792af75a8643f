# SPDX-License-Identifier: Apache-2.0
"""`diff2i2p evaluate`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from diff2i2p.cli.common import Json, Matcher, Settings, Weights, app, notes, progress_bar, read_config


@app.command()
def evaluate(
    map_file: Annotated[Path, typer.Option("--map", help="Compiled map, .i2pmap.")],
    sequence: Annotated[Path, typer.Option(help="Sequence folder with true poses: TUM or 7-Scenes layout.")],
    out: Annotated[Path, typer.Option(help="Folder for metrics.json, frames.csv and report.html.")],
    start: Annotated[int | None, typer.Option(help="First frame number used.")] = None,
    stop: Annotated[int | None, typer.Option(help="Frame number before which to stop.")] = None,
    weights: Weights = None,
    matcher: Matcher = None,
    settings: Settings = None,
    as_json: Json = False,
):
    """Localize every frame of a sequence on its own, and compare with the truth."""
    from diff2i2p.evaluation import metrics
    from diff2i2p.evaluation.report import Run, write_report
    from diff2i2p.evaluation.sequences import read_sequence
    from diff2i2p.localization.localizer import Localizer

    config = read_config(settings, matcher)
    frames = read_sequence(sequence, start, stop)
    localizer = Localizer.open(map_file, weights, config)
    out.mkdir(parents=True, exist_ok=True)
    with progress_bar(f"{config.matcher}: localizing") as bar:
        records = metrics.evaluate(localizer, frames, lambda record: bar(None, len(frames), record.frame.name))
    summary = metrics.summarize(records, config.matcher, localizer.map.grey is not None, weights, map_file.name)
    metrics.write_metrics(out, records, summary)
    with notes.status("writing the report"):
        page = write_report(out, [Run(config.matcher, records, summary)], localizer.map, f"{frames.name}, matcher {config.matcher}")
    if as_json:
        return print(json.dumps(summary))
    _print_summary(summary)
    print(page)


def _print_summary(summary: dict) -> None:
    table = Table("", summary["matcher"])
    table.add_row("answered", f"{summary['answered']} of {summary['frames']} frames")
    for name, value in summary["recall"].items():
        table.add_row(f"recall {name}", f"{100 * value:.1f} %")
    table.add_row("false poses published", str(summary["false_accepts"]))
    if summary["answered"]:
        table.add_row("median error", f"{100 * summary['median_translation_m']:.1f} cm, {summary['median_rotation_deg']:.2f} deg")
    table.add_row("latency p50, p95", f"{summary['latency_ms']['p50']:.0f}, {summary['latency_ms']['p95']:.0f} ms")
    Console().print(table)
