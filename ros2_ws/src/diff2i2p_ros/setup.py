# SPDX-License-Identifier: Apache-2.0
"""Package `diff2i2p_ros`: the nodes around the library."""

from setuptools import find_packages, setup

package_name = "diff2i2p_ros"

setup(
    name=package_name,
    version="0.1.0",
    description="ROS 2 nodes that localize a camera in a prior point-cloud map",
    license="Apache-2.0",
    maintainer="The diff2i2p maintainers",
    maintainer_email="maintainers@example.com",
    packages=find_packages(include=[package_name, f"{package_name}.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
    ],
    install_requires=["diff2i2p", "diff2i2p_sim", "rosbags", "rosbags-image"],
    entry_points={
        "console_scripts": [
            "localizer_node = diff2i2p_ros.commands:localizer_node",
            "replay_node = diff2i2p_ros.commands:replay_node",
            "sim_camera_node = diff2i2p_ros.commands:sim_camera_node",
            "demo = diff2i2p_ros.commands:demo",
            "quickstart = diff2i2p_ros.commands:quickstart",
            "check_bringup = diff2i2p_ros.commands:check_bringup",
        ]
    },
)
