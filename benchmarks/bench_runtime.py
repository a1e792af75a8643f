# SPDX-License-Identifier: Apache-2.0
"""The network's parts on torch and on onnxruntime, one after the other in every round.

One thread, as beside other work. What other work adds only adds: the fastest of many rounds counts.
The weights are untrained; what is computed does not depend on them, but for how many cells match.
"""

import time
from collections.abc import Callable

import torch
from publish import publish
from torch.nn import functional as F

from diff2i2p.config import Config
from diff2i2p.mapping.drawn_geometry import CHANNELS
from diff2i2p.network.cell_backends import OnnxCells, TorchCells
from diff2i2p.network.geometry_network import Cells, GeometryNetwork
from diff2i2p.network.trunk import DIM, folded
from diff2i2p.parameters import override

WARM, ROUNDS = 3, 60
HEIGHT, WIDTH, VIEW = 240, 320, 400  # image; cells kept of a view of the map
GRID = HEIGHT // 8, WIDTH // 8
HEADER = ["part", "torch ms min", "onnxruntime ms min", "ratio"]


def parts() -> dict[str, tuple]:
    """Name -> what is asked of a runtime, and with which tensors; about half of the cells match."""
    photo = Cells(F.normalize(torch.randn(1, DIM, *GRID), dim=1), torch.rand(1, 1, *GRID))
    seen = photo.flat()[0][torch.randperm(GRID[0] * GRID[1])]
    drawn = F.normalize(seen + 0.15 * torch.randn_like(seen), dim=1)
    return {
        "photo": ("encode_photo", 255 * torch.rand(1, 1, HEIGHT, WIDTH)),
        "drawn map": ("encode_geometry", torch.randn(1, CHANNELS, HEIGHT, WIDTH)),
        f"matching with {VIEW} cells of a view": ("match", photo, drawn[:VIEW]),
        f"matching with {len(drawn)} drawn cells": ("match", photo, drawn),
    }


def milliseconds(work: Callable, *arguments) -> float:
    began = time.perf_counter()
    work(*arguments)
    return 1e3 * (time.perf_counter() - began)


@torch.inference_mode()
def fastest(runtimes: list, name: str, *arguments: torch.Tensor | Cells) -> list[float]:
    """Milliseconds of each runtime in its fastest round."""
    for runtime in runtimes * WARM:
        getattr(runtime, name)(*arguments)
    rounds = range(ROUNDS)
    times = [[milliseconds(getattr(r, name), *arguments) for r in runtimes] for _ in rounds]
    return [min(column) for column in zip(*times, strict=True)]


def row(part: str, torch_ms: float, onnx_ms: float) -> list[str]:
    return [part, f"{torch_ms:.2f}", f"{onnx_ms:.2f}", f"{onnx_ms / torch_ms:.2f}"]


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = folded(GeometryNetwork().eval()).to(memory_format=torch.channels_last)
    config = override(Config(), {"device": "cpu"})
    runtimes = [TorchCells(network), OnnxCells(network, config, "bench untrained", VIEW)]
    rows = [row(part, *fastest(runtimes, *asked)) for part, asked in parts().items()]
    publish("runtime", "python benchmarks/bench_runtime.py", HEADER, rows)
