# SPDX-License-Identifier: Apache-2.0
"""Package `diff2i2p`: the library without ROS. pip and colcon both install it from here."""

from glob import glob

from setuptools import find_packages, setup

package_name = "diff2i2p"

setup(
    name=package_name,
    version="0.1.0",
    description="Camera relocalization in a prior point-cloud map: image-to-point-cloud registration after Diff2I2P",
    license="Apache-2.0",
    maintainer="The diff2i2p maintainers",
    maintainer_email="maintainers@example.com",
    python_requires=">=3.10",
    packages=find_packages(include=[package_name, f"{package_name}.*"]),
    package_data={f"{package_name}.localization": ["confidence.yaml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
        (f"share/{package_name}/weights", glob("weights/*.yaml") + glob("weights/*.md") + glob("weights/*.safetensors")),
    ],
    install_requires=[
        "evo",
        "laspy",
        "lazrs",
        "matplotlib",
        "numpy",
        "open3d",
        "opencv-python-headless<5",
        "poselib",
        "PyYAML",
        "rich",
        "rosbags",
        "rosbags-image",
        "safetensors",
        "scipy",
        "small_gicp",
        "torch",
        "typer",
    ],
    extras_require={"onnxruntime": ["onnx", "onnxruntime"], "rerun": ["rerun-sdk"]},
    entry_points={"console_scripts": ["diff2i2p = diff2i2p.cli:main"]},
)
