# SPDX-License-Identifier: Apache-2.0
"""Does the covariance hold? NEES of the right poses on the synthetic drives that bench_negatives.py recorded, and a plot of it."""

import numpy as np
from bench_negatives import FITTED, FOLDER, JUDGED
from matplotlib.figure import Figure
from publish import OUT, publish
from records import consistency, load, right
from scipy.stats import chi2

from diff2i2p.evaluation.reliability import DIMENSIONS, nees_band

LIMIT = chi2.ppf(0.95, DIMENSIONS)  # 95 % of consistent poses lie below


def squares(seeds, refined: bool) -> dict[str, np.ndarray]:
    """Of each drive of another day the NEES of its right poses, as found or as refined."""
    drives: dict[str, list[float]] = {}
    for record in load(*(FOLDER / f"{seed}.jsonl" for seed in seeds)):
        if record["kind"] != "another day":
            continue
        for pose in record["poses"]:
            if pose["place"] == 0 and pose["refined"] == refined and right(pose):
                drives.setdefault(f"{record['site']}-{record['name']}", []).append(
                    consistency(pose)
                )
    return {name: np.array(values) for name, values in drives.items()}


def row(name: str, drives: dict[str, np.ndarray]) -> list:
    values = np.concatenate(list(drives.values()))
    low, high = nees_band(len(values))
    inside = sum(
        band[0] <= v.mean() <= band[1] for v in drives.values() for band in [nees_band(len(v))]
    )
    return [name, len(values), f"{values.mean():.2f}", f"{low:.2f} to {high:.2f}", f"{np.median(values):.2f}",
            f"{100 * (values < LIMIT).mean():.1f}", f"{inside} of {len(drives)}"]  # fmt: skip


def plot(drives: dict[str, np.ndarray]) -> None:
    """Sorted NEES against the chi-square distribution, and the mean of each drive in its band."""
    figure = Figure((9, 3.2), dpi=130, layout="constrained")
    left, middle = figure.subplots(1, 2)
    values = np.sort(np.concatenate(list(drives.values())))
    share = (np.arange(len(values)) + 0.5) / len(values)
    left.plot(values, share, label="measured")
    left.plot(
        chi2.ppf(share, DIMENSIONS),
        share,
        ":",
        label=f"chi-square, {DIMENSIONS} degrees of freedom",
    )
    left.set(xscale="log", xlabel="NEES", ylabel="share of poses below")
    left.legend(loc="upper left")
    for k, v in enumerate(drives.values()):
        middle.vlines(k, *nees_band(len(v)), color="0.7", lw=8)
        middle.plot(k, v.mean(), "o", color="C0")
    middle.set(
        yscale="log", ylabel="mean NEES of a drive; grey: 95 % band", xticks=range(len(drives))
    )
    middle.set_xticklabels(drives, rotation=60)
    figure.savefig(OUT / "nees.png")


if __name__ == "__main__":
    if not any(FOLDER.glob("*.jsonl")):
        raise SystemExit("nothing is recorded yet: run bench_negatives.py first")
    rows = []
    for seeds, name in ((FITTED, "fitted"), (JUDGED, "judged")):
        rows += [
            row(f"{name} offices, {stage}", squares(seeds, stage == "refined"))
            for stage in ("found", "refined")
        ]
    plot(squares(JUDGED, refined=True))
    header = [
        "poses",
        "count",
        "mean NEES",
        "95 % band",
        "median (5.35)",
        "% below the 95 % limit (95)",
        "drives within their band",
    ]
    publish("uncertainty", "python benchmarks/bench_uncertainty.py", header, rows)
