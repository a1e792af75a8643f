# SPDX-License-Identifier: Apache-2.0
"""The paper's network on one image and one fragment: CPU seconds of each part and peak memory, beside those of the released code."""

import resource
import time
from contextlib import contextmanager

import numpy as np
import torch
from publish import publish

from diff2i2p.camera import Camera, View
from diff2i2p.config import PAPER, Config
from diff2i2p.mapping.compile_map import by_node
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.mapping.pyramid import build_pyramid
from diff2i2p.matchers.point_network import PointNetworkMatcher
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.parameters import override

THREADS, RUNS = 1, 3  # one thread spends nothing on waiting for another
POINTS = 24_800
RELEASED = {
    "point backbone": "6.8-7.3",
    "image backbone": "6.9",
    "fusion and matching": "2.3-3.0",
    "all": "17.2-18.2",
    "peak RSS [MB]": 2900,
}


class CpuTimer:
    """CPU seconds of every stage, all threads together: what a busy machine does not change."""

    def __init__(self):
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str):
        started = time.process_time()
        yield
        self.seconds[stage] = time.process_time() - started


def room(rng: np.random.Generator) -> np.ndarray:
    """Points (N, 3) float32 on the walls of a box, as many as the paper's fragments have once thinned."""
    side = np.sqrt(POINTS / 6) * PAPER["map"]["fine_voxel"]
    points = rng.uniform(0, side, (40 * POINTS, 3))
    face = rng.integers(0, 6, len(points))
    points[np.arange(len(points)), face % 3] = face // 3 * side
    return points.astype(np.float32)


def measure(network: Diff2I2P, pyramid, view: View) -> dict[str, float]:
    timer = CpuTimer()
    with timer("point backbone"):
        tensors = by_node(pyramid, network)
    PointNetworkMatcher(network, CompiledMap("room", {}, tensors), network.config).match(
        view, None, timer
    )
    times = {
        "point backbone": timer.seconds["point backbone"],
        "image backbone": timer.seconds["image_backbone"],
        "fusion and matching": timer.seconds["retrieve"] + timer.seconds["matching"],
    }
    return times | {"all": sum(times.values())}


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = Diff2I2P(override(Config(), PAPER)).eval()
    grid = network.config.map
    pyramid = build_pyramid(
        room(rng), None, grid.fine_voxel, grid.levels, grid.neighbours, grid.search_radius
    )
    view = View(
        rng.integers(0, 255, (480, 640), dtype=np.uint8),
        Camera(640, 480, (585.0, 585.0, 320.0, 240.0)),
    )
    runs = [measure(network, pyramid, view) for _ in range(RUNS)]
    ours = {part: f"{np.median([run[part] for run in runs]):.2f}" for part in runs[0]}
    ours["peak RSS [MB]"] = str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    sizes = "/".join(str(len(points)) for points in pyramid.points)
    print(f"pyramid {sizes}, {THREADS} threads, median of {RUNS} runs")
    rows = [[part, ours[part], RELEASED[part]] for part in ours]
    publish(
        "paper",
        "python benchmarks/bench_paper.py",
        ["part", "ours [CPU s]", "released code [CPU s]"],
        rows,
    )
