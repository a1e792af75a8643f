# SPDX-License-Identifier: Apache-2.0
"""A world on disk: the scan of its mapping run, the mapping images, a drive on another day, SDF."""

from itertools import tee
from pathlib import Path

import numpy as np
from rich.progress import Progress

from diff2i2p.camera import Camera
from diff2i2p.cloud import write_cloud
from diff2i2p.datasets.sequences import write_sequence
from diff2i2p_sim.rendering.lidar_scan import scan_positions
from diff2i2p_sim.world import World

CAMERA = Camera(320, 240, (230.0, 230.0, 159.5, 119.5))  # 70 degrees wide


def write_world(
    world: World,
    directory: Path | str,
    seed: int = 0,
    camera: Camera = CAMERA,
    mapping_frames: int = 1000,
    drive_frames: int = 200,
    rate: float = 10.0,
    mapping_images: bool = True,
) -> None:
    """Write cloud.ply, mapping/ (posed RGB-D images on the day of the scan), drive/ (another day, another path), world.sdf.

    `seed` picks the paths and what changes; `rate` is in frames per second. Depth is there for training and evaluation.
    Without `mapping_images` the mapping run leaves its scan alone.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    stamps, poses = world.drive(seed, mapping_frames, rate, cover=True)
    with Progress(transient=True) as progress:
        task = progress.add_task("scanning", total=1)
        write_cloud(
            directory / "cloud.ply", world.scan(np.random.default_rng(seed), scan_positions(poses))
        )
        world.to_sdf(directory / "world.sdf")
        progress.advance(task)
        if mapping_images:
            _write_run(world, directory / "mapping", camera, stamps, poses, progress)
        later = world.changed(seed + 1)
        _write_run(
            later, directory / "drive", camera, *later.drive(seed + 1, drive_frames, rate), progress
        )


def _write_run(world, directory, camera, stamps, poses, progress) -> None:
    frames, again = tee(
        world.render(camera, T) for T in progress.track(poses, description=directory.name)
    )
    images, depths = (image[0] for image, _ in frames), (depth[0] for _, depth in again)
    write_sequence(directory, camera, images, stamps, poses, depths)
