# SPDX-License-Identifier: Apache-2.0
"""The real node for half an hour: does its memory grow, does its heart miss a beat, how long do answers take? `make soak MINUTES=30`.

Node and replay run in processes of their own; the replay loops, so that each round is a clock that jumps back and a new search of the
whole map. Writes out/soak/soak.json and the table of BENCHMARK.md. Exit code 1 when memory grows, a beat is missed or the node dies.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from publish import ROOT, publish
from rclpy.node import Node
from std_msgs.msg import String

from diff2i2p.datasets.sequences import Sequence, read_sequence
from diff2i2p.weights import GENERIC
from diff2i2p_ros import convert
from diff2i2p_ros.node_runner import DriveError, end, start, use_own_graph

# ROS domains that neither the tests nor a user of low numbers are in, and whose ports Linux gives
# to nobody.
DOMAINS = range(215, 233)
BEAT = 1.0  # seconds between two diagnostics
LATE = 1.5 * BEAT  # a longer gap has missed a beat
PATIENCE = 600.0  # seconds that torch, map and the first answer may take
WARM_UP = 0.2  # share of the time that memory may take to settle
SPAN = 0.1  # share of the time whose median is the memory at its beginning, or its end
MAX_GROWTH = 0.02


class Watch(Node):
    """Keeps when the node's heart beat, and what it answered."""

    def __init__(self):
        super().__init__("watch")
        self.beats: list[float] = []  # by the node's clock
        self.answers: list[tuple[str, float]] = []  # status, latency in ms
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        self.create_subscription(String, "status", self._on_status, 50)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.beats.append(convert.seconds(message.header.stamp))

    def _on_status(self, message: String) -> None:
        answer = json.loads(message.data)
        self.answers.append((answer["status"], answer["latency_ms"]))


@dataclass(frozen=True)
class Soak:
    """What half an hour showed."""

    minutes: float
    images_per_second: float
    answers: int
    published: int
    unusable: int
    rss_mb_warm: float
    rss_mb_end: float
    rss_growth: float  # share
    heartbeats: int
    missed_heartbeats: int
    longest_gap_s: float
    latency_ms_p50: float
    latency_ms_p99: float
    latency_ms_max: float

    @property
    def passed(self) -> bool:
        return self.rss_growth < MAX_GROWTH and not self.missed_heartbeats and self.published > 0


class Site(NamedTuple):
    """What is localized in."""

    map_file: Path
    weights: str  # that the map was compiled with; empty: none
    drive: Path  # sequence folder


def soak(site: Site, minutes: float, rate: float, out: Path) -> Soak:
    """Run node and replay and watch them. Raises DriveError when one of them dies, or nothing is answered."""
    sequence = read_sequence(site.drive)
    rclpy.init()
    watch, processes, memory = Watch(), {}, []
    try:
        node = {"map_file": str(site.map_file), "weights": site.weights, "tf_mode": "map_odom"}
        processes["localizer"] = start("localizer_node", node, out / "localizer.log")
        replay = {
            "sequence": str(site.drive),
            "loop": True,
            "odometry": True,
            "rate": rate / recorded_rate(sequence),
        }
        processes["replay"] = start("replay_node", replay, out / "replay.log")
        watch_over(
            watch, processes, lambda: bool(watch.answers), PATIENCE
        )  # torch and the map are loaded
        if not watch.answers:
            raise DriveError(
                f"no image was answered in {PATIENCE:.0f} seconds: see {out}/localizer.log"
            )
        watch.beats.clear()
        watch.answers.clear()
        began, process = time.time(), psutil.Process(processes["localizer"].pid)
        for _ in range(round(60 * minutes)):
            watch_over(watch, processes, lambda: False, 1.0)
            memory.append(process.memory_info().rss / 1e6)
        return judged(minutes, rate, memory, watch.beats, (began, time.time()), watch.answers)
    finally:
        for process in processes.values():
            end(process)
        watch.destroy_node()
        rclpy.try_shutdown()


def recorded_rate(sequence: Sequence) -> float:
    """Images a second."""
    stamps = [frame.stamp for frame in sequence]
    return (len(stamps) - 1) / (stamps[-1] - stamps[0])


def watch_over(watch: Watch, processes: dict, done, seconds: float) -> None:
    """Spin until it is done or time is up; the two processes must live on."""
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        rclpy.spin_once(watch, timeout_sec=0.1)
        for name, process in processes.items():
            if process.poll() is not None:
                raise DriveError(
                    f"the {name} ended with code {process.returncode}: see out/soak/{name}.log"
                )


def judged(
    minutes: float,
    rate: float,
    memory: list[float],
    beats: list[float],
    span: tuple[float, float],
    answers: list[tuple[str, float]],
) -> Soak:
    """The figures of what was seen: MB each second, stamps of the beats within `span` in seconds, answers with their latency in ms."""
    warm, few = round(WARM_UP * len(memory)), max(round(SPAN * len(memory)), 1)
    begin, finish = float(np.median(memory[warm : warm + few])), float(np.median(memory[-few:]))
    gaps = np.diff(
        np.sort([*beats, *span])
    )  # a heart that stands still at the end has missed beats, too
    latencies = [latency for _, latency in answers] or [float("nan")]
    states = [status for status, _ in answers]
    return Soak(
        minutes, rate, len(answers), states.count("OK"), states.count("UNUSABLE_IMAGE"), round(begin, 1), round(finish, 1),
        round(finish / begin - 1, 4), len(beats), int(sum(round(gap / BEAT) - 1 for gap in gaps if gap > LATE)),
        round(float(gaps.max()), 2), *(round(float(np.percentile(latencies, p)), 1) for p in (50, 99, 100)),
    )  # fmt: skip


def office(folder: Path) -> Site:
    """The synthetic office of the demo, with the weights that ship."""
    from diff2i2p.cloud import read_cloud
    from diff2i2p.mapping.compile_map import compile_map
    from diff2i2p_sim.world import World
    from diff2i2p_sim.write import write_world

    write_world(World.office(0), folder, mapping_images=False)
    compile_map(read_cloud(folder / "cloud.ply"), folder / "office.i2pmap", GENERIC)
    return Site(folder / "office.i2pmap", GENERIC, folder / "drive")


def main() -> int:
    args, out = options(), ROOT / "out" / "soak"
    out.mkdir(parents=True, exist_ok=True)
    os.environ["ROS_DOMAIN_ID"] = str(DOMAINS[os.getpid() % len(DOMAINS)])
    use_own_graph(ROOT / "launch" / "dds" / "fastdds.xml")
    site = Site(args.map, args.weights, args.sequence) if args.map else office(out / "site")
    try:
        result = soak(site, args.minutes, args.rate, out)
    except DriveError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    facts = asdict(result)
    (out / "soak.json").write_text(json.dumps(facts | {"passed": result.passed}, indent=1) + "\n")
    where = f", {args.sequence.resolve().name}" if args.sequence else ""
    publish(
        "soak",
        f"make soak MINUTES={args.minutes:g}{where}",
        ["what", "value"],
        [[name.replace("_", " "), facts[name]] for name in facts],
    )
    print(
        f"RSS {result.rss_growth:+.1%} after warm-up, {result.missed_heartbeats} beats missed: {'passed' if result.passed else 'FAILED'}"
    )
    return 0 if result.passed else 1


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=2, help="images a second")
    parser.add_argument(
        "--map", type=Path, help="compiled map; default: that of the demo's office, made first"
    )
    parser.add_argument("--weights", default="", help="weights that it was compiled with")
    parser.add_argument("--sequence", type=Path, help="images to go with it")
    args = parser.parse_args()
    if bool(args.map) != bool(args.sequence):
        parser.error("--map and --sequence belong together")
    return args


if __name__ == "__main__":
    sys.exit(main())
