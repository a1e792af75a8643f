# SPDX-License-Identifier: Apache-2.0
"""Package `diff2i2p_bringup`: launch files and what they hand over. No Python package: `launch` is a name of ROS's own."""

from glob import glob
from os.path import isfile

from setuptools import setup

package_name = "diff2i2p_bringup"
share = f"share/{package_name}"
folders = ("params", "rviz", "worlds", "worlds/textures", "dds", "security")

setup(
    name=package_name,
    version="0.1.0",
    description="Launch files, parameters, RViz views, worlds and DDS profile of diff2i2p",
    license="Apache-2.0",
    maintainer="The diff2i2p maintainers",
    maintainer_email="maintainers@example.com",
    packages=[],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (share, ["package.xml", *glob("*.launch.py")]),
        *((f"{share}/{folder}", list(filter(isfile, glob(f"{folder}/*")))) for folder in folders),
    ],
)
