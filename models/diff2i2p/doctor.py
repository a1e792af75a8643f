# SPDX-License-Identifier: Apache-2.0
"""What this installation can and cannot do, in sentences."""

import importlib.util
import os
import platform
import re
from importlib import metadata
from typing import NamedTuple

PACKAGE = "diff2i2p"
ALTERNATIVES = {"opencv-python-headless": "opencv-python"}


class Finding(NamedTuple):
    """One thing looked at; nothing works where a required one is not good."""

    subject: str
    good: bool
    required: bool
    sentence: str


def examine() -> list[Finding]:
    """Look at Python, packages, device, weights and ROS."""
    return [_python(), _packages(), _device(), _onnxruntime(), _weights(), _ros()]


def _python() -> Finding:
    from diff2i2p import __version__

    good = platform.python_version_tuple() >= ("3", "10")
    return Finding(
        "python",
        good,
        True,
        f"diff2i2p {__version__} on Python {platform.python_version()}, {platform.platform(terse=True)}.",
    )


def _packages() -> Finding:
    try:
        required = requirements()
    except metadata.PackageNotFoundError:
        sentence = f"{PACKAGE} is not installed, only on the path: pip install -e models"
        return Finding("packages", False, True, sentence)
    found, missing = [], []
    for name in required:
        version = _version(name) or _version(ALTERNATIVES.get(name, name))
        found.append(f"{name} {version}") if version else missing.append(name)
    sentence = f"Packages: {', '.join(found)}."
    if missing:
        names = " ".join(missing)
        sentence = f"Missing: {', '.join(missing)}. Install with: pip install {names}"
    return Finding("packages", not missing, True, sentence)


def requirements() -> list[str]:
    """Names of the packages that the metadata of this installation asks for, extras left out.

    Raises PackageNotFoundError where diff2i2p is not installed.
    """
    asked = (requirement.partition(";") for requirement in metadata.requires(PACKAGE) or ())
    return [
        re.match(r"[\w.-]+", name).group() for name, _, marker in asked if "extra" not in marker
    ]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _device() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("device", False, True, f"torch does not load ({error}): pip install torch")
    cores = os.cpu_count()
    if torch.cuda.is_available():
        return Finding(
            "device",
            True,
            False,
            f"The network runs on {torch.cuda.get_device_name()}; {cores} processor cores.",
        )
    return Finding(
        "device",
        True,
        False,
        f"No CUDA device: the network runs on {torch.get_num_threads()} threads of {cores} processor cores.",
    )


def _onnxruntime() -> Finding:
    if not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))):
        advice = "pip install onnx onnxruntime, or onnxruntime-gpu for CUDA and TensorRT"
        return Finding(
            "onnxruntime",
            False,
            False,
            f"No onnxruntime, the network runs on torch. For the other runtime: {advice}.",
        )
    import onnxruntime

    usable = [
        name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()
    ]
    usable = [name for name in ("Tensorrt", "CUDA", "CPU") if name in usable]
    return Finding(
        "onnxruntime", True, False, f"runtime: onnxruntime works, on {', '.join(usable)}."
    )


def _weights() -> Finding:
    from diff2i2p.weights import WeightsError, find_weights, shipped_weights

    good, bad = [], []
    for name in shipped_weights():
        try:
            find_weights(name)
            good.append(name)
        except WeightsError as error:
            bad.append(str(error))
    if bad:
        return Finding("weights", False, False, f"{bad[0]}.")
    if good:
        return Finding("weights", True, False, f"Shipped weights: {', '.join(good)}.")
    return Finding(
        "weights",
        False,
        False,
        "No shipped weights, so that only the appearance matcher works: install diff2i2p again.",
    )


def _ros() -> Finding:
    if importlib.util.find_spec("rclpy") is None:
        return Finding(
            "ros",
            False,
            False,
            "No ROS 2 in this environment: the command line works, the node does not. Source your ROS setup for it.",
        )
    missing = [
        name
        for name in ("sensor_msgs", "geometry_msgs", "tf2_ros", "diagnostic_msgs")
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        return Finding(
            "ros",
            False,
            False,
            f"ROS 2 is here, but {', '.join(missing)} are not: rosdep installs them.",
        )
    return Finding(
        "ros",
        True,
        False,
        f"ROS 2 {os.environ.get('ROS_DISTRO', '(no ROS_DISTRO set)')} with rclpy and its messages.",
    )
