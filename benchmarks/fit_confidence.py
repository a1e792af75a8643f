# SPDX-License-Identifier: Apache-2.0
"""Fit the coefficients of verify.py: logistic regression on recorded evidence, printed as they go into the source.

    python benchmarks/bench_negatives.py                                     records the offices
    python benchmarks/fit_confidence.py                                      fits on the first eight of them
    python benchmarks/fit_confidence.py --site MAP WEIGHTS POSITIVE[:START:STOP] NEGATIVE[:START:STOP] ...

With --site evidence of real images comes on top: POSITIVE is a sequence of the map's site with true poses, NEGATIVE ones show
other places, whose every pose is wrong. WEIGHTS none: appearance only. Fit on frames that no figure is reported on.
"""

import argparse

import numpy as np
from bench_negatives import FITTED, FOLDER
from records import load, observe, poses_of, right
from scipy.optimize import minimize

from diff2i2p.config import Config
from diff2i2p.datasets.sequences import read_sequence
from diff2i2p.evaluation.reliability import reliability
from diff2i2p.localization.localizer import Localizer
from diff2i2p.parameters import override

RIDGE = 1e-4  # costs no likelihood on offices left out; the network, on two sites, took 1e-3
OF_MATCHES = 6  # kinds of evidence, the first, that tell nothing more where image and map are compared by their looks
UNFIT = ("repeated", "refurnished")  # right is luck in the first, and a matter of words in the second


def site_records(map_file: str, weights: str, *sequences: str, every: int) -> list[dict]:
    """Records of the first sequence with its truth, and of the others without."""
    localizer = Localizer.open(map_file, weights if weights != "none" else None, override(Config(), {"verify": {"min_confidence": 0.0}}))
    records = []
    for number, name in enumerate(sequences):
        folder, *bounds = name.split(":")
        sequence = read_sequence(folder, *map(int, bounds))
        for frame in sequence.frames[::every]:
            truth = frame.T_map_camera if number == 0 else None
            records.append({"poses": observe(localizer, frame.image(), sequence.camera, truth)})
    return records


def fit(evidence: np.ndarray, good: np.ndarray, ridge: float = RIDGE) -> np.ndarray:
    """Coefficients, bias last, of P(good) given evidence (N, F); no evidence may count against a pose."""
    inputs = np.hstack([evidence, np.ones((len(evidence), 1))])

    def loss(w):
        return np.logaddexp(0, -np.where(good, 1, -1) * (inputs @ w)).mean() + ridge * (w[:-1] ** 2).sum()

    bounds = [(0, None)] * evidence.shape[1] + [(None, None)]
    return minimize(loss, np.zeros(inputs.shape[1]), bounds=bounds, method="L-BFGS-B").x


def describe(matcher: str, poses: list[dict], ridge: float) -> None:
    evidence, good = np.array([pose["evidence"][:-1] for pose in poses]), np.array([right(pose) for pose in poses])
    if evidence[:, OF_MATCHES:].any():  # the map has looks
        evidence[:, :OF_MATCHES] = 0
    w = fit(evidence, good, ridge)
    belief = 1 / (1 + np.exp(-(evidence @ w[:-1] + w[-1])))
    print(f"{matcher}: {good.sum()} right, {(~good).sum()} wrong;", tuple(w.round(2).tolist()))
    print(f"  above 0.5: {(belief[good] > 0.5).mean():.3f} of the right, {(belief[~good] > 0.5).sum()} of the wrong;"
          f" most believed wrong ones {np.sort(belief[~good])[-5:].round(3).tolist()};"
          f" ECE {reliability(belief, good).expected_calibration_error:.4f}")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", nargs="+", action="append", default=[])
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--ridge", type=float, default=RIDGE)
    options = parser.parse_args()
    records = [r for r in load(*(FOLDER / f"{seed}.jsonl" for seed in FITTED)) if r["kind"] not in UNFIT]
    records += [r for names in options.site for r in site_records(*names, every=options.every)]
    for matcher in sorted({pose["matcher"] for record in records for pose in record["poses"]}):
        describe(matcher, list(poses_of(records, matcher)), options.ridge)
