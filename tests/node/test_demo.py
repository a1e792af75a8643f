# SPDX-License-Identifier: Apache-2.0
"""The demo drives the real node and says honestly what came of it."""

import json
import subprocess
import sys

import pytest

from diff2i2p.weights import GENERIC
from diff2i2p_ros import demo
from diff2i2p_ros.node_runner import DriveError, drive


def test_a_real_sequence_goes_through_the_node_and_its_report_says_how_well(shared_data, tmp_path):
    options = [
        "--sequence",
        shared_data / "kitchen",
        "--start",
        "530",
        "--stop",
        "538",
        "--out",
        tmp_path,
    ]
    done = subprocess.run(
        [sys.executable, "-m", "diff2i2p_ros.demo", *options],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (
        metrics["frames"] == 8
        and metrics["matcher"] == "both"
        and metrics["recall"]["25cm_2deg"] >= 0.9
    )
    assert metrics["weights"] == GENERIC and metrics["alone"].keys() == {
        "both",
        "network",
        "appearance",
    }
    assert metrics["peak_rss_mb"] < 1500
    assert (tmp_path / "report.html").stat().st_size > 100_000
    assert "17.667" in done.stdout and "within bounds" in done.stdout


@pytest.mark.parametrize("recall, wrong, code", [(0.9, 0, 0), (0.89, 0, 1), (1.0, 1, 1)])
def test_the_demo_fails_out_of_its_bounds(recall, wrong, code):
    assert demo._verdict({"recall": {"25cm_2deg": recall}, "false_accepts": wrong}) == code


def test_a_folder_without_a_map_is_refused_in_one_sentence(tmp_path, capsys):
    assert demo.main(["--sequence", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "holds no map_FIRST-LAST.ply" in " ".join(capsys.readouterr().out.split())


def test_a_node_that_dies_ends_the_drive_with_its_last_words(tmp_path, sequence):
    with pytest.raises(DriveError, match="(?s)localizer ended after 0 of 6 images.*pnp.max_error"):
        drive({"pnp.max_error": "wide"}, {"sequence": str(sequence)}, 6, tmp_path, print)


def test_a_map_that_cannot_be_used_ends_the_drive_with_the_reason(tmp_path, sequence):
    (tmp_path / "broken.i2pmap").write_bytes(b"no map")
    with pytest.raises(
        DriveError, match="cannot start: .*broken.i2pmap is truncated or no compiled map"
    ):
        drive(
            {"map_file": str(tmp_path / "broken.i2pmap")},
            {"sequence": str(sequence)},
            6,
            tmp_path,
            print,
        )
