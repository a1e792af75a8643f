# SPDX-License-Identifier: Apache-2.0
"""Real images: adapt to each site as a user would, then localize its held-back frames in the whole map: each without
any prior, and all of them through the node over DDS.

Weights that already lie in out/sites are used as they are; delete them to train again (MINUTES each). Sites may be named as
arguments.
"""

import json
import sys

from publish import OUT, ROOT, SHARED, looks, median, percent, publish, run, through_node

MINUTES = 60
SITES = {  # name: (folder, cloud, frames of the mapping run end, first and last query)
    "kitchen": ("kitchen", "map_0000-0499.ply", 500, 530, 700),
    "fr1_rpy": ("tum_fr1_rpy", "map_0000-0359.ply", 360, 360, 400),
}
RUNS = {True: ("network", "appearance", "both"), False: ("network",)}  # matchers on the coloured and on the bare map
HEADER = ["site", "matcher", "map", "frames", "answered", "10cm rmse", "5cm/5deg", "25cm/2deg", "25cm/5deg", "50cm/5deg", "false accepts",
          "median", "inlier ratio", "ms p50", "ms p95", "RSS MB"]  # fmt: skip
STAGES = ["site", "matcher", "map", "stage", "ms p50", "ms p95"]


def evaluate(site: str) -> list[dict]:
    """metrics.json of every run on one site."""
    folder, cloud, mapped, start, stop = SITES[site]
    folder, weights = SHARED / folder, ROOT / "out" / "sites" / f"{site}.safetensors"
    weights.parent.mkdir(parents=True, exist_ok=True)
    OUT.mkdir(parents=True, exist_ok=True)
    if not weights.exists():
        run("diff2i2p_training.cli", "adapt", "--cloud", folder / cloud, "--sequence", folder, "--stop", mapped,
            "--minutes", MINUTES, "--out", weights)  # fmt: skip
    results = []
    for colour, matchers in RUNS.items():
        name = site if colour else f"{site}-bare"
        site_map = OUT / f"{name}.i2pmap"
        run("diff2i2p.cli", "compile-map", folder / cloud, "-o", site_map, "--weights", weights, *([] if colour else ["--no-colour"]))
        for matcher in matchers:
            out = OUT / f"{name}-{matcher}"
            run("diff2i2p.cli", "evaluate", "--map", site_map, "--sequence", folder, "--weights", weights, "--out", out,
                "--start", start, "--stop", stop, "--matcher", matcher)  # fmt: skip
            results.append(json.loads((out / "metrics.json").read_text()))
    over_dds = through_node(OUT / f"{site}-node", "--sequence", folder, "--start", start, "--stop", stop, "--weights", weights)
    return [*results, over_dds | {"matcher": "both, by the node"}]


def row(site: str, m: dict) -> list:
    recall = [percent(m["recall"][key]) for key in ("rmse_10cm", "5cm_5deg", "25cm_2deg", "25cm_5deg", "50cm_5deg")]
    times = [m["latency_ms"]["p50"], m["latency_ms"]["p95"], m["peak_rss_mb"]]
    return [site, m["matcher"], looks(m), m["frames"], m["answered"], *recall, m["false_accepts"], median(m), m["inlier_ratio"], *times]


def stage_rows(site: str, m: dict) -> list[list]:
    return [[site, m["matcher"], looks(m), stage, time["p50"], time["p95"]] for stage, time in m["latency_ms"]["stages"].items()]


if __name__ == "__main__":
    if not SHARED.is_dir():
        raise SystemExit(f"no real sequences in {SHARED}: nothing measured")
    sites = sys.argv[1:] or list(SITES)
    results = [(site, metrics) for site in sites for metrics in evaluate(site)]
    command = " ".join(["python benchmarks/bench_real.py", *sys.argv[1:]])
    publish("real", command, HEADER, [row(*result) for result in results])
    publish("stages", command, STAGES, [line for result in results for line in stage_rows(*result)])
