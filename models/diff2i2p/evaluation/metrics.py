# SPDX-License-Identifier: Apache-2.0
"""What a localizer is worth on a sequence with true poses: one record per frame, one summary of all."""

import csv
import json
import resource
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from diff2i2p.camera import Camera
from diff2i2p.correspondences import Correspondences
from diff2i2p.datasets.sequences import Frame, write_trajectory
from diff2i2p.datasets.trajectory import Trajectory, ape_rpe
from diff2i2p.evaluation.metric_table import FALSE_ACCEPT
from diff2i2p.evaluation.provenance import git_commit, machine
from diff2i2p.geometry import in_camera, pose_error, reprojection_errors, visible
from diff2i2p.localization.result import Localization

# Metres, degrees; defined: the bounds that the benchmarks of the field report.
RECALL = {
    "5cm_5deg": (0.05, 5.0), "25cm_2deg": (0.25, 2.0), "25cm_5deg": (0.25, 5.0), "50cm_5deg": (0.5, 5.0)
}  # fmt: skip
RMSE_RECALL = 0.1  # metres; cited: registration recall of 2D3D-MATR and Diff2I2P
# A match is right when the true pose puts its point so near its pixel, rectified view; derived: the
# default of PnpConfig.max_error, so that right matches are those that a right pose takes as inliers.
MATCH_PIXELS = 6.0
# Share of right matches from which the features of a frame count as matched; cited: feature matching
# recall of 2D3D-MATR and Diff2I2P.
MATCH_RATIO = 0.1


@dataclass(frozen=True)
class Record:
    """One frame, the answer to it, and how far that is from the truth: infinitely far without an answer, NaN without truth."""

    frame: Frame
    answer: Localization
    translation_m: float
    rotation_deg: float
    rmse_m: float  # over the map points that the frame sees, between true and estimated pose
    inlier_ratio: float  # share of the matches within MATCH_PIXELS of the truth
    latency_ms: float  # wall time of the whole frame
    problem: str = ""  # why the image could not even be looked at

    def moved(self, offset: np.ndarray) -> "Record":
        """The same in a frame whose coordinates are `offset` (3,), metres, larger."""
        truth = self.frame.T_map_camera
        frame = self.frame if truth is None else self.frame.moved(offset)
        return replace(self, frame=frame, answer=self.answer.moved(offset))

    @property
    def judged(self) -> bool:
        """Whether the truth is known."""
        return self.frame.T_map_camera is not None

    def within(self, metres: float, degrees: float) -> bool:
        return self.translation_m <= metres and self.rotation_deg <= degrees

    @property
    def false_accept(self) -> bool:
        return self.judged and self.answer.ok and not self.within(*FALSE_ACCEPT)


def judge(
    frame: Frame, answer: Localization, points: np.ndarray, camera: Camera, latency_ms: float
) -> Record:
    """Compare an answer with the frame's true pose, if it has one. points: (N, 3) of the map."""
    truth = frame.T_map_camera
    if truth is None:
        return Record(frame, answer, np.nan, np.nan, np.nan, np.nan, latency_ms)
    ratio = (
        float(right_matches(answer.correspondences, answer.view.camera, truth).mean())
        if answer.correspondences
        else 0.0
    )
    if not answer.ok:
        return Record(frame, answer, np.inf, np.inf, np.inf, ratio, latency_ms)
    return Record(
        frame,
        answer,
        *pose_error(truth, answer.T_map_camera),
        rmse(points, camera, truth, answer.T_map_camera),
        ratio,
        latency_ms,
    )


def right_matches(matches: Correspondences, camera: Camera, T_map_camera: np.ndarray) -> np.ndarray:
    """(M,) bool: the match's point is before the camera and within MATCH_PIXELS of its pixel at the true pose."""
    return reprojection_errors(matches.pixels, matches.points, camera, T_map_camera) < MATCH_PIXELS


def rmse(points: np.ndarray, camera: Camera, T_true: np.ndarray, T_estimated: np.ndarray) -> float:
    """Root mean square distance, metres, between where the two poses see the map points (N, 3) that are in view."""
    seen = points[visible(points, camera, T_true)]
    if len(seen) == 0:
        return float("inf")
    return float(
        np.sqrt(((in_camera(seen, T_true) - in_camera(seen, T_estimated)) ** 2).sum(1).mean())
    )


def summarize(
    records: list[Record], matcher: str, colour: bool, weights: str | None, map_name: str
) -> dict:
    """The content of metrics.json. Unanswered frames count as failures; medians are over the answered ones.

    What needs truth is over the frames that have it, and None where none has.
    """
    judged = [record for record in records if record.judged]
    answered = [record for record in judged if record.answer.ok]
    ratios = [record.inlier_ratio for record in judged]
    return {
        "frames": len(records),
        "frames_with_truth": len(judged),
        "unusable_images": sum(bool(record.problem) for record in records),
        "answered": sum(record.answer.ok for record in records),
        "matcher": matcher,
        "colour": colour,
        "recall": {"rmse_10cm": _share(record.rmse_m < RMSE_RECALL for record in judged)}
        | {
            name: _share(record.within(*limits) for record in judged)
            for name, limits in RECALL.items()
        },
        "false_accepts": sum(record.false_accept for record in judged) if judged else None,
        "median_translation_m": _median([record.translation_m for record in answered]),
        "median_rotation_deg": _median([record.rotation_deg for record in answered]),
        "inlier_ratio": round(float(np.mean(ratios)), 4) if ratios else None,
        "feature_matching_recall": _share(ratio > MATCH_RATIO for ratio in ratios),
        "trajectory": ape_rpe(*trajectories(answered)),
        "availability": availability(records),
        "latency_ms": _percentiles([record.latency_ms for record in records])
        | {"stages": _stages(records)},
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "machine": machine(),
        "git": git_commit(),
        "weights": weights,
        "map": map_name,
    }


def availability(records: list[Record]) -> dict[str, float | None]:
    """Share of the frames with a pose, seconds until the first one, and the longest time without one, seconds."""
    stamps = [record.frame.stamp for record in records]
    fixes = [record.frame.stamp for record in records if record.answer.ok]
    longest = np.diff([stamps[0], *fixes, stamps[-1]]).max()
    return {
        "share": _share(record.answer.ok for record in records),
        "first_fix_s": round(fixes[0] - stamps[0], 3) if fixes else None,
        "longest_gap_s": round(float(longest), 3),
    }


def trajectories(records: list[Record]) -> tuple[Trajectory, Trajectory]:
    """Truth and estimate of the records that have both."""
    both = [record for record in records if record.judged and record.answer.ok]
    stamps = np.array([record.frame.stamp for record in both])
    truth, estimate = (
        [record.frame.T_map_camera for record in both],
        [record.answer.T_map_camera for record in both],
    )
    return tuple(Trajectory(stamps, np.reshape(poses, (-1, 4, 4))) for poses in (truth, estimate))


def write_metrics(out: Path, records: list[Record], summary: dict) -> None:
    """Write metrics.json, frames.csv with a row per frame, and truth.tum and estimate.tum for tools such as evo."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_text(json.dumps(summary, indent=1) + "\n")
    with open(out / "frames.csv", "w", newline="") as file:
        rows = [frame_row(record) for record in records]
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    for name, pose in (
        ("truth", lambda record: record.frame.T_map_camera),
        ("estimate", lambda record: record.answer.T_map_camera),
    ):
        known = [record for record in records if pose(record) is not None]
        stamps = np.array([record.frame.stamp for record in known])
        write_trajectory(
            out / f"{name}.tum",
            Trajectory(stamps, np.reshape([pose(record) for record in known], (-1, 4, 4))),
        )


def frame_row(record: Record) -> dict:
    """The figures of one frame, for tables."""
    answer = record.answer
    return {
        "index": record.frame.index,
        "name": record.frame.name,
        "stamp": f"{record.frame.stamp:.6f}",
        "status": "UNUSABLE_IMAGE" if record.problem else answer.status.name,
        "matcher": answer.matcher,
        "confidence": round(answer.confidence, 4),
        "translation_m": round(record.translation_m, 4),
        "rotation_deg": round(record.rotation_deg, 3),
        "rmse_m": round(record.rmse_m, 4),
        "matches": len(answer.correspondences) if answer.correspondences else 0,
        "inliers": 0 if answer.inliers is None else int(answer.inliers.sum()),
        "inlier_ratio": round(record.inlier_ratio, 4),
        "latency_ms": round(record.latency_ms, 1),
    }


def _share(hits) -> float | None:
    hits = list(hits)
    return round(float(np.mean(hits)), 4) if hits else None


def _median(values: list[float]) -> float | None:
    return round(float(np.median(values)), 4) if values else None


def _percentiles(values: list[float]) -> dict[str, float]:
    p50, p95 = np.percentile(values, (50, 95))
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1)}


def _stages(records: list[Record]) -> dict[str, dict[str, float]]:
    stages = dict.fromkeys(stage for record in records for stage in record.answer.milliseconds)
    return {
        stage: _percentiles([record.answer.milliseconds.get(stage, 0.0) for record in records])
        for stage in stages
    }
