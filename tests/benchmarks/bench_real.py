# SPDX-License-Identifier: Apache-2.0
"""Real images: adapt to each site as a user would, then localize its held-back frames in the whole map, each without any prior.

Weights that already lie in out/sites are used as they are; delete them to train again (MINUTES each).
"""

import json

from bench import OUT, ROOT, SHARED, percent, publish, run

MINUTES = 60
SITES = {  # name: (folder, cloud, frames of the mapping run end, first and last query)
    "kitchen": ("kitchen", "map_0000-0499.ply", 500, 530, 700),
    "fr1_rpy": ("tum_fr1_rpy", "map_0000-0359.ply", 360, 360, 400),
}
RUNS = [("network", True), ("network", False), ("appearance", True), ("both", True)]
HEADER = ["site", "matcher", "map", "frames", "answered", "10cm rmse", "5cm/5deg", "25cm/2deg", "25cm/5deg", "50cm/5deg", "false accepts",
          "median", "inlier ratio", "ms p50", "ms p95"]  # fmt: skip


def evaluate(site: str) -> list[list]:
    folder, cloud, mapped, start, stop = SITES[site]
    folder, weights = SHARED / folder, ROOT / "out" / "sites" / f"{site}.safetensors"
    weights.parent.mkdir(parents=True, exist_ok=True)
    if not weights.exists():
        run("diff2i2p_training.cli", "adapt", "--cloud", folder / cloud, "--sequence", folder, "--stop", mapped,
            "--minutes", MINUTES, "--out", weights)  # fmt: skip
    rows = []
    for matcher, colour in RUNS:
        site_map = OUT / f"{site}{'' if colour else '-bare'}.i2pmap"
        site_map.parent.mkdir(parents=True, exist_ok=True)
        if not site_map.exists():
            run("diff2i2p.cli", "compile-map", folder / cloud, "-o", site_map, "--weights", weights, *([] if colour else ["--no-colour"]))
        out = OUT / f"{site}-{matcher}{'' if colour else '-bare'}"
        run("diff2i2p.cli", "evaluate", "--map", site_map, "--sequence", folder, "--weights", weights, "--out", out,
            "--start", start, "--stop", stop, "--matcher", matcher)  # fmt: skip
        rows.append(row(site, json.loads((out / "metrics.json").read_text())))
    return rows


def row(site: str, m: dict) -> list:
    median = "-" if m["median_translation_m"] is None else f"{100 * m['median_translation_m']:.1f} cm, {m['median_rotation_deg']:.2f} deg"
    recall = [percent(m["recall"][key]) for key in ("rmse_10cm", "5cm_5deg", "25cm_2deg", "25cm_5deg", "50cm_5deg")]
    latency = [m["latency_ms"]["p50"], m["latency_ms"]["p95"]]
    looks = "coloured" if m["colour"] else "bare"
    return [site, m["matcher"], looks, m["frames"], m["answered"], *recall, m["false_accepts"], median, m["inlier_ratio"], *latency]


if __name__ == "__main__":
    if not SHARED.is_dir():
        raise SystemExit(f"no real sequences in {SHARED}: nothing measured")
    publish("real", "python tests/benchmarks/bench_real.py", HEADER, [line for site in SITES for line in evaluate(site)])
