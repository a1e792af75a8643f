# SPDX-License-Identifier: Apache-2.0
"""The command line `diff2i2p`. Commands import what they need when they run, so that --help is instant."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Where is the camera in the point-cloud map?"
)
notes = Console(stderr=True, highlight=False)  # what people read; stdout is for results

Weights = Annotated[str | None, typer.Option(help="Weights file, or the name of shipped weights. Without, only appearance can match.")]
Matcher = Annotated[str | None, typer.Option(help="Who finds correspondences: network, appearance or both.")]
Settings = Annotated[Path | None, typer.Option("--config", help="YAML of parameters that differ from the defaults.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def compile_map(
    cloud: Annotated[Path, typer.Argument(help="Point cloud: .ply, .pcd, .las, .laz, .xyz, .txt or .csv, in metres.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Compiled map to write, NAME.i2pmap.")],
    weights: Weights = None,
    colour: Annotated[bool, typer.Option("--colour/--no-colour", help="Use the cloud's colour or intensity.")] = True,
    up: Annotated[str | None, typer.Option(help="Up axis of the cloud: z, -y, ...; found from its floor unless given.")] = None,
    frame_id: Annotated[str, typer.Option(help="TF frame that the cloud's coordinates are in.")] = "map",
    settings: Settings = None,
    as_json: Json = False,
):
    """Make a point cloud ready to localize in: once per cloud and weights."""
    from diff2i2p.cloud import axis_up, find_up, read_cloud
    from diff2i2p.weights import find_weights

    config, axis = _config(settings), axis_up(up) if up else None
    if weights:  # what is wrong with the arguments is said before minutes are spent
        find_weights(weights)
    out.parent.mkdir(parents=True, exist_ok=True)
    with notes.status(f"reading {cloud}"):
        points = read_cloud(cloud)
        axis = find_up(points) if axis is None else axis
    looks = "colour" if points.colours is not None else "intensity" if points.intensity is not None else "no colour"
    notes.print(
        f"{len(points):,} points with {looks}; up is {_axis_name(axis)}{'' if up else ' (found from the cloud; --up says otherwise)'}"
    )
    from diff2i2p.mapping.compile_map import compile_map as compile_cloud

    with _bar("compiling") as bar:
        site = compile_cloud(points, out, weights, config, colour, axis, frame_id, bar)
    if as_json:
        return print(json.dumps(site.header | {"map": str(out), "points": len(site.points)}))
    print(f"{out}: {len(site.points):,} points, {out.stat().st_size / 1e6:.1f} MB")


@app.command()
def localize(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="Compiled map, .i2pmap.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="JPEG or PNG images.")],
    camera: Annotated[Path, typer.Option(help="Calibration as ROS camera_info YAML.")],
    weights: Weights = None,
    matcher: Matcher = None,
    settings: Settings = None,
    as_json: Json = False,
):
    """Where was the camera when it took these images?"""
    from diff2i2p.camera import Camera
    from diff2i2p.evaluation.sequences import read_image
    from diff2i2p.localization.localizer import Localizer

    lens = Camera.from_yaml(camera)
    localizer = Localizer.open(map_file, weights, _config(settings, matcher))
    answers = {str(path): localizer.localize(read_image(path), lens) for path in images}
    if as_json:
        return print(json.dumps([{"image": name} | _answer(answer) for name, answer in answers.items()], indent=1))
    table = Table("image", "status", "x y z [m]", "qx qy qz qw", "confidence", "ms")
    for name, answer in answers.items():
        row = _answer(answer)
        numbers = [" ".join(f"{v:.3f}" for v in row[key] or ()) for key in ("position", "quaternion")]
        table.add_row(
            name, answer.status.name if answer.ok else answer.status.value, *numbers, f"{answer.confidence:.2f}", f"{row['ms']:.0f}"
        )
    Console().print(table)


@app.command()
def evaluate(
    map_file: Annotated[Path, typer.Option("--map", help="Compiled map, .i2pmap.")],
    sequence: Annotated[Path, typer.Option(help="Sequence folder with true poses: TUM or 7-Scenes layout.")],
    out: Annotated[Path, typer.Option(help="Folder for metrics.json, frames.csv and report.html.")],
    start: Annotated[int | None, typer.Option(help="First frame number used.")] = None,
    stop: Annotated[int | None, typer.Option(help="Frame number before which to stop.")] = None,
    weights: Weights = None,
    matcher: Matcher = None,
    settings: Settings = None,
    as_json: Json = False,
):
    """Localize every frame of a sequence on its own, and compare with the truth."""
    from diff2i2p.evaluation import metrics
    from diff2i2p.evaluation.report import Run, write_report
    from diff2i2p.evaluation.sequences import read_sequence
    from diff2i2p.localization.localizer import Localizer

    config = _config(settings, matcher)
    frames = read_sequence(sequence, start, stop)
    localizer = Localizer.open(map_file, weights, config)
    out.mkdir(parents=True, exist_ok=True)
    with _bar(f"{config.matcher}: localizing") as bar:
        records = metrics.evaluate(localizer, frames, lambda record: bar(None, len(frames), record.frame.name))
    summary = metrics.summarize(records, config.matcher, localizer.map.grey is not None, weights, map_file.name)
    metrics.write_metrics(out, records, summary)
    with notes.status("writing the report"):
        page = write_report(out, [Run(config.matcher, records, summary)], localizer.map, f"{frames.name}, matcher {config.matcher}")
    if as_json:
        return print(json.dumps(summary))
    _print_summary(summary)
    print(page)


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


@app.command()
def doctor(as_json: Json = False):
    """What is installed, what is missing, and what to do about it."""
    from diff2i2p.doctor import examine

    findings = examine()
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings], indent=1))
    else:
        for finding in findings:
            Console(highlight=False).print(f"[{'green' if finding.good else 'yellow'}]{'✓' if finding.good else '✗'}[/] {finding.sentence}")
    raise typer.Exit(0 if all(finding.good for finding in findings if finding.required) else 1)


def main() -> None:
    """Run the command line; bad input is one sentence on stderr and exit code 2."""
    try:
        app()
    except (ValueError, OSError) as error:
        ours = type(error).__module__.startswith("diff2i2p") or isinstance(error, OSError)
        if not ours:  # a mistake of this program: show where
            raise
        print(f"diff2i2p: {error}", file=sys.stderr)
        sys.exit(2)


def _config(path: Path | None, matcher: str | None = None):
    from diff2i2p.config import Config, load_config, override

    config = load_config(path) if path else Config()
    return override(config, {"matcher": matcher}) if matcher else config


@contextmanager
def _bar(title: str) -> Iterator:
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


def _answer(answer) -> dict:
    """One localization as JSON."""
    from scipy.spatial.transform import Rotation

    T = answer.T_map_camera
    return {
        "status": answer.status.name,
        "position": None if T is None else T[:3, 3].round(4).tolist(),
        "quaternion": None if T is None else Rotation.from_matrix(T[:3, :3]).as_quat().round(6).tolist(),
        "covariance": None if answer.covariance is None else answer.covariance.ravel().tolist(),
        "confidence": round(float(answer.confidence), 4),
        "matcher": answer.matcher,
        "ms": round(sum(answer.milliseconds.values()), 1),
    }


def _axis_name(up) -> str:
    largest = abs(up).argmax()
    name = ("-" if up[largest] < 0 else "") + "xyz"[largest]
    return name if abs(up[largest]) > 0.999 else f"({', '.join(f'{v:.3f}' for v in up)}), about {name}"


def _print_summary(summary: dict) -> None:
    table = Table("", summary["matcher"])
    table.add_row("answered", f"{summary['answered']} of {summary['frames']} frames")
    for name, value in summary["recall"].items():
        table.add_row(f"recall {name}", f"{100 * value:.1f} %")
    table.add_row("false poses published", str(summary["false_accepts"]))
    if summary["answered"]:
        table.add_row("median error", f"{100 * summary['median_translation_m']:.1f} cm, {summary['median_rotation_deg']:.2f} deg")
    table.add_row("latency p50, p95", f"{summary['latency_ms']['p50']:.0f}, {summary['latency_ms']['p95']:.0f} ms")
    Console().print(table)


if __name__ == "__main__":
    main()
