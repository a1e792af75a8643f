# SPDX-License-Identifier: Apache-2.0
"""Compile a map of five million points: time and memory. The CPU seconds tell what a busy machine hides."""

import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from publish import OUT, publish

from diff2i2p.cloud import PointCloud, read_cloud, write_cloud
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.weights import GENERIC

POINTS = 5_000_000


def storeys(rng: np.random.Generator) -> PointCloud:
    """A building of 60 x 40 m and two storeys of coloured floors and walls."""
    points = rng.uniform(0, 1, (POINTS, 3)) * (60, 40, 6)
    kind = rng.random(POINTS)
    points[kind < 0.5, 2] = np.round(points[kind < 0.5, 2] / 3) * 3
    points[kind >= 0.75, 0] = np.round(points[kind >= 0.75, 0] / 5) * 5
    between = (kind >= 0.5) & (kind < 0.75)
    points[between, 1] = np.round(points[between, 1] / 5) * 5
    points += rng.normal(0, 0.005, points.shape)
    return PointCloud(points.astype(np.float32), rng.integers(0, 255, (POINTS, 3), dtype=np.uint8))


def peak() -> int:
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def measured(colour: bool) -> list:
    """A row: what compiling the file costs, in a process of its own."""
    started = time.perf_counter()
    cloud = read_cloud(OUT / "storeys.ply")
    site = compile_map(
        cloud, OUT / "storeys.i2pmap", GENERIC, use_colour=colour, up=np.array([0, 0, 1.0])
    )
    seconds = time.perf_counter() - started
    size = f"{site.path.stat().st_size / 1e6:.0f}"
    looks = "coloured" if colour else "bare"
    return [
        looks,
        f"{POINTS:,}",
        f"{len(site.points):,}",
        f"{seconds:.0f}",
        f"{time.process_time():.0f}",
        peak(),
        size,
    ]


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    write_cloud(OUT / "storeys.ply", storeys(np.random.default_rng(0)))
    with ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as fresh:
        rows = list(fresh.map(measured, (False, True)))
    header = [
        "cloud",
        "points",
        "fine points",
        "seconds",
        "CPU seconds",
        "peak RSS [MB]",
        "file [MB]",
    ]
    publish("map", "python benchmarks/bench_map.py", header, rows)
