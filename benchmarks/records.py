# SPDX-License-Identifier: Apache-2.0
"""Evidence of right and wrong poses, one image a line: what the confidence is fitted on and judged
by.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from diff2i2p.evaluation.metric_table import FALSE_ACCEPT
from diff2i2p.evaluation.reliability import nees, pose_difference
from diff2i2p.geometry import pose_error
from diff2i2p.localization.calibration import calibration
from diff2i2p.localization.evidence import Evidence
from diff2i2p.localization.localizer import Localizer
from diff2i2p.localization.result import VerifiedHypothesis, VerifiedPose
from diff2i2p.localization.verify import confidence

RIGHT = 0.25, 5.0  # metres and degrees: what the confidence is the probability of


def observe(
    localizer: Localizer, image: np.ndarray, camera, T_true: np.ndarray | None
) -> list[dict]:
    """Every pose that the localizer verified in an image, place by place, as matched or refined.

    T_true None: any pose is wrong.
    """
    has_intensity = localizer.map.dense.has_intensity
    return [
        {"place": number, "has_intensity": has_intensity, **_figures(place, verified, T_true)}
        for number, place in enumerate(localizer.localize(image, camera).hypotheses)
        for verified in place.poses
    ]


def _figures(place: VerifiedHypothesis, verified: VerifiedPose, T_true: np.ndarray | None) -> dict:
    """A pose beside the truth, its covariance as it was before calibration."""
    T, refined = verified.pose.T_map_camera, verified is not place.poses[0]
    error = (1e3, 180.0) if T_true is None else pose_error(T_true, T)
    figures = {
        "matcher": place.matcher, "refined": refined, "pose": T.round(6).tolist(),
        "error": [round(e, 5) for e in error],
        "evidence": {name: round(value, 4) for name, value in asdict(verified.evidence).items()},
    }  # fmt: skip
    if T_true is not None:
        factor, floor = _calibrated(place.matcher, refined)
        independent = (verified.pose.covariance - floor) / factor
        figures |= {
            "difference": pose_difference(T_true, T).tolist(),
            "covariance": independent.tolist(),
        }
    return figures


def _calibrated(matcher: str, refined: bool) -> tuple[float, np.ndarray]:
    """Factor and floor (6, 6) that make the covariance of independent matches that of a pose."""
    factor = getattr(calibration().constants, f"covariance_{'tracks' if refined else matcher}")
    return factor, calibration().floor if refined else np.zeros((6, 6))


def consistency(pose: dict) -> float:
    """NEES of a recorded pose by the present factors."""
    factor, floor = _calibrated(pose["matcher"], pose["refined"])
    covariance = factor * np.array(pose["covariance"]) + floor
    return float(nees(np.array([pose["difference"]]), covariance[None])[0])


def append(path: Path, site: str, kind: str, name: str, images: list[list[dict]]) -> None:
    """Write what was observed in the images of one kind, all at once: what is there is complete."""
    with open(path, "a") as file:
        file.write(
            "".join(
                json.dumps({"site": site, "kind": kind, "name": name, "poses": poses}) + "\n"
                for poses in images
            )
        )


def load(*paths: Path) -> list[dict]:
    """The records of all files that are there, in order."""
    return [
        json.loads(line)
        for path in paths
        if Path(path).is_file()
        for line in Path(path).read_text().splitlines()
    ]


def decide(record: dict) -> dict | None:
    """The pose that the localizer would choose, with its confidence; None where it found none."""
    best = None
    for place in range(1 + max((pose["place"] for pose in record["poses"]), default=-1)):
        chosen = None
        for pose in (pose for pose in record["poses"] if pose["place"] == place):
            known = confidence(Evidence(**pose["evidence"]), pose["has_intensity"])
            if chosen is None or known >= chosen["confidence"]:
                chosen = pose | {"confidence": known}
        if best is None or chosen["confidence"] > best["confidence"]:
            best = chosen
    return best


def right(pose: dict) -> bool:
    return pose["error"][0] < RIGHT[0] and pose["error"][1] < RIGHT[1]


def false(pose: dict) -> bool:
    return pose["error"][0] > FALSE_ACCEPT[0] or pose["error"][1] > FALSE_ACCEPT[1]


def poses_of(records: list[dict], has_intensity: bool) -> Iterator[dict]:
    """The poses found in maps with colour or intensity, or in bare ones."""
    return (
        pose
        for record in records
        for pose in record["poses"]
        if pose["has_intensity"] == has_intensity
    )
