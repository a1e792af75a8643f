# SPDX-License-Identifier: Apache-2.0
"""A one-room world to train on: its scan and a few posed images of a mapping run."""

import numpy as np
import pytest

from diff2i2p.camera import Camera
from diff2i2p.datasets.sequences import read_sequence, write_sequence
from diff2i2p_sim.world import World
from diff2i2p_sim.write import scan_positions

CAMERA = Camera(160, 120, (115.0, 115.0, 79.5, 59.5))


@pytest.fixture(scope="session")
def room():
    return World.office(1, rooms=1)


@pytest.fixture(scope="session")
def site(room, tmp_path_factory):
    """(cloud, posed sequence) of the room."""
    stamps, poses = room.drive(0, 40, 2.0, cover=True)
    images, depths = room.render(CAMERA, poses)
    folder = tmp_path_factory.mktemp("mapping")
    write_sequence(folder, CAMERA, images, stamps, poses, depths)
    return room.scan(np.random.default_rng(0), scan_positions(poses)), read_sequence(folder)
