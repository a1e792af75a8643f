# SPDX-License-Identifier: Apache-2.0
"""`make demo`: compile a map, drive through it with the real node in a process of its own, and compare what arrives on /tf with the truth.

Without --sequence it is an office that no weights have seen, on another day than it was mapped;
with it, a folder of real images with a map_*.ply. The weights are the generic ones that ship.
Every image is answered: the replay waits for the answer before it sends the next one.
"""

import argparse
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from diff2i2p.datasets.sequences import Sequence, SequenceError, read_sequence
from diff2i2p.evaluation.metrics import RECALL, Record, judge, summarize
from diff2i2p.weights import GENERIC
from diff2i2p_ros import convert
from diff2i2p_ros.node_runner import DriveError, drive, use_own_graph

PROFILE = Path(__file__).parents[4] / "launch" / "dds" / "fastdds.xml"  # of a checkout
MIN_RECALL = 0.9  # share of frames within 25 cm and 2 deg
MATCHERS = ("both", "network", "appearance")  # the first is the node's
FRAMES = 150  # of the drive through an office
ALONE_EVERY = 6  # of the matchers alone every so many frames are evaluated: enough to compare
console = Console(highlight=False)


@dataclass(frozen=True)
class Site:
    """What is driven through."""

    title: str
    cloud: Path
    folder: Path  # of the sequence
    sequence: Sequence
    weights: str


def main(arguments: list[str] | None = None) -> int:
    """Run the demo. 0 when it is within bounds, 1 when not, 2 when it cannot be run."""
    options = _options(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    use_own_graph(PROFILE)
    try:
        site = recorded(options) if options.sequence else office(options)
        return run(site, options.out)
    except (ValueError, OSError, DriveError) as error:
        if not type(error).__module__.startswith("diff2i2p") and not isinstance(error, OSError):
            raise
        console.print(f"demo: {error}", style="red", markup=False)
        return 2


def run(site: Site, out: Path) -> int:
    """Compile, drive, compare, report."""
    from diff2i2p.evaluation.metrics import write_metrics
    from diff2i2p.evaluation.report.report import Run, write_report

    console.rule(site.title)
    compiled = compile_site(site, out / "map.i2pmap")
    records, peak_rss_mb = drive_through(site, compiled, out)
    _print_frames(records)
    runs = {matcher: evaluate_alone(site, compiled, matcher) for matcher in MATCHERS}
    same, same_summary = runs[MATCHERS[0]]  # as the node matches, yet without prior
    summary = summarize(
        records, MATCHERS[0], compiled.grey is not None, site.weights, compiled.path.name
    )
    summary |= {"peak_rss_mb": peak_rss_mb} | {
        key: same_summary[key] for key in ("inlier_ratio", "feature_matching_recall")
    }
    summary["alone"] = {matcher: alone for matcher, (_, alone) in runs.items()}
    write_metrics(out, records, summary)
    shown = [
        Run("node", with_matches(records, same), summary),
        *(Run(matcher, *run) for matcher, run in runs.items()),
    ]
    page = write_report(out, shown, compiled, site.title)
    _print_runs({"node": summary} | summary["alone"])
    console.print(f"report: {page}")
    return _verdict(summary)


def office(options) -> Site:
    """The synthetic office of a seed, scanned one day and driven through on another."""
    from diff2i2p_sim.world import World
    from diff2i2p_sim.write import write_world

    folder = options.out / "world"
    write_world(
        World.office(options.seed), folder, options.seed, drive_frames=FRAMES, mapping_images=False
    )
    title, drive = f"office {options.seed}, another day", folder / "drive"
    return Site(title, folder / "cloud.ply", drive, read_sequence(drive), options.weights)


def recorded(options) -> Site:
    """A folder of real images with the cloud of its first part: map_FIRST-LAST.ply; the images after LAST are driven."""
    folder = options.sequence
    clouds = sorted(folder.glob("map_*.ply"))
    if not clouds:
        raise SequenceError(
            f"{folder} holds no map_FIRST-LAST.ply: the demo needs the cloud that its first part was mapped to"
        )
    last = re.search(r"-(\d+)$", clouds[0].stem)
    start = options.start if options.start is not None else int(last[1]) + 1 if last else None
    return Site(
        folder.resolve().name,
        clouds[0],
        folder,
        read_sequence(folder, start, options.stop),
        options.weights,
    )


def compile_site(site: Site, map_file: Path):
    """The compiled map of the site's cloud."""
    from diff2i2p.cloud import read_cloud
    from diff2i2p.mapping.compile_map import compile_map

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("compiling the map")

        def progress(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        cloud = read_cloud(site.cloud)
        compiled = compile_map(cloud, map_file, site.weights, progress=progress)
    size = map_file.stat().st_size / 1e6
    console.print(f"map: {len(cloud):,} points, {size:.1f} MB; weights: {site.weights}")
    return compiled


def drive_through(site: Site, compiled, out: Path) -> tuple[list[Record], int]:
    """A record per frame of what the node published, and the node's peak RSS in MB."""
    localizer = {
        "map_file": str(compiled.path), "weights": site.weights, "matcher": MATCHERS[0], "tf_mode": "map_camera",
    }  # fmt: skip
    indices = [frame.index for frame in site.sequence]
    replay = {"sequence": str(site.folder), "start": indices[0], "stop": indices[-1] + 1}
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("driving through the node", total=len(indices))
        ear, peak_rss_mb = drive(
            localizer, replay, len(indices), out, lambda done: bar.update(task, completed=done)
        )
    records = []
    for frame in site.sequence:
        if frame.T_map_camera is not None:
            answer, latency_ms = ear.localization(convert.text(convert.image_stamp(frame.stamp)))
            records.append(judge(frame, answer, compiled.points, site.sequence.camera, latency_ms))
    return records, peak_rss_mb


def evaluate_alone(site: Site, compiled, matcher: str) -> tuple[list[Record], dict]:
    """Records and summary of one matcher without node, prior and tracking."""
    from diff2i2p.config import Config
    from diff2i2p.evaluation.run import evaluate
    from diff2i2p.localization.localizer import Localizer

    some = replace(site.sequence, frames=site.sequence.frames[::ALONE_EVERY])
    localizer = Localizer.open(compiled.path, site.weights, Config(matcher=matcher))
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(f"{matcher} alone", total=len(some))
        records = evaluate(localizer, some, lambda record: bar.advance(task))
    return records, summarize(
        records, matcher, compiled.grey is not None, site.weights, compiled.path.name
    )


def with_matches(records: list[Record], alone: list[Record]) -> list[Record]:
    """The node's records; where a frame was evaluated alone too, with those matches: topics carry none, and pictures want them."""
    matches = {record.frame.index: record.answer for record in alone}
    return [_with_matches(record, matches.get(record.frame.index)) for record in records]


def _with_matches(record: Record, alone) -> Record:
    if alone is None:
        return record
    answer = replace(
        record.answer, view=alone.view, correspondences=alone.correspondences, inliers=alone.inliers
    )
    return replace(record, answer=answer)


def _print_frames(records: list[Record]) -> None:
    table = Table("stamp", "status", "error m", "error deg", "confidence", "matcher", "latency ms")
    for record in records:
        errors = (
            (f"{record.translation_m:.3f}", f"{record.rotation_deg:.2f}")
            if record.answer.ok
            else ("", "")
        )
        style = "red" if record.false_accept else "yellow" if not record.answer.ok else None
        facts = f"{record.answer.confidence:.2f}", record.answer.matcher, f"{record.latency_ms:.0f}"
        table.add_row(
            f"{record.frame.stamp:.3f}", record.answer.status.name, *errors, *facts, style=style
        )
    console.print(table)


def _print_runs(summaries: dict[str, dict]) -> None:
    table = Table("", *summaries)
    rows = {
        "frames": lambda facts: facts["frames"],
        "answered": lambda facts: facts["answered"],
        **{
            f"within {key.replace('_', ' ')}": lambda facts, key=key: (
                f"{100 * facts['recall'][key]:.1f} %"
            )
            for key in RECALL
        },
        "false poses": lambda facts: facts["false_accepts"],
        "median error m": lambda facts: facts["median_translation_m"],
        "median error deg": lambda facts: facts["median_rotation_deg"],
        "latency ms p50": lambda facts: facts["latency_ms"]["p50"],
        "latency ms p95": lambda facts: facts["latency_ms"]["p95"],
    }
    for name, figure in rows.items():
        table.add_row(name, *(str(figure(facts)) for facts in summaries.values()))
    console.print(table)


def _verdict(summary: dict) -> int:
    share, wrong = summary["recall"]["25cm_2deg"], summary["false_accepts"]
    good = share >= MIN_RECALL and wrong == 0
    words = f"{100 * share:.1f} % of the frames within 25 cm / 2 deg (wanted: {100 * MIN_RECALL:.0f} %), {wrong} false poses (wanted: 0)"
    console.print(
        f"{'within' if good else 'OUT OF'} bounds: {words}",
        style="bold green" if good else "bold red",
    )
    return 0 if good else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m diff2i2p_ros.demo",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed is another office")
    parser.add_argument(
        "--sequence", type=Path, help="folder of real images with map_FIRST-LAST.ply"
    )
    parser.add_argument("--start", type=int, help="first frame driven; default: the one after LAST")
    parser.add_argument("--stop", type=int, help="frame before which to stop")
    parser.add_argument(
        "--weights", default=GENERIC, help="weights file, or the name of shipped ones"
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
