# SPDX-License-Identifier: Apache-2.0
"""Two evaluations are compared figure by figure and frame by frame, for people and for a CI."""

import csv
import json

import pytest

from diff2i2p.evaluation.compare import Tolerances, compare
from diff2i2p.evaluation.metric_table import FIGURES

BASE = {
    "availability": {"share": 0.9, "first_fix_s": 0.5, "longest_gap_s": 1.0},
    "recall": {"rmse_10cm": 0.8, "5cm_5deg": 0.7, "25cm_2deg": 0.9, "25cm_5deg": 0.9, "50cm_5deg": 0.95},
    "false_accepts": 0, "median_translation_m": 0.02, "median_rotation_deg": 0.4, "inlier_ratio": 0.3, "feature_matching_recall": 0.9,
    "unusable_images": 0, "latency_ms": {"p50": 100.0, "p95": 150.0}, "peak_rss_mb": 900,
    "trajectory": {"ape_m": {"rmse": 0.05}, "ape_deg": {"rmse": 0.5}, "rpe_m": None, "rpe_deg": None},
}  # fmt: skip
FRAMES = {
    "f0": ("OK", 0.01, 0.1),
    "f1": ("OK", 0.02, 0.1),
    "f2": ("NO_MATCHES", "inf", "inf"),
    "f3": ("OK", 0.3, 1.0),
    "f4": ("OK", 0.02, 0.1),
}


@pytest.fixture
def run(tmp_path):
    """A function that writes an evaluation like BASE with changes by dotted key, and gives its folder."""

    def write(name: str, changes: dict | None = None, frames: dict | None = None):
        summary = json.loads(json.dumps(BASE))
        for key, value in (changes or {}).items():
            *groups, leaf = key.split(".")
            place = summary
            for group in groups:
                place = place[group]
            place[leaf] = value
        folder = tmp_path / name
        folder.mkdir()
        (folder / "metrics.json").write_text(json.dumps(summary))
        with open(folder / "frames.csv", "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["name", "status", "translation_m", "rotation_deg"])
            table.writerows([frame, *row] for frame, row in (FRAMES | (frames or {})).items())
        return folder

    return write


def test_equal_runs_have_nothing_to_tell(diff2i2p, run):
    code, out, _ = diff2i2p("compare", run("a"), run("b"))
    assert (
        code == 0
        and "all figures are equal" in out
        and "0 of 5 common frames got worse, 0 got better" in out
    )


@pytest.mark.parametrize(
    "key, let_pass, too_much",
    [
        ("recall.25cm_5deg", 0.895, 0.88),
        ("availability.share", 0.895, 0.8),
        ("false_accepts", 0, 1),
        ("median_translation_m", 0.024, 0.03),  # 15 %, or 5 mm
        ("trajectory.ape_m.rmse", 0.057, 0.06),
        ("availability.first_fix_s", 0.9, 1.5),
        ("latency_ms.p95", 180, 200),
        ("peak_rss_mb", 980, 1000),
    ],
)
def test_what_got_worse_by_more_than_is_let_pass_is_a_regression(
    diff2i2p, run, key, let_pass, too_much
):
    before = run("a")
    assert diff2i2p("compare", before, run("b", {key: let_pass}))[0] == 0
    code, out, _ = diff2i2p("compare", before, run("c", {key: too_much}))
    assert code == 1 and "REGRESSION" in out and "worse" in out


def test_tolerances_are_options(diff2i2p, run):
    slower = run("b", {"latency_ms.p50": 180.0, "latency_ms.p95": 280.0})
    assert diff2i2p("compare", run("a"), slower)[0] == 1
    assert diff2i2p("compare", run("c"), slower, "--latency", "1")[0] == 0


def test_what_got_better_is_no_regression(run):
    better = run(
        "b", {"recall.25cm_5deg": 1.0, "median_translation_m": 0.01, "latency_ms.p50": 10.0}
    )
    found = compare(run("a"), better)
    assert not found.regressions
    assert {change.figure.key for change in found.changes if change.better} == {
        "recall.25cm_5deg",
        "median_translation_m",
        "latency_ms.p50",
    }


def test_a_figure_that_is_no_more_is_a_regression_and_a_new_one_is_not(run):
    lost = run("b", {"trajectory.ape_m": None})
    assert [change.figure.key for change in compare(run("a"), lost).regressions] == [
        "trajectory.ape_m.rmse"
    ]
    assert not compare(lost, run("c")).regressions


def test_the_frames_that_got_worse_come_worst_first(diff2i2p, run):
    after = run(
        "b",
        frames={
            "f0": ("OK", 2.0, 0.1),
            "f1": ("REJECTED_LOW_CONFIDENCE", "inf", "inf"),
            "f2": ("OK", 0.01, 0.1),
            "f4": ("OK", 0.1, 0.1),
        },
    )
    found = compare(run("a"), after)
    assert [(frame.name, frame.before, frame.after) for frame in found.frames] == [
        ("f0", "right", "false"), ("f1", "right", "silent"), ("f4", "right", "right"),
    ]  # fmt: skip
    assert found.improved == 1 and found.common == 5
    code, out, _ = diff2i2p("compare", run("c"), after, "--frames", 1)
    assert code == 0 and "f0: right, 1.0 cm -> false, 200.0 cm" in out and "f1" not in out


def test_runs_of_different_images_are_told_with_how_many_each_has(diff2i2p, run):
    first, second = run("a"), run("b")
    rows = (second / "frames.csv").read_text().splitlines()
    (second / "frames.csv").write_text("\n".join([rows[0], *(f"g{row}" for row in rows[2:])]))
    _, out, _ = diff2i2p("compare", first, second)
    assert "no frame in common, of 5 in A and 4 in B" in " ".join(out.split())
    (second / "frames.csv").write_text("\n".join(rows[:4]))
    _, out, _ = diff2i2p("compare", first, second)
    assert "0 of 3 common frames got worse, 0 got better (A has 5 frames, B 3)" in " ".join(
        out.split()
    )
    _, out, _ = diff2i2p("compare", first, second, "--json")
    assert json.loads(out)["frames"] == [5, 3]


def test_scripts_get_json(diff2i2p, run):
    code, out, _ = diff2i2p(
        "compare", run("a"), run("b", {"false_accepts": 2}, {"f0": ("OK", 2.0, 0.1)}), "--json"
    )
    told = json.loads(out)
    assert (
        code == 1
        and {"figure": "false_accepts", "before": 0, "after": 2, "regression": True}
        in told["figures"]
    )
    assert told["worse_frames"][0] == {
        "name": "f0",
        "before": "right",
        "after": "false",
        "before_m": 0.01,
        "after_m": 2.0,
    }


@pytest.mark.parametrize(
    "content, said",
    [(None, "it has no metrics.json"), ("{", "cannot be read"), ("[]", "is not the metrics.json")],
)
def test_what_is_no_evaluation_is_refused(diff2i2p, run, tmp_path, content, said):
    (tmp_path / "bad").mkdir()
    if content:
        (tmp_path / "bad/metrics.json").write_text(content)
    code, out, err = diff2i2p("compare", run("a"), tmp_path / "bad")
    assert code == 2 and out == "" and said in err and err.count("\n") == 1


def test_every_kind_of_figure_has_its_tolerance():
    assert {figure.kind for figure in FIGURES} <= set(vars(Tolerances()))
