# SPDX-License-Identifier: Apache-2.0
"""Whole floors, with no initial guess: offices of 60, 300 and 3,000 square metres, every room visited on another day.

Appearance, which needs no training. Each frame on its own, 320x240. What is there already (out/bench/sites) is not made again.
"""

import sys

import numpy as np
from bench import OUT, looks, median, percent, publish
from rich.progress import track

from diff2i2p.cloud import read_cloud, write_cloud
from diff2i2p.config import Config, override
from diff2i2p.evaluation.metrics import localize_all, summarize
from diff2i2p.evaluation.sequences import read_sequence, write_sequence
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.world import CAMERA, World
from diff2i2p.world.scan import scan_positions

COMMAND = "python tests/benchmarks/bench_sites.py"
SEED, FRAMES = 31, 100  # the office; frames on the other day
ROOMS = (4, 17, 170)
HEADER = ["site [m2]", "rooms", "points", "matcher", "map", "frames", "answered", "5cm/5deg", "25cm/2deg", "false accepts", "median",
          "ms p50", "ms p95", "RSS MB"]  # fmt: skip


def make_site(rooms: int) -> None:
    """The scan of an office of so many rooms, and images of all of them on another day."""
    folder = OUT / "sites" / str(rooms)
    if (folder / "drive").is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    world = World.office(SEED, rooms)
    poses = world.drive(SEED, 100 * rooms, cover=True)[1]
    write_cloud(folder / "cloud.ply", world.scan(np.random.default_rng(SEED), scan_positions(poses)))
    later = world.changed(SEED + 1)
    stamps, poses = later.drive(SEED + 1, FRAMES, cover=True)
    frames = [later.render(CAMERA, T) for T in track(poses, f"{rooms} rooms, another day")]
    write_sequence(folder / "drive", CAMERA, (image[0] for image, _ in frames), stamps, poses)


def evaluate(rooms: int) -> list:
    folder = OUT / "sites" / str(rooms)
    if not (folder / "map.i2pmap").exists():
        compile_map(read_cloud(folder / "cloud.ply"), folder / "map.i2pmap")
    localizer = Localizer.open(folder / "map.i2pmap", None, override(Config(), {"matcher": "appearance"}))
    extent = np.ptp(localizer.map.points, axis=0)
    m = summarize(localize_all(localizer, read_sequence(folder / "drive")), "appearance", True, None, "map.i2pmap")
    recall = [percent(m["recall"][key]) for key in ("5cm_5deg", "25cm_2deg")]
    times = m["latency_ms"]["p50"], m["latency_ms"]["p95"], m["peak_rss_mb"]
    size = round(float(extent[0] * extent[1]))
    return [size, rooms, len(localizer.map.points), m["matcher"], looks(m), m["frames"], m["answered"], *recall, m["false_accepts"],
            median(m), *times]  # fmt: skip


if __name__ == "__main__":
    rows = []
    for rooms in map(int, sys.argv[1:]) if len(sys.argv) > 1 else ROOMS:
        make_site(rooms)
        rows.append(evaluate(rooms))
        print(*rows[-1], flush=True)
    publish("sites", COMMAND, HEADER, rows)
