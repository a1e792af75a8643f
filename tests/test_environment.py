# SPDX-License-Identifier: Apache-2.0
"""`source tools/ros_env.sh`, in a fresh shell and in one that has sourced another ROS."""

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
        ({"PYTHONPATH": "/opt/ros/jazzy/lib/python3.12/site-packages", "AMENT_PREFIX_PATH": "/opt/ros/jazzy"}, "unset"),
    ],
    ids=["fresh", "own path", "another ROS and own path", "another ROS"],
)
def test_the_environment_of_make_keeps_the_users_paths_and_no_other_ros(root, before, python_path):
    command = ["bash", "-c", TOLD, "bash", root]
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin"} | before, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(root / ".venv"), python_path]
