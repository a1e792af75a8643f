# SPDX-License-Identifier: Apache-2.0
"""check_bringup finds the camera that is up, and says in sentences what a localizer would miss."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import CAMERA
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from diff2i2p.datasets.odometry import T_BODY_OPTICAL
from diff2i2p_ros import convert
from diff2i2p_ros.bringup import check_bringup
from diff2i2p_ros.bringup.probe import CameraTopic, Heard, Probe, ProbeError
from diff2i2p_ros.node_main import run

QUICK = ["--listen", "0.5", "--patience", "20"]


def look(capsys, *options: str) -> tuple[int, dict[str, dict]]:
    """Exit code and findings by subject."""
    code = check_bringup.main([*QUICK, "--json", *options])
    return code, {finding["subject"]: finding for finding in json.loads(capsys.readouterr().out)}


def test_a_robot_that_is_complete_passes(camera_process, capsys):
    camera_process(image="/front/image_raw", odometry=True, depth="/front/depth/image_rect_raw")
    code, found = look(capsys)
    assert code == 0
    assert found["camera"]["sentence"] == "/front/image_raw, raw."
    assert "64x48 rgb8" in found["images"]["sentence"] and "best effort" in found["qos"]["sentence"]
    assert found["calibration"]["good"] and "fx 60.0" in found["calibration"]["sentence"]
    assert found["tf"]["good"] and found["stamps"]["good"]
    assert not found["localizer"]["good"] and not found["localizer"]["required"]


def test_what_is_missing_is_named_with_the_remedy_and_the_exit_code_tells(camera_process, capsys):
    camera_process(image="/front/image_raw/compressed", info="", seconds_late=100.0)
    code, found = look(capsys)
    assert code == 1
    assert found["camera"]["sentence"] == "/front/image_raw/compressed, compressed."
    assert "Nothing came on /front/camera_info" in found["calibration"]["sentence"]
    assert "No odom -> camera" in found["tf"]["sentence"] and found["tf"]["required"]
    assert "100.0 s behind" in found["stamps"]["sentence"]


def test_of_several_cameras_one_must_be_named(camera_process, capsys):
    camera_process(image="/left/image_raw", info="/calibration_of_left")
    camera_process(image="/right/image_raw")
    run_until_both_are_up = ["--image", "/right/image_raw", "--tf-mode", "map_camera"]
    code, found = look(capsys, *run_until_both_are_up)
    assert code == 0 and found["camera"]["sentence"] == "/right/image_raw, raw."
    code, found = look(
        capsys,
        "--image",
        "/left/image_raw",
        "--camera-info",
        "/calibration_of_left",
        "--tf-mode",
        "map_camera",
    )
    assert code == 0 and "/calibration_of_left" in found["calibration"]["sentence"]
    code, found = look(capsys, "--image", "/behind", "--patience", "0.5")
    assert code == 1 and "nobody publishes /behind; there are: " in found["camera"]["sentence"]
    assert "/left/image_raw" in found["camera"]["sentence"]


def test_a_camera_that_is_discovered_later_is_not_overlooked(ros):
    probe, cameras = Probe(), Node("cameras")
    cameras.create_publisher(Image, "/left/image_raw", 1)
    late = lambda: cameras.create_publisher(Image, "/right/image_raw", 1)  # noqa: E731
    probe.create_timer(0.5, lambda: late() if probe.count_publishers("/left/image_raw") else None)
    with pytest.raises(ProbeError, match="several cameras: name one of /left/image_raw, /right/"):
        probe.choose("", 20.0)
    probe.destroy_node()
    cameras.destroy_node()


def test_in_simulated_time_stamps_are_held_against_the_clock_of_the_simulation(
    camera_process, capsys
):
    camera_process(image="/front/image_raw", simulated=True)
    code, found = look(capsys, "--tf-mode", "map_camera")
    assert code == 0 and found["stamps"]["good"] and found["clock"]["good"]
    assert "set use_sim_time" in found["clock"]["sentence"]


def test_without_a_camera_it_says_so_in_one_sentence(capsys):
    assert check_bringup.main(["--patience", "0.1"]) == 1
    told = capsys.readouterr().out
    assert "nobody publishes a camera image" in told and len(told.splitlines()) == 1


def heard(**changes) -> Heard:
    """What a good camera would have let us hear."""
    header = Header(stamp=convert.stamp(100.0), frame_id="camera")
    result = Heard(CameraTopic.of("/image", "raw"), 1.0, "reliable", 10, 10, age=0.01)
    result.image = convert.image_message(np.zeros((48, 64, 3), np.uint8), header)
    result.info = convert.camera_info(CAMERA, header)
    for name, value in changes.items():
        setattr(result, name, value)
    return result


@pytest.mark.parametrize(
    "changes, subject, sentence",
    [
        ({"image": None, "images": 0}, "images", "None came on /image in 1 s"),
        ({"info": CameraInfo(width=64, height=48)}, "calibration", "not calibrated"),
        (
            {"info": CameraInfo(width=640, height=480, k=[500.0, 0, 320, 0, 500, 240, 0, 0, 1])},
            "calibration",
            "is 64x48 but",
        ),
        ({"image": CompressedImage(format="jpeg", data=b"\xff\xd8")}, "calibration", "cut off"),
    ],
)
def test_what_keeps_the_localizer_from_working_is_required(changes, subject, sentence):
    findings = {finding.subject: finding for finding in check_bringup.of_camera(heard(**changes))}
    assert (
        not findings[subject].good
        and findings[subject].required
        and sentence in findings[subject].sentence
    )


@pytest.mark.parametrize(
    "changes, subject, sentence",
    [
        ({"seconds": 30.0}, "images", "0.3 a second"),
        ({"age": -5.0}, "stamps", "5.0 s ahead of the clock"),
        ({"age": 1.8e9, "clock": "/clock"}, "stamps", "by another clock than /clock"),
        (
            {"image": convert.image_message(np.zeros((48, 64), np.uint8), Header())},
            "stamps",
            "have none",
        ),
    ],
)
def test_what_only_makes_it_worse_is_a_warning(changes, subject, sentence):
    findings = {finding.subject: finding for finding in check_bringup.of_camera(heard(**changes))}
    assert (
        not findings[subject].good
        and not findings[subject].required
        and sentence in findings[subject].sentence
    )


def test_a_rectified_topic_beside_a_raw_calibration_is_told():
    info = convert.camera_info(CAMERA, Header())
    info.d = [-0.3, 0.1, 0.0, 0.0, 0.0]
    quiet, told = (
        check_bringup.of_camera(heard(info=info, camera=CameraTopic.of(topic, "raw")))[-1]
        for topic in ("/cam/image_raw", "/cam/image_rect")
    )
    assert quiet.good and quiet.sentence.endswith("plumb_bob.")
    assert told.good and "says that these are rectified, so P is used" in told.sentence


def test_images_stamped_in_a_body_frame_are_a_warning(monkeypatch):
    body, optical = np.eye(4), np.eye(4)
    optical[:3, :3] = T_BODY_OPTICAL[:3, :3]
    options = SimpleNamespace(camera_frame="", odom_frame="odom")
    found = {
        name: check_bringup._frame(SimpleNamespace(transform=lambda a, b, T=T: T), heard(), options)
        for name, T in (("body", body), ("optical", optical), ("unknown", None))
    }
    assert found["optical"] == found["unknown"] == []
    assert not found["body"][0].good and not found["body"][0].required
    assert "stamped in camera, whose z axis points up" in found["body"][0].sentence


def test_people_see_a_mark_and_a_sentence_each(capsys):
    check_bringup.tell(check_bringup.of_camera(heard(info=None)), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "✓ camera: /image, raw." and lines[-1].startswith(
        "✗ calibration: Nothing came on /camera_info"
    )


def test_a_bug_is_not_taken_for_a_finding():
    def broken(node):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(lambda: type("Node", (), {"destroy_node": lambda self: None})(), [], broken)
