# SPDX-License-Identifier: Apache-2.0
"""A robot in a simulated office, localized: ros2 launch diff2i2p_bringup simulation.launch.py map:=office.i2pmap wander:=true

simulator:=builtin renders the world itself; simulator:=gazebo gives the same SDF files to Gazebo (gz-sim 8). The topics are the same.
"""

import os
from pathlib import Path
from shlex import quote

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

SHARE = get_package_share_directory("diff2i2p_bringup")
ARGUMENTS = {
    "simulator": ("builtin", "builtin or gazebo."),
    "map": (
        "",
        "Compiled map of the world (.i2pmap); empty: the simulation alone, without localizer.",
    ),
    "weights": ("", "Weights that the map was compiled with; empty: found where they ship."),
    "world": (
        os.path.join(SHARE, "worlds", "office.sdf"),
        "SDF world, written by `diff2i2p world`.",
    ),
    "robot": (os.path.join(SHARE, "worlds", "robot.sdf"), "SDF model of the robot."),
    "start": ("", "Where the robot starts, 'x y yaw'; empty: where the floor is freest."),
    "namespace": ("", "Namespace of the robot, its topics and its TF."),
    "rviz": ("false", "Open RViz."),
    "gui": ("true", "gazebo: open its window."),
    "waypoints": ("", "builtin: where to drive, 'x y, x y, ...'."),
    "wander": ("false", "builtin: drive from place to place without end."),
    "day": ("0", "builtin: another day than the world's: furniture moved, other light."),
    "lighting": (
        "world",
        "builtin: how the lights burn: world, day, evening, daylight, lamp, dark or out.",
    ),
    "depth": ("false", "builtin: an RGB-D camera, whose depth sharpens the poses."),
    "speed": ("1.0", "builtin: how fast time goes."),
    "lockstep": ("false", "builtin: time waits for the answer to each image."),
}
# parameters of sim_camera_node: text, and what is read as YAML
WORDS = ("world", "robot", "start", "waypoints", "lighting")
SWITCHES = ("day", "wander", "lockstep", "depth")


def builtin(given: dict[str, str]) -> list:
    """Our own simulation."""
    parameters = {name: given[name] for name in WORDS} | {
        name: yaml.safe_load(given[name]) for name in SWITCHES
    }
    parameters["speed"] = float(given["speed"])
    return [
        Node(
            package="diff2i2p_ros",
            executable="sim_camera_node",
            name="sim_camera",
            parameters=[parameters],
            **in_namespace(given),
        )
    ]


def gazebo(given: dict[str, str]) -> list:
    """Gazebo with the world, the robot in it, the bridge, and the mount of the camera in TF."""
    from diff2i2p_sim.robot.model import Robot
    from diff2i2p_sim.robot.simulation import place_of
    from diff2i2p_sim.world import World

    robot, start = (
        Robot.from_sdf(given["robot"]),
        place_of(given["start"], World.from_sdf(given["world"])),
    )
    switches = "-r" if yaml.safe_load(given["gui"]) else "-r -s"
    spawn = {
        "-file": given["robot"],
        "-name": "robot",
        "-x": start.x,
        "-y": start.y,
        "-z": 0.02,
        "-Y": start.yaw,
    }
    mount = {f"--{name}": value for name, value in robot.mount.items()}
    mount |= {"--frame-id": robot.base_frame, "--child-frame-id": robot.camera_frame}
    bridge = {"config_file": os.path.join(SHARE, "params", "gz_bridge.yaml")}
    return [
        include(gz_sim(), gz_args=f"{switches} {quote(given['world'])}", on_exit_shutdown="true"),
        Node(package="ros_gz_sim", executable="create", arguments=words(spawn), output="screen"),
        Node(
            package="ros_gz_bridge",
            executable="parameter_bridge",
            parameters=[bridge],
            **in_namespace(given),
        ),
        Node(
            package="tf2_ros",
            executable="static_transform_publisher",
            arguments=words(mount),
            **in_namespace(given),
        ),
    ]


def in_namespace(given: dict[str, str]) -> dict:
    """Where a node of the robot belongs: two robots share the clock alone."""
    own_tf = [("/tf", "tf"), ("/tf_static", "tf_static")] if given["namespace"] else []
    return {"namespace": given["namespace"], "remappings": own_tf, "output": "screen"}


def words(options: dict) -> list[str]:
    """Options as a command line."""
    return [str(word) for option in options.items() for word in option]


def gz_sim() -> str:
    """Gazebo's launch file. Raises RuntimeError with what to install: nobody else needs it."""
    try:
        return os.path.join(get_package_share_directory("ros_gz_sim"), "launch", "gz_sim.launch.py")
    except PackageNotFoundError as error:
        raise RuntimeError(
            "simulator:=gazebo needs Gazebo: apt install ros-jazzy-ros-gz, or take simulator:=builtin"
        ) from error


def include(path: str, **arguments: str) -> GroupAction:
    """A launch file in a scope of its own: two that know an argument of the same name must not share its value."""
    return GroupAction(
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(path), launch_arguments=arguments.items()
            )
        ]
    )


SIMULATORS = {"builtin": builtin, "gazebo": gazebo}


def simulation(context) -> list:
    """The simulator, and the localizer where there is a map."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    if given["simulator"] not in SIMULATORS:
        raise ValueError(f"simulator is one of {', '.join(SIMULATORS)}, not '{given['simulator']}'")
    given |= {name: str(Path(given[name]).resolve()) for name in ("world", "robot")}
    actions = SIMULATORS[given["simulator"]](given)
    if given["map"]:
        passed = {name: given[name] for name in ("map", "weights", "namespace", "rviz")}
        passed["depth"] = "depth" if yaml.safe_load(given["depth"]) else ""
        passed["tf_in_namespace"] = str(bool(given["namespace"])).lower()
        passed |= {"tf_mode": "map_odom", "use_sim_time": "true"}
        actions.append(include(os.path.join(SHARE, "localize.launch.py"), **passed))
    return actions


def generate_launch_description() -> LaunchDescription:
    profile = os.path.join(SHARE, "dds", "fastdds.xml")
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=help)
                for name, (default, help) in ARGUMENTS.items()
            ),
            SetEnvironmentVariable(
                "FASTRTPS_DEFAULT_PROFILES_FILE",
                EnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", default_value=profile),
            ),
            OpaqueFunction(function=simulation),
        ]
    )
