# SPDX-License-Identifier: Apache-2.0
"""What the launch files hand over exists. (`launch` has no wheel: that they start is seen on a robot.)"""

import ast
import subprocess
import sys

import launching
import pytest
import yaml
from launching import started

from diff2i2p.parameters import parameters
from diff2i2p_ros.interface import PUBLISHED, SIM_SUBSCRIBED, SUBSCRIBED
from diff2i2p_ros.parameters import NodeConfig

PIP_ONLY = ("torch", "poselib", "small_gicp", "rosbags", "evo", "safetensors", "laspy", "typer")


def constants(path) -> dict:
    """The module's dictionaries of literals, those with names in them left out."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            keys = [key.value for key in node.value.keys]
            values = [
                ast.literal_eval(value) if is_literal(value) else None
                for value in node.value.values
            ]
            found[node.targets[0].id] = dict(zip(keys, values, strict=True))
    return found


def is_literal(node: ast.AST) -> bool:
    return all(
        isinstance(part, ast.Constant | ast.Tuple | ast.List | ast.Load) for part in ast.walk(node)
    )


def names(config) -> set[str]:
    return {name for name, _, _ in parameters(config)}


def test_arguments_that_set_parameters_of_the_localizer_set_those_that_it_has(root):
    found = constants(root / "launch/localize.launch.py")
    assert found["PARAMETERS"] and set(found["PARAMETERS"].values()) <= names(NodeConfig())
    assert found["PARAMETERS"].keys() <= found["ARGUMENTS"].keys()


@pytest.mark.parametrize("name", ["localize", "demo"])
def test_every_argument_is_described(root, name):
    arguments = constants(root / f"launch/{name}.launch.py")["ARGUMENTS"]
    assert all(value is None or value[1].endswith(".") for value in arguments.values())


def test_launch_files_import_nothing_that_only_pip_installs(root):
    """`ros2 launch` runs on the system's Python, which knows the packages of apt and none of the virtual environment."""
    modules = {
        node.module
        for path in (root / "launch").glob("*.launch.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("diff2i2p")
    }
    block = f"import sys; sys.modules.update(dict.fromkeys({PIP_ONLY}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{block}; import {', '.join(sorted(modules))}"],
        capture_output=True,
        text=True,
    )
    assert "diff2i2p_ros.parameters" in modules and done.returncode == 0, done.stderr


def test_rviz_shows_topics_that_there_are(root):
    view = yaml.safe_load((root / "launch/rviz/localizer.rviz").read_text())[
        "Visualization Manager"
    ]
    shown = {part["Topic"]["Value"] for part in view["Displays"] + view["Tools"] if "Topic" in part}
    wanted = {"map_points", "pose", "base_pose", "path", "initialpose", "goal_pose"}
    assert wanted <= shown <= {topic.name for topic in SUBSCRIBED + PUBLISHED + SIM_SUBSCRIBED}


def test_nav2s_lifecycle_manager_finds_the_localizer_and_waits_for_no_bond(root):
    (manager,) = yaml.safe_load((root / "launch/params/nav2_localizer.yaml").read_text()).values()
    assert "localizer" in manager["ros__parameters"]["node_names"]
    assert manager["ros__parameters"]["bond_timeout"] == 0.0


def localizer(root, **arguments):
    """The localizer that localize.launch.py starts."""
    (node,) = started(root / "launch/localize.launch.py", **arguments)
    return node


def test_rviz_that_is_not_installed_is_told_and_the_localizer_starts_all_the_same(root):
    remark, node = started(root / "launch/localize.launch.py", rviz="true")
    assert "rviz2 is not installed" in remark.named["msg"] and node.executable == "localizer_node"
    rviz, node = started(root / "launch/localize.launch.py", rviz="true", installed=("rviz2",))
    assert rviz.executable == "rviz2" and node.executable == "localizer_node"


@pytest.mark.parametrize(
    "namespace, logger",
    [("", "localizer"), ("ada", "ada.localizer"), ("/fleet/ada", "fleet.ada.localizer")],
)
def test_the_log_level_is_that_of_the_nodes_logger_in_any_namespace(root, namespace, logger):
    node = localizer(root, namespace=namespace, log_level="debug")
    assert node.named["arguments"] == ["--ros-args", "--log-level", f"{logger}:=debug"]


@pytest.mark.parametrize(
    "arguments, topic",
    [
        ({}, "camera_info"),
        ({"image": "/front/image_raw"}, "/front/camera_info"),
        ({"image": "/front/image_raw", "camera_info": "/calibration"}, "/calibration"),
    ],
)
def test_the_calibration_is_expected_beside_the_images(root, arguments, topic):
    assert dict(localizer(root, **arguments).remappings)["camera_info"] == topic


def test_frames_and_respawn_are_arguments(root):
    frames = {"odom_frame": "wheels", "base_frame": "footprint", "camera_frame": "eye"}
    node = localizer(root, respawn="true", **frames)
    assert frames.items() <= node.parameters[1].items() and node.respawn
    assert not frames.keys() & localizer(root).parameters[1].keys() and not localizer(root).respawn


def test_tf_moves_into_the_namespace_where_that_is_asked_for(root):
    own = {"/tf": "tf", "/tf_static": "tf_static"}
    moved = localizer(root, namespace="ada", tf_in_namespace="true")
    assert own.items() <= dict(moved.remappings).items()
    assert not own.keys() & dict(localizer(root, namespace="ada").remappings).keys()


@pytest.mark.parametrize("simulator", ["builtin", "gazebo"])
def test_the_namespace_of_a_simulation_moves_all_of_the_robot(root, simulator, monkeypatch):
    monkeypatch.setattr("launching._started", without_gazebo)
    arguments = {"namespace": "ada", "map": "office.i2pmap", "simulator": simulator}
    nodes = started(root / "launch/simulation.launch.py", installed=("ros_gz_sim",), **arguments)
    robot = [node for node in nodes if node.named.get("executable") != "create"]
    assert {node.named["executable"] for node in robot} >= {"localizer_node"} and len(robot) >= 2
    for node in robot:
        assert node.namespace == "ada"
        assert {("/tf", "tf"), ("/tf_static", "tf_static")} <= set(node.remappings)


def without_gazebo(file, context, inside=launching._started):
    """What a launch file starts; Gazebo's own is not here."""
    return inside(file, context) if file.name != "gz_sim.launch.py" else ()


def test_nav2s_lifecycle_manager_is_given_only_what_that_of_jazzy_declares(root):
    (manager,) = yaml.safe_load((root / "launch/params/nav2_localizer.yaml").read_text()).values()
    of_jazzy = {"node_names", "autostart", "bond_timeout", "bond_respawn_max_duration"}
    of_jazzy |= {"attempt_respawn_reconnection", "use_sim_time"}
    assert manager["ros__parameters"].keys() <= of_jazzy


def test_a_container_is_stopped_by_the_signal_that_launch_passes_on(root):
    """At SIGTERM `ros2 launch` ends alone, and leaves its nodes running."""
    lines = (root / "docker/robot.Dockerfile").read_text().splitlines()
    assert "STOPSIGNAL SIGINT" in lines
    (entrypoint,) = (line for line in lines if line.startswith("ENTRYPOINT"))
    assert "tini" in entrypoint  # an init: what is left without a parent is collected
    robot = yaml.safe_load((root / "docker/compose.yaml").read_text())["x-robot"]
    assert float(robot["stop_grace_period"].rstrip("s")) > 15  # the localizer's sigterm_timeout
