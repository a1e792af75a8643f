# SPDX-License-Identifier: Apache-2.0
"""What a larger map costs: compiling it, keeping it, and one global relocalization in it, stage by stage.

Buildings of 10^5, 10^6 and 10^7 points, compiled with the weights that ship. The appearance index of each is as large as its views
would make it, of random features. Compiled maps are kept in out/bench.
"""

import argparse
import json
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from publish import OUT, publish

from diff2i2p.camera import Camera, View
from diff2i2p.cloud import PointCloud
from diff2i2p.config import Config
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.descriptor_index import MAX_FEATURES
from diff2i2p.mapping.viewpoints import MAX_PLACES
from diff2i2p.matchers import StageTimer
from diff2i2p.matchers.appearance import AppearanceMatcher
from diff2i2p.pose.render_compare import compare
from diff2i2p.weights import GENERIC

SIZES = (100_000, 1_000_000, 10_000_000)
PER_SQUARE_METRE, STOREY, STOREYS, ROOM = 350, 3.0, 2, 5.0  # points, metres, metres
FEATURES_PER_POINT = 0.3  # of the appearance index, as in the kitchen's map
CAMERA = Camera(320, 240, (230.0, 230.0, 159.5, 119.5))
REPEATS = 7


def building(count: int) -> PointCloud:
    """Storeys of rooms of 5 x 5 m, as many as `count` points cover at one density."""
    rng = np.random.default_rng(0)
    per_floor = STOREY * 4 / ROOM / 2 + 1  # surface over floor area
    side = np.sqrt(count / PER_SQUARE_METRE / STOREYS / per_floor)
    points = rng.uniform(0, 1, (count, 3)) * (side, side, STOREY * STOREYS)
    axis = rng.choice(
        3, count, p=np.array([STOREY * 2 / ROOM / 2, STOREY * 2 / ROOM / 2, 1]) / per_floor
    )
    for number, step in enumerate((ROOM, ROOM, STOREY)):
        flat = axis == number
        points[flat, number] = np.round(points[flat, number] / step) * step
    points += rng.normal(0, 0.005, points.shape)
    return PointCloud(points.astype(np.float32), rng.integers(0, 255, (count, 3), dtype=np.uint8))


def compiled(count: int) -> dict:
    """Compile the building, or remember what that cost; run in a process of its own."""
    path, costs = OUT / f"scaling-{count}.i2pmap", OUT / f"scaling-{count}.json"
    if not (path.exists() and costs.exists()):
        cloud, started = building(count), time.process_time()
        compile_map(cloud, path, GENERIC, use_colour=False, up=np.array([0, 0, 1.0]))
        costs.write_text(
            json.dumps(
                {"cpu": time.process_time() - started, "rss": peak(), "size": path.stat().st_size}
            )
        )
    return json.loads(costs.read_text())


def relocalized(count: int) -> dict:
    """Milliseconds of every stage and of opening, memory; run in a process of its own."""
    torch.set_num_threads(1)
    before, opening, rng = peak(), StageTimer(time.process_time), np.random.default_rng(1)
    with opening("open"):
        localizer = Localizer.open(OUT / f"scaling-{count}.i2pmap", GENERIC)
    localizer.matchers[0].match(noise(rng), None, StageTimer())
    without, arrays = peak(), random_looks(count, localizer.map.points)
    with opening("open"):
        localizer.matchers.append(AppearanceMatcher(**arrays, config=Config().appearance))
    timings = []
    for _ in range(REPEATS):
        timer, view = StageTimer(time.process_time), noise(rng)
        for matcher in localizer.matchers:
            matcher.match(view, None, timer)
        somewhere = inside(localizer.map.points, rng)
        with timer("render"):
            compare(view, localizer.map.dense, somewhere)
        timings.append(dict(timer.milliseconds))
    memory = {"rss": peak(), "network_rss": without, "idle_rss": before}
    return (
        {stage: float(np.median([t[stage] for t in timings])) for stage in timings[0]}
        | opening.milliseconds
        | memory
    )


def noise(rng) -> View:
    return View(np.kron(rng.integers(0, 255, (48, 64)), np.ones((5, 5))).astype(np.uint8), CAMERA)


def inside(points: np.ndarray, rng) -> np.ndarray:
    """A level pose (4, 4) in a room of the building."""
    T = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
    T[:3, 3] = (np.floor(rng.uniform(0, 1, 2) @ np.diag(points[:, :2].max(0)) / ROOM) + 0.5) @ (
        ROOM * np.eye(2, 3)
    ) + (0, 0, 1.2)
    return T


def random_looks(count: int, points: np.ndarray) -> dict[str, np.ndarray]:
    """An appearance index of as many features and views as a coloured map of this size has."""
    rng = np.random.default_rng(2)
    features = min(int(FEATURES_PER_POINT * count), MAX_FEATURES)
    views = min(features // 40, 20 * MAX_PLACES)
    return {
        "descriptors": rng.integers(0, 120, (features, 128), dtype=np.uint8), "points": points[rng.integers(0, len(points), features)],
        "angles": rng.integers(0, 255, features, dtype=np.uint8), "octaves": rng.normal(-5, 1, features).astype(np.float16),
        "starts": np.linspace(0, features, views + 1).astype(np.int64), "grain": np.array([0.01], np.float32),
    }  # fmt: skip


def peak() -> int:
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def row(count: int, made: dict, asked: dict) -> list:
    network = sum(asked[stage] for stage in ("network", "retrieve", "matching"))
    appearance = sum(asked[stage] for stage in ("sift", "appearance"))
    times = [
        f"{asked['retrieve']:.1f}",
        f"{network:.0f}",
        f"{appearance:.0f}",
        f"{asked['render']:.0f}",
        f"{asked['open'] / 1e3:.1f}",
    ]
    memory = [asked[name] for name in ("rss", "network_rss", "idle_rss")]
    return [
        f"{count:,}",
        f"{made['cpu']:.0f}",
        made["rss"],
        f"{made['size'] / 1e6:.0f}",
        *times,
        *memory,
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as fresh:
        made = list(fresh.map(compiled, options.sizes))
        asked = list(fresh.map(relocalized, options.sizes))
    header = [
        "map points",
        "compile CPU s",
        "compile RSS MB",
        "file MB",
        "retrieve ms",
        "network ms",
        "appearance ms",
    ]
    header += [
        "render and compare ms",
        "open s",
        "RSS MB",
        "RSS of the network alone MB",
        "RSS without a map MB",
    ]
    publish(
        "scaling",
        "python benchmarks/bench_scaling.py",
        header,
        list(map(row, options.sizes, made, asked)),
    )
