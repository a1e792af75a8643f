# SPDX-License-Identifier: Apache-2.0
"""`diff2i2p evaluate` and `diff2i2p evaluate-bag`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from diff2i2p.cli.common import Json, Matcher, Settings, Weights, app, notes, progress_bar, read_config

MapFile = Annotated[Path, typer.Option("--map", help="Compiled map, .i2pmap.")]
Out = Annotated[Path, typer.Option(help="Folder for metrics.json, frames.csv, estimate.tum, truth.tum and report.html.")]
Alone = Annotated[bool, typer.Option("--alone", help="Evaluate the network alone and appearance alone, too, for comparison.")]
Rerun = Annotated[Path | None, typer.Option(help="Also write a .rrd recording for the Rerun viewer.")]


@app.command()
def evaluate(
    map_file: MapFile,
    sequence: Annotated[Path, typer.Option(help="Sequence folder with true poses: TUM or 7-Scenes layout.")],
    out: Out,
    start: Annotated[int | None, typer.Option(help="First frame number used.")] = None,
    stop: Annotated[int | None, typer.Option(help="Frame number before which to stop.")] = None,
    weights: Weights = None,
    matcher: Matcher = None,
    alone: Alone = False,
    rerun: Rerun = None,
    settings: Settings = None,
    as_json: Json = False,
):
    """Localize every frame of a sequence on its own, and compare with the truth."""
    from diff2i2p.datasets.sequences import read_sequence
    from diff2i2p.evaluation.run import Evaluation, with_truth

    config = read_config(settings, matcher)
    frames = with_truth(read_sequence(sequence, start, stop))
    _run(Evaluation.open(map_file, weights, config, alone), frames, {}, out, rerun, as_json)


@app.command()
def evaluate_bag(
    bag: Annotated[Path, typer.Argument(help="ROS 2 bag, sqlite3 or mcap: its folder, or the .mcap or .db3 file.")],
    map_file: MapFile,
    out: Out,
    image_topic: Annotated[str, typer.Option(help="Topic of the images, raw or compressed; needed where there are several.")] = "",
    camera_info_topic: Annotated[str, typer.Option(help="Topic of the calibration; default: the image topic's neighbour.")] = "",
    camera: Annotated[Path | None, typer.Option(help="Calibration as ROS camera_info YAML, instead of a topic.")] = None,
    truth: Annotated[
        str, typer.Option(help="True poses: a topic, tf, tf:PARENT:CHILD, a TUM file, or none; default: a topic so named.")
    ] = "",
    truth_frame: Annotated[str, typer.Option(help="Frame whose pose the truth is; default: what odometry says, else the camera.")] = "",
    align: Annotated[
        bool, typer.Option("--align", help="The truth is in a frame of its own, such as motion capture's: fit it first.")
    ] = False,
    track: Annotated[bool, typer.Option("--track", help="Track as the node does, with odometry where the bag has it.")] = False,
    odom_frame: Annotated[str, typer.Option(help="Frame of the odometry that --track uses.")] = "odom",
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
    from diff2i2p.camera import Camera
    from diff2i2p.datasets.bag_sequence import BagChoice, read_bag
    from diff2i2p.evaluation.run import Evaluation

    choice = BagChoice(
        image_topic, camera_info_topic, Camera.from_yaml(camera) if camera else None, truth, truth_frame, odom_frame, start, stop, every
    )
    evaluation = Evaluation.open(map_file, weights, read_config(settings, matcher), alone)
    with notes.status(f"reading {bag}"):
        sequence = read_bag(bag, choice, evaluation.site.frame_id)
    for what, source in sequence.sources.items():
        notes.print(f"{what}: {source}")
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
