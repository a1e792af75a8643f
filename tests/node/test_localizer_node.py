# SPDX-License-Identifier: Apache-2.0
"""The real node over real DDS: what goes in, what comes out, and what is said when nothing does."""

import cv2
import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_srvs.srv import Trigger

from diff2i2p.camera import View
from diff2i2p.correspondences import Correspondences
from diff2i2p.localization.result import Localization, Status
from diff2i2p.mapping.compiled_map import MapError
from diff2i2p_ros import convert
from diff2i2p_ros.localizer import pipeline

JPEG = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()


def test_a_best_effort_camera_gets_a_pose_and_a_transform_with_the_stamp_of_its_image(graph, robot):
    graph.start()
    answer = graph.answer(robot.send_image, 12.5)
    assert graph.until(lambda: robot.poses and robot.transforms)
    pose, transform = robot.poses[-1], robot.transforms[-1]
    assert (
        answer["status"] == "OK"
        and answer["stamp"] == "12.500000000"
        and answer["confidence"] == 0.97
    )
    assert convert.seconds(pose.header.stamp) == convert.seconds(transform.header.stamp) == 12.5
    assert (pose.header.frame_id, transform.header.frame_id, transform.child_frame_id) == (
        "map",
        "map",
        "camera",
    )
    np.testing.assert_allclose(
        convert.matrix(pose.pose.pose), graph.localizer.T_map_camera, atol=1e-9
    )
    np.testing.assert_allclose(
        convert.matrix(transform.transform), graph.localizer.T_map_camera, atol=1e-9
    )
    assert pose.pose.covariance[0] == 1e-3


def test_compressed_images_are_localized_too(graph, robot):
    graph.start(image_transport="compressed")
    assert graph.answer(robot.send_compressed, 1.0, JPEG)["status"] == "OK"
    assert graph.localizer.images[-1].shape == (48, 64, 3)


def test_without_camera_info_there_is_no_pose_and_diagnostics_say_so_and_the_image_is_kept_for_it(
    graph, robot
):
    graph.start()
    assert graph.until(lambda: robot.send_image(1.0) or robot.said("nothing on /camera_info"))
    assert not robot.answers and not robot.poses
    assert graph.until(lambda: robot.send_info() or robot.answers)
    assert robot.answers[-1]["status"] == "OK"


@pytest.mark.parametrize(
    "info, image, reason",
    [
        ({"k": [0.0] * 9}, {}, "the camera is not calibrated"),
        ({"width": 128, "height": 96}, {}, "the image is 64x48 but its camera_info says 128x96"),
        ({"d": [0.1, 0.2, 0.3]}, {}, "takes 0 or 4 or 5 finite coefficients"),
        ({}, {"encoding": "mystery"}, "encoding 'mystery' is not a camera image"),
        ({}, {"data": b"too short"}, "cannot have 9 bytes"),
    ],
    ids=[
        "K is zero",
        "another size",
        "wrong number of coefficients",
        "unknown encoding",
        "too few bytes",
    ],
)
def test_an_unusable_image_or_calibration_gives_no_pose_and_the_reason(
    graph, robot, info, image, reason
):
    graph.start()
    send_info = robot.send_info
    robot.send_info = lambda: send_info(**info)
    answer = graph.answer(robot.send_image, 1.0, **image)
    assert answer["status"] == "UNUSABLE_IMAGE" and reason in answer["reason"]
    assert graph.until(lambda: robot.said(reason))
    assert not robot.poses and not robot.transforms


def test_a_damaged_camera_info_is_told_and_does_not_replace_a_sound_one(graph, robot):
    graph.start()
    assert graph.answer(robot.send_image, 1.0)["status"] == "OK"
    send_info, robot.send_info = robot.send_info, lambda: None
    assert graph.until(
        lambda: (
            send_info(k=[0.0] * 9)
            or robot.said(
                "a damaged camera_info is ignored, the one before it holds: focal length 0"
            )
        )
    )
    assert graph.answer(robot.send_image, 2.0)["status"] == "OK"


def test_a_truncated_jpeg_gives_no_pose_and_the_next_whole_one_does(graph, robot):
    graph.start(image_transport="compressed")
    assert (
        "is cut off" in graph.answer(robot.send_compressed, 1.0, JPEG[: len(JPEG) // 2])["reason"]
    )
    assert not robot.poses
    assert graph.answer(robot.send_compressed, 2.0, JPEG)["status"] == "OK"


def test_a_failure_to_localize_publishes_neither_pose_nor_transform_but_the_reason(graph, robot):
    graph.localizer.status = Status.NO_MATCHES
    graph.start()
    answer = graph.answer(robot.send_image, 1.0)
    assert answer["status"] == "NO_MATCHES" and answer["reason"] == Status.NO_MATCHES.value
    assert graph.until(lambda: robot.said(Status.NO_MATCHES.value))
    assert not robot.poses and not robot.transforms


def test_a_bug_in_the_localizer_is_told_and_does_not_end_the_node(graph, robot):
    graph.localizer.seconds = "not a number"
    graph.start()
    assert "TypeError" in graph.answer(robot.send_image, 1.0)["reason"]
    graph.localizer.seconds = 0.0
    assert graph.answer(robot.send_image, 2.0)["status"] == "OK"


def test_a_slow_localizer_always_gets_the_newest_image_and_the_others_are_counted_as_skipped(
    graph, robot
):
    graph.start()
    graph.answer(robot.send_image, 1.0)
    graph.localizer.free.clear()
    for n in range(40):
        robot.send_image(2.0 + 0.01 * n)
        graph.spin(0.01)
    graph.localizer.free.set()
    assert graph.until(lambda: robot.answers[-1]["stamp"].startswith("2.39"))
    assert len(robot.answers) < 20
    assert graph.until(
        lambda: any(
            int(v.value) > 20
            for status in robot.diagnostics
            for v in status.values
            if v.key == "skipped"
        )
    )


def test_until_the_first_answer_diagnostics_tell_whether_there_is_an_image_to_answer(graph, robot):
    graph.start()
    assert graph.until(lambda: robot.said("no image yet"))
    graph.localizer.free.clear()
    stamps = iter(np.arange(1.0, 100.0))
    assert graph.until(
        lambda: (
            robot.send_info()
            or robot.send_image(float(next(stamps)))
            or graph.spin(0.1)
            or graph.localizer.images
        )
    )
    assert graph.until(lambda: robot.said("the first image is still being looked at"))


def test_diagnostics_tell_counts_rates_latencies_and_the_map(graph, robot):
    graph.start()
    graph.answer(robot.send_image, 1.0)

    def told() -> dict:
        return (
            {value.key: value.value for value in robot.diagnostics[-1].values}
            if robot.diagnostics
            else {}
        )

    assert graph.until(
        lambda: told().get("published") == "1" and float(told()["latency_ms_p95"]) >= 0
    )
    assert {
        "received",
        "answered_per_second",
        "published_per_second",
        "skipped",
        "latency_ms_p50",
        "confidence",
        "state",
    } <= told().keys()
    assert (
        robot.diagnostics[-1].hardware_id == "stub.i2pmap"
        and robot.diagnostics[-1].message == "localized"
    )


def test_the_last_pose_is_the_prior_until_the_clock_jumps_back(graph, robot):
    graph.start()
    for stamp in (100.0, 100.1, 3.0, 3.1):
        graph.answer(robot.send_image, stamp)
    assert [prior is None for prior in graph.localizer.priors] == [True, False, True, False]


def test_images_without_a_stamp_are_answered_all(graph, robot):
    graph.start()
    assert [graph.answer(robot.send_image, 0.0)["stamp"] for _ in range(2)] == ["0.000000000"] * 2


def test_relocalize_searches_the_whole_map_again(graph, robot):
    graph.start()
    client = robot.create_client(Trigger, "relocalize")
    graph.answer(robot.send_image, 1.0)
    assert graph.until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    assert graph.until(future.done) and future.result().success
    graph.answer(robot.send_image, 1.1)
    assert [prior is None for prior in graph.localizer.priors] == [True, True]


def test_an_image_that_comes_twice_or_after_a_newer_one_is_answered_once_or_never(graph, robot):
    graph.start()
    graph.answer(robot.send_image, 5.0)
    robot.send_image(5.0)
    robot.send_image(4.9)
    graph.answer(robot.send_image, 5.1)
    assert [answer["stamp"][:3] for answer in robot.answers] == ["5.0", "5.1"]


def test_a_map_that_is_not_there_yet_is_waited_for(graph, robot, tmp_path):
    map_file = tmp_path / "late.i2pmap"

    def opens(path):
        if not map_file.exists():
            raise MapError(f"there is no map {path}")

    graph.localizer.opens = opens
    graph.start(wait=False, map_file=str(map_file))
    assert graph.until(lambda: robot.said(f"there is no map {map_file}"))
    assert robot.diagnostics[-1].level == b"\x02"
    map_file.touch()
    assert graph.until(
        lambda: robot.image.get_subscription_count() and robot.camera_info.get_subscription_count()
    )
    assert graph.answer(robot.send_image, 1.0)["status"] == "OK"


def test_an_empty_map_file_parameter_is_named(graph, robot):
    graph.start(wait=False, map_file="")
    assert graph.until(lambda: robot.said("map_file is empty"))


def test_the_map_is_shown_to_those_who_come_late(graph, robot):
    graph.start()
    clouds = []
    robot.create_subscription(PointCloud2, "map_points", clouds.append, graph.LATCHED)
    assert graph.until(lambda: clouds)
    points = np.frombuffer(clouds[0].data, np.float32).reshape(-1, 4)
    np.testing.assert_array_equal(points[:, :3], graph.localizer.map.points)
    assert clouds[0].header.frame_id == "map"


def test_a_reliable_subscription_to_a_best_effort_camera_is_told_with_the_remedy(graph, robot):
    graph.start(wait=False, reliability="reliable")
    assert graph.until(
        lambda: robot.said(
            "/image offers another QoS than reliable, which we ask for: set reliability to best_effort"
        )
    )
    assert not graph.localizer.images


def test_a_reliable_subscription_hears_a_reliable_camera(graph, robot):
    robot.image = robot.create_publisher(Image, "reliable", 5)
    robot.camera_info = robot.create_publisher(CameraInfo, "reliable_info", 5)
    graph.start(reliability="reliable", remap=("image:=reliable", "camera_info:=reliable_info"))
    assert graph.answer(robot.send_image, 1.0)["status"] == "OK"


def test_the_picture_of_the_matches_is_made_only_while_somebody_looks(graph, robot, monkeypatch):
    made = []
    real = pipeline.matches_picture
    monkeypatch.setattr(pipeline, "matches_picture", lambda found: made.append(1) or real(found))
    pixels, points = (
        np.array([[10.0, 10], [20, 20], [30, 5]]),
        np.array([[-1.0, 0, 4], [0, 0, 4], [1, 1, 4]]),
    )
    matches, inliers = (
        Correspondences(pixels, points, np.ones(3, np.float32), "network"),
        np.array([True, True, False]),
    )
    view = View(np.full((48, 64), 7, np.uint8), robot.camera)
    graph.localizer.localize = lambda *inputs: Localization(
        Status.OK,
        np.eye(4),
        np.eye(6),
        0.95,
        "network",
        correspondences=matches,
        inliers=inliers,
        view=view,
    )
    graph.start()
    graph.answer(robot.send_image, 1.0)
    assert not made
    pictures = []
    subscription = robot.create_subscription(
        Image, "debug/matches", pictures.append, qos_profile_sensor_data
    )
    stamps = iter(range(2, 100))
    assert graph.until(
        lambda: pictures or graph.answer(robot.send_image, float(next(stamps))) is None
    )
    shown = convert.image(pictures[0])
    assert (
        shown.shape == (118, 128, 3) and (shown[21, 21] == (60, 220, 60)).all()
    )  # the first match, an inlier, twice as large
    robot.destroy_subscription(subscription)
    assert graph.until(lambda: not robot.count_subscribers("debug/matches"))
    made.clear()
    graph.answer(robot.send_image, 200.0)
    graph.answer(robot.send_image, 201.0)
    assert not made
