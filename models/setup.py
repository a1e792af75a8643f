# SPDX-License-Identifier: Apache-2.0
"""Package `diff2i2p`: the library without ROS. pip and colcon both install it from here.

The one place that names what the library needs; `make`, the images and `diff2i2p doctor` read it.
"""

from glob import glob

from setuptools import find_packages, setup

package_name = "diff2i2p"
weights = [name for kind in ("yaml", "md", "safetensors") for name in glob(f"weights/*.{kind}")]

setup(
    name=package_name,
    version="0.1.0",
    description="Camera relocalization in a prior point-cloud map: image-to-point-cloud registration after Diff2I2P",
    license="Apache-2.0",
    maintainer="The diff2i2p maintainers",
    maintainer_email="maintainers@example.com",
    python_requires=">=3.10",
    packages=find_packages(include=[package_name, f"{package_name}.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
        (f"share/{package_name}/weights", weights),
    ],
    install_requires=[
        "evo",
        "jinja2",
        "laspy",
        "lazrs",
        "matplotlib",
        "numpy",
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
    extras_require={
        "onnxruntime": ["onnx", "onnxruntime"],
        "open3d": ["open3d"],
        "rerun": ["rerun-sdk"],
    },
    package_data={
        package_name: [
            "evaluation/report/*.j2",
            "evaluation/report/*.css",
            "evaluation/report/*.js",
            "localization/confidence.yaml",
        ]
    },  # fmt: skip
    entry_points={"console_scripts": ["diff2i2p = diff2i2p.cli:main"]},
)
