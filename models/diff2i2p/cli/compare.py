# SPDX-License-Identifier: Apache-2.0
"""`diff2i2p compare`."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from diff2i2p.cli.common import Json, app
from diff2i2p.evaluation.compare import Tolerances

HELP = {
    field.name: typer.Option(
        min=0, help=f"{field.metadata['help']} {field.metadata['unit']}".strip()
    )
    for field in fields(Tolerances)
}
DEFAULTS = Tolerances()


@app.command()
def compare(
    before: Annotated[
        Path,
        typer.Argument(metavar="A", help="Folder of the earlier evaluation, or its metrics.json."),
    ],
    after: Annotated[Path, typer.Argument(metavar="B", help="Folder of the later one.")],
    share: Annotated[float, HELP["share"]] = DEFAULTS.share,
    count: Annotated[float, HELP["count"]] = DEFAULTS.count,
    error: Annotated[float, HELP["error"]] = DEFAULTS.error,
    error_floor: Annotated[float, HELP["error_floor"]] = DEFAULTS.error_floor,
    seconds: Annotated[float, HELP["seconds"]] = DEFAULTS.seconds,
    latency: Annotated[float, HELP["latency"]] = DEFAULTS.latency,
    memory: Annotated[float, HELP["memory"]] = DEFAULTS.memory,
    frames: Annotated[
        int, typer.Option(min=0, help="Frames shown that got worse, the worst first.")
    ] = 10,
    as_json: Json = False,
):
    """What changed between two evaluations. Exit code 1 when B is worse than A by more than is let pass, as a CI wants it."""
    from diff2i2p.evaluation.compare import compare as compare_runs

    found = compare_runs(
        before, after, Tolerances(share, count, error, error_floor, seconds, latency, memory)
    )
    if as_json:
        print(json.dumps(found.summary, indent=1))
    else:
        _print(found, frames)
    raise typer.Exit(1 if found.regressions else 0)


def _print(found, frames: int) -> None:
    console = Console(highlight=False)
    table = Table("", "A", "B", "")
    for change in found.changes:
        if change.before != change.after:
            word, style = (
                ("worse", "red")
                if change.regression
                else ("better", "green")
                if change.better
                else ("within tolerance", None)
            )
            table.add_row(
                change.figure.name,
                change.figure.written(change.before),
                change.figure.written(change.after),
                word,
                style=style,
            )
    console.print(table if table.row_count else "all figures are equal")
    console.print(_shared(found))
    for frame in found.frames[:frames]:
        console.print(
            f"  {frame.name}: {_state(frame.before, frame.before_m)} -> {_state(frame.after, frame.after_m)}"
        )
    if found.regressions:
        console.print(
            f"REGRESSION: {', '.join(change.figure.name for change in found.regressions)}",
            style="bold red",
        )


def _shared(found) -> str:
    """What became of the frames that both runs have, and how many each has where that differs."""
    a, b = found.counts
    if not found.common:
        return f"no frame in common, of {a} in A and {b} in B: the figures are of different images"
    told = f"{len(found.frames)} of {found.common} common frames got worse, {found.improved} got better"
    return told if a == b == found.common else f"{told} (A has {a} frames, B {b})"


def _state(verdict: str, metres: float | None) -> str:
    return verdict if metres is None else f"{verdict}, {100 * metres:.1f} cm"
