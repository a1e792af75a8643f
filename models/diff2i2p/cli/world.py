# SPDX-License-Identifier: Apache-2.0
"""`diff2i2p world`."""

from pathlib import Path
from typing import Annotated

import typer

from diff2i2p.cli.common import app


@app.command()
def world(
    out: Annotated[Path, typer.Option(help="Folder for cloud.ply, mapping/, drive/ and world.sdf.")],
    seed: Annotated[int, typer.Option(help="Another seed is another office.")] = 0,
    mapping_frames: Annotated[int, typer.Option(help="Images of the mapping run.", min=2)] = 1000,
    drive_frames: Annotated[int, typer.Option(help="Images of the drive on another day.", min=2)] = 200,
):
    """Make a synthetic office: its scan, a mapping run, a drive on another day with true poses, and an SDF world."""
    from diff2i2p.world import World, write_world

    write_world(World.office(seed), out, seed, mapping_frames=mapping_frames, drive_frames=drive_frames)
    print(out)
