# SPDX-License-Identifier: Apache-2.0
"""Localize a camera in a compiled map: ros2 launch diff2i2p_bringup localize.launch.py map:=site.i2pmap image:=/camera/image_raw"""

import os

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

SHARE = get_package_share_directory("diff2i2p_bringup")
PARAMS_FILE = os.path.join(SHARE, "params", "localizer.yaml")
ARGUMENTS = {
    "map": ("", "Compiled map (.i2pmap); empty: the one in params_file."),
    "weights": ("", "Weights that the map was compiled with; empty: as in params_file."),
    "image": ("image", "Topic of the images, without the ending /compressed."),
    "camera_info": ("", "Topic of their calibration; empty: camera_info beside the images."),
    "image_transport": ("", "raw or compressed; empty: as in params_file."),
    "reliability": (
        "",
        "QoS asked of the camera, best_effort or reliable; empty: as in params_file.",
    ),
    "map_cloud": ("", "Topic of a latched cloud to make the map from; empty: as in params_file."),
    "depth": ("", "Topic of depth images, registered into the camera; empty: as in params_file."),
    "last_pose_file": ("", "File that keeps the last pose; empty: as in params_file."),
    "tf_mode": ("", "map_odom, map_camera or none; empty: as in params_file."),
    "odom_frame": ("", "Frame of the odometry; empty: as in params_file."),
    "base_frame": ("", "Frame of the robot; empty: as in params_file."),
    "camera_frame": ("", "Optical frame of the camera; empty: as in params_file."),
    "params_file": (PARAMS_FILE, "Parameters of the node."),
    "namespace": ("", "Namespace of the node and of its topics."),
    "tf_in_namespace": ("false", "Take tf and tf_static of the namespace, as Nav2 has them."),
    "use_sim_time": ("false", "Take the time from /clock."),
    "autostart": ("true", "Configure and activate at once; false: a lifecycle manager does."),
    "respawn": ("false", "Start the node again when it has ended."),
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
    "odom_frame": "odom_frame",
    "base_frame": "base_frame",
    "camera_frame": "camera_frame",
    "last_pose_file": "last_pose_file",
}
RESPAWN_DELAY = 2.0  # seconds


def nodes(context) -> list:
    """RViz and localizer. An argument that is not given leaves its parameter to params_file."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    flags = ("use_sim_time", "autostart", "respawn", "rviz", "tf_in_namespace")
    switches = {name: yaml.safe_load(given[name]) for name in flags}
    given["camera_info"] = given["camera_info"] or beside(given["image"])
    names = ("image", "camera_info", "map_cloud", "depth")
    topics = [(name, given[name]) for name in names if given[name]]
    if switches["tf_in_namespace"]:
        topics += [("/tf", "tf"), ("/tf_static", "tf_static")]
    rviz = shown(given["namespace"], switches["use_sim_time"], topics) if switches["rviz"] else []
    return [*rviz, localizer(given, switches, topics)]


def beside(image: str) -> str:
    """The topic of the calibration where a driver puts it."""
    folder, separator, _ = image.rpartition("/")
    return f"{folder}{separator}camera_info"


def localizer(given: dict[str, str], switches: dict[str, bool], topics: list) -> Node:
    """The node."""
    parameters = {parameter: given[name] for name, parameter in PARAMETERS.items() if given[name]}
    parameters |= {name: switches[name] for name in ("use_sim_time", "autostart")}
    if given["map_cloud"]:
        parameters["map_from_topic"] = True
    if given["depth"]:
        parameters["use_depth"] = True
    logger = ".".join([*filter(None, given["namespace"].split("/")), "localizer"])
    return Node(
        package="diff2i2p_ros",
        executable="localizer_node",
        name="localizer",
        namespace=given["namespace"],
        parameters=[given["params_file"], parameters],
        remappings=topics,
        arguments=["--ros-args", "--log-level", f"{logger}:={given['log_level']}"],
        output="screen",
        respawn=switches["respawn"],
        respawn_delay=RESPAWN_DELAY,
        sigterm_timeout="15",  # seconds: an image or a map at hand is finished first
    )


def shown(namespace: str, use_sim_time: bool, topics: list) -> list:
    """RViz, or what to do where there is none: launch would end, and leave the others alone."""
    try:
        get_package_share_directory("rviz2")
    except PackageNotFoundError:
        remedy = "apt install ros-jazzy-rviz2"
        return [LogInfo(msg=f"rviz2 is not installed ({remedy}): going on without")]
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            namespace=namespace,
            arguments=["-d", os.path.join(SHARE, "rviz", "localizer.rviz")],
            parameters=[{"use_sim_time": use_sim_time}],
            remappings=topics,
        )
    ]


def generate_launch_description() -> LaunchDescription:
    profile = os.path.join(SHARE, "dds", "fastdds.xml")
    variable = "FASTRTPS_DEFAULT_PROFILES_FILE"
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=help)
                for name, (default, help) in ARGUMENTS.items()
            ),
            # without it Fast DDS loses most raw images; a profile of your own is left alone
            SetEnvironmentVariable(variable, EnvironmentVariable(variable, default_value=profile)),
            OpaqueFunction(function=nodes),
        ]
    )
