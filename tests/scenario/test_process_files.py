# SPDX-License-Identifier: Apache-2.0
"""The command line where files cannot be written: a full disk, a read-only home."""

import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from diff2i2p.cloud import PointCloud, write_cloud

LIMIT = 100_000  # bytes of a file: fewer than the map has


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """A bare room of 4 x 3 x 2.5 m."""
    rng = np.random.default_rng(0)
    size = np.array([4.0, 3.0, 2.5])
    points = rng.uniform(0, 1, (30000, 3)) * size
    side = rng.integers(0, 6, len(points))
    points[np.arange(len(points)), side % 3] = (side // 3) * size[side % 3]
    path = tmp_path_factory.mktemp("cloud") / "room.ply"
    write_cloud(path, PointCloud(points.astype(np.float32)))
    return path


def diff2i2p(*arguments, environment=(), **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "diff2i2p.cli", *map(str, arguments)]
    return subprocess.run(
        command, env=os.environ | dict(environment), capture_output=True, text=True, **options
    )


def test_a_full_disk_leaves_the_old_map_alone_and_nothing_half_written(cloud, tmp_path):
    room = tmp_path / "room.i2pmap"
    assert diff2i2p("compile-map", cloud, "-o", room, "--up", "z").returncode == 0
    before = room.read_bytes()
    assert len(before) > LIMIT

    def fill_the_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))

    done = diff2i2p("compile-map", cloud, "-o", room, "--up", "-z", preexec_fn=fill_the_disk)
    assert (
        done.returncode == 2
        and f"cannot write {room}" in done.stderr
        and "Traceback" not in done.stderr
    )
    assert room.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["room.i2pmap"]


def test_the_command_line_needs_no_home_to_write_to(cloud, tmp_path):
    nowhere = {"HOME": "/proc", "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": "", "MPLCONFIGDIR": ""}
    for arguments in (
        ("compile-map", cloud, "-o", tmp_path / "room.i2pmap", "--json"),
        ("doctor",),
        ("world", "--help"),
    ):
        done = diff2i2p(*arguments, environment=nowhere)
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    drawing = "import matplotlib.pyplot as plt; plt.figure().savefig('x.png')"
    done = subprocess.run(
        [sys.executable, "-c", drawing],
        env=os.environ | nowhere,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
