# SPDX-License-Identifier: Apache-2.0
"""Evidence of right and wrong poses, recorded one image a line: what the confidence is fitted on and judged by."""

import json
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import numpy as np

from diff2i2p.evaluation.metric_table import FALSE_ACCEPT
from diff2i2p.evaluation.reliability import nees, pose_difference
from diff2i2p.geometry import pose_error
from diff2i2p.localization import localizer as spine
from diff2i2p.localization import verify
from diff2i2p.localization.hypotheses import SHARED
from diff2i2p.localization.localizer import Localizer
from diff2i2p.pose.render_compare import FLOOR, TRACKS_SHARED

RIGHT = 0.25, 5.0  # metres and degrees: what the confidence is the probability of


def observe(localizer: Localizer, image: np.ndarray, camera, T_true: np.ndarray | None) -> list[dict]:
    """Every pose that the localizer verifies in an image, place by place, found or refined. T_true None: any pose is wrong."""
    seen = []

    def noting(pose, place, comparison, elsewhere, rival):
        proof = verify.evidence(pose, place, comparison, elsewhere, rival)
        error = (1e3, 180.0) if T_true is None else pose_error(T_true, pose.T_map_camera)
        matcher, refined = place.correspondences.matcher, pose is not place.pose
        figures = {"error": [round(e, 5) for e in error], "pose": pose.T_map_camera.round(6).tolist(), "refined": refined}
        if T_true is not None:
            alone = (pose.covariance - FLOOR) / TRACKS_SHARED if refined else pose.covariance / SHARED[matcher]
            figures |= {"difference": pose_difference(T_true, pose.T_map_camera).tolist(), "covariance": alone.tolist()}
        seen.append({"place": id(place), "matcher": matcher, "evidence": [round(x, 4) for x in astuple(proof)]} | figures)
        return proof

    def judging(*scenes):
        seen.clear()  # with a second matcher all is judged anew
        return Localizer._answers(localizer, *scenes)

    spine.evidence, localizer._answers = noting, judging
    localizer.localize(image, camera)
    spine.evidence = verify.evidence
    del localizer._answers
    places = list(dict.fromkeys(pose["place"] for pose in seen))
    return [pose | {"place": places.index(pose["place"])} for pose in seen]


def consistency(pose: dict) -> float:
    """NEES of a recorded pose by the present factors."""
    alone = np.array(pose["covariance"])
    covariance = TRACKS_SHARED * alone + FLOOR if pose["refined"] else SHARED[pose["matcher"]] * alone
    return float(nees(np.array([pose["difference"]]), covariance[None])[0])


def append(path: Path, site: str, kind: str, name: str, images: list[list[dict]]) -> None:
    """Write what was observed in the images of one kind, all at once: what is there is complete."""
    with open(path, "a") as file:
        file.write("".join(json.dumps({"site": site, "kind": kind, "name": name, "poses": poses}) + "\n" for poses in images))


def load(*paths: Path) -> list[dict]:
    """The records of all files that are there, in order."""
    return [json.loads(line) for path in paths if Path(path).is_file() for line in Path(path).read_text().splitlines()]


def decide(record: dict) -> dict | None:
    """The pose that the localizer would settle on, with its confidence; None where it found none."""
    best = None
    for place in range(1 + max((pose["place"] for pose in record["poses"]), default=-1)):
        chosen = None
        for pose in (pose for pose in record["poses"] if pose["place"] == place):
            belief = believe(pose)
            if chosen is None or belief >= chosen["confidence"]:
                chosen = pose | {"confidence": belief}
        if best is None or chosen["confidence"] > best["confidence"]:
            best = chosen
    return best


def believe(pose: dict) -> float:
    return verify.confidence(verify.Evidence(*pose["evidence"]))


def right(pose: dict) -> bool:
    return pose["error"][0] < RIGHT[0] and pose["error"][1] < RIGHT[1]


def false(pose: dict) -> bool:
    return pose["error"][0] > FALSE_ACCEPT[0] or pose["error"][1] > FALSE_ACCEPT[1]


def poses_of(records: list[dict], matcher: str) -> Iterator[dict]:
    return (pose for record in records for pose in record["poses"] if pose["matcher"] == matcher)
