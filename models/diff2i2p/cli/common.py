# SPDX-License-Identifier: Apache-2.0
"""What the commands share: the application, options, the progress bar."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Where is the camera in the point-cloud map?"
)
notes = Console(stderr=True, highlight=False)  # what people read; stdout is for results

Weights = Annotated[str | None, typer.Option(help="Weights file, or the name of shipped weights. Without, only appearance can match.")]
Matcher = Annotated[str | None, typer.Option(help="Who finds correspondences: network, appearance or both.")]
Settings = Annotated[Path | None, typer.Option("--config", help="YAML of parameters that differ from the defaults.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def read_config(path: Path | None, matcher: str | None = None):
    """The configuration of the options --config and --matcher. Raises ConfigError."""
    from diff2i2p.config import Config, load_config, override

    config = load_config(path) if path else Config()
    return override(config, {"matcher": matcher}) if matcher else config


@contextmanager
def progress_bar(title: str) -> Iterator:
    """A progress bar: the function given is called with (done or None for one more, total, what)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[what]}"),
    )
    with Progress(*columns, console=notes, transient=True) as progress:
        task = progress.add_task(title, total=None, what="")

        def update(done: int | None, total: int, what: str = "") -> None:
            progress.update(task, total=total, what=what, **({"advance": 1} if done is None else {"completed": done}))

        yield update
