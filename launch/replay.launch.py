# SPDX-License-Identifier: Apache-2.0
"""Play a sequence folder or a bag as a camera: ros2 launch diff2i2p_bringup replay.launch.py sequence:=folder"""

import os

import yaml
from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

PARAMETERS = {
    "sequence": ("", "Sequence folder, TUM or 7-Scenes layout."),
    "start": ("0", "First frame of the sequence."),
    "stop": ("-1", "Frame of the sequence before which to stop; -1: play to the end."),
    "bag": ("", "ROS 2 bag instead, sqlite3 or mcap."),
    "rate": ("1.0", "Speed; 2.0 plays twice as fast."),
    "loop": ("false", "Start again at the end."),
    "clock": ("true", "Publish /clock, for nodes with use_sim_time."),
    "lockstep": ("false", "Publish an image only when the last one has been answered."),
    "image_transport": ("raw", "raw or compressed; sequences only."),
    "odometry": ("false", "Publish odometry in TF, from a sequence's true poses, with drift."),
}
NAMESPACE = DeclareLaunchArgument("namespace", default_value="", description="Namespace of the camera's topics.")


def replay(context) -> list[Node]:
    """The node; numbers and switches are read as YAML, names are not."""
    texts = {name: LaunchConfiguration(name).perform(context) for name in PARAMETERS}
    names = ("sequence", "bag", "image_transport")
    parameters = {name: text if name in names else yaml.safe_load(text) for name, text in texts.items()}
    parameters["rate"] = float(parameters["rate"])
    namespace = LaunchConfiguration("namespace").perform(context)
    return [
        Node(package="diff2i2p_ros", executable="replay_node", name="replay", namespace=namespace, parameters=[parameters], output="screen")
    ]


def generate_launch_description() -> LaunchDescription:
    profile = os.path.join(get_package_share_directory("diff2i2p_bringup"), "dds", "fastdds.xml")
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=default, description=help) for name, (default, help) in PARAMETERS.items()),
            NAMESPACE,
            SetEnvironmentVariable(
                "FASTRTPS_DEFAULT_PROFILES_FILE", EnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", default_value=profile)
            ),
            OpaqueFunction(function=replay),
        ]
    )
