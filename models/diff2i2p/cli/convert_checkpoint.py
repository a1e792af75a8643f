# SPDX-License-Identifier: Apache-2.0
"""`diff2i2p convert-checkpoint`."""

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from diff2i2p.cli.common import Json, app, notes


class Experiment(str, Enum):
    """The released experiments, which differ in thresholds but not in shapes."""

    SEVEN_SCENES = "7scenes"
    RGBD_SCENES_V2 = "rgbd-scenes-v2"


@app.command()
def convert_checkpoint(
    released: Annotated[
        Path,
        typer.Argument(
            metavar="OFFICIAL.pth", help="Checkpoint as released with Diff2I2P or 2D3D-MATR."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Weights to write, NAME.safetensors; NAME.yaml beside it holds the thresholds.",
        ),
    ],
    experiment: Annotated[
        Experiment, typer.Option(help="The data set it was released for: decides the thresholds.")
    ] = (Experiment.SEVEN_SCENES),
    as_json: Json = False,
):
    """Make a released checkpoint usable as weights. Only its tensors are read, no code in the file is ever run."""
    from diff2i2p.weights.released import convert_checkpoint as convert

    with notes.status(f"converting {released}"):
        origin = convert(released, out, experiment.value)
    settings = out.with_suffix(".yaml")
    if as_json:
        return print(json.dumps({"weights": str(out), "config": str(settings), "origin": origin}))
    print(f"{out}: {origin}; use it with --weights {out} --config {settings}")
