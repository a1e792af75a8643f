# SPDX-License-Identifier: Apache-2.0
"""Figures of an evaluation mean what their names say."""

import csv
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera, View
from diff2i2p.correspondences import Correspondences
from diff2i2p.datasets.sequences import Frame, Sequence, SequenceError
from diff2i2p.evaluation.metrics import right_matches, rmse, summarize, write_metrics
from diff2i2p.evaluation.run import evaluate
from diff2i2p.geometry import pose_error, visible
from diff2i2p.localization.result import Localization, Status

CAMERA = Camera(320, 240, (260.0, 260.0, 159.5, 119.5))
WALL = (
    np.stack(np.meshgrid(np.linspace(-1, 1, 21), np.linspace(-0.8, 0.8, 17), [3.0]), -1)
    .reshape(-1, 3)
    .astype(np.float32)
)


def moved(x=0.0, degrees=0.0) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3], T[0, 3] = Rotation.from_euler("y", degrees, degrees=True).as_matrix(), x
    return T


def matches(wrong: int) -> Correspondences:
    pixels = CAMERA.project(WALL)[:100]
    pixels[:wrong] += 10
    return Correspondences(pixels, WALL[:100].astype(float), np.ones(100, np.float32), "network")


class Scripted:
    """A localizer that gives prepared answers, one after the other."""

    map = SimpleNamespace(points=WALL)

    def __init__(self, *answers):
        self.answers = iter(answers)

    def localize(self, image, camera, prior=None):
        assert prior is None
        return next(self.answers)


def published(T, wrong=0) -> Localization:
    view = View(np.zeros((240, 320), np.uint8), CAMERA)
    return Localization(
        Status.OK,
        T,
        np.eye(6),
        0.9,
        "network",
        matches(wrong),
        np.arange(100) >= wrong,
        view,
        {"pnp": 2.0},
    )


@pytest.fixture
def sequence(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((240, 320, 3), np.uint8))
    return lambda count: Sequence(
        "run",
        CAMERA,
        tuple(Frame(i, f"f{i}", i / 10, tmp_path / "a.png", np.eye(4)) for i in range(count)),
    )


def test_pose_errors_are_metres_and_degrees():
    assert pose_error(moved(0.3, 20), moved(0.0, 15)) == pytest.approx((0.3, 5.0))
    assert pose_error(moved(), moved(0, 180))[1] == pytest.approx(180)
    assert pose_error(moved(), moved(0, 1e-4))[1] == pytest.approx(1e-4, rel=1e-3)


def test_rmse_is_how_far_the_seen_points_move():
    assert rmse(WALL, CAMERA, moved(), moved(0.1)) == pytest.approx(0.1, abs=1e-6)
    assert rmse(WALL, CAMERA, moved(), moved(0, 1)) == pytest.approx(np.radians(1) * 3.05, rel=0.02)
    assert rmse(WALL, CAMERA, moved(degrees=180), moved(degrees=180)) == float(
        "inf"
    )  # nothing is seen


def test_points_behind_a_wall_outside_the_image_or_behind_the_camera_are_not_seen():
    hidden = np.array([[0, 0, 6], [9, 0, 3], [0, 0, -3]], np.float32)
    seen = visible(np.concatenate([WALL, hidden]), CAMERA, np.eye(4))
    assert set(seen) == set(range(len(WALL)))


def test_a_match_is_right_within_six_pixels_at_the_true_pose():
    assert right_matches(matches(wrong=30), CAMERA, np.eye(4)).sum() == 70
    assert (
        right_matches(matches(wrong=0), CAMERA, moved(degrees=180)).sum() == 0
    )  # behind the camera


def test_recall_counts_unanswered_frames_as_failures(sequence):
    answers = [
        published(moved(0.01)),
        published(moved(0.2, 3)),
        published(moved(0.7)),
        Localization(Status.NO_MATCHES),
    ]
    summary = summarize(
        evaluate(Scripted(*answers), sequence(4)), "network", True, None, "m.i2pmap"
    )
    assert summary["frames"] == 4 and summary["answered"] == 3
    assert summary["recall"] == {
        "rmse_10cm": 0.25,
        "5cm_5deg": 0.25,
        "25cm_2deg": 0.25,
        "25cm_5deg": 0.5,
        "50cm_5deg": 0.5,
    }
    assert summary["false_accepts"] == 1
    assert summary["median_translation_m"] == pytest.approx(0.2)


def test_inlier_ratio_and_feature_matching_recall_judge_matches_by_the_truth(sequence):
    answers = [
        published(moved(), wrong=50),
        published(moved(), wrong=95),
        Localization(Status.NO_CANDIDATES),
    ]
    summary = summarize(evaluate(Scripted(*answers), sequence(3)), "network", True, None, "m")
    assert summary["inlier_ratio"] == pytest.approx((0.5 + 0.05 + 0) / 3, abs=1e-3)
    assert summary["feature_matching_recall"] == pytest.approx(1 / 3, abs=1e-3)


def test_metrics_files_hold_what_the_contract_names(sequence, tmp_path):
    seen = []
    records = evaluate(
        Scripted(published(moved()), Localization(Status.PNP_FAILED)), sequence(2), seen.append
    )
    summary = summarize(records, "both", False, "generic", "m")
    write_metrics(tmp_path / "out", records, summary)
    assert seen == records
    written = json.loads((tmp_path / "out/metrics.json").read_text())
    assert set(written) == {
        "frames", "answered", "matcher", "colour", "recall", "false_accepts", "median_translation_m", "median_rotation_deg", "inlier_ratio",
        "feature_matching_recall", "latency_ms", "peak_rss_mb", "machine", "git", "weights", "map",
        "frames_with_truth", "unusable_images", "trajectory", "availability",
    }  # fmt: skip
    assert set(written["latency_ms"]) == {"p50", "p95", "stages"} and written["peak_rss_mb"] > 10
    rows = list(csv.DictReader(open(tmp_path / "out/frames.csv")))
    assert [row["status"] for row in rows] == ["OK", "PNP_FAILED"]


def test_no_answer_at_all_has_no_median(sequence):
    summary = summarize(
        evaluate(Scripted(Localization(Status.NO_MATCHES)), sequence(1)), "network", True, None, "m"
    )
    assert summary["median_translation_m"] is None and summary["recall"]["50cm_5deg"] == 0
    json.dumps(summary, allow_nan=False)


def test_a_sequence_without_truth_cannot_be_evaluated(tmp_path):
    with pytest.raises(SequenceError, match="no true poses"):
        evaluate(Scripted(), Sequence("run", CAMERA, (Frame(0, "f", 0.0, tmp_path / "a.png"),)))
