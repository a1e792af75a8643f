# SPDX-License-Identifier: Apache-2.0
"""/diagnostics over real DDS: never "localized" while nothing is, nothing longer than it is true."""

import json

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from lifecycle_msgs.msg import Transition
from nav_msgs.srv import LoadMap
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from test_lifecycle import change

from diff2i2p.localization.result import Status
from diff2i2p.mapping.compiled_map import MapError
from diff2i2p.weights import GENERIC, shipped_weights
from diff2i2p_ros import convert
from diff2i2p_ros.localizer import health


@pytest.fixture
def localized(graph, robot):
    """The node, localized and saying so."""
    graph.start()
    assert graph.streams(is_localized(robot))
    return graph


def is_localized(robot):
    """A condition: the node says so, and nothing else."""
    return lambda: bool(robot.diagnostics) and robot.diagnostics[-1].message == "localized"


def test_after_a_restart_the_node_is_localized_only_when_an_image_is(localized, robot):
    robot.call(localized, Trigger, "relocalize")
    assert localized.until(lambda: "NOT_LOCALIZED" in robot.causes)
    assert robot.said("no image yet")
    assert localized.streams(is_localized(robot), 2000.0)


def test_images_whose_stamps_stand_still_are_told_by_name(localized, robot, monkeypatch):
    monkeypatch.setattr(health, "SLOW", 0.5)
    localized.answer(robot.send_image, 2000.0)
    assert localized.until(lambda: robot.send_image(2000.0) or "STALE_STAMPS" in robot.causes)
    assert robot.said("the stamps of the images on /image do not advance")
    assert localized.streams(is_localized(robot), 3000.0)


def test_a_localizer_that_is_stuck_with_an_image_is_told(localized, robot, monkeypatch):
    monkeypatch.setattr(health, "SLOW", 0.5)
    localized.localizer.free.clear()
    assert localized.streams(lambda: "NO_ANSWER" in robot.causes, 2000.0)
    localized.localizer.free.set()
    assert localized.streams(is_localized(robot), 3000.0)


def test_two_cameras_on_one_topic_are_told_with_their_names(localized, robot):
    other = Node("rear_camera")
    publisher = other.create_publisher(Image, "image", 1)
    assert localized.until(lambda: "SEVERAL_CAMERAS" in robot.causes)
    assert robot.said("2 cameras on /image, of /rear_camera and /robot: remap image")
    other.destroy_publisher(publisher)
    assert localized.until(lambda: "SEVERAL_CAMERAS" not in robot.causes)
    other.destroy_node()


def test_an_image_from_before_1970_is_answered_and_the_node_lives_on(localized, robot):
    def early() -> list[dict]:
        return [answer for answer in robot.answers if answer["stamp"].startswith("-5")]

    assert localized.until(lambda: robot.send_image(-5.0) or early())
    assert early()[0]["status"] == "UNUSABLE_IMAGE"
    assert "stamped before 1970" in early()[0]["reason"]
    assert localized.streams(is_localized(robot), 2000.0)


def test_a_refused_initialpose_is_told_and_forgotten(localized, robot, monkeypatch):
    monkeypatch.setattr(health, "FADING", 0.5)
    publisher = robot.create_publisher(PoseWithCovarianceStamped, "initialpose", 1)
    assert localized.until(publisher.get_subscription_count)
    header = Header(frame_id="elsewhere")
    publisher.publish(convert.pose_with_covariance(np.eye(4), np.eye(6), header))
    assert localized.until(lambda: "POSE_REFUSED" in robot.causes)
    assert localized.until(lambda: "POSE_REFUSED" not in robot.causes)


def test_a_map_that_was_not_loaded_is_told_and_forgotten(localized, robot, monkeypatch):
    monkeypatch.setattr(health, "FADING", 0.5)

    def opens(map_file):
        raise MapError("it is truncated")

    localized.localizer.opens = opens
    robot.call(localized, LoadMap, "load_map", LoadMap.Request(map_url="/no/map"))
    assert localized.until(lambda: "MAP_REFUSED" in robot.causes)
    assert localized.until(lambda: "MAP_REFUSED" not in robot.causes)


def test_a_node_that_is_not_active_tells_no_figures_of_when_it_was(localized, robot):
    localized.localizer.status = Status.NO_MATCHES
    localized.answer(robot.send_image, 2000.0)
    assert change(localized, Transition.TRANSITION_DEACTIVATE)
    assert localized.until(lambda: robot.causes == {"INACTIVE"})
    assert robot.values.keys() == {"causes"}
    assert change(localized, Transition.TRANSITION_ACTIVATE)
    assert localized.until(lambda: robot.values.get("answered") == "0")


GENERIC_SHA256 = shipped_weights()[GENERIC]["sha256"]


@pytest.mark.parametrize("compiled_with, weights, matcher, causes", [
    ("1234", "", "both", {"NO_WEIGHTS"}), ("1234", "", "appearance", set()),
    ("1234", "site", "both", set()), (GENERIC_SHA256, "", "both", set()),
])  # fmt: skip
def test_a_map_with_weights_that_is_used_without_is_told_unless_that_is_meant(
    graph, robot, compiled_with, weights, matcher, causes
):
    """Weights that ship are found by what the map says of them."""
    graph.localizer.map.header["weights_sha256"] = compiled_with
    graph.start(weights=weights, matcher=matcher)
    assert graph.streams(lambda: robot.causes == causes)
    assert robot.said("the map was compiled with weights and is used without") == bool(causes)


def test_the_times_of_the_stages_are_json(localized, robot):
    assert localized.until(lambda: "milliseconds" in robot.values)
    assert json.loads(robot.values["milliseconds"]) == {"match": 1.5}


def test_the_words_of_a_problem_stay_the_same_while_it_lasts(localized, robot, monkeypatch):
    monkeypatch.setattr(health, "SILENCE", 0.1)
    assert localized.until(lambda: robot.said("no image on /image"))
    robot.diagnostics.clear()
    assert localized.until(lambda: len(robot.diagnostics) > 3)
    assert {status.message for status in robot.diagnostics} == {"no image on /image"}
