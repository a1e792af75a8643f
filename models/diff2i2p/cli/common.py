# SPDX-License-Identifier: Apache-2.0
"""What the commands share: the application and how it ends, options, the progress bar."""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def new_app(about: str) -> typer.Typer:
    """A command line without commands."""
    return typer.Typer(
        add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=about
    )


def run(app: typer.Typer) -> None:
    """Run a command line; bad input is one sentence on stderr and exit code 2."""
    # else the collector looks through all of torch before the process may go: 0.7 s of a core
    atexit.register(gc.freeze)
    try:
        app()
    except (ValueError, OSError) as error:
        ours = type(error).__module__.startswith("diff2i2p") or isinstance(error, OSError)
        if not ours:  # a mistake of this program: show where
            raise
        print(f"diff2i2p: {error}", file=sys.stderr)
        sys.exit(2)


app = new_app("Where is the camera in the point-cloud map?")
notes = Console(stderr=True, highlight=False)  # what people read; stdout is for results

Weights = Annotated[
    str | None,
    typer.Option(
        help="Weights file, or the name of shipped weights; by default those that the map was"
        " compiled with, where they ship."
    ),
]
Matcher = Annotated[
    str | None, typer.Option(help="Who finds correspondences: network, appearance or both.")
]
Settings = Annotated[
    Path | None, typer.Option("--config", help="YAML of parameters that differ from the defaults.")
]
Truth = Annotated[
    str,
    typer.Option(
        help="Poses of a bag: a topic, tf, tf:PARENT:CHILD or a TUM file; default: a topic so named."
    ),
]
TruthFrame = Annotated[
    str,
    typer.Option(help="Frame whose pose that is; default: what odometry says, else the camera."),
]
ImageTopic = Annotated[
    str,
    typer.Option(
        help="Topic of a bag's images, raw or compressed; needed where there are several."
    ),
]
InfoTopic = Annotated[
    str, typer.Option(help="Topic of a bag's calibration; default: the image topic's neighbour.")
]
CameraFile = Annotated[
    Path | None,
    typer.Option("--camera", help="Calibration as ROS camera_info YAML, instead of that."),
]
Unit = Annotated[
    str | None,
    typer.Option(help="Unit of the cloud: m, cm, mm or ft; metres unless its file says so."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def read_config(path: Path | None, matcher: str | None = None):
    """The configuration of the options --config and --matcher. Raises ConfigError."""
    from diff2i2p.config import Config, load_config
    from diff2i2p.parameters import override

    config = load_config(path) if path else Config()
    return override(config, {"matcher": matcher}) if matcher else config


@contextmanager
def progress_bar(title: str) -> Iterator:
    """A progress bar: the function given is called with (done or None for one more, total, what)."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

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
            progress.update(
                task,
                total=total,
                what=what,
                **({"advance": 1} if done is None else {"completed": done}),
            )

        yield update


def tell_sources(sequence) -> None:
    """What of a bag was taken from where, and how many images; nothing of a folder."""
    sources = getattr(sequence, "sources", {})
    for what, source in sources.items():
        notes.print(f"{what}: {source}")
    if sources:
        notes.print(f"{len(sequence)} images used")


def bag_choice(
    image_topic: str, info_topic: str, camera: Path | None, truth: str, truth_frame: str, **more
):  # fmt: skip
    """The `BagChoice` of these options. Raises CameraError."""
    from diff2i2p.camera import Camera
    from diff2i2p.datasets.bag_sequence import BagChoice

    lens = Camera.from_yaml(camera) if camera else None
    return BagChoice(image_topic, info_topic, lens, truth, truth_frame, **more)
