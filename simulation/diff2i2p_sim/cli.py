# SPDX-License-Identifier: Apache-2.0
"""The command line `diff2i2p-sim`; its command `world` is one of `diff2i2p`, too (entry points `diff2i2p.commands`)."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from diff2i2p.cli.common import new_app, progress_bar, run

app = new_app("Synthetic worlds to localize in.")


class Storage(str, Enum):
    """What ROS 2 writes bags in."""

    mcap = "mcap"
    sqlite3 = "sqlite3"


@app.command()
def world(
    out: Annotated[
        Path, typer.Option(help="Folder for cloud.ply, mapping/, drive/ and world.sdf.")
    ],
    seed: Annotated[int, typer.Option(help="Another seed is another office.")] = 0,
    rooms: Annotated[
        int, typer.Option(help="Rooms along its corridor, about 18 m2 each.", min=1)
    ] = 3,
    sdf: Annotated[
        Path | None,
        typer.Option(help="World to take instead of a new one, such as launch/worlds/office.sdf."),
    ] = None,
    mapping_frames: Annotated[int, typer.Option(help="Images of the mapping run.", min=2)] = 1000,
    drive_frames: Annotated[
        int, typer.Option(help="Images of the drive on another day.", min=2)
    ] = 200,
    bag: Annotated[
        bool,
        typer.Option(
            "--bag",
            help="Record the drive as a ROS 2 bag, too: drive_bag/, with odometry and truth.",
        ),
    ] = False,
    storage: Annotated[Storage, typer.Option(help="Format of the bag.")] = Storage.mcap,
    compressed: Annotated[
        bool, typer.Option("--compressed", help="JPEG images in the bag.")
    ] = False,
):
    """Make a synthetic office: its scan, a mapping run, a drive on another day with true poses, and an SDF world."""
    from diff2i2p.datasets.bag_record import require_new
    from diff2i2p_sim.world import World
    from diff2i2p_sim.write import write_world

    if bag:  # said before minutes are spent
        require_new(out / "drive_bag")
    office = World.from_sdf(sdf) if sdf else World.office(seed, rooms)
    write_world(office, out, seed, mapping_frames=mapping_frames, drive_frames=drive_frames)
    print(out)
    if bag:
        print(_record(out, storage.value, compressed))


def _record(out: Path, storage: str, compressed: bool) -> Path:
    from diff2i2p.datasets.bag_record import record_bag
    from diff2i2p.datasets.sequences import read_sequence

    with progress_bar("recording") as bar:
        record_bag(
            out / "drive_bag", read_sequence(out / "drive"), storage, compressed, progress=bar
        )
    return out / "drive_bag"


@app.callback()
def _commands() -> None:
    """Keeps `world` a command of its own, though it is the only one."""


def main() -> None:
    """Run the command line."""
    run(app)
