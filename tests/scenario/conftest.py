# SPDX-License-Identifier: Apache-2.0
"""What the scenarios share: the office, scanned and its map compiled once per session, and the loop of simulation and localizer.

Whatever a scenario is about, it fails when the node publishes a pose that is wrong.
"""

import pytest
import rclpy
from simulated import Loop, Site


@pytest.fixture(scope="session")
def site(root, tmp_path_factory) -> Site:
    return Site(root / "launch" / "worlds", tmp_path_factory.mktemp("site"))


@pytest.fixture
def loop(site):
    rclpy.init()
    loop = Loop(site)
    yield loop
    wrong = loop.witness.wrong_poses()
    loop.close()
    rclpy.try_shutdown()
    assert not wrong, f"false poses were published: {wrong}"
