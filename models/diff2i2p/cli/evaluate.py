# SPDX-License-Identifier: Apache-2.0
"""`diff2i2p evaluate` and `diff2i2p evaluate-bag`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from diff2i2p.cli.common import (
    CameraFile,
    ImageTopic,
    InfoTopic,
    Json,
    Matcher,
    Settings,
    Truth,
    TruthFrame,
    Weights,
    app,
    bag_choice,
    notes,
    progress_bar,
    read_config,
    tell_sources,
)

MapFile = Annotated[Path, typer.Option("--map", help="Compiled map, .i2pmap.")]
Out = Annotated[
    Path,
    typer.Option(
        help="Folder for metrics.json, frames.csv, estimate.tum, truth.tum and report.html."
    ),
]
Alone = Annotated[
    bool,
    typer.Option(
        "--alone", help="Evaluate the network alone and appearance alone, too, for comparison."
    ),
]
Rerun = Annotated[
    Path | None, typer.Option(help="Also write a .rrd recording for the Rerun viewer.")
]


@app.command()
def evaluate(
    map_file: MapFile,
    sequence: Annotated[
        Path, typer.Option(help="Folder with true poses, TUM or 7-Scenes layout, or a bag.")
    ],
    out: Out,
    start: Annotated[int | None, typer.Option(help="First frame number used.")] = None,
    stop: Annotated[int | None, typer.Option(help="Frame number before which to stop.")] = None,
    truth: Truth = "",
    truth_frame: TruthFrame = "",
    image_topic: ImageTopic = "",
    camera_info_topic: InfoTopic = "",
    camera: CameraFile = None,
    weights: Weights = None,
    matcher: Matcher = None,
    alone: Alone = False,
    rerun: Rerun = None,
    settings: Settings = None,
    as_json: Json = False,
):
    """Localize every frame of a sequence on its own, and compare with the truth."""
    from diff2i2p.datasets.mapping_run import is_bag, open_sequence
    from diff2i2p.evaluation.run import Evaluation, with_truth
    from diff2i2p.mapping.compiled_map import CompiledMap

    config = read_config(settings, matcher)
    choice = bag_choice(
        image_topic, camera_info_topic, camera, truth, truth_frame, start=start, stop=stop
    )
    frame_id = CompiledMap.open(map_file).frame_id if is_bag(sequence) else ""
    found = open_sequence(sequence, choice, frame_id)
    frames = with_truth(found)
    tell_sources(frames)
    if len(frames) < len(found):
        notes.print(f"{len(found) - len(frames)} of {len(found)} images have no pose: left out")
    _run(Evaluation.open(map_file, weights, config, alone), frames, {}, out, rerun, as_json)


@app.command()
def evaluate_bag(
    bag: Annotated[
        Path,
        typer.Argument(help="ROS 2 bag, sqlite3 or mcap: its folder, or the .mcap or .db3 file."),
    ],
    map_file: MapFile,
    out: Out,
    image_topic: ImageTopic = "",
    camera_info_topic: InfoTopic = "",
    camera: CameraFile = None,
    truth: Truth = "",
    truth_frame: TruthFrame = "",
    align: Annotated[
        bool,
        typer.Option(
            "--align",
            help="The truth is in a frame of its own, such as motion capture's: fit it first.",
        ),
    ] = False,
    track: Annotated[
        bool,
        typer.Option("--track", help="Track as the node does, with odometry where the bag has it."),
    ] = False,
    odom_frame: Annotated[
        str, typer.Option(help="Frame of the odometry that --track uses.")
    ] = "odom",
    odom_topic: Annotated[
        str, typer.Option(help="Odometry used, of several topics that tell of the same frames.")
    ] = "",
    robot: Annotated[str, typer.Option(help="Namespace of the robot whose TF is used.")] = "",
    start: Annotated[int | None, typer.Option(help="First image used.")] = None,
    stop: Annotated[int | None, typer.Option(help="Image before which to stop.")] = None,
    every: Annotated[int, typer.Option(help="Use every so many images.", min=1)] = 1,
    weights: Weights = None,
    matcher: Matcher = None,
    alone: Alone = False,
    rerun: Rerun = None,
    settings: Settings = None,
    as_json: Json = False,
):
    """Localize the images of a ROS 2 bag at full speed, without ROS; compare with the truth where there is any."""
    from diff2i2p.datasets.bag_sequence import read_bag
    from diff2i2p.evaluation.run import Evaluation

    choice = bag_choice(
        image_topic, camera_info_topic, camera, truth, truth_frame, odom_frame=odom_frame,
        odom_topic=odom_topic, robot=robot, start=start, stop=stop, every=every,
    )  # fmt: skip
    evaluation = Evaluation.open(map_file, weights, read_config(settings, matcher), alone)
    with notes.status(f"reading {bag}"):
        sequence = read_bag(bag, choice, evaluation.site.frame_id)
    tell_sources(sequence)
    _run(evaluation, sequence, {"track": track, "align": align}, out, rerun, as_json)


def _run(evaluation, sequence, how: dict, out: Path, rerun: Path | None, as_json: bool) -> None:
    """Evaluate, write everything, tell the figures."""
    if rerun:
        from diff2i2p.evaluation.report.rerun_log import require_rerun, write_rerun

        require_rerun()  # said before minutes are spent
    out.mkdir(parents=True, exist_ok=True)
    with progress_bar("localizing") as bar:
        runs = evaluation.run(sequence, progress=bar, **how)
    with notes.status("writing the report"):
        page = evaluation.write(out, runs)
        if rerun:
            write_rerun(rerun, runs[0].records, evaluation.site)
    if as_json:
        return print(json.dumps(runs[0].summary))
    _print_summaries([run.summary for run in runs])
    print(page)


def _print_summaries(runs: list[dict]) -> None:
    from diff2i2p.evaluation.metric_table import FIGURES

    table = Table("", *(facts["matcher"] for facts in runs))
    for figure in FIGURES:
        values = [figure.text(facts) for facts in runs]
        if any(value != "–" for value in values):
            table.add_row(figure.name, *values)
    Console().print(table)
