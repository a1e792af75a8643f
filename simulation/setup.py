# SPDX-License-Identifier: Apache-2.0
"""Package `diff2i2p_sim`: synthetic worlds and a simulated robot, without ROS. pip and colcon both install it from here."""

from setuptools import find_packages, setup

package_name = "diff2i2p_sim"

setup(
    name=package_name,
    version="0.1.0",
    description="Synthetic offices with true poses: scanned, driven through, rendered, written as SDF",
    license="Apache-2.0",
    maintainer="The diff2i2p maintainers",
    maintainer_email="maintainers@example.com",
    python_requires=">=3.10",
    packages=find_packages(include=[package_name, f"{package_name}.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
    ],
    install_requires=[
        "diff2i2p",
        "numpy",
        "opencv-python-headless<5",
        "rich",
        "scipy",
        "torch",
        "typer",
    ],
    entry_points={
        "console_scripts": ["diff2i2p-sim = diff2i2p_sim.cli:main"],
        "diff2i2p.commands": ["world = diff2i2p_sim.cli:world"],
    },
)
