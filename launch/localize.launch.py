# SPDX-License-Identifier: Apache-2.0
"""Localize a camera in a compiled map: ros2 launch diff2i2p_bringup localize.launch.py map:=site.i2pmap image:=/camera/image_raw"""

import os

import yaml
from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

SHARE = get_package_share_directory("diff2i2p_bringup")
ARGUMENTS = {
    "map": ("", "Compiled map (.i2pmap); empty: the one in params_file."),
    "weights": ("", "Weights that the map was compiled with; empty: those in params_file, or the appearance matcher alone."),
    "image": ("image", "Topic of the images; with image_transport compressed without its ending /compressed."),
    "camera_info": ("camera_info", "Topic of their calibration."),
    "image_transport": ("", "raw or compressed; empty: as in params_file."),
    "reliability": ("", "QoS asked of the camera, best_effort or reliable; empty: as in params_file."),
    "map_cloud": ("", "Topic of a latched cloud to compile the map from, instead of map; empty: as in params_file."),
    "depth": ("", "Topic of depth images, registered into the camera, to sharpen poses by; empty: as in params_file."),
    "last_pose_file": ("", "File that keeps the last pose as a first guess after a restart; empty: as in params_file."),
    "tf_mode": ("", "map_odom (needs odometry in TF) or map_camera; empty: as in params_file."),
    "params_file": (os.path.join(SHARE, "params", "localizer.yaml"), "Parameters of the node."),
    "namespace": ("", "Namespace of the node and of its topics."),
    "use_sim_time": ("false", "Take the time from /clock."),
    "autostart": ("true", "Configure and activate at once; false: a lifecycle manager does, Nav2's with bond_timeout: 0.0."),
    "rviz": ("false", "Open RViz."),
    "log_level": ("info", "Log level of the node."),
}
# arguments that set a parameter of the node when they are given
PARAMETERS = {
    "map": "map_file",
    "weights": "weights",
    "image_transport": "image_transport",
    "reliability": "reliability",
    "tf_mode": "tf_mode",
    "last_pose_file": "last_pose_file",
}


def nodes(context) -> list[Node]:
    """Localizer and RViz. An argument that is not given leaves its parameter to params_file."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    switches = {name: yaml.safe_load(given[name]) for name in ("use_sim_time", "autostart")}
    parameters = {parameter: given[name] for name, parameter in PARAMETERS.items() if given[name]}
    if given["map_cloud"]:
        parameters["map_from_topic"] = True
    if given["depth"]:
        parameters["use_depth"] = True
    topics = {name: given[name] for name in ("image", "camera_info", "map_cloud", "depth") if given[name]}
    localizer = Node(
        package="diff2i2p_ros",
        executable="localizer_node",
        name="localizer",
        namespace=given["namespace"],
        parameters=[given["params_file"], switches | parameters],
        remappings=topics.items(),
        arguments=["--ros-args", "--log-level", f"localizer:={given['log_level']}"],
        output="screen",
        sigterm_timeout="15",  # seconds: an image or a map at hand is finished first
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=given["namespace"],
        arguments=["-d", os.path.join(SHARE, "rviz", "localizer.rviz")],
        parameters=[{"use_sim_time": switches["use_sim_time"]}],
        remappings=topics.items(),
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return [localizer, rviz]


def generate_launch_description() -> LaunchDescription:
    profile = os.path.join(SHARE, "dds", "fastdds.xml")
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=default, description=help) for name, (default, help) in ARGUMENTS.items()),
            # without it Fast DDS loses most raw images; a profile of your own is left alone
            SetEnvironmentVariable(
                "FASTRTPS_DEFAULT_PROFILES_FILE", EnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", default_value=profile)
            ),
            OpaqueFunction(function=nodes),
        ]
    )
