# SPDX-License-Identifier: Apache-2.0
"""The command line does what its help says, and answers bad input with one sentence and exit code 2."""

import json
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from diff2i2p.camera import Camera, View
from diff2i2p.cloud import PointCloud, write_cloud
from diff2i2p.correspondences import Correspondences
from diff2i2p.datasets.sequences import write_sequence
from diff2i2p.localization.localizer import Localizer
from diff2i2p.localization.result import Localization, Status
from diff2i2p.mapping.compiled_map import CompiledMap, MapError
from diff2i2p.mapping.dense import DenseMap

CAMERA = Camera(160, 120, (130.0, 130.0, 79.5, 59.5))
FLOOR = np.random.default_rng(0).uniform((-2, -2, 0), (2, 2, 0.01), (3000, 3)).astype(np.float32)


@pytest.fixture
def files(tmp_path):
    """One folder with a good and a bad one of everything."""
    write_cloud(tmp_path / "floor.ply", PointCloud(FLOOR))
    (tmp_path / "cut.pcd").write_bytes(
        b"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 100\nDATA binary\n1234"
    )
    (tmp_path / "empty.ply").write_bytes(b"")
    write_cloud(tmp_path / "nan.ply", PointCloud(np.full((9, 3), np.nan, np.float32)))
    (tmp_path / "foreign.i2pmap").write_bytes(b"not a map at all")
    (tmp_path / "wrong.yaml").write_text("matcherr: network\n")
    CAMERA.to_yaml(tmp_path / "camera.yaml")
    images = [np.full((120, 160, 3), 60 * i, np.uint8) for i in range(3)]
    write_sequence(tmp_path / "run", CAMERA, images, [1.0, 1.1, 1.2], [np.eye(4)] * 3)
    cv2.imwrite(str(tmp_path / "a.jpg"), images[1])
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-20])
    return tmp_path


@pytest.fixture
def answers(monkeypatch):
    """A localizer that finds every second image."""

    class Stub:
        points = FLOOR + np.float32([0, 0, 3])
        dense = DenseMap.build(PointCloud(points))
        map = SimpleNamespace(
            points=points, grey=None, up=np.array([0, -1.0, 0]), header={"voxel": 0.08},
            dense=dense, origin=np.zeros(3),
        )  # fmt: skip
        asked = 0

        def localize(self, image, camera, prior=None):
            self.asked += 1
            view = View(np.ascontiguousarray(image[..., 0]), camera)
            if self.asked % 2 == 0:
                return Localization(Status.NO_MATCHES, view=view, milliseconds={"rectify": 1.0})
            found = Correspondences(
                np.full((9, 2), 50.0), np.full((9, 3), 2.0), np.ones(9, np.float32), "network"
            )
            return Localization(
                Status.OK,
                np.eye(4),
                np.eye(6),
                0.9,
                "network",
                found,
                np.ones(9, bool),
                view,
                {"rectify": 1.0, "pnp": 2.0},
            )

    monkeypatch.setattr(Localizer, "open", classmethod(lambda cls, *arguments: Stub()))


def test_a_cloud_becomes_a_map_that_says_which_way_is_up(diff2i2p, files):
    code, out, err = diff2i2p(
        "compile-map", files / "floor.ply", "-o", files / "new/floor.i2pmap", "--frame-id", "site"
    )
    assert (
        code == 0
        and "floor.i2pmap" in out
        and "found from the cloud" in err
        and "nothing can match" not in err
    )
    compiled = CompiledMap.open(files / "new/floor.i2pmap")
    assert compiled.frame_id == "site" and abs(compiled.up[2]) > 0.99
    code, out, _ = diff2i2p(
        "compile-map", files / "floor.ply", "-o", files / "floor.i2pmap", "--up", "-y", "--json"
    )
    assert code == 0 and json.loads(out)["up"] == [0, -1, 0]


def test_a_cloud_too_small_to_stand_before_is_compiled_and_that_is_said(diff2i2p, tmp_path):
    box = np.random.default_rng(0).uniform(0, 0.2, (3000, 3)).astype(np.float32)
    write_cloud(tmp_path / "box.ply", PointCloud(box))
    code, _, err = diff2i2p(
        "compile-map", tmp_path / "box.ply", "-o", tmp_path / "box.i2pmap", "--up", "z"
    )
    said = " ".join(err.split())
    assert code == 0 and "nothing can match images to it" in said
    assert "no place for a camera shows enough of its geometry" in said
    with pytest.raises(MapError, match="no place for a camera shows enough of its geometry"):
        Localizer.open(tmp_path / "box.i2pmap")


def test_images_are_localized_as_table_and_as_json(diff2i2p, files, answers):
    image = next((files / "run/rgb").iterdir())
    code, out, _ = diff2i2p(
        "localize", "a.i2pmap", image, files / "a.jpg", "--camera", files / "camera.yaml", "--json"
    )
    first, second = json.loads(out)
    assert (
        code == 0
        and first["position"] == [0, 0, 0]
        and first["quaternion"] == [0, 0, 0, 1]
        and len(first["covariance"]) == 36
    )
    assert second["status"] == "NO_MATCHES" and second["position"] is None
    code, out, _ = diff2i2p("localize", "a.i2pmap", image, "--camera", files / "camera.yaml")
    assert code == 0 and "OK" in out


def test_a_sequence_is_evaluated_into_metrics_rows_and_report(diff2i2p, files, answers):
    code, out, _ = diff2i2p(
        "evaluate",
        "--map",
        "a.i2pmap",
        "--sequence",
        files / "run",
        "--out",
        files / "out",
        "--stop",
        2,
        "--matcher",
        "network",
        "--json",
    )
    metrics = json.loads(out)
    assert code == 0 and metrics == json.loads((files / "out/metrics.json").read_text())
    assert (
        metrics["frames"],
        metrics["answered"],
        metrics["matcher"],
        metrics["recall"]["5cm_5deg"],
    ) == (2, 1, "network", 0.5)
    assert (files / "out/frames.csv").is_file() and (files / "out/report.html").is_file()


def test_a_world_is_written_from_its_seed_and_rooms(diff2i2p, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        "diff2i2p_sim.world.World.office", lambda seed, rooms: f"office {seed} of {rooms}"
    )
    monkeypatch.setattr(
        "diff2i2p_sim.write.write_world",
        lambda *arguments, **more: asked.append((*arguments, more)),
    )
    code, out, _ = diff2i2p(
        "world", "--seed", 3, "--rooms", 5, "--out", tmp_path, "--drive-frames", 5
    )
    assert code == 0 and out.strip() == str(tmp_path)
    assert asked == [("office 3 of 5", tmp_path, 3, {"mapping_frames": 1000, "drive_frames": 5})]


def test_a_world_is_taken_from_an_sdf_file(diff2i2p, monkeypatch, root, tmp_path):
    asked = []
    monkeypatch.setattr(
        "diff2i2p_sim.write.write_world", lambda world, *arguments, **more: asked.append(world)
    )
    assert diff2i2p("world", "--sdf", root / "launch/worlds/office.sdf", "--out", tmp_path)[0] == 0
    assert [room.kind for room in asked[0].rooms] == ["corridor", "lab"]


def test_the_simulation_has_a_command_line_of_its_own(tmp_path):
    code = "import sys; from diff2i2p_sim.cli import main; sys.exit(main())"
    wish = ["world", "--sdf", tmp_path / "none.sdf", "--out", tmp_path]
    done = subprocess.run([sys.executable, "-c", code, *wish], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("diff2i2p: cannot read the world")


def test_the_doctor_speaks_in_sentences(diff2i2p):
    code, out, _ = diff2i2p("doctor")
    assert code == 0 and "Python 3." in out and "weights" in out.lower() and "ROS 2" in out
    findings = json.loads(diff2i2p("doctor", "--json")[1])
    assert {"subject", "good", "required", "sentence"} == set(findings[0])


def test_the_doctor_names_what_is_missing(monkeypatch, diff2i2p):
    asked = ["numpy>=1", "no-such-package<5", 'an-extra; extra == "more"']
    monkeypatch.setattr("importlib.metadata.requires", lambda _: asked)
    code, out, _ = diff2i2p("doctor")
    assert code == 1 and "pip install no-such-package\n" in out


COMPILE = ("compile-map", "floor.ply", "-o", "x.i2pmap")
EVALUATE = ("evaluate", "--sequence", "run", "--out", "out", "--map")


@pytest.mark.parametrize(
    "command, said",
    [
        (("compile-map", "nowhere.ply", "-o", "x.i2pmap"), "there is no cloud"),
        (("compile-map", "run", "-o", "x.i2pmap"), "is a folder"),
        (("compile-map", "cut.pcd", "-o", "x.i2pmap"), "truncated"),
        (("compile-map", "empty.ply", "-o", "x.i2pmap"), "is empty"),
        (("compile-map", "nan.ply", "-o", "x.i2pmap"), "no point with finite coordinates"),
        ((*COMPILE, "--up", "north"), "up axis is one of"),
        ((*COMPILE, "--weights", "nobody"), "no weights file 'nobody'"),
        ((*COMPILE, "--config", "wrong.yaml"), "unknown parameter 'matcherr'"),
        (("localize", "nowhere.i2pmap", "a.jpg", "--camera", "camera.yaml"), "there is no map"),
        (
            ("localize", "foreign.i2pmap", "a.jpg", "--camera", "camera.yaml"),
            "truncated or no compiled map",
        ),
        (
            ("localize", "foreign.i2pmap", "a.jpg", "--camera", "wrong.yaml"),
            "is not a camera_info YAML",
        ),
        ((*EVALUATE, "foreign.i2pmap"), "truncated or no compiled map"),
        ((*EVALUATE, "foreign.i2pmap", "--matcher", "magic"), "one of network, appearance, both"),
        ((*EVALUATE, "foreign.i2pmap", "--start", "9"), "frames 0 to 2"),
        (
            ("evaluate", "--sequence", "nowhere", "--out", "out", "--map", "x.i2pmap"),
            "there is no sequence folder",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(diff2i2p, files, monkeypatch, command, said):
    monkeypatch.chdir(files)
    code, out, err = diff2i2p(*command)
    assert code == 2 and out == ""
    assert err.startswith("diff2i2p: ") and err.count("\n") == 1
    assert said in err


def test_a_truncated_image_is_refused(diff2i2p, files, answers):
    code, _, err = diff2i2p(
        "localize", "a.i2pmap", files / "cut.jpg", "--camera", files / "camera.yaml"
    )
    assert code == 2 and "cut.jpg is cut off" in err
