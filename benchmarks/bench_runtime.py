# SPDX-License-Identifier: Apache-2.0
"""The edge network's parts on torch and on onnxruntime, side by side: the image, and fusing and matching it with candidate views.

The weights are untrained. Their tokens all look alike, so nodes may serve any number of patches here: as many pairs as trained ones make.
"""

import time
from collections import defaultdict
from contextlib import contextmanager

import numpy as np
import torch
from publish import publish

from diff2i2p.camera import Camera, View
from diff2i2p.config import Config
from diff2i2p.mapping.compile_map import by_node
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.mapping.pyramid import build_pyramid
from diff2i2p.matchers.point_network import PointNetworkMatcher
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.parameters import override

WARM, RUNS = 2, 12
TRACKED = np.eye(4)
TRACKED[:3, 3] = 4, 3, 1  # a prior: one candidate view
PARTS = (  # prior, stage, what it is
    (TRACKED, "image_backbone", "image side"), (TRACKED, "matching", "one candidate view"), (None, "matching", "three views, when lost"),
)  # fmt: skip
HEADER = ["part", "runtime", "threads", "ms p50", "ms min", "CPU ms p50", "CPU ms min"]


class Stopwatch:
    """Wall and CPU milliseconds of every call of every stage."""

    def __init__(self):
        self.calls: dict[str, list[tuple[float, float]]] = defaultdict(list)

    @contextmanager
    def __call__(self, stage: str):
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.calls[stage].append((1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)))


def office(network: Diff2I2P) -> CompiledMap:
    """Floor, ceiling and walls of 8 x 6 m: more nodes than one candidate view has."""
    rng = np.random.default_rng(0)
    size = np.array([8, 6, 2.7])
    points = rng.uniform(0, 1, (200_000, 3)) * size
    face = rng.choice(6, len(points), p=[0.09, 0.13, 0.28] * 2)
    points[np.arange(len(points)), face % 3] = face // 3 * size[face % 3]
    pyramid = build_pyramid(points.astype(np.float32), rng.random(len(points), np.float32), 0.08, 4, 12)
    with torch.inference_mode():
        return CompiledMap("office", {"weights_sha256": "untrained"}, by_node(pyramid, network))


def measure(network: Diff2I2P, site: CompiledMap, runtime: str, threads: int) -> list[list]:
    torch.set_num_threads(threads)
    config = override(Config(), {"runtime": runtime, "device": "cpu", "matching": {"patches_per_node": 4096}})
    matcher, camera, rows = PointNetworkMatcher(network, site, config), Camera(320, 240, (260.0, 260.0, 159.5, 119.5)), []
    for prior, stage, part in PARTS:
        rng, watch = np.random.default_rng(1), Stopwatch()
        for _ in range(WARM + RUNS):
            matcher.match(View(rng.integers(0, 255, (240, 320), dtype=np.uint8), camera), prior, watch)
        wall, cpu = np.array(watch.calls[stage][WARM:]).T
        rows.append([part, runtime, threads, f"{np.median(wall):.1f}", f"{wall.min():.1f}", f"{np.median(cpu):.1f}", f"{cpu.min():.1f}"])
    return rows


if __name__ == "__main__":
    torch.manual_seed(0)
    network = Diff2I2P(Config()).eval()
    site = office(network)
    rows = [row for threads in (1, 2) for runtime in ("torch", "onnxruntime") for row in measure(network, site, runtime, threads)]
    publish("runtime", "python benchmarks/bench_runtime.py", HEADER, sorted(rows, key=lambda row: (row[0], row[2])))
