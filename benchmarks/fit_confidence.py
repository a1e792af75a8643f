# SPDX-License-Identifier: Apache-2.0
"""Fit the confidence: logistic regression on recorded evidence, written into confidence.yaml.

    python benchmarks/bench_negatives.py       records the offices
    python benchmarks/fit_confidence.py        fits on the first eight of them
    python benchmarks/fit_confidence.py --places          and on what bench_places.py --fit recorded
    python benchmarks/fit_confidence.py --site MAP WEIGHTS POSITIVE[:START:STOP] NEGATIVE[:...] ...

With --site evidence of real images comes on top: POSITIVE is a sequence of the map's site with true
poses, NEGATIVE ones show other places, whose every pose is wrong. WEIGHTS none: appearance only.
Fit on frames that no figure is reported on. Maps with colour or intensity and bare ones have a
regression each; one of which nothing is recorded stays as it is.
"""

import argparse
import shlex
import sys
from pathlib import Path

import bench_places
import numpy as np
import yaml
from bench_negatives import FITTED, FOLDER
from records import load, observe, poses_of, right
from scipy.optimize import minimize

from diff2i2p.config import Config
from diff2i2p.datasets.sequences import read_sequence
from diff2i2p.evaluation.provenance import git_commit
from diff2i2p.evaluation.reliability import reliability
from diff2i2p.localization.calibration import PATH, read_calibration
from diff2i2p.localization.evidence import OF_MATCHES, REGRESSED
from diff2i2p.localization.localizer import Localizer
from diff2i2p.parameters import override

RIDGE = 1e-4  # costs no likelihood on offices left out; the network, on two sites, took 1e-3
# right is luck in the first, and a matter of words in the second
UNFIT = ("repeated", "refurnished")
TELLING = {
    "with_intensity": tuple(name for name in REGRESSED if name not in OF_MATCHES),
    "bare": OF_MATCHES,
}


def site_records(map_file: str, weights: str, *sequences: str, every: int) -> list[dict]:
    """Records of the first sequence with its truth, and of the others without."""
    localizer = Localizer.open(
        map_file,
        weights if weights != "none" else None,
        override(Config(), {"verify": {"min_confidence": 0.0}}),
    )
    records, site = [], " against ".join(Path(name).name for name in sequences)
    for number, name in enumerate(sequences):
        folder, *bounds = name.split(":")
        sequence = read_sequence(folder, *map(int, bounds))
        for frame in sequence.frames[::every]:
            truth = frame.T_map_camera if number == 0 else None
            records.append(
                {"site": site, "poses": observe(localizer, frame.image(), sequence.camera, truth)}
            )
    return records


def fit(evidence: np.ndarray, good: np.ndarray, ridge: float = RIDGE) -> np.ndarray:
    """Coefficients, bias last, of P(good) by evidence (N, F); none may count against a pose."""
    inputs = np.hstack([evidence, np.ones((len(evidence), 1))])

    def loss(w):
        return (
            np.logaddexp(0, -np.where(good, 1, -1) * (inputs @ w)).mean()
            + ridge * (w[:-1] ** 2).sum()
        )

    bounds = [(0, None)] * evidence.shape[1] + [(None, None)]
    return minimize(loss, np.zeros(inputs.shape[1]), bounds=bounds, method="L-BFGS-B").x


def regression(name: str, records: list[dict], ridge: float) -> dict | None:
    """A row of confidence.yaml; prints what it makes of the poses that it is fitted on.

    None without right and wrong ones.
    """
    telling = [record for record in records if any(poses_of([record], name == "with_intensity"))]
    poses = list(poses_of(telling, name == "with_intensity"))
    if len({right(pose) for pose in poses}) < 2:
        return None
    evidence = np.array([[pose["evidence"][kind] for kind in TELLING[name]] for pose in poses])
    good = np.array([right(pose) for pose in poses])
    w = fit(evidence, good, ridge).round(2)
    probability = 1 / (1 + np.exp(-(evidence @ w[:-1] + w[-1])))
    error = reliability(probability, good).expected_calibration_error
    right_ones, wrong_ones = probability[good], np.sort(probability[~good])
    print(
        f"{name}: {len(right_ones)} right, {len(wrong_ones)} wrong; above 0.5:"
        f" {(right_ones > 0.5).mean():.3f} of the right, {(wrong_ones > 0.5).sum()} of the wrong;"
        f" likeliest wrong ones {wrong_ones[-5:].round(3).tolist()}; ECE {error:.4f}"
    )
    fitted = dict(zip(TELLING[name], w[:-1].tolist(), strict=True))
    sites = sorted({record["site"] for record in telling})
    return {
        "coefficients": {kind: fitted.get(kind, 0.0) for kind in REGRESSED},
        "bias": float(w[-1]),
        "data": f"{len(poses)} poses in {len(telling)} images of {', '.join(sites)}",
        "command": command(),
        "commit": git_commit(),
        "seeds": [int(site) for site in sites if site.isdigit()] or "none",
        "calibration_error": round(float(error), 4),
    }


def command() -> str:
    """How this was called, without the folders of the machine."""
    arguments = (
        Path(argument).name if argument.startswith("/") else argument for argument in sys.argv[1:]
    )
    return shlex.join(["python", "benchmarks/fit_confidence.py", *arguments])


def write(path: Path, regressions: dict[str, dict]) -> None:
    """Put fitted regressions into a calibration file; all else in it stays."""
    text = path.read_text()
    said = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    content = yaml.safe_load(text)
    content["regressions"] |= regressions
    path.write_text(said + yaml.safe_dump(content, sort_keys=False, width=100))
    read_calibration(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--site", nargs="+", action="append", default=[])
    parser.add_argument("--places", action="store_true")
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--ridge", type=float, default=RIDGE)
    parser.add_argument("--out", type=Path, default=PATH, help="calibration file that is changed")
    options = parser.parse_args()
    records = [
        r for r in load(*(FOLDER / f"{seed}.jsonl" for seed in FITTED)) if r["kind"] not in UNFIT
    ]
    if options.places:
        records += load(bench_places.FOLDER / "fitted.jsonl")
    for names in options.site:
        records += site_records(*names, every=options.every)
    rows = {name: regression(name, records, options.ridge) for name in TELLING}
    fitted = {name: row for name, row in rows.items() if row}
    if not fitted:
        raise SystemExit("no right and wrong poses are recorded yet: run bench_negatives.py first")
    write(options.out, fitted)
