# SPDX-License-Identifier: Apache-2.0
"""What the launch files hand over exists. (`launch` has no wheel: that they start is seen on a robot.)"""

import ast
import subprocess
import sys

import pytest
import yaml

from diff2i2p.parameters import parameters
from diff2i2p_ros.interface import PUBLISHED, SUBSCRIBED
from diff2i2p_ros.parameters import NodeConfig

PIP_ONLY = ("torch", "poselib", "small_gicp", "rosbags", "evo", "safetensors", "laspy", "typer")


def constants(path) -> dict:
    """The module's dictionaries of literals, those with names in them left out."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            keys = [key.value for key in node.value.keys]
            values = [ast.literal_eval(value) if is_literal(value) else None for value in node.value.values]
            found[node.targets[0].id] = dict(zip(keys, values, strict=True))
    return found


def is_literal(node: ast.AST) -> bool:
    return all(isinstance(part, ast.Constant | ast.Tuple | ast.List | ast.Load) for part in ast.walk(node))


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
    done = subprocess.run([sys.executable, "-c", f"{block}; import {', '.join(sorted(modules))}"], capture_output=True, text=True)
    assert "diff2i2p_ros.parameters" in modules and done.returncode == 0, done.stderr


def test_rviz_shows_topics_that_there_are(root):
    view = yaml.safe_load((root / "launch/rviz/localizer.rviz").read_text())["Visualization Manager"]
    shown = {part["Topic"]["Value"] for part in view["Displays"] + view["Tools"] if "Topic" in part}
    assert {"map_points", "pose", "initialpose", "debug/matches"} <= shown <= {topic.name for topic in SUBSCRIBED + PUBLISHED}


def test_nav2s_lifecycle_manager_finds_the_localizer_and_waits_for_no_bond(root):
    (manager,) = yaml.safe_load((root / "launch/params/nav2_localizer.yaml").read_text()).values()
    assert "localizer" in manager["ros__parameters"]["node_names"]
    assert manager["ros__parameters"]["bond_timeout"] == 0.0
