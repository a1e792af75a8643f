# SPDX-License-Identifier: Apache-2.0
"""`evaluate-bag` and `world --bag`: from a bag to metrics, trajectories and a report, with truth or without."""

import csv
import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera, View
from diff2i2p.cloud import PointCloud, read_cloud
from diff2i2p.config import Config
from diff2i2p.correspondences import Correspondences
from diff2i2p.datasets.bag_record import record_bag
from diff2i2p.datasets.sequences import (
    read_sequence,
    read_trajectory,
    write_sequence,
    write_trajectory,
)
from diff2i2p.datasets.trajectory import Trajectory
from diff2i2p.evaluation.alignment import AlignmentError, fit
from diff2i2p.evaluation.report.rerun_log import RerunError, require_rerun
from diff2i2p.evaluation.run import Tracking
from diff2i2p.localization.localizer import Localizer
from diff2i2p.localization.result import Localization, Status
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.parameters import override

CAMERA = Camera(64, 48, (60.0, 60.0, 31.5, 23.5))
MINE = ("--weights", "mine.safetensors", "--json")
STAMPS = 100.0 + 0.1 * np.arange(6)
POSES = np.tile(np.eye(4), (6, 1, 1))
POSES[:, 2, 3] = 0.1 * np.arange(6)
WALL = np.random.default_rng(0).uniform((-3, -2, 4), (3, 2, 4.1), (2000, 3)).astype(np.float32)


class Knowing:
    """Knows every image by its brightness; fails on number 4, and is 2 m off on number 2."""

    config = Config()
    map = SimpleNamespace(
        points=WALL,
        grey=None,
        up=np.array([0, -1.0, 0]),
        header={"voxel": 0.08},
        frame_id="map",
        origin=np.zeros(3),
        dense=DenseMap.build(PointCloud(WALL)),
    )

    def __init__(self):
        self.priors = []

    def localize(self, image, camera, prior=None):
        self.priors.append(prior)
        number, view = (
            round(image.mean() / 40),
            View(image if image.ndim == 2 else np.ascontiguousarray(image[..., 0]), camera),
        )
        if number == 4:
            return Localization(Status.NO_MATCHES, view=view, milliseconds={"pnp": 1.0})
        T = POSES[number].copy()
        T[0, 3] += 2.0 * (number == 2)
        found = Correspondences(
            np.full((9, 2), 20.0), WALL[:9].astype(float), np.ones(9, np.float32), "appearance"
        )
        return Localization(
            Status.OK, T, np.eye(6), 0.95, "appearance", found, np.ones(9, bool), view, {"pnp": 2.0}
        )


@pytest.fixture
def knowing(monkeypatch):
    made = []
    monkeypatch.setattr(
        Localizer, "open", classmethod(lambda cls, *arguments: made.append(Knowing()) or made[-1])
    )
    return made


@pytest.fixture
def no_report(monkeypatch):
    """Pictures take their time, and not every test looks at them."""
    monkeypatch.setattr(
        "diff2i2p.evaluation.run.write_report", lambda out, *arguments: out / "report.html"
    )


@pytest.fixture
def walk(tmp_path):
    images = [np.full((48, 64, 3), 40 * n, np.uint8) for n in range(6)]
    write_sequence(tmp_path / "walk", CAMERA, images, STAMPS, POSES)
    record_bag(tmp_path / "walk_bag", read_sequence(tmp_path / "walk"))
    return tmp_path


def metrics_of(run) -> dict:
    code, out, err = run
    assert code == 0, err
    return json.loads(out)


def test_a_bag_becomes_metrics_rows_trajectories_and_a_report(diff2i2p, walk, knowing):
    metrics = metrics_of(
        diff2i2p(
            "evaluate-bag", walk / "walk_bag", "--map", "x.i2pmap", "--out", walk / "out", "--json"
        )
    )
    assert metrics == json.loads((walk / "out/metrics.json").read_text())
    assert (
        metrics["frames"],
        metrics["answered"],
        metrics["false_accepts"],
        metrics["recall"]["5cm_5deg"],
    ) == (6, 5, 1, 0.6667)
    assert metrics["trajectory"]["ape_m"]["max"] == pytest.approx(2.0) and metrics["trajectory"][
        "ape_m"
    ]["rmse"] == pytest.approx(2 / 5**0.5, abs=1e-4)
    assert metrics["trajectory"]["rpe_m"]["max"] == pytest.approx(2.0)
    assert metrics["availability"] == {"share": 0.8333, "first_fix_s": 0.0, "longest_gap_s": 0.2}
    assert (
        metrics["sources"]
        == {
            "images": "/image",
            "camera": "/camera_info",
            "truth": "/truth",
            "odometry": "odom -> camera",
        }
        and metrics["latency_ms"]["p95"] >= 0
    )
    assert (
        len(read_trajectory(walk / "out/estimate.tum")) == 5
        and len(read_trajectory(walk / "out/truth.tum")) == 6
    )
    assert [row["status"] for row in csv.DictReader(open(walk / "out/frames.csv"))].count("OK") == 5
    assert "false poses published" in (walk / "out/report.html").read_text()
    assert knowing[0].priors == [None] * 6


def test_tracking_expects_the_pose_that_odometry_leads_to_and_refuses_leaps(
    diff2i2p, walk, knowing, no_report
):
    metrics = metrics_of(
        diff2i2p(
            "evaluate-bag",
            walk / "walk_bag",
            "--map",
            "x.i2pmap",
            "--out",
            walk / "out",
            "--track",
            "--json",
        )
    )
    assert metrics["tracking"] and metrics["false_accepts"] == 0 and metrics["answered"] == 4
    np.testing.assert_allclose(
        knowing[0].priors[1][:3, 3], (0, 0, 0.102), atol=1e-6
    )  # odometry is 2 % too long


def test_tracking_starts_again_where_the_stamps_jump_back_and_not_at_a_late_image():
    localizer = Knowing()
    tracking = Tracking(localizer)
    for number, stamp in ((0, 100.0), (1, 100.1), (0, 100.0), (5, 3.0), (5, 3.1)):
        assert tracking(np.full((48, 64), 40 * number, np.uint8), CAMERA, stamp).ok
    np.testing.assert_array_equal(
        [prior is None for prior in localizer.priors], [True, False, False, True, False]
    )


def test_without_weights_the_figures_name_the_matcher_that_is_left(
    diff2i2p, walk, knowing, no_report
):
    command = ("evaluate-bag", walk / "walk_bag", "--map", "x.i2pmap", "--out", walk / "out")
    assert metrics_of(diff2i2p(*command, "--json"))["matcher"] == "appearance"
    assert metrics_of(diff2i2p(*command, *MINE))["matcher"] == "both"


def test_without_truth_availability_latency_and_the_trajectory_are_told(diff2i2p, walk, knowing):
    run = diff2i2p(
        "evaluate-bag",
        walk / "walk_bag",
        "--map",
        "x.i2pmap",
        "--out",
        walk / "out",
        "--truth",
        "none",
        "--json",
    )
    metrics = metrics_of(run)
    assert (
        metrics["frames_with_truth"] == 0
        and metrics["answered"] == 5
        and metrics["availability"]["share"] == 0.8333
    )
    assert (
        metrics["false_accepts"] is None
        and set(metrics["recall"].values()) == {None}
        and metrics["trajectory"]["ape_m"] is None
    )
    assert (
        len(read_trajectory(walk / "out/estimate.tum")) == 5
        and "longest time without a pose" in (walk / "out/report.html").read_text()
    )


def test_truth_in_a_frame_of_its_own_is_fitted_and_the_wrong_pose_still_found(
    diff2i2p, walk, knowing, no_report
):
    T_mocap_map = np.eye(4)
    T_mocap_map[:3, :3], T_mocap_map[:3, 3] = (
        Rotation.from_euler("xyz", (0.3, -1, 2)).as_matrix(),
        (10, 20, 30),
    )
    write_trajectory(walk / "mocap.tum", Trajectory(STAMPS, T_mocap_map @ POSES))
    command = (
        "evaluate-bag",
        walk / "walk_bag",
        "--map",
        "x.i2pmap",
        "--out",
        walk / "out",
        "--truth",
        walk / "mocap.tum",
        "--json",
    )
    assert metrics_of(diff2i2p(*command))["false_accepts"] == 5
    metrics = metrics_of(diff2i2p(*command, "--align"))
    assert (
        metrics["aligned"]
        and metrics["false_accepts"] == 1
        and metrics["median_translation_m"] < 1e-3
    )


def test_nothing_answered_is_nothing_to_align():
    with pytest.raises(AlignmentError, match="no answer with truth"):
        fit(
            Trajectory(np.zeros(0), np.zeros((0, 4, 4))),
            Trajectory(np.zeros(0), np.zeros((0, 4, 4))),
        )


def test_each_matcher_alone_stands_beside_both(diff2i2p, walk, knowing):
    metrics = metrics_of(
        diff2i2p(
            "evaluate-bag",
            walk / "walk_bag",
            "--map",
            "x.i2pmap",
            "--out",
            walk / "out",
            "--alone",
            *MINE,
        )
    )
    assert metrics["matcher"] == "both" and json.loads((walk / "out/metrics.json").read_text())[
        "alone"
    ].keys() == {"network", "appearance"}
    assert "right by these alone" in (walk / "out/report.html").read_text() and len(knowing) == 3


def damaged_bag(path, healthy: int) -> None:
    """Compressed images, the first `healthy` of which are whole."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types, name = store.types, "sensor_msgs/msg/CompressedImage"
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/eye/compressed", name, typestore=store)
        for n, stamp in enumerate(STAMPS):
            data = cv2.imencode(".jpg", np.full((48, 64), 40 * n, np.uint8))[1].ravel()
            time = types["builtin_interfaces/msg/Time"](*divmod(round(stamp * 1e9), 10**9))
            message = types[name](
                types["std_msgs/msg/Header"](time, "eye"),
                "jpeg",
                data if n < healthy else data[:-9],
            )
            writer.write(connection, round(stamp * 1e9), store.serialize_cdr(message, name))


def test_an_image_that_cannot_be_decoded_is_a_frame_without_an_answer(
    diff2i2p, tmp_path, knowing, no_report
):
    damaged_bag(tmp_path / "bag", healthy=4)
    CAMERA.to_yaml(tmp_path / "camera.yaml")
    command = (
        "evaluate-bag",
        tmp_path / "bag",
        "--map",
        "x.i2pmap",
        "--out",
        tmp_path / "out",
        "--camera",
        tmp_path / "camera.yaml",
        "--json",
    )
    metrics = metrics_of(diff2i2p(*command))
    assert (metrics["frames"], metrics["unusable_images"], metrics["answered"]) == (6, 2, 4)
    assert [row["status"] for row in csv.DictReader(open(tmp_path / "out/frames.csv"))][4:] == [
        "UNUSABLE_IMAGE"
    ] * 2


def test_a_bag_of_images_that_cannot_be_decoded_is_refused(diff2i2p, tmp_path, knowing):
    damaged_bag(tmp_path / "bag", healthy=0)
    CAMERA.to_yaml(tmp_path / "camera.yaml")
    code, _, err = diff2i2p(
        "evaluate-bag",
        tmp_path / "bag",
        "--map",
        "x.i2pmap",
        "--out",
        tmp_path / "out",
        "--camera",
        tmp_path / "camera.yaml",
    )
    assert (
        code == 2
        and "none of the 6 images can be used: a compressed image" in err
        and "cut off" in err
    )


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("nowhere",), "there is no bag nowhere"),
        (("walk",), "walk is no bag"),
        (("walk_bag", "--image-topic", "/eye"), "no images on /eye; image topics: /image"),
        (("walk_bag", "--truth", "/odom"), "there is no truth '/odom'"),
        (("walk_bag", "--camera", "walk/groundtruth.txt"), "is not a camera_info YAML"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    diff2i2p, walk, knowing, monkeypatch, arguments, said
):
    monkeypatch.chdir(walk)
    code, out, err = diff2i2p("evaluate-bag", *arguments, "--map", "x.i2pmap", "--out", "out")
    assert code == 2 and out == "" and said in err
    assert err.startswith("diff2i2p: ") and err.count("\n") == 1


def test_rerun_is_asked_for_before_minutes_are_spent(diff2i2p, walk, knowing, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    code, _, err = diff2i2p(
        "evaluate-bag",
        walk / "walk_bag",
        "--map",
        "x.i2pmap",
        "--out",
        walk / "out",
        "--rerun",
        walk / "a.rrd",
    )
    assert code == 2 and "pip install rerun-sdk" in err and knowing[0].priors == []
    with pytest.raises(RerunError):
        require_rerun()


def test_a_rerun_recording_is_written(diff2i2p, walk, knowing):
    pytest.importorskip("rerun", reason="rerun-sdk is optional and not installed")
    diff2i2p(
        "evaluate-bag",
        walk / "walk_bag",
        "--map",
        "x.i2pmap",
        "--out",
        walk / "out",
        "--rerun",
        walk / "a.rrd",
    )
    assert (walk / "a.rrd").stat().st_size > 5000


def test_a_world_records_its_drive_as_a_bag(diff2i2p, monkeypatch, tmp_path):
    def small_drive(world, out, seed, **more):
        write_sequence(
            out / "drive", CAMERA, [np.full((48, 64, 3), 9, np.uint8)] * 6, STAMPS - 100, POSES
        )

    monkeypatch.setattr("diff2i2p_sim.write.write_world", small_drive)
    code, out, _ = diff2i2p(
        "world", "--seed", 3, "--out", tmp_path, "--bag", "--storage", "sqlite3", "--compressed"
    )
    assert (
        code == 0
        and out.split()[-1] == str(tmp_path / "drive_bag")
        and list(tmp_path.glob("drive_bag/*.db3"))
    )
    monkeypatch.setattr("diff2i2p_sim.write.write_world", None)  # refused before the world is made
    code, _, err = diff2i2p("world", "--seed", 3, "--out", tmp_path, "--bag")
    assert code == 2 and "drive_bag" in err and "exists" in err


def test_the_kitchen_as_a_bag_is_localized_by_appearance(diff2i2p, shared_data, tmp_path):
    sequence = read_sequence(shared_data / "kitchen", 530, 562)
    record_bag(
        tmp_path / "kitchen_bag", replace(sequence, frames=sequence.frames[::4]), compressed=True
    )
    few_looks = override(Config(), {"appearance": {"spacing": 2.0, "headings": 6}})
    compile_map(
        read_cloud(shared_data / "kitchen/map_0000-0499.ply"),
        tmp_path / "kitchen.i2pmap",
        config=few_looks,
        up=np.array([0, -1.0, 0]),
    )
    command = (
        "evaluate-bag",
        tmp_path / "kitchen_bag",
        "--map",
        tmp_path / "kitchen.i2pmap",
        "--out",
        tmp_path / "out",
    )
    metrics = metrics_of(diff2i2p(*command, "--matcher", "appearance", "--json"))
    assert (
        metrics["frames"] == 8
        and metrics["recall"]["25cm_5deg"] >= 0.75
        and metrics["false_accepts"] == 0
    )
    assert (
        metrics["trajectory"]["ape_m"]["rmse"] < 0.25
        and (tmp_path / "out/report.html").stat().st_size > 100_000
    )
