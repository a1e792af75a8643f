# SPDX-License-Identifier: Apache-2.0
"""Real images: each site by the weights that ship, and by those adapted to it as a user would; its held-back frames in the whole map,
each without any prior, and all of them through the node over DDS.

Weights that already lie in out/sites are used as they are; delete them to adapt again (MINUTES each). Sites may be named as
arguments.
"""

import json
import sys
from pathlib import Path

from publish import OUT, ROOT, SHARED, looks, median, percent, publish, run, through_node

from diff2i2p.weights import GENERIC

MINUTES = 10  # of adaptation
SITES = {  # name: (folder, cloud, frames of the mapping run end, first and last query)
    "kitchen": ("kitchen", "map_0000-0499.ply", 500, 530, 700),
    "fr1_rpy": ("tum_fr1_rpy", "map_0000-0359.ply", 360, 360, 400),
}
RUNS = {
    True: ("network", "appearance", "both"),
    False: ("network",),
}  # matchers on the coloured and on the bare map
HEADER = [
    "site", "weights", "matcher", "map", "frames", "answered", "10cm rmse", "5cm/5deg", "25cm/2deg", "25cm/5deg", "50cm/5deg",
    "false accepts", "median", "inlier ratio", "ms p50", "ms p95", "RSS MB",
]  # fmt: skip
STAGES = ["site", "weights", "matcher", "map", "stage", "ms p50", "ms p95"]


def map_of(site: str, colour: bool, weights: str = GENERIC) -> Path:
    """The compiled map of a site, by weights of either kind."""
    return OUT / f"{site}-{Path(weights).stem}{'' if colour else '-bare'}.i2pmap"


def adapted(site: str) -> str:
    """Weights adapted to a site by its mapping run."""
    folder, cloud, mapped, *_ = SITES[site]
    folder, weights = SHARED / folder, ROOT / "out" / "sites" / f"{site}.safetensors"
    weights.parent.mkdir(parents=True, exist_ok=True)
    if not weights.exists():
        run("diff2i2p_training.cli", "adapt", "--cloud", folder / cloud, "--sequence", folder, "--stop", mapped,
            "--minutes", MINUTES, "--out", weights)  # fmt: skip
    return str(weights)


def evaluate(site: str, weights: str) -> list[dict]:
    """metrics.json of every run on one site by the same weights."""
    folder, cloud, _, start, stop = SITES[site]
    folder, results = SHARED / folder, []
    for colour, matchers in RUNS.items():
        site_map = map_of(site, colour, weights)
        run(
            "diff2i2p.cli",
            "compile-map",
            folder / cloud,
            "-o",
            site_map,
            "--weights",
            weights,
            *([] if colour else ["--no-colour"]),
        )
        for matcher in matchers:
            out = OUT / f"{site_map.stem}-{matcher}"
            run("diff2i2p.cli", "evaluate", "--map", site_map, "--sequence", folder, "--weights", weights, "--out", out,
                "--start", start, "--stop", stop, "--matcher", matcher)  # fmt: skip
            results.append(json.loads((out / "metrics.json").read_text()))
    node = OUT / f"{map_of(site, True, weights).stem}-node"
    over_dds = through_node(
        node, "--sequence", folder, "--start", start, "--stop", stop, "--weights", weights
    )
    return [*results, over_dds | {"matcher": "both, by the node"}]


def row(site: str, kind: str, m: dict) -> list:
    recall = [
        percent(m["recall"][key])
        for key in ("rmse_10cm", "5cm_5deg", "25cm_2deg", "25cm_5deg", "50cm_5deg")
    ]
    times = [m["latency_ms"]["p50"], m["latency_ms"]["p95"], m["peak_rss_mb"]]
    counts = m["frames"], m["answered"]
    return [
        site,
        kind,
        m["matcher"],
        looks(m),
        *counts,
        *recall,
        m["false_accepts"],
        median(m),
        m["inlier_ratio"],
        *times,
    ]


def stage_rows(site: str, kind: str, m: dict) -> list[list]:
    stages = m["latency_ms"]["stages"].items()
    return [
        [site, kind, m["matcher"], looks(m), stage, time["p50"], time["p95"]]
        for stage, time in stages
    ]


if __name__ == "__main__":
    if not SHARED.is_dir():
        raise SystemExit(f"no real sequences in {SHARED}: nothing measured")
    sites = sys.argv[1:] or list(SITES)
    OUT.mkdir(parents=True, exist_ok=True)
    results = [
        (site, kind, metrics)
        for site in sites
        for kind, weights in (("generic", GENERIC), ("adapted", adapted(site)))
        for metrics in evaluate(site, weights)
    ]
    command = " ".join(["python benchmarks/bench_real.py", *sys.argv[1:]])
    publish("real", command, HEADER, [row(*result) for result in results])
    publish("stages", command, STAGES, [line for result in results for line in stage_rows(*result)])
