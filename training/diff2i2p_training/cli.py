# SPDX-License-Identifier: Apache-2.0
"""diff2i2p-train: train generic weights, adapt them to a site."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _commands():
    """Train the diff2i2p network."""


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="YAML of parameters that differ from the defaults.")],
    out: Annotated[Path, typer.Option(help="Weights file to write; OUT.ckpt beside it lets training go on after an interruption.")],
    minutes: Annotated[float, typer.Option(help="Training time.")] = 600,
    weights: Annotated[str | None, typer.Option(help="Weights to start from.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
):
    """Make generic weights from synthetic offices. Hours of a GPU."""
    from diff2i2p.config import load_config
    from diff2i2p_training.generic import train_generic

    train_generic(out, minutes, load_config(config), weights, seed)


@app.command()
def adapt(
    cloud: Annotated[Path, typer.Option(help="The site's point cloud (.ply, .pcd, .las, .xyz).")],
    sequence: Annotated[Path, typer.Option(help="Folder of the mapping run's posed images.")],
    out: Annotated[Path, typer.Option(help="Weights file to write; OUT.ckpt beside it lets training go on after an interruption.")],
    start: Annotated[int | None, typer.Option(help="First frame used.")] = None,
    stop: Annotated[int | None, typer.Option(help="Frame before which to stop.")] = None,
    minutes: Annotated[float, typer.Option(help="Training time.")] = 60,
    colour: Annotated[bool, typer.Option(help="Use the cloud's colour or intensity.")] = True,
    weights: Annotated[str | None, typer.Option(help="Weights to start from.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML of parameters that differ from the defaults.")] = None,
    batch: Annotated[int, typer.Option(help="Views per step; a large site wants more.", min=1)] = 6,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
):
    """Make the weights of one site from its cloud and the posed images of a mapping run."""
    import dataclasses

    from diff2i2p.cloud import read_cloud
    from diff2i2p.config import Config, load_config
    from diff2i2p.evaluation.sequences import read_sequence
    from diff2i2p_training.adapt import adapt as adapt_site

    points = read_cloud(cloud)
    if not colour:
        points = dataclasses.replace(points, colours=None, intensity=None)
    settings = load_config(config) if config else Config()
    adapt_site(points, read_sequence(sequence, start, stop), out, minutes, settings, weights, batch, seed)


def main() -> None:
    """Run the command line; a problem of the user's input is one sentence and exit code 2."""
    import sys

    from diff2i2p.weights import WeightsError

    try:
        app()
    except (WeightsError, ValueError, OSError) as error:
        print(f"diff2i2p-train: {error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
