# SPDX-License-Identifier: Apache-2.0
"""Fit the coefficients of verify.py: recorded evidence of right and wrong poses, logistic regression, printed as they go into the source.

    python tests/benchmarks/fit_confidence.py --site MAP WEIGHTS POSITIVE[:START:STOP] NEGATIVE ... [--site ...]

POSITIVE is a sequence of the map's site with true poses; NEGATIVE ones are images of other places, whose every pose is wrong.
WEIGHTS none: appearance only.
"""

import argparse
from dataclasses import astuple

import numpy as np
from scipy.optimize import minimize

from diff2i2p.config import Config, override
from diff2i2p.evaluation.metrics import pose_error
from diff2i2p.evaluation.sequences import read_sequence
from diff2i2p.localization import localizer, verify
from diff2i2p.localization.localizer import Localizer

LIMITS = 0.25, 5.0  # metres and degrees: what "right" means
RIDGE = 3e-3


def record(site: Localizer, name: str, negative: bool, every: int) -> list[tuple[str, tuple, bool]]:
    """(matcher, evidence, right?) of every pose found in a sequence."""
    folder, *bounds = name.split(":")
    sequence = read_sequence(folder, *(int(bound) for bound in bounds))
    rows = []
    for frame in sequence.frames[::every]:
        seen = []
        remember(seen)
        site.localize(frame.image(), sequence.camera)
        for matcher, proof, T_map_camera in seen:
            error = pose_error(frame.T_map_camera, T_map_camera) if not negative else (np.inf, np.inf)
            rows.append((matcher, astuple(proof), error[0] < LIMITS[0] and error[1] < LIMITS[1]))
    return rows


def record_site(map_file: str, weights: str, positive: str, *negatives: str, every: int) -> list[tuple[str, tuple, bool]]:
    config = override(Config(), {"verify": {"min_confidence": 0.0}})
    site = Localizer.open(map_file, weights if weights != "none" else None, config)
    return record(site, positive, False, every) + [row for name in negatives for row in record(site, name, True, every)]


def remember(seen: list) -> None:
    """Every pose that the localizer verifies goes into `seen`."""

    def noting(pose, correspondences, view, points, up):
        proof = verify.evidence(pose, correspondences, view, points, up)
        seen.append((correspondences.matcher, proof, pose.T_map_camera))
        return proof

    localizer.evidence = noting


def fit(evidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Coefficients, bias last; both classes weigh the same, no evidence may count against a pose."""
    inputs = np.hstack([evidence, np.ones((len(evidence), 1))])
    weight = np.where(right, 0.5 / max(right.sum(), 1), 0.5 / max((~right).sum(), 1))

    def loss(w):
        margin = np.where(right, 1, -1) * (inputs @ w)
        return (weight * np.logaddexp(0, -margin)).sum() + RIDGE * (w[:-1] ** 2).sum()

    bounds = [(0, None)] * evidence.shape[1] + [(None, None)]
    return minimize(loss, np.zeros(inputs.shape[1]), bounds=bounds, method="L-BFGS-B").x


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", nargs="+", action="append", required=True)
    parser.add_argument("--every", type=int, default=2)
    options = parser.parse_args()
    rows = [row for names in options.site for row in record_site(*names, every=options.every)]
    for matcher in sorted({row[0] for row in rows}):
        evidence = np.array([row[1] for row in rows if row[0] == matcher])
        right = np.array([row[2] for row in rows if row[0] == matcher])
        w = fit(evidence, right)
        belief = 1 / (1 + np.exp(-(evidence @ w[:-1] + w[-1])))
        print(f"{matcher}: {right.sum()} right, {(~right).sum()} wrong;", tuple(w.round(2).tolist()))
        print(f"  above 0.5: {(belief[right] > 0.5).mean():.3f} of the right, {(belief[~right] > 0.5).sum()} of the wrong;",
              f"most believed wrong one {max(belief[~right], default=0):.3f}")  # fmt: skip
