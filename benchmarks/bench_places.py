# SPDX-License-Identifier: Apache-2.0
"""Generic weights on bare maps of places that no training used, single images, whole map, no prior.

    python benchmarks/bench_places.py                the judged seeds, into BENCHMARK.md
    python benchmarks/bench_places.py --fit          the fitted seeds, for fit_confidence.py --places

A place is scanned as people scan, photographed by hand on another day, and asked for images of the
next place as well, where every pose is wrong.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from publish import OUT, percent, publish
from records import append, decide, false, load, observe, right

from diff2i2p.camera import Camera
from diff2i2p.cloud import PointCloud
from diff2i2p.config import Config, override
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.weights import GENERIC
from diff2i2p_sim.places import PLACES
from diff2i2p_sim.rendering.lidar_scan import scan_positions
from diff2i2p_sim.rendering.scan_style import ScanStyle
from diff2i2p_sim.world import World

FOLDER = OUT / "places"
FITTED, JUDGED = range(101, 117), range(200, 216)  # training begins with seed 1000
IMAGES = 12  # of the place, and as many of the next one
CAMERA = Camera(640, 480, (525.0, 525.0, 319.5, 239.5))
SETTINGS = {"matcher": "network", "verify": {"min_confidence": 0.0}}


def place(seed: int) -> World:
    return World.place(seed, list(PLACES)[seed % len(PLACES)])


def scan(world: World, seed: int) -> PointCloud:
    """The place as one of many sensors sees it, without colour and intensity."""
    rng = np.random.default_rng(seed)
    poses = world.drive(seed, 60, 10.0, cover=True)[1]
    return PointCloud(world.scan(rng, scan_positions(poses, 2.0), ScanStyle.random(rng)).points)


def photographs(world: World, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images and poses, another day."""
    later = world.changed(seed)
    poses = later.handheld(seed, IMAGES)
    return list(zip(later.render(CAMERA, poses)[0], poses, strict=True))


def record(seed: int, weights: str, file: Path) -> None:
    """Ask the map of a place for images of it and of the next one."""
    world, config = place(seed), override(Config(), SETTINGS)
    map_file = FOLDER / f"{seed}.i2pmap"
    compile_map(scan(world, seed), map_file, weights, config, up=np.array([0, 0, 1.0]))
    localizer = Localizer.open(map_file, weights, config)
    own = [observe(localizer, image, CAMERA, T) for image, T in photographs(world, seed)]
    other = photographs(place(seed + 1), seed + 1)
    strange = [observe(localizer, image, CAMERA, None) for image, _ in other]
    kind = list(PLACES)[seed % len(PLACES)]
    append(file, str(seed), kind, "own", own)
    append(file, str(seed), kind, "other", strange)
    print(seed, kind, summary([{"poses": poses} for poses in own]), flush=True)


def summary(records: list[dict]) -> list:
    """Images, share right whether published or not, share published, false poses published."""
    chosen = [decide(r) for r in records]
    bar = Config().verify.min_confidence
    published = [pose for pose in chosen if pose and pose["confidence"] >= bar]
    found = sum(bool(pose and right(pose)) for pose in chosen)
    answered = sum(map(right, published))
    return [
        len(records),
        percent(found / len(records)),
        percent(answered / len(records)),
        sum(map(false, published)),
    ]


def table(records: list[dict]) -> None:
    """A row a kind of place, and all together; images of other places as one row."""
    own, other = ([r for r in records if r["name"] == name] for name in ("own", "other"))
    own.sort(key=lambda r: r["kind"])
    groups = [(kind, list(rows)) for kind, rows in itertools.groupby(own, lambda r: r["kind"])]
    rows = [
        [kind, *summary(rows)] for kind, rows in [*groups, ("all", own), ("another place", other)]
    ]
    header = ["place", "images", "right, published or not, %", "right and published, %", "false"]
    publish("places", "python benchmarks/bench_places.py", header, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fit", action="store_true", help="record the fitted seeds")
    parser.add_argument("--weights", default=GENERIC)
    parser.add_argument("--seeds", type=int, help="so many of the seeds only")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / ("fitted.jsonl" if options.fit else "judged.jsonl")
    file.unlink(missing_ok=True)
    for seed in (FITTED if options.fit else JUDGED)[: options.seeds]:
        record(seed, options.weights, file)
    if not options.fit:
        table(load(file))
