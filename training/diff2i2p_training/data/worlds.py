# SPDX-License-Identifier: Apache-2.0
"""Generic training data: synthetic offices without end, each scanned, driven through, and left for the next."""

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch.utils.data import IterableDataset, get_worker_info

from diff2i2p.config import Config
from diff2i2p.datasets.sequences import Sequence
from diff2i2p.mapping.pyramid import build_pyramid
from diff2i2p_sim.world import World
from diff2i2p_sim.write import CAMERA, scan_positions
from diff2i2p_training.data.site_dataset import SiteDataset
from diff2i2p_training.data.synthesis import ViewSynthesizer

ROOMS = (1, 4)  # of an office, the upper bound not included
VIEWS = 60  # rendered per world
BATCHES = 60  # drawn from a world before the next
RATE = 1.0  # views a second of the drive
FIRST = 1000  # seeds below are for demos and tests, never trained on


@dataclass(frozen=True)
class RenderedFrame:
    """A frame of a drive that exists in memory only."""

    pixels: np.ndarray  # (H, W, 3) uint8
    T_map_camera: np.ndarray  # (4, 4) float64

    def image(self) -> np.ndarray:
        return self.pixels


class WorldDataset(IterableDataset):
    """Batches of one world after another, every world turned to a heading of its own."""

    def __init__(self, config: Config, batch_size: int, seed: int = 0):
        self.config, self.batch_size, self.seed = config, batch_size, seed
        self.effort = torch.ones(()).share_memory_()  # as in SiteDataset

    def __iter__(self):
        worker = get_worker_info()
        for number in itertools.count(worker.id if worker else 0, worker.num_workers if worker else 1):
            site = world_site(self.config, self.batch_size, self.seed + FIRST + number)
            site.effort = self.effort
            yield from itertools.islice(site, BATCHES)


def world_site(config: Config, batch_size: int, seed: int) -> SiteDataset:
    """The site that a seed stands for."""
    rng = np.random.default_rng(seed)
    world = World.office(seed, rooms=int(rng.integers(*ROOMS)))
    poses = world.drive(seed, VIEWS, RATE, cover=True)[1]
    images, _ = world.render(CAMERA, poses)
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("z", rng.uniform(0, 360), degrees=True).as_matrix()
    cloud = world.scan(rng, scan_positions(poses)).transformed(T)
    frames = tuple(RenderedFrame(image, T @ pose) for image, pose in zip(images, poses, strict=True))
    synthesizer = ViewSynthesizer(cloud, 0.05, Sequence(f"office {seed}", CAMERA, frames), config.image.width, config.image.max_fov)
    pyramid = build_pyramid(cloud.points, cloud.grey, config.map.fine_voxel, config.map.levels, config.map.neighbours)
    return SiteDataset(synthesizer, pyramid, batch_size, config.network.fine_stride, config.retrieval.nodes, seed)
