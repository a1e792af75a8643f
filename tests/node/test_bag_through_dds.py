# SPDX-License-Identifier: Apache-2.0
"""A recorded drive gives the same poses offline and through the real node, with DDS between it and the replay."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.config import Config
from diff2i2p.datasets.bag_record import record_bag
from diff2i2p.datasets.bag_sequence import read_bag
from diff2i2p.datasets.sequences import read_sequence, write_sequence
from diff2i2p.evaluation.run import Tracking, localize_all
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.parameters import override
from diff2i2p_ros import convert
from diff2i2p_sim.rendering.lidar_scan import scan_positions
from diff2i2p_sim.world import World
from diff2i2p_sim.write import CAMERA

# a coarse map is quick to compile, and its poses are unsure: what counts here is that they are the same
LOOSE = {"verify.min_confidence": 0.2, "track.sure": 0.2}
CONFIG = override(
    Config(),
    {
        "appearance": {"spacing": 1.6, "headings": 6},
        "verify": {"min_confidence": 0.2},
        "track": {"sure": 0.2},
    },
)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder with room.i2pmap of a small office, and drive_bag, a drive through it."""
    folder = tmp_path_factory.mktemp("site")
    room = World.office(1, rooms=1)
    cloud = room.scan(
        np.random.default_rng(0), scan_positions(room.drive(0, 12, 2.0, cover=True)[1])
    )
    compile_map(cloud, folder / "room.i2pmap", config=CONFIG, up=np.array([0, 0, 1.0]))
    stamps, poses = room.drive(6, 10, 2.0)
    write_sequence(folder / "drive", CAMERA, room.render(CAMERA, poses)[0], stamps, poses)
    record_bag(folder / "drive_bag", read_sequence(folder / "drive"))
    return folder


@pytest.mark.parametrize(
    "tf_mode, has_odometry, metres, radians",
    [
        ("map_camera", False, 1e-3, 1e-3),
        ("map_odom", True, 0.06, 0.02),
    ],  # where a camera is followed from depends on when TF comes
)
def test_a_bag_gives_the_same_poses_offline_and_through_dds(
    graph, robot, site, tf_mode, has_odometry, metres, radians
):
    drive, localizer = (
        read_bag(site / "drive_bag"),
        Localizer.open(site / "room.i2pmap", None, CONFIG),
    )
    tracking = Tracking(localizer, *([drive.odometry] if has_odometry else []))
    offline = localize_all(localizer, drive, tracking=tracking)
    expected = {
        f"{record.frame.stamp:.6f}": record.answer.T_map_camera
        for record in offline
        if record.answer.ok
    }
    assert len(expected) >= 4
    graph.localizer = Localizer.open
    graph.start(map_file=str(site / "room.i2pmap"), wait=False, tf_mode=tf_mode, **LOOSE)
    command = [
        sys.executable,
        "-m",
        "diff2i2p_ros.replay_node",
        "--ros-args",
        "-p",
        f"bag:={site / 'drive_bag'}",
        "-p",
        "lockstep:=true",
    ]
    process = subprocess.Popen([*command, "-p", "rate:=100.0"])
    try:
        assert (
            graph.until(lambda: process.poll() is not None, seconds=120) and process.returncode == 0
        )
        assert graph.until(lambda: len(robot.poses) == len(expected))
    finally:
        process.kill()
    for message in robot.poses:
        T_offline, T_node = (
            expected[f"{convert.seconds(message.header.stamp):.6f}"],
            convert.matrix(message.pose.pose),
        )
        difference = np.linalg.inv(T_offline) @ T_node
        assert np.linalg.norm(difference[:3, 3]) < metres
        assert Rotation.from_matrix(difference[:3, :3]).magnitude() < radians
