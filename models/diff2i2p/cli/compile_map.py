# SPDX-License-Identifier: Apache-2.0
"""`diff2i2p compile-map`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from diff2i2p.cli.common import (
    CameraFile,
    ImageTopic,
    InfoTopic,
    Json,
    Settings,
    Truth,
    TruthFrame,
    Unit,
    app,
    bag_choice,
    notes,
    progress_bar,
    read_config,
    tell_sources,
)


@app.command()
def compile_map(
    cloud: Annotated[
        Path,
        typer.Argument(help="Point cloud: .ply, .pcd, .las, .laz, .xyz, .txt or .csv, in metres."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Compiled map to write, NAME.i2pmap.")],
    weights: Annotated[
        str,
        typer.Option(
            help="Weights that read the map's geometry, a file or the name of shipped ones; 'none':"
            " appearance alone."
        ),
    ] = "generic",
    sequence: Annotated[
        Path | None,
        typer.Option(
            help="Posed images of the mapping run, a folder or a bag: appearance matches to them, too,"
            " and a cloud without colour takes theirs."
        ),
    ] = None,
    stop: Annotated[
        int | None, typer.Option(help="Use its images before this number only.")
    ] = None,
    truth: Truth = "",
    truth_frame: TruthFrame = "",
    image_topic: ImageTopic = "",
    camera_info_topic: InfoTopic = "",
    camera: CameraFile = None,
    colour: Annotated[
        bool, typer.Option("--colour/--no-colour", help="Use the cloud's colour or intensity.")
    ] = True,
    up: Annotated[
        str | None,
        typer.Option(help="Up axis of the cloud: z, -y, ...; found from its floor unless given."),
    ] = None,
    unit: Unit = None,
    frame_id: Annotated[
        str, typer.Option(help="TF frame that the cloud's coordinates are in.")
    ] = "map",
    settings: Settings = None,
    as_json: Json = False,
):
    """Make a point cloud ready to localize in: once per cloud and weights."""
    from diff2i2p.cloud import axis_up, find_up, read_cloud
    from diff2i2p.weights import find_weights

    if sequence and not colour:
        raise typer.BadParameter(
            "--sequence gives the map its looks and --no-colour takes them away: leave one of them out"
        )
    config, axis = read_config(settings), axis_up(up) if up else None
    weights = None if weights == "none" else weights
    if weights:  # what is wrong with the arguments is said before minutes are spent
        find_weights(weights)
    out.parent.mkdir(parents=True, exist_ok=True)
    with notes.status(f"reading {cloud}"):
        points = read_cloud(cloud, unit)
        axis = find_up(points) if axis is None else axis
    choice = bag_choice(image_topic, camera_info_topic, camera, truth, truth_frame, stop=stop)
    photographs = _photographs(sequence, choice, frame_id) if sequence else []
    _tell(
        points, f"{_axis_name(axis)}{'' if up else ' (found from the cloud; --up says otherwise)'}"
    )
    from diff2i2p.mapping.compile_map import compile_map as compile_cloud

    with progress_bar("compiling") as bar:
        site = compile_cloud(points, out, weights, config, colour, axis, frame_id, photographs, bar)
    if site.no_looks and site.no_geometry:
        notes.print(f"nothing can match images to it: {site.no_looks}; {site.no_geometry}")
    if as_json:
        return print(json.dumps(site.header | {"map": str(out), "points": len(site.points)}))
    print(f"{out}: {len(site.points):,} points, {out.stat().st_size / 1e6:.1f} MB")


def _tell(points, up: str) -> None:
    """What was read, and what of it was left out."""
    looks = {"colour": points.colours, "intensity": points.intensity}
    with_looks = next((name for name, there in looks.items() if there is not None), "bare geometry")
    notes.print(f"{len(points):,} points, {with_looks}; up is {up}")
    if any(points.origin):
        notes.print(f"its coordinates are large: kept relative to {points.origin}, poses are not")
    for remark in points.remarks:
        notes.print(remark)


def _photographs(run: Path, choice, map_frame: str) -> list:
    """The posed images of a mapping run. Raises SequenceError, BagError, CameraError."""
    from diff2i2p.datasets.mapping_run import open_mapping_run
    from diff2i2p.mapping.keyframes import photographs_of

    with notes.status(f"reading {run}"):
        sequence = open_mapping_run(run, choice, map_frame.lstrip("/") or "map")
    tell_sources(sequence)
    return photographs_of(sequence)


def _axis_name(up) -> str:
    largest = abs(up).argmax()
    name = ("-" if up[largest] < 0 else "") + "xyz"[largest]
    return (
        name if abs(up[largest]) > 0.999 else f"({', '.join(f'{v:.3f}' for v in up)}), about {name}"
    )
