# SPDX-License-Identifier: Apache-2.0
"""What a diffusion prior learns from: photos, and the depth of the cloud from there as CSD renders it."""

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from rich.progress import track
from torch.nn import functional as F
from torch.utils.data import IterableDataset, get_worker_info

from diff2i2p.camera import Camera, rectify
from diff2i2p.cloud import PointCloud
from diff2i2p.evaluation.sequences import Sequence
from diff2i2p.mapping.dense import neighbour_distance
from diff2i2p.world import CAMERA, World, scan_positions
from diff2i2p_training.depth_render import render_depth
from diff2i2p_training.diffusion import control_image
from diff2i2p_training.worlds import FIRST, RATE, ROOMS

MARGIN = 1.5  # images are kept this much larger than they are shown
ZOOM = (1.0, 1.5)
BRIGHTNESS = (0.6, 1.3)
VIEWS = 40  # of a world
WORLD_VIEWS = 1200  # kept at a time, of the latest worlds
BATCHES = 30  # drawn before the next world is added
SITE_SHARE = 0.5  # of the batches, where there is a site
MIN_KNOWN = 0.5  # share of the pixels that the cloud must cover
VOXEL = 0.04  # metres; clouds are thinned to that
SPREAD = 1.3  # distances to the nearest neighbour that make the spacing of a cloud which is thinner already
RENDERED = 8  # at a time


@dataclass(frozen=True)
class Views:
    """N photos with the depth of the map from there."""

    photos: torch.Tensor  # (N, 3, H, W) uint8
    depths: torch.Tensor  # (N, H, W) float32 metres, 0 = unknown

    def __len__(self) -> int:
        return len(self.photos)

    def and_then(self, later: "Views", most: int) -> "Views":
        """Both, at most the last `most`."""
        return Views(torch.cat([self.photos, later.photos])[-most:], torch.cat([self.depths, later.depths])[-most:])


class PriorViews(IterableDataset):
    """Endless batches (photos (B, 3, h, w) in [0, 1], control images (B, 1, h, w)) of worlds, and of a site where there is one."""

    def __init__(self, width: int, batch_size: int, site: Views | None = None, seed: int = 0):
        self.width, self.batch_size, self.site, self.seed = width, batch_size, site, seed

    def __iter__(self):
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        generator = torch.Generator().manual_seed(self.seed * 1009 + number)
        pool = None
        for world in itertools.count(number, workers):
            views = world_views(FIRST + self.seed + world, self.width)
            pool = views if pool is None else pool.and_then(views, WORLD_VIEWS)
            for _ in range(BATCHES):
                at_site = self.site is not None and torch.rand((), generator=generator) < SITE_SHARE
                yield draw(self.site if at_site else pool, self.batch_size, generator)


def draw(views: Views, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` photos (B, 3, h, w) in [0, 1] and their control images (B, 1, h, w): cut out, zoomed, mirrored, lit differently."""
    chosen = torch.randint(len(views), (count,), generator=generator)
    size = [round(side / MARGIN) for side in views.depths.shape[-2:]]

    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    part = 1 / uniform(*ZOOM)
    mirrored = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    shift = (1 - part)[:, None] * uniform(-1, 1, 2)
    zero = torch.zeros_like(part)
    rows = torch.stack([part * mirrored, zero, shift[:, 0], zero, part, shift[:, 1]], 1).reshape(-1, 2, 3)
    places = F.affine_grid(rows, [count, 1, *size], align_corners=False)
    photos = F.grid_sample(views.photos[chosen].float() / 255, places, align_corners=False, padding_mode="border")
    depths = F.grid_sample(views.depths[chosen][:, None], places, "nearest", align_corners=False, padding_mode="border")[:, 0]
    photos = (photos * uniform(*BRIGHTNESS, 1, 1, 1)).clamp(0, 1)
    return photos, control_image(depths, depths > 0)


def world_views(seed: int, width: int) -> Views:
    """Views of the office that a seed stands for, and of its scan."""
    return with_depth(*world_scene(seed, width), VOXEL)


def world_scene(seed: int, width: int) -> tuple[PointCloud, np.ndarray, np.ndarray, Camera]:
    """The scan of the office that a seed stands for, images (N, H, W, 3) uint8 of it, their T_map_camera (N, 4, 4), and the camera."""
    rng = np.random.default_rng(seed)
    world = World.office(seed, rooms=int(rng.integers(*ROOMS)))
    poses = world.drive(seed, VIEWS, RATE, cover=True)[1]
    camera = CAMERA.resized(round(MARGIN * width))
    return world.scan(rng, scan_positions(poses), voxel=VOXEL), world.render(camera, poses)[0], poses, camera


def site_views(cloud: PointCloud, sequence: Sequence, width: int, max_fov: float = 100.0) -> Views:
    """Views of a mapping run's posed frames. Raises ValueError without poses, or when few of them see the cloud."""
    frames = [frame for frame in sequence if frame.T_map_camera is not None]
    if not frames:
        raise ValueError(f"no image of {sequence.name} has a pose: its true poses are what ties image and cloud together")
    size = round(MARGIN * width)
    photos = [_rectified(frame.image(), sequence.camera, size, max_fov) for frame in track(frames, "images of the site", transient=True)]
    images, poses = np.stack([image for image, _ in photos]), np.stack([frame.T_map_camera for frame in frames])
    thin = cloud.voxel_downsample(VOXEL)
    views = with_depth(thin, images, poses, photos[0][1], max(VOXEL, SPREAD * neighbour_distance(thin.points)))
    if len(views) < 0.1 * len(frames):
        raise ValueError(f"the cloud is seen in {len(views)} of the {len(frames)} images of {sequence.name}: is it the map of that run?")
    return views


def with_depth(cloud: PointCloud, images: np.ndarray, T_map_cameras: np.ndarray, camera: Camera, spacing: float) -> Views:
    """The views, images (N, H, W, 3) uint8 at T_map_cameras (N, 4, 4), of which the cloud covers enough."""
    points, poses = torch.from_numpy(cloud.points), torch.from_numpy(T_map_cameras).float()
    K, size = torch.from_numpy(camera.matrix).float()[None], images.shape[1:3]
    parts = [render_depth(points, T, K.expand(len(T), 3, 3), size, spacing) for T in poses.split(RENDERED)]
    depths, known = (torch.cat(part) for part in zip(*parts, strict=True))
    good = known.float().mean((1, 2)) > MIN_KNOWN
    return Views(torch.from_numpy(images).permute(0, 3, 1, 2)[good], depths[good])


def _rectified(image: np.ndarray, camera: Camera, width: int, max_fov: float) -> tuple[np.ndarray, Camera]:
    """The image in colour, undistorted, and its pinhole camera."""
    channels = [rectify(np.ascontiguousarray(image[..., i]), camera, width, max_fov) for i in range(3)]
    return np.stack([channel.grey for channel in channels], -1), channels[0].camera
