# SPDX-License-Identifier: Apache-2.0
"""Play a sequence folder or a bag as a camera: ros2 launch diff2i2p_bringup replay.launch.py sequence:=folder"""

import os

import yaml
from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node

from diff2i2p.parameters import parameters
from diff2i2p_ros.parameters import ReplayConfig
from launch import LaunchDescription

CONFIG = ReplayConfig(clock=True)  # localize.launch.py with use_sim_time:=true listens to it


def replay(context) -> list[Node]:
    """The node. Every parameter is an argument; what is no text is read as YAML, so that true is a switch and 2 a number."""
    values = {}
    for name, default, _ in parameters(CONFIG):
        text = LaunchConfiguration(name).perform(context)
        values[name] = text if isinstance(default, str) else type(default)(yaml.safe_load(text))
    namespace = LaunchConfiguration("namespace").perform(context)
    return [
        Node(
            package="diff2i2p_ros",
            executable="replay_node",
            name="replay",
            namespace=namespace,
            parameters=[values],
            output="screen",
        )
    ]


def generate_launch_description() -> LaunchDescription:
    profile = os.path.join(get_package_share_directory("diff2i2p_bringup"), "dds", "fastdds.xml")
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=str(default).lower() if isinstance(default, bool) else str(default),
                                      description=metadata["help"])
                for name, default, metadata in parameters(CONFIG)
            ),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the camera's topics."),
            SetEnvironmentVariable(
                "FASTRTPS_DEFAULT_PROFILES_FILE", EnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", default_value=profile)
            ),
            OpaqueFunction(function=replay),
        ]
    )  # fmt: skip
