# SPDX-License-Identifier: Apache-2.0
"""The workflow is not run here: what can be said of its file."""

import os

import pytest

from diff2i2p.files import read_yaml

FORMS = {"uses", "run"}


@pytest.fixture(scope="module")
def jobs(root) -> dict:
    return read_yaml(root / ".github/workflows/ci.yml")["jobs"]


def scripts(job: dict) -> str:
    return "\n".join(step["run"].strip() for step in job["steps"] if "run" in step)


def test_every_job_says_where_it_runs_how_long_at_most_and_each_step_what_it_does(jobs):
    for job in jobs.values():
        assert job["runs-on"] and 0 < job["timeout-minutes"] <= 120
        assert all(len(FORMS & step.keys()) == 1 for step in job["steps"])
        assert "actions/checkout@" in job["steps"][0]["uses"]


def test_the_pip_job_is_what_runs_anywhere(jobs, root):
    assert scripts(jobs["pip"]) == ".ci/run" and os.access(root / ".ci/run", os.X_OK)


def test_the_ros_job_builds_the_workspace_by_colcon_and_runs_the_same_tests(jobs):
    assert jobs["ros"]["container"] == "ros:jazzy"
    lines = scripts(jobs["ros"]).splitlines()
    build = next(i for i, line in enumerate(lines) if "colcon build" in line)
    assert "ros2_ws" in lines[build] and lines[-1].strip() == "python3 -m pytest"
    assert build < len(lines) - 1 and jobs["ros"]["env"]["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] == "1"


def test_what_the_scripts_name_exists(jobs, root):
    names = {"requirements.lock", "models", "training", "ros2_ws/src", ".ci/run"}
    told = "".join(map(scripts, jobs.values()))
    assert all(name in told and (root / name).exists() for name in names)
