# SPDX-License-Identifier: Apache-2.0
"""A painted corner of a room: its cloud, its compiled map, and photographs of it; a walk and its bag; and the command line."""

import sys

import cv2
import numpy as np
import pytest
from bags import CAMERA, POSES, STAMPS
from scipy.spatial.transform import Rotation

from diff2i2p import cli
from diff2i2p.camera import Camera
from diff2i2p.cloud import PointCloud
from diff2i2p.config import Config
from diff2i2p.datasets.bag_record import record_bag
from diff2i2p.datasets.sequences import read_sequence, write_sequence
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.parameters import override
from diff2i2p.render import render_cloud

EYE = Camera(320, 240, (260.0, 260.0, 159.5, 119.5))


def paint(rng, origin, along, upward, spacing=0.02):
    """Points and shades of a painted rectangle: blurred noise of two sizes."""
    size = [int(np.linalg.norm(side) / spacing) for side in (along, upward)]
    paint = sum(
        cv2.GaussianBlur(rng.normal(size=size[::-1]).astype(np.float32), (0, 0), s) * s
        for s in (2, 6)
    )
    i, j = np.meshgrid(*(np.arange(n) / n for n in size))
    points = np.array(origin) + i[..., None] * np.array(along) + j[..., None] * np.array(upward)
    return points.reshape(-1, 3), (128 + 110 * paint / np.abs(paint).max()).ravel()


def corner_cloud(seed: int) -> PointCloud:
    """Floor and two walls, 4 m x 4 m, 2.5 m high, and a pillar before them."""
    rng = np.random.default_rng(seed)
    parts = [
        paint(rng, (0, 0, 0), (4, 0, 0), (0, 4, 0)),
        paint(rng, (0, 4, 0), (4, 0, 0), (0, 0, 2.5)),
        paint(rng, (4, 0, 0), (0, 4, 0), (0, 0, 2.5)),
        paint(rng, (2.6, 3.0, 0), (0.4, 0, 0), (0, 0, 1.6)),
        paint(rng, (2.6, 3.0, 0), (0, 0.4, 0), (0, 0, 1.6)),
    ]
    points, shades = (np.concatenate(part) for part in zip(*parts, strict=True))
    return PointCloud(points.astype(np.float32), intensity=(shades / 255).astype(np.float32))


@pytest.fixture(scope="session")
def eye() -> Camera:
    """The camera of the photographs."""
    return EYE


@pytest.fixture(scope="session")
def corner() -> PointCloud:
    return corner_cloud(0)


@pytest.fixture(scope="session")
def other_corner() -> PointCloud:
    """The same walls, painted otherwise."""
    return corner_cloud(1)


@pytest.fixture(scope="session")
def corner_localizer(corner, tmp_path_factory) -> Localizer:
    """The corner, compiled with few looks."""
    config = override(Config(), {"appearance": {"spacing": 1.5, "headings": 8}})
    path = tmp_path_factory.mktemp("corner") / "corner.i2pmap"
    compile_map(corner, path, config=config, up=np.array([0, 0, 1.0]))
    return Localizer.open(path, config=config)


@pytest.fixture(scope="session")
def looking():
    """A function: T_map_camera (4, 4) of a level camera at a place, heading in degrees from x, rolled by so many."""

    def pose(place, heading: float, roll: float = 0.0) -> np.ndarray:
        T = np.eye(4)
        level = Rotation.from_euler("zy", (heading - 90, 0), degrees=True) * Rotation.from_euler(
            "xz", (-90, roll), degrees=True
        )
        T[:3, :3], T[:3, 3] = level.as_matrix(), place
        return T

    return pose


@pytest.fixture(scope="session")
def photograph():
    """A function: the RGB image (240, 320, 3) that the camera takes of a cloud."""

    def take(cloud: PointCloud, T_map_camera: np.ndarray) -> np.ndarray:
        image = render_cloud(
            cloud.points, (cloud.grey * 255).astype(np.uint8), EYE, T_map_camera, 0.025
        ).image
        return np.repeat(cv2.GaussianBlur(image, (0, 0), 0.8)[..., None], 3, 2)

    return take


@pytest.fixture(scope="session")
def walk(tmp_path_factory):
    """A sequence of six images, each brighter and 0.1 m further on."""
    folder = tmp_path_factory.mktemp("sequences") / "walk"
    write_sequence(
        folder, CAMERA, [np.full((48, 64, 3), 40 * n, np.uint8) for n in range(6)], STAMPS, POSES
    )
    return read_sequence(folder)


@pytest.fixture(scope="session")
def bag(walk, tmp_path_factory):
    path = tmp_path_factory.mktemp("bags") / "walk_bag"
    record_bag(path, walk)
    return path


@pytest.fixture
def diff2i2p(monkeypatch, capfd):
    """Run a command: diff2i2p("compile-map", ...) -> exit code, stdout, stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["diff2i2p", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        return code, *capfd.readouterr()

    return run
