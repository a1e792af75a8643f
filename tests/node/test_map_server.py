# SPDX-License-Identifier: Apache-2.0
"""Another map while the node runs, asked for or from a topic: the old one serves until the new one is ready."""

import os
import threading

import numpy as np
import pytest
from conftest import Graph, StubLocalizer
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from nav_msgs.srv import LoadMap
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from diff2i2p.mapping.compiled_map import CompiledMap, MapError
from diff2i2p_ros import convert
from diff2i2p_ros.localizer.cloud_map import KEPT, MapUnavailable, cache_folder, prune
from diff2i2p_ros.localizer.map_server import path_of

Answer = LoadMap.Response


@pytest.fixture
def upstairs():
    """The localizer of another floor, whose map has a frame of its own."""
    other = StubLocalizer()
    other.map.frame_id, other.T_map_camera = "upstairs", np.eye(4)
    return other


def load(url: str = "") -> LoadMap.Request:
    return LoadMap.Request(map_url=url)


def test_the_old_map_serves_until_the_new_one_is_ready_and_then_the_new_one_does(
    graph, robot, upstairs, tmp_path
):
    ready, new = threading.Event(), tmp_path / "upstairs.i2pmap"
    new.touch()

    def opens(map_file):
        return ready.wait(30) and upstairs if map_file == str(new) else None

    graph.localizer.opens = opens
    node = graph.start()
    clouds = []
    robot.create_subscription(PointCloud2, "map_points", clouds.append, graph.LATCHED)
    answer = robot.call_later(graph, LoadMap, "load_map", load(f"file://{new}"))
    graph.answer(robot.send_image, 1.0)
    assert (
        graph.until(lambda: robot.poses)
        and robot.poses[-1].header.frame_id == "map"
        and not answer.done()
    )
    ready.set()
    assert graph.until(answer.done) and answer.result().result == Answer.RESULT_SUCCESS
    graph.answer(robot.send_image, 1.1)
    assert graph.until(lambda: robot.poses[-1].header.frame_id == "upstairs")
    assert upstairs.priors == [None]  # the old pose is of no use in another map
    assert graph.until(lambda: clouds and clouds[-1].header.frame_id == "upstairs")
    assert node.get_parameter("map_file").value == str(new)


def test_a_map_that_cannot_be_loaded_changes_nothing_and_is_told(graph, robot, tmp_path):
    broken = tmp_path / "broken.i2pmap"
    broken.touch()
    graph.start()

    def opens(map_file):
        raise MapError(f"{map_file} is truncated")

    graph.localizer.opens = opens
    assert (
        robot.call(graph, LoadMap, "load_map", load(str(broken))).result
        == Answer.RESULT_INVALID_MAP_DATA
    )
    assert graph.until(
        lambda: robot.said(
            f"'{broken}' was not loaded, and stub.i2pmap serves on: {broken} is truncated"
        )
    )
    assert (
        robot.call(graph, LoadMap, "load_map", load("nowhere.i2pmap")).result
        == Answer.RESULT_MAP_DOES_NOT_EXIST
    )
    assert (
        robot.call(graph, LoadMap, "load_map", load("http://x/y")).result
        == Answer.RESULT_MAP_DOES_NOT_EXIST
    )
    assert graph.answer(robot.send_image, 1.0)["status"] == "OK"


def test_a_bug_while_loading_is_logged_and_the_node_lives_on(graph, robot, capfd):
    graph.start()
    graph.localizer.opens = lambda map_file: 1 / 0
    assert robot.call(graph, LoadMap, "load_map").result == Answer.RESULT_UNDEFINED_FAILURE
    assert "ZeroDivisionError" in capfd.readouterr().err
    assert graph.answer(robot.send_image, 1.0)["status"] == "OK"


def test_an_empty_request_loads_the_file_that_the_parameter_names_by_now(graph, robot, upstairs):
    node = graph.start()
    graph.localizer.opens = lambda map_file: upstairs if map_file == "other.i2pmap" else None
    robot.call(graph, LoadMap, "load_map")
    graph.answer(robot.send_image, 1.0)
    assert not upstairs.images
    node.set_parameters([Parameter("map_file", value="other.i2pmap")])
    assert robot.call(graph, LoadMap, "load_map").result == Answer.RESULT_SUCCESS
    graph.answer(robot.send_image, 1.1)
    assert upstairs.images


def test_a_map_that_is_ready_only_after_cleanup_is_dropped(graph, robot, upstairs):
    begun, ready = threading.Event(), threading.Event()
    node = graph.start()

    def opens(map_file):
        begun.set()
        return ready.wait(30) and upstairs

    graph.localizer.opens = opens
    answer = robot.call_later(graph, LoadMap, "load_map", load("upstairs.i2pmap"))
    assert graph.until(begun.is_set)
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert robot.call(graph, ChangeState, "localizer/change_state", request).success
    ready.set()
    assert graph.until(answer.done) and answer.result().result == Answer.RESULT_UNDEFINED_FAILURE
    assert node.get_parameter("map_file").value == "stub.i2pmap"
    assert (
        robot.call(graph, LoadMap, "load_map").result == Answer.RESULT_UNDEFINED_FAILURE
    )  # not configured


def room() -> PointCloud2:
    """A floor and a wall, points 0.1 m apart, without looks: those take long to compile."""
    u, v = (axis.ravel() for axis in np.mgrid[0:4:0.1, 0:3:0.1])
    floor, wall = np.stack([u, v, 0 * u], 1), np.stack([u, 0 * u, v], 1)
    message = convert.point_cloud(np.concatenate([floor, wall]), None, Header(frame_id="site"))
    message.fields = message.fields[:3]
    return message


def test_a_latched_cloud_becomes_the_map_and_is_compiled_only_once(
    graph, robot, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    opened = []
    graph.localizer.opens = opened.append
    graph.start(wait=False, map_file="", map_from_topic=True)
    assert graph.until(lambda: robot.said("waiting for a cloud on /map_cloud"))
    robot.create_publisher(PointCloud2, "map_cloud", Graph.LATCHED).publish(room())
    assert graph.until(lambda: robot.image.get_subscription_count() and opened, seconds=60)
    told = [status.message for status in robot.diagnostics]
    assert "no map yet: compiling the 2,400 points of /map_cloud" in told
    compiled = CompiledMap.open(opened[0])
    assert compiled.frame_id == "site" and len(compiled.points) > 1000
    np.testing.assert_allclose(compiled.up, (0, 0, 1), atol=0.01)
    assert (
        graph.until(lambda: robot.count_publishers("status"))
        and graph.answer(robot.send_image, 1.0)["status"] == "OK"
    )
    graph.node.destroy_node()
    monkeypatch.setattr(
        "diff2i2p_ros.localizer.cloud_map.subprocess", None
    )  # nothing is compiled any more
    graph.start(wait=False, map_file="", map_from_topic=True)
    assert graph.until(lambda: len(opened) == 2)
    assert opened[0] == opened[1]


def test_a_cloud_that_is_no_map_is_refused_with_the_reason_and_another_one_is_waited_for(
    graph, robot, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    graph.start(wait=False, map_file="", map_from_topic=True)
    publisher = robot.create_publisher(PointCloud2, "map_cloud", Graph.LATCHED)
    bad = room()
    bad.data = bytes(bad.data)[:-3]
    publisher.publish(bad)
    assert graph.until(lambda: robot.said("cannot have"))
    monkeypatch.setattr("sys.executable", "/bin/false")
    publisher.publish(room())
    assert graph.until(lambda: robot.said("the cloud could not be compiled: exit code 1"))


def test_of_the_maps_made_of_clouds_those_used_last_are_kept(tmp_path):
    for age in range(8):
        path = tmp_path / f"{age}.i2pmap"
        path.touch()
        os.utime(path, (1e9 - age, 1e9 - age))
    (tmp_path / "something_else").touch()
    prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"{age}.i2pmap" for age in range(KEPT)),
        "something_else",
    ]


def test_where_the_home_cannot_be_written_maps_are_kept_in_a_temporary_folder(
    tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = cache_folder()
    assert folder.parent == tmp_path and folder.is_dir()


@pytest.mark.parametrize(
    "url, path",
    [("/maps/a.i2pmap", "/maps/a.i2pmap"), ("file:///maps/a b.i2pmap", "/maps/a b.i2pmap")],
)
def test_a_map_url_is_a_path_or_a_file_url(url, path):
    assert path_of(url) == path


@pytest.mark.parametrize(
    "url", ["", "http://host/a", "package://no_such_package/a", "package://", "package:///a"]
)
def test_a_map_url_that_names_no_file_is_refused(url):
    with pytest.raises(MapUnavailable):
        path_of(url)
