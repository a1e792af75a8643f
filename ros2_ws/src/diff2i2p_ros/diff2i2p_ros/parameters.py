# SPDX-License-Identifier: Apache-2.0
"""ROS parameters, derived from the config dataclasses: name, default, unit, range and description are never typed twice.

`python -m diff2i2p_ros.parameters > launch/params/localizer.yaml` writes the file that the launch package ships.
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import yaml
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from diff2i2p.config import Config, override_dotted, parameter, parameters

TF_MODES = ("map_odom", "map_camera")
TRANSPORTS = ("raw", "compressed")
RELIABILITIES = ("best_effort", "reliable")
# parameters, and groups of them, that may change while the node runs; the others are read when it is configured
LIVE = ("map_file", "weights", "transform_tolerance", "broadcast_rate", "pnp.", "verify.", "track.")


@dataclass(frozen=True)
class NodeConfig:
    """What the node needs beyond the library's Config."""

    map_file: str = parameter("", "Compiled map (.i2pmap) to localize in; a change takes effect with the next load_map.")
    weights: str = parameter("", "Weights that the map was compiled with, file or name in weights.yaml; empty: appearance matcher alone.")
    map_from_topic: bool = parameter(
        False, "Compile the map from the latched cloud on map_cloud instead, by a process of its own; kept in ~/.cache/diff2i2p."
    )
    map_frame: str = parameter("", "Frame of the map; empty: the one the map was compiled with.")
    odom_frame: str = parameter("odom", "Frame that wheel or visual odometry drifts in; used by tf_mode map_odom.")
    base_frame: str = parameter("base_link", "Frame of the robot that initialpose is about, in TF above the camera.")
    camera_frame: str = parameter("", "Optical frame of the camera; empty: the frame_id of the images.")
    tf_mode: str = parameter("map_odom", "TF published: map -> odom (needs odometry in TF) or map -> camera.", choices=TF_MODES)
    transform_tolerance: float = parameter(1.0, "How far ahead of the images map -> odom is stamped: consumers need not wait.", "s", 0, 10)
    broadcast_rate: float = parameter(20.0, "Rate at which map -> odom is repeated.", "Hz", 1, 200)
    image_transport: str = parameter("raw", "Topic the images come on: image, or image/compressed.", choices=TRANSPORTS)
    reliability: str = parameter(
        "best_effort", "QoS of the camera's subscriptions; reliable hears nothing of a best-effort camera.", choices=RELIABILITIES
    )
    last_pose_file: str = parameter(
        "", "File that keeps the last pose, as a first guess after a restart in the same map, verified like any other; empty: none."
    )
    autostart: bool = parameter(True, "Configure and activate without a lifecycle manager; where that fails, again each second.")


def is_live(name: str) -> bool:
    """Whether a parameter may change while the node runs."""
    return name.startswith(LIVE)


def declare(node: Node, config) -> set[str]:
    """Declare every parameter of a config on a node, with description, unit and range; gives their names."""
    described = {name: (value, metadata) for name, value, metadata in parameters(config)}
    for name, (value, metadata) in described.items():
        if isinstance(value, tuple):  # an empty list would not tell ROS of what
            value = list(value) or Parameter.Type.INTEGER_ARRAY
        node.declare_parameter(name, value, descriptor(name, value, metadata))
    return set(described)


def read(node: Node, config, changes: Iterable[Parameter] = ()):
    """A copy of `config` with the node's values put in, and then `changes`. Raises ConfigError."""
    values = {name: node.get_parameter_or(name).value for name, _, _ in parameters(config)}
    values |= {change.name: change.value for change in changes if change.name in values}
    given = {name: value for name, value in values.items() if value is not None}  # ROS takes an empty list for none
    return override_dotted(config, {name: list(value) if isinstance(value, array) else value for name, value in given.items()})


def descriptor(name: str, value, metadata: Mapping) -> ParameterDescriptor:
    """What `ros2 param describe` tells of a parameter."""
    result = ParameterDescriptor(name=name, description=describe(name, metadata))
    low, high = metadata["low"], metadata["high"]
    if math.isfinite(low) and math.isfinite(high):
        if isinstance(value, float):
            result.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
        elif isinstance(value, int):
            result.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    if metadata["choices"]:
        result.additional_constraints = f"one of {', '.join(metadata['choices'])}"
    return result


def describe(name: str, metadata: Mapping) -> str:
    """One line: the sentence, the unit, the range or the choices, and whether it may change while the node runs."""
    unit = f" [{metadata['unit']}]" if metadata["unit"] else ""
    limits = f" {metadata['low']:g} to {metadata['high']:g}." if math.isfinite(metadata["low"]) else ""
    choices = f" One of {', '.join(metadata['choices'])}." if metadata["choices"] else ""
    return metadata["help"] + unit + limits + choices + (" Live." if is_live(name) else "")


def params_file(*configs) -> str:
    """The parameters file of a node with these configs: every parameter at its default, described."""
    head = (
        "# Generated by `python -m diff2i2p_ros.parameters`: change the dataclasses, not this file.\n"
        "# Live parameters may change while the node runs, the others take effect when it is configured.\n"
        "/**:\n  ros__parameters:\n"
    )
    return head + "".join(f"{line}\n" for config in configs for line in _lines(config))


def _lines(config) -> Iterator[str]:
    opened = None
    for name, value, metadata in parameters(config):
        *groups, leaf = name.split(".")
        if groups and groups != opened:
            yield f"    {groups[0]}:"
        opened = groups
        indent = "    " + "  " * len(groups)
        yield f"{indent}# {describe(name, metadata)}"
        plain = list(value) if isinstance(value, tuple) else value
        yield f"{indent}{leaf}: {yaml.safe_dump(plain, default_flow_style=True).splitlines()[0]}"


if __name__ == "__main__":
    print(params_file(NodeConfig(), Config()), end="")
