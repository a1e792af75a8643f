# SPDX-License-Identifier: Apache-2.0
"""What verified poses become on topics: camera, robot, path; and what the log tells of them."""

import numpy as np
import pytest
from conftest import T_MAP_CAMERA
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Path
from scipy.spatial.transform import Rotation
from test_transforms import odometry
from tf2_ros import StaticTransformBroadcaster

from diff2i2p.localization.result import Status
from diff2i2p_ros import convert
from diff2i2p_ros.localizer import console, pose_topics


def mounted(x: float, y: float, z: float) -> np.ndarray:
    """T_base_camera of a camera that looks to the left of the robot, and down."""
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("xyz", [-110, 0, 0], degrees=True).as_matrix()
    T[:3, 3] = x, y, z
    return T


@pytest.fixture
def bases(robot) -> list[PoseWithCovarianceStamped]:
    """What arrives on base_pose."""
    heard = []
    robot.create_subscription(PoseWithCovarianceStamped, "base_pose", heard.append, 10)
    return heard


def test_the_pose_of_the_base_comes_with_that_of_the_camera_once_tf_tells_the_mount(
    graph, robot, bases
):
    graph.start(tf_mode="none")
    graph.answer(robot.send_image, 1.0)
    assert graph.until(lambda: robot.poses) and not bases
    mount = mounted(0.2, 0.1, 0.5)
    broadcaster = StaticTransformBroadcaster(robot)
    broadcaster.sendTransform(convert.transform(mount, convert.stamp(0.0), "base_link", "camera"))
    stamps = iter(np.arange(2.0, 100.0))
    assert graph.until(lambda: bases or graph.answer(robot.send_image, float(next(stamps))) is None)
    T_map_base = convert.matrix(bases[0].pose.pose)
    np.testing.assert_allclose(T_map_base @ mount, T_MAP_CAMERA, atol=1e-9)
    assert bases[0].header.frame_id == "map"
    assert bases[0].header.stamp in [pose.header.stamp for pose in robot.poses]


def test_the_covariance_of_the_base_is_that_of_drawn_poses():
    rng = np.random.default_rng(0)
    A = 1e-3 * rng.standard_normal((6, 6))
    covariance, T_camera_base = A @ A.T, np.linalg.inv(mounted(0.5, -0.3, 1.0))
    T_map_base, expected = pose_topics.moved(T_MAP_CAMERA, covariance, T_camera_base)
    drawn = rng.multivariate_normal(np.zeros(6), covariance, 20_000)
    turns = Rotation.from_rotvec(drawn[:, 3:]).as_matrix()
    lever = (T_map_base - T_MAP_CAMERA)[:3, 3]
    offsets = np.column_stack([drawn[:, :3] + turns @ lever - lever, drawn[:, 3:]])
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(np.cov(offsets.T) / scale, expected / scale, atol=0.03)


def test_with_tf_mode_none_odometry_is_used_and_nothing_is_put_into_tf(graph, robot):
    graph.start(tf_mode="none")
    assert graph.until(lambda: robot.tf.get_subscription_count() >= 2)
    for seconds, x in ((1.0, 0.0), (2.0, 0.4)):
        robot.send_odometry(seconds, odometry(x))
        graph.answer(robot.send_image, seconds)
    expected = T_MAP_CAMERA @ odometry(0.4)
    np.testing.assert_allclose(graph.localizer.priors[-1], expected, atol=1e-9)
    assert graph.until(lambda: len(robot.poses) == 2)
    assert "NO_ODOMETRY" not in robot.causes
    assert not robot.transforms
    assert not graph.node.count_publishers("/tf") > 1  # that of the robot


def test_the_path_is_where_the_camera_has_been_and_another_map_begins_another(
    graph, robot, monkeypatch
):
    monkeypatch.setattr(pose_topics, "PERIOD", 0.0)
    node = graph.start()
    paths = []
    robot.create_subscription(Path, "path", paths.append, graph.LATCHED)
    for n, x in enumerate((0.0, 0.05, 0.3, 0.6)):
        graph.localizer.T_map_camera = odometry(x)
        graph.answer(robot.send_image, 1.0 + n)
    assert graph.until(lambda: paths and len(paths[-1].poses) == 3)
    assert [pose.pose.position.x for pose in paths[-1].poses] == [0.0, 0.3, 0.6]
    node._on_map()
    graph.answer(robot.send_image, 9.0)
    assert graph.until(lambda: len(paths[-1].poses) == 1)


def test_the_log_tells_when_the_camera_is_found_and_lost_and_of_the_lifecycle(graph, robot, capfd):
    graph.start()
    for stamp in (1.0, 2.0, 3.0):
        graph.answer(robot.send_image, stamp)
    graph.localizer.status = Status.NO_MATCHES
    for stamp in (4.0, 5.0, 6.0, 7.0):
        graph.answer(robot.send_image, stamp)
    graph.node.trigger_deactivate(), graph.node.trigger_cleanup()
    log = capfd.readouterr().err
    assert "configured: stub.i2pmap" in log and "localizing the images of /image" in log
    assert log.count("found: the camera is at x y z = 1.00, -2.00, 0.50 in map") == 1
    assert log.count(f"lost: {Status.NO_MATCHES.value}") == 1
    assert "deactivated" in log and "cleaned up" in log


def test_what_goes_on_is_told_once_and_again_after_a_while_and_that_it_is_over(monkeypatch):
    lines, now = [], [1000.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    logger = type("Logger", (), {"warning": lines.append, "info": lines.append})
    told, cause = console.Console(logger), console.Cause.NO_IMAGE
    for problems, expected in (
        ({cause: "no image"}, ["no image"]),
        ({cause: "no image"}, []),
        ({cause: "still no image"}, []),  # too soon for other words
        ({}, []),  # it may come and go
    ):
        told.tell(problems)
        assert lines == expected
        lines.clear()
    now[0] += console.PAUSE
    told.tell({cause: "still no image"})
    now[0] += console.REMINDER
    told.tell({cause: "still no image"})
    now[0] += console.PAUSE
    told.tell({})
    assert lines == ["still no image"] * 2 + ["over: still no image"]


def test_no_pose_is_a_line_in_the_log_only_when_that_lasts(monkeypatch):
    lines, now = [], [1000.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    logger = type("Logger", (), {"warning": lines.append, "info": lines.append})
    told, cause = console.Console(logger), console.Cause.NOT_LOCALIZED
    told.tell({cause: "too few"})
    told.tell({})
    told.tell({cause: "too few"})
    assert not lines
    now[0] += console.PAUSE
    told.tell({cause: "too weak"})
    told.tell({cause: "too few"})
    assert lines == ["too weak"]
