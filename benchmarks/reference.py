# SPDX-License-Identifier: Apache-2.0
"""Fixed work, timed: what makes times of different machines and hours comparable."""

import time

import cv2
import numpy as np
import torch

RUNS = 5


def reference_ms() -> dict[str, float]:
    """Milliseconds, median of 5, that one thread takes now for SIFT and for a convolution, both fixed."""
    rng = np.random.default_rng(0)
    image = cv2.resize(
        rng.integers(0, 255, (60, 80), np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC
    )
    features = torch.from_numpy(rng.random((1, 64, 120, 160), np.float32))
    weights = torch.from_numpy(rng.random((64, 64, 3, 3), np.float32))
    sift = cv2.SIFT_create(800)
    work = {
        "SIFT": lambda: sift.detectAndCompute(image, None),
        "convolution": lambda: torch.nn.functional.conv2d(features, weights, padding=1),
    }
    threads = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        return {name: _median_ms(task) for name, task in work.items()}
    finally:
        cv2.setNumThreads(threads[0])
        torch.set_num_threads(threads[1])


def _median_ms(task) -> float:
    task()
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        task()
        times.append(1e3 * (time.perf_counter() - started))
    return round(float(np.median(times)), 1)
