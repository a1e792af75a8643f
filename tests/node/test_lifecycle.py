# SPDX-License-Identifier: Apache-2.0
"""Lifecycle, parameters, and leaving in good order."""

import gc
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from conftest import StubLocalizer
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters
from rclpy.parameter import Parameter

from diff2i2p.config import Config
from diff2i2p.mapping.compiled_map import MapError
from diff2i2p.parameters import override_dotted, parameters
from diff2i2p_ros import localizer_node
from diff2i2p_ros.localizer import session
from diff2i2p_ros.parameters import NodeConfig

SLOW_NODE = """
import pathlib, sys, time
from types import SimpleNamespace
import numpy as np
from diff2i2p_ros import localizer_node

class Slow:
    map = SimpleNamespace(
        points=np.zeros((1, 3), np.float32), grey=None, frame_id="map", header={},
        up=np.array([0, 0, 1.0]), origin=np.zeros(3),
    )  # fmt: skip

    def localize(self, image, camera, prior=None):
        pathlib.Path(sys.argv[1]).touch()
        time.sleep(0.5)

sys.exit(localizer_node.main(["--ros-args", "-p", "map_file:=any"], lambda *arguments: Slow()))
"""


def change(graph, transition: int) -> bool:
    client = graph.robot.create_client(ChangeState, "localizer/change_state")
    assert graph.until(client.service_is_ready)
    future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
    assert graph.until(future.done)
    return future.result().success


def test_a_lifecycle_manager_takes_the_node_up_and_down_and_up_again(graph, robot):
    graph.start(wait=False, autostart=False)
    for stamp in (1.0, 2.0):
        assert change(graph, Transition.TRANSITION_CONFIGURE)
        assert not robot.image.get_subscription_count()
        assert change(graph, Transition.TRANSITION_ACTIVATE)
        assert graph.answer(robot.send_image, stamp)["status"] == "OK"
        assert change(graph, Transition.TRANSITION_DEACTIVATE)
        assert graph.until(lambda: not robot.image.get_subscription_count())
        assert change(graph, Transition.TRANSITION_CLEANUP)
    assert graph.localizer.priors == [None, None]


def test_configuring_without_a_map_fails_with_the_reason_and_can_be_repeated(graph, robot):
    def opens(map_file):
        raise MapError(f"{map_file} is truncated")

    graph.localizer.opens = opens
    graph.start(wait=False, autostart=False)
    assert not change(graph, Transition.TRANSITION_CONFIGURE)
    assert graph.until(lambda: robot.said("stub.i2pmap is truncated"))
    graph.localizer.opens = lambda map_file: None
    assert change(graph, Transition.TRANSITION_CONFIGURE)


def test_a_bug_while_configuring_is_logged_and_leaves_a_node_that_can_be_configured(
    graph, robot, capfd
):
    graph.localizer.map.points = "not points"
    graph.start(wait=False, autostart=False)
    assert not change(graph, Transition.TRANSITION_CONFIGURE)
    assert "Traceback" in capfd.readouterr().err
    assert graph.until(lambda: robot.said("on_configure failed with"))
    graph.localizer.map.points = np.zeros((1, 3), np.float32)
    assert change(graph, Transition.TRANSITION_CONFIGURE)


def test_a_bug_while_activating_closes_what_was_opened_and_leaves_a_node_that_can_be_configured(
    graph, robot, monkeypatch
):
    graph.start(wait=False, autostart=False, tf_mode="map_odom")
    monkeypatch.setattr(session, "CameraTopics", None)
    assert change(graph, Transition.TRANSITION_CONFIGURE)
    threads = threading.active_count()
    assert not change(graph, Transition.TRANSITION_ACTIVATE)
    assert threading.active_count() == threads
    assert graph.until(
        lambda: not robot.count_publishers("pose") and not robot.count_subscribers("initialpose")
    )
    assert graph.until(lambda: robot.said("on_activate failed with"))
    monkeypatch.undo()
    assert change(graph, Transition.TRANSITION_CONFIGURE) and change(
        graph, Transition.TRANSITION_ACTIVATE
    )
    assert graph.answer(robot.send_image, 1.0)["status"] == "OK"


def test_cleaning_up_frees_the_map(graph, robot):
    opened = []

    def opens(map_file):
        localizer = StubLocalizer()
        opened.append(weakref.ref(localizer))
        return localizer

    graph.localizer.opens = opens
    graph.start()
    graph.answer(robot.send_image, 1.0)
    assert change(graph, Transition.TRANSITION_DEACTIVATE) and change(
        graph, Transition.TRANSITION_CLEANUP
    )
    gc.collect()
    assert opened[0]() is None


def test_deactivating_in_the_middle_of_an_image_drops_its_answer(graph, robot):
    graph.start()
    graph.answer(robot.send_image, 1.0)
    graph.localizer.seconds = 0.5
    robot.send_image(2.0)
    assert graph.until(lambda: len(graph.localizer.images) == 2)
    assert change(graph, Transition.TRANSITION_DEACTIVATE)
    graph.spin(0.2)
    assert len(robot.answers) == 1


def test_every_parameter_tells_what_it_is_and_its_range(graph, robot):
    graph.start(wait=False)
    expected = {
        name: metadata
        for config in (NodeConfig(), Config())
        for name, _, metadata in parameters(config)
    }
    client = robot.create_client(DescribeParameters, "localizer/describe_parameters")
    assert graph.until(client.service_is_ready)
    future = client.call_async(DescribeParameters.Request(names=list(expected)))
    assert graph.until(future.done)
    for told in future.result().descriptors:
        assert expected[told.name]["help"] in told.description
    told = {descriptor.name: descriptor for descriptor in future.result().descriptors}
    assert told["pnp.max_error"].floating_point_range[0].from_value == 0.5
    assert told["pnp.max_iterations"].integer_range[0].to_value == 100000
    assert "[px]" in told["pnp.max_error"].description
    assert "both" in told["matcher"].additional_constraints


@pytest.mark.parametrize("is_given", [False, True], ids=["no file", "the shipped file"])
def test_all_parameters_can_be_asked_for_at_once(graph, robot, root, is_given):
    graph.start(wait=False, params_file=str(root / "launch/params/localizer.yaml") * is_given)
    names = robot.call(graph, ListParameters, "localizer/list_parameters").result.names
    request = GetParameters.Request(names=names)
    values = robot.call(graph, GetParameters, "localizer/get_parameters", request).values
    assert len(values) == len(names) > len(list(parameters(Config())))


def test_the_shipped_parameters_file_gives_the_defaults(graph, root):
    graph.start(params_file=str(root / "launch/params/localizer.yaml"))
    assert graph.localizer.config == Config()


def test_a_parameters_file_reaches_the_localizer(graph, tmp_path):
    (tmp_path / "own.yaml").write_text(
        "/**: {ros__parameters: {pnp: {max_error: 3.0}, network: {image_channels: [8, 16, 24, 32]}}}"
    )
    graph.start(params_file=str(tmp_path / "own.yaml"))
    expected = override_dotted(
        Config(), {"pnp.max_error": 3.0, "network.image_channels": (8, 16, 24, 32)}
    )
    assert graph.localizer.config == expected


def test_a_parameter_that_would_have_no_effect_is_not_accepted(graph, robot):
    node = graph.start(autostart=False, wait=False)
    change_it = [Parameter("image.width", value=640)]
    assert node.set_parameters(change_it)[0].successful
    assert change(graph, Transition.TRANSITION_CONFIGURE)
    answer = node.set_parameters(change_it)[0]
    assert (
        not answer.successful and "image.width is read when the node is configured" in answer.reason
    )


def test_a_live_parameter_takes_effect_on_the_next_image(graph, robot):
    node = graph.start()
    graph.answer(robot.send_image, 1.0)
    assert node.set_parameters([Parameter("verify.min_confidence", value=0.8)])[0].successful
    assert graph.localizer.config == override_dotted(Config(), {"verify.min_confidence": 0.8})
    graph.answer(robot.send_image, 1.1)
    assert graph.localizer.priors[1] is not None
    assert node.set_parameters([Parameter("track.max_speed", value=0.5)])[0].successful
    graph.answer(robot.send_image, 1.2)
    assert graph.localizer.priors[2] is None  # another idea of its motion: searched anew


@pytest.mark.parametrize(
    "name, value, reason",
    [
        ("verify.min_confidence", 1.5, "range"),
        ("tf_mode", "sideways", "one of map_odom, map_camera, none"),
        ("pnp.max_error", "wide", "type"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_the_reason_and_the_old_one_stays(
    graph, robot, name, value, reason
):
    node = graph.start(autostart=False, wait=False)
    before = node.get_parameter(name).value
    answer = node.set_parameters([Parameter(name, value=value)])[0]
    assert not answer.successful and reason in answer.reason
    assert node.get_parameter(name).value == before


@pytest.mark.parametrize(
    "setting, word", [("pnp.max_error:=-3.0", "range"), ("pnp.max_error:=wide", "DOUBLE")]
)
def test_a_parameter_that_cannot_be_ends_the_node_with_one_sentence(setting, word, capfd):
    assert localizer_node.main(["--ros-args", "-p", setting]) == 2
    error = capfd.readouterr().err
    assert "pnp.max_error" in error and word in error and "Traceback" not in error


def test_a_choice_that_does_not_exist_is_refused_with_those_that_do(graph, robot):
    graph.start(wait=False, tf_mode="sideways")
    sentence = "'tf_mode' is one of map_odom, map_camera, none, not 'sideways'"
    assert graph.until(lambda: robot.said(sentence))


def test_the_node_answers_before_torch_is_there():
    code = "import sys, diff2i2p_ros.localizer_node; sys.exit('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code]).returncode == 0
    )  # a lifecycle manager waits for its services


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_an_image_ends_the_node_cleanly(graph, robot, sign, tmp_path):
    busy = tmp_path / "busy"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_NODE, busy], stderr=subprocess.PIPE, text=True
    )
    try:
        assert graph.until(
            lambda: (
                robot.image.get_subscription_count() and robot.camera_info.get_subscription_count()
            )
        )
        assert graph.until(
            lambda: robot.send_info() or robot.send_image(time.time()) or busy.exists()
        )
        process.send_signal(sign)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
