# SPDX-License-Identifier: Apache-2.0
"""Quickstart: from a cloud and a camera to poses and a parameters file, or to what is missing, in one sentence."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from test_map_server import room

from diff2i2p.cloud import write_cloud
from diff2i2p.config import Config
from diff2i2p.localization.result import Status
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.weights import GENERIC, WeightsError
from diff2i2p_ros import convert
from diff2i2p_ros.bringup import quickstart
from diff2i2p_ros.parameters import NodeConfig, params_file

QUICK = ["--listen", "0.5", "--patience", "20", "--seconds", "2", "--check"]
LOCALIZER = """
import sys
from types import SimpleNamespace
import numpy as np
from diff2i2p.localization.result import Localization, Status
from diff2i2p_ros import localizer_node

class Stub:
    map = SimpleNamespace(
        points=np.zeros((1, 3), np.float32), grey=None, frame_id="map", header={},
        up=np.array([0, 0, 1.0]), origin=np.zeros(3),
    )  # fmt: skip

    def localize(self, image, camera, prior=None):
        status = Status["%s"]
        return Localization(status, np.eye(4), np.eye(6) * 1e-3, 0.97) if status is Status.OK else Localization(status)

sys.exit(localizer_node.main(sys.argv, lambda *arguments: Stub()))
"""


@pytest.fixture(autouse=True)
def other_domain(monkeypatch):
    """A localizer that another test has left to the garbage collector would be taken for one that runs."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + int(os.environ["ROS_DOMAIN_ID"]) % 101))


@pytest.fixture
def localizer(monkeypatch):
    """A function that makes the real node answer every image with one status."""

    def answers(status: str) -> None:
        monkeypatch.setattr(quickstart, "COMMAND", [sys.executable, "-c", LOCALIZER % status])

    return answers


@pytest.fixture(scope="module")
def bare_map(tmp_path_factory):
    """A compiled map without looks, made without weights: nothing can match images to it."""
    cloud = convert.cloud(room())
    return compile_map(
        cloud, tmp_path_factory.mktemp("map") / "site.i2pmap", up=np.array([0.0, 0, 1])
    )


@pytest.fixture
def map_file(bare_map, tmp_path):
    """A copy of it."""
    return Path(shutil.copy(bare_map.path, tmp_path))


def test_a_camera_and_a_map_become_verified_poses_and_a_parameters_file_that_says_how_to_go_on(
    camera_process, localizer, map_file, tmp_path, capfd
):
    camera_process(image="/front/image_raw", odometry=True)
    localizer("OK")
    assert quickstart.main(["--map", str(map_file), "--out", str(tmp_path / "site"), *QUICK]) == 0
    told = capfd.readouterr().out
    assert "It works: the poses of 10 of 10 images were verified, median confidence 0.97" in told
    text = (tmp_path / "site/localizer.yaml").read_text()
    assert (
        "image:=/front/image_raw camera_info:=/front/camera_info" in text
        and "image:=/front/image_raw" in told
    )
    values = yaml.safe_load(text)["/**"]["ros__parameters"]
    expected = {"map_file": str(map_file), "tf_mode": "map_odom", "image_transport": "raw"}
    assert {name: values[name] for name in expected} == expected
    assert (tmp_path / "site/last_pose.json").is_file()


def test_poses_that_do_not_verify_are_told_with_what_may_be_wrong(
    camera_process, localizer, map_file, tmp_path, capfd
):
    camera_process(image="/front/image_raw/compressed")
    localizer("NO_MATCHES")
    assert quickstart.main(["--map", str(map_file), "--out", str(tmp_path), *QUICK]) == 1
    told = capfd.readouterr().out
    assert (
        "No pose was verified;" in told
        and "too few correspondences" in told
        and "diff2i2p-train adapt" in told
    )
    values = yaml.safe_load((tmp_path / "localizer.yaml").read_text())["/**"]["ros__parameters"]
    assert values["tf_mode"] == "map_camera" and values["image_transport"] == "compressed"


def test_a_map_that_the_localizer_cannot_use_is_told_by_its_own_words(
    camera_process, map_file, tmp_path, capfd
):
    camera_process(image="/front/image_raw")
    assert quickstart.main(["--map", str(map_file), "--out", str(tmp_path), *QUICK]) == 1
    assert "No image was answered: nothing can match images" in capfd.readouterr().out


def test_what_is_missing_before_the_start_is_one_sentence_and_code_2(
    camera_process, map_file, tmp_path, capfd
):
    assert quickstart.main(["--map", str(tmp_path / "none.pcd"), *QUICK]) == 2
    assert "there is no" in capfd.readouterr().err
    assert quickstart.main(["--map", str(map_file), *QUICK, "--patience", "0.1"]) == 2
    assert "nobody publishes a camera image" in capfd.readouterr().err
    camera_process(image="/front/image_raw", info="")
    assert quickstart.main(["--map", str(map_file), *QUICK]) == 2
    assert "Nothing came on /front/camera_info: start the driver" in capfd.readouterr().err


def test_every_reason_for_no_pose_has_a_remedy():
    assert quickstart.REMEDIES.keys() == {status.name for status in Status} - {"OK"} | {
        "UNUSABLE_IMAGE"
    }


def test_the_weights_are_those_that_the_map_was_compiled_with(map_file, monkeypatch):
    def asked(path, weights: str = ""):
        return quickstart.weights_of(
            quickstart._options(["--map", str(path), "--weights", weights])
        )

    monkeypatch.setattr(
        "diff2i2p.weights.files.shipped_weights",
        lambda: {GENERIC: {"sha256": "1"}, "office": {"sha256": "2"}},
    )
    assert asked(map_file) == "" and asked("site.ply") == GENERIC
    compiled = CompiledMap.open(map_file)
    replace(compiled, header=compiled.header | {"weights_sha256": "2"}).save()
    assert asked(map_file) == "office"
    replace(compiled, header=compiled.header | {"weights_sha256": "3"}).save()
    with pytest.raises(quickstart.QuickstartError, match="name their file with --weights"):
        asked(map_file)
    with pytest.raises(WeightsError, match="no weights file 'none'"):
        asked(map_file, "none")


def test_a_cloud_is_compiled_once_and_again_when_it_is_newer(tmp_path, capfd):
    cloud = tmp_path / "site.ply"
    write_cloud(cloud, convert.cloud(room()))
    made = quickstart.compiled(cloud, tmp_path / "out", "")
    assert made == tmp_path / "out" / "site.i2pmap" and quickstart.is_current(made, cloud, "")
    assert quickstart.compiled(cloud, tmp_path / "out", "") == made
    assert "compiled before" in capfd.readouterr().out
    os.utime(cloud, (made.stat().st_mtime + 1,) * 2)
    assert not quickstart.is_current(made, cloud, "")
    made.write_bytes(made.read_bytes()[:100])
    os.utime(cloud, (0, 0))
    assert not quickstart.is_current(made, cloud, "")


def test_what_an_interrupted_compilation_leaves_is_removed(tmp_path, monkeypatch):
    def killed(command):
        (tmp_path / "site.i2pmap.part").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(quickstart.subprocess, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        quickstart.compiled(tmp_path / "site.ply", tmp_path, "")
    assert not list(tmp_path.iterdir())


def test_a_command_that_is_interrupted_while_it_is_imported_shows_no_traceback():
    importing = "lambda module: print(flush=True) or signal.pause()"
    code = (
        "import signal; from types import SimpleNamespace; from diff2i2p_ros import commands\n"
        f"commands.importlib = SimpleNamespace(import_module={importing})\n"
        "commands.quickstart()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT and not errors


def test_a_cloud_that_cannot_be_compiled_ends_it(tmp_path):
    (tmp_path / "site.ply").write_text("no cloud")
    with pytest.raises(quickstart.QuickstartError, match="could not be compiled"):
        quickstart.compiled(tmp_path / "site.ply", tmp_path, "")


@pytest.fixture
def quickstart_process(map_file, tmp_path):
    """A function that starts quickstart in a process of its own, with a localizer that finds every image."""
    script = (
        "import sys; from diff2i2p_ros.bringup import quickstart; quickstart.COMMAND = [sys.executable, '-c', sys.argv.pop(1)]\n"
        "quickstart.weights_of = lambda options: ''\n"  # which weights is another test; here it would bring torch
        "sys.exit(quickstart.main())"
    )
    processes = []

    def start(*options: str) -> subprocess.Popen:
        command = [
            sys.executable,
            "-c",
            script,
            LOCALIZER % "OK",
            "--map",
            str(map_file),
            "--out",
            str(tmp_path),
            *options,
        ]
        processes.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def live_camera(robot):
    stamps = iter(0.1 * np.arange(1, 10_000))
    robot.create_timer(0.05, lambda: robot.send_info() or robot.send_image(float(next(stamps))))


def test_a_second_localizer_in_the_same_namespace_is_not_started(
    graph, live_camera, quickstart_process
):
    graph.start(wait=False)
    process = quickstart_process(*QUICK)
    assert graph.until(lambda: process.poll() is not None)
    assert process.returncode == 2 and "a localizer is running already" in process.stderr.read()


def test_it_runs_on_until_it_is_interrupted(
    graph, robot, live_camera, quickstart_process, tmp_path
):
    process = quickstart_process(*QUICK[:-1])
    assert graph.until(
        lambda: (tmp_path / "localizer.yaml").is_file() or process.poll() is not None
    )
    assert graph.until(lambda: len(robot.answers) > 15 or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # of somebody impatient
    assert graph.until(lambda: process.poll() is not None)
    assert "It works" in process.stdout.read()
    assert process.returncode == 0 and "Traceback" not in process.stderr.read()
    assert graph.until(lambda: not robot.count_publishers("status"))


def test_the_parameters_file_is_the_shipped_one_with_other_values():
    text = params_file(NodeConfig(map_file="/a"), Config(), head="# mine\n")
    assert text.startswith("# mine\n") and "change the dataclasses" not in text
    assert yaml.safe_load(text)["/**"]["ros__parameters"]["map_file"] == "/a"
