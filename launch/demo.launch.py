# SPDX-License-Identifier: Apache-2.0
"""What `make demo` has built, driven through once more, to look at in RViz: ros2 launch diff2i2p_bringup demo.launch.py folder:=out/demo"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution

from launch import LaunchDescription

ARGUMENTS = {
    "folder": ("out/demo", "Folder that `make demo` or `python -m diff2i2p_ros.demo` has written."),
    "sequence": (
        PathJoinSubstitution([LaunchConfiguration("folder"), "world", "drive"]),
        "Sequence that is driven.",
    ),
    "weights": ("", "Weights that the map was compiled with; empty: found where they ship."),
    "loop": ("true", "Drive again and again."),
    "rviz": ("true", "Open RViz."),
}


def include(name: str, **arguments) -> GroupAction:
    """A launch file in a scope of its own: two that know an argument of the same name must not share its value."""
    path = os.path.join(get_package_share_directory("diff2i2p_bringup"), name)
    return GroupAction(
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(path), launch_arguments=arguments.items()
            )
        ]
    )


def generate_launch_description() -> LaunchDescription:
    value = LaunchConfiguration
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=help)
                for name, (default, help) in ARGUMENTS.items()
            ),
            include(
                "localize.launch.py",
                map=PathJoinSubstitution([value("folder"), "map.i2pmap"]),
                weights=value("weights"),
                tf_mode="map_odom",
                use_sim_time="true",
                rviz=value("rviz"),
            ),
            include(
                "replay.launch.py",
                sequence=value("sequence"),
                odometry="true",
                loop=value("loop"),
                clock="true",
            ),
        ]
    )
