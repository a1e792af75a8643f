# SPDX-License-Identifier: Apache-2.0
"""What tests share: the data beside the repository, and a ROS graph of their own."""

import os
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# One ROS domain per test process and its children, never 0: nothing reaches a robot, a demo or another test run on the same network.
# Domains above 101 take UDP ports that Linux gives to outgoing connections.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
# The networks of tests are small: threads would wait for each other longer than they compute.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real sequences, which may not be part of the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real sequences in {folder}")
    return folder


@pytest.fixture
def ros():
    """An initialised default rclpy context, shut down afterwards. Gives the module rclpy."""
    rclpy = pytest.importorskip("rclpy")
    rclpy.init()
    yield rclpy
    rclpy.try_shutdown()


@pytest.fixture
def spin_until(ros):
    """A function that spins nodes until a condition holds: spin_until(condition, *nodes, seconds=10) -> whether it did."""

    def spin(condition, *nodes, seconds: float = 10.0) -> bool:
        executor = ros.executors.SingleThreadedExecutor()
        for node in nodes:
            executor.add_node(node)
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.05)
        executor.shutdown()
        return bool(condition())

    return spin
