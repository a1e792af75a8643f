# SPDX-License-Identifier: Apache-2.0
"""The shell scripts around `.venv`: which Python makes it, and `source tools/ros_env.sh`."""

import subprocess

import pytest

TOLD = 'set -euo pipefail; source "$1/tools/ros_env.sh"; echo "$AMENT_PREFIX_PATH"; echo "${PYTHONPATH-unset}"'


@pytest.mark.parametrize(
    "before, python_path",
    [
        ({}, "unset"),
        ({"PYTHONPATH": "/mine:/my/other"}, "/mine:/my/other"),
        (
            {
                "PYTHONPATH": "/ws/install/a/lib/python3.12/site-packages:/mine:/opt/ros/jazzy/lib/python3.12/site-packages",
                "AMENT_PREFIX_PATH": "/ws/install/a:/opt/ros/jazzy",
            },
            "/mine",
        ),
        (
            {
                "PYTHONPATH": "/opt/ros/jazzy/lib/python3.12/site-packages",
                "AMENT_PREFIX_PATH": "/opt/ros/jazzy",
            },
            "unset",
        ),
    ],
    ids=["fresh", "own path", "another ROS and own path", "another ROS"],
)
def test_the_environment_of_make_keeps_the_users_paths_and_no_other_ros(root, before, python_path):
    command = ["bash", "-c", TOLD, "bash", root]
    done = subprocess.run(
        command, env={"PATH": "/usr/bin:/bin"} | before, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [str(root / ".venv"), python_path]


@pytest.mark.parametrize(
    "there, found",
    [
        ({"python3.10": True, "python3.11": True, "python3.12": True}, "python3.12"),
        ({"python3.11": True, "python3.13": False}, "python3.11"),
        ({"python3.12": False, "python3.13": False, "python3": True}, "python3.13"),
        ({"python3.14": True, "python3.9": True}, "python3"),
    ],
    ids=["the newest", "one that is complete", "the newest to complete", "none with wheels"],
)
def test_make_takes_the_newest_python_that_can_make_an_environment(root, tmp_path, there, found):
    for name, complete in there.items():
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {0 if complete else 1}\n")
        (tmp_path / name).chmod(0o755)
    command = ["/bin/bash", root / "tools/find_python.sh"]
    done = subprocess.run(
        command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == found
