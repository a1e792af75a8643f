# SPDX-License-Identifier: Apache-2.0
"""Whole floors, with no initial guess: 70 and 300 square metres, and ten floors of 300, a drive through each on another day.

Appearance, which needs no training: by views rendered from the coloured cloud alone, and with the posed images of the mapping run as
well. With --bare: the network alone, on bare geometry. Each frame on its own, 320x240. What is there already (out/bench/sites) is not
made again.
"""

import argparse
from itertools import product
from multiprocessing import get_context

import numpy as np
from publish import OUT, looks, median, percent, publish
from rich.progress import track

from diff2i2p.cloud import PointCloud, read_cloud, write_cloud
from diff2i2p.config import Config
from diff2i2p.datasets.sequences import read_sequence, write_sequence
from diff2i2p.evaluation.metrics import summarize
from diff2i2p.evaluation.run import localize_all
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.keyframes import photographs_of
from diff2i2p.parameters import override
from diff2i2p.weights import GENERIC
from diff2i2p_sim.rendering.lidar_scan import scan_positions
from diff2i2p_sim.world import World
from diff2i2p_sim.write import CAMERA

COMMAND = "python benchmarks/bench_sites.py"
# The first floor; frames on the other day, seconds between them.
SEED, FRAMES, PAUSE = (31, 100, 10.0)
MAPPING = 60  # posed images of each room
SITES = {"70": (1, 4), "300": (1, 17), "3000": (10, 17)}  # square metres: floors, rooms of each
ASIDE = 100.0  # metres between floors, which lie side by side
HEADER = ["site [m2]", "floors", "points", "matcher", "map", "with photographs", "frames", "answered", "5cm/5deg", "25cm/2deg",
          "false accepts", "median", "ms p50", "ms p95", "RSS MB", "map MB"]  # fmt: skip


def make_site(name: str) -> None:
    """The scan of a site, posed images of the mapping run, and images of a drive through every floor on another day."""
    folder, (floors, rooms) = OUT / "sites" / name, SITES[name]
    if (folder / "drive").is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    clouds, mapping, drive = [], [], []
    for number in range(floors):
        seed = SEED + 10 * number
        world = World.office(seed, rooms)
        place = np.eye(4)
        place[0, 3] = ASIDE * number
        poses = world.drive(seed, MAPPING * rooms, cover=True)[1]
        clouds.append(
            world.scan(np.random.default_rng(seed), scan_positions(poses)).transformed(place)
        )
        mapping += [
            (world.render(CAMERA, T)[0][0], place @ T)
            for T in track(poses, f"floor {number}, mapping")
        ]
        later = world.changed(seed + 1)
        poses = later.drive(seed + 1, FRAMES // floors, 1 / PAUSE)[1]
        drive += [
            (later.render(CAMERA, T)[0][0], place @ T)
            for T in track(poses, f"floor {number}, another day")
        ]
    write_cloud(
        folder / "cloud.ply",
        PointCloud(
            *(np.concatenate([getattr(c, part) for c in clouds]) for part in ("points", "colours"))
        ),
    )
    for run, frames in (("mapping", mapping), ("drive", drive)):
        images, poses = zip(*frames, strict=True)
        write_sequence(
            folder / run, CAMERA, images, np.arange(len(frames), dtype=float), np.array(poses)
        )


def compile_site(name: str) -> None:
    folder = OUT / "sites" / name
    if not (folder / "map.i2pmap").exists():
        photographs = photographs_of(read_sequence(folder / "mapping"))
        compile_map(
            read_cloud(folder / "cloud.ply"), folder / "map.i2pmap", photographs=photographs
        )


def by_appearance(name: str, photographs: bool) -> list:
    """The row of a site, without the photographs or with them."""
    folder = OUT / "sites" / name
    localizer = Localizer.open(
        folder / "map.i2pmap", None, override(Config(), {"matcher": "appearance"})
    )
    if not photographs:
        localizer.matchers = localizer.matchers[1:]
    return evaluate(name, localizer, photographs)


def by_geometry(name: str) -> list:
    """The row of a site by the weights that ship, which have never seen it, on bare geometry."""
    folder, config = OUT / "sites" / name, override(Config(), {"matcher": "network"})
    cloud = read_cloud(folder / "cloud.ply")
    site_map = compile_map(cloud, folder / "bare.i2pmap", GENERIC, config, use_colour=False)
    return evaluate(name, Localizer.open(site_map.path, GENERIC, config), False)


def evaluate(name: str, localizer: Localizer, photographs: bool) -> list:
    records = localize_all(localizer, read_sequence(OUT / "sites" / name / "drive"))
    colour = localizer.map.grey is not None
    m = summarize(records, localizer.config.matcher, colour, None, localizer.map.path.name)
    recall = [percent(m["recall"][key]) for key in ("5cm_5deg", "25cm_2deg")]
    size = round(localizer.map.path.stat().st_size / 1e6)
    times = m["latency_ms"]["p50"], m["latency_ms"]["p95"], m["peak_rss_mb"]
    row = [name, SITES[name][0], len(localizer.map.points), m["matcher"], looks(m), "yes" if photographs else "no", m["frames"],
           m["answered"], *recall, m["false_accepts"], median(m), *times, size]  # fmt: skip
    print(*row, flush=True)
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sites", nargs="*", help=f"square metres: {', '.join(SITES)}; all without")
    parser.add_argument(
        "--bare", action="store_true", help="measure the network alone, on bare geometry, instead"
    )
    options = parser.parse_args()
    names = options.sites or list(SITES)
    for name in names:
        make_site(name)
        compile_site(name)
    runs = (
        product([by_geometry], names)
        if options.bare
        else product([by_appearance], names, (False, True))
    )
    with get_context("spawn").Pool(
        1, maxtasksperchild=1
    ) as pool:  # a process for each row: its memory is its own
        rows = [pool.apply(job, arguments) for job, *arguments in runs]
    if options.bare:
        publish("sites-bare", f"{COMMAND} --bare", HEADER, rows)
    else:
        publish("sites", COMMAND, HEADER, rows)
