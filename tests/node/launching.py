# SPDX-License-Identifier: Apache-2.0
"""What a launch file would start, without `launch`, which has no wheel.

Its own functions run, with stand-ins for the actions.
"""

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock

from ament_index_python import packages


class Action(SimpleNamespace):
    """An action or a substitution, with the arguments that it was made of."""

    def __init__(self, *arguments, **named):
        super().__init__(arguments=arguments, named=named)


class Node(Action):
    """A node to start."""

    def __getattr__(self, name: str):
        return self.named[name]


class LaunchConfiguration(Action):
    """The value of an argument."""

    def perform(self, context: dict[str, str]) -> str:
        return context[self.arguments[0]]


MODULES = {
    "launch": "LaunchDescription",
    "launch.actions": "DeclareLaunchArgument GroupAction IncludeLaunchDescription LogInfo"
    " OpaqueFunction SetEnvironmentVariable",
    "launch.launch_description_sources": "PythonLaunchDescriptionSource",
    "launch.substitutions": "EnvironmentVariable LaunchConfiguration PathJoinSubstitution",
    "launch_ros": "",
    "launch_ros.actions": "Node",
}  # fmt: skip
OWN = {"Node": Node, "LaunchConfiguration": LaunchConfiguration}


def started(file: Path, installed: tuple[str, ...] = (), **arguments: str) -> list[Action]:
    """The nodes and log lines of a launch file with these arguments, and of what it includes.

    `installed` names the packages that there are besides our own.
    """

    def share(package: str) -> str:
        if package != "diff2i2p_bringup" and package not in installed:
            raise packages.PackageNotFoundError(package)
        return str(file.parent)

    stand_ins = {name: _module(name, classes.split()) for name, classes in MODULES.items()}
    finding = mock.patch.object(packages, "get_package_share_directory", share)
    with mock.patch.dict(sys.modules, stand_ins), finding:
        return list(_started(file, arguments))


def _module(name: str, classes: list[str]) -> ModuleType:
    module = ModuleType(name)
    vars(module).update({kind: OWN.get(kind) or type(kind, (Action,), {}) for kind in classes})
    return module


def _started(file: Path, context: dict[str, str]):
    (actions,) = runpy.run_path(str(file))["generate_launch_description"]().arguments
    kinds = [type(action).__name__ for action in actions]
    declared = {
        action.arguments[0]: action.named["default_value"]
        for action, kind in zip(actions, kinds, strict=True)
        if kind == "DeclareLaunchArgument"
    }
    context = declared | context  # a launch file sees what its includer was given, as in launch
    for action, kind in zip(actions, kinds, strict=True):
        yield from _performed(action, kind, context)


def _performed(action: Action, kind: str, context: dict[str, str]):
    if kind in ("Node", "LogInfo"):
        yield action
    elif kind == "OpaqueFunction":
        for inner in action.named["function"](context):
            yield from _performed(inner, type(inner).__name__, context)
    elif kind == "GroupAction":
        for inner in action.arguments[0]:
            yield from _performed(inner, type(inner).__name__, context)
    elif kind == "IncludeLaunchDescription":
        (source,) = action.arguments[0].arguments
        yield from _started(Path(source), context | dict(action.named["launch_arguments"]))
