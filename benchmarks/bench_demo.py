# SPDX-License-Identifier: Apache-2.0
"""Two offices that no weights have seen: the node over DDS, and each matcher alone."""

from publish import OUT, percent, publish, through_node

SEEDS = (0, 7)
HEADER = [
    "office",
    "run",
    "frames",
    "answered",
    "25cm/2deg",
    "25cm/5deg",
    "5cm/5deg",
    "false accepts",
    "median m",
    "median deg",
    "ms p50",
    "ms p95",
    "RSS MB",
]


def drive(seed: int) -> list[list]:
    metrics = through_node(OUT / f"demo-{seed}", "--seed", seed)
    return [row(seed, name, m) for name, m in {"node": metrics, **metrics["alone"]}.items()]


def row(seed: int, name: str, m: dict) -> list:
    recall = [percent(m["recall"][key]) for key in ("25cm_2deg", "25cm_5deg", "5cm_5deg")]
    errors = m["median_translation_m"], m["median_rotation_deg"]
    times = m["latency_ms"]["p50"], m["latency_ms"]["p95"], m["peak_rss_mb"]
    return [seed, name, m["frames"], m["answered"], *recall, m["false_accepts"], *errors, *times]


if __name__ == "__main__":
    publish(
        "demo",
        "python benchmarks/bench_demo.py",
        HEADER,
        [line for seed in SEEDS for line in drive(seed)],
    )
