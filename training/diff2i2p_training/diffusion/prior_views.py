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
from diff2i2p.datasets.sequences import Sequence
from diff2i2p.mapping.dense import neighbour_distance
from diff2i2p_sim.rendering.lidar_scan import scan_positions
from diff2i2p_sim.rendering.scan_style import ScanStyle
from diff2i2p_sim.world import World
from diff2i2p_sim.write import CAMERA
from diff2i2p_training.data.place_pairs import FIRST, ROOMS
from diff2i2p_training.diffusion.depth_render import render_depth
from diff2i2p_training.diffusion.pipeline import control_image

FINER = 2  # views are drawn as much finer than they are shown, and averaged, as CSD makes its controls from whole images
MARGIN = 1.5  # of the field of view, for zooming and shifting
ZOOM = (1.0, 1.5)
GREY = (0.299, 0.587, 0.114)  # of red, green, blue: CSD shows the grey images that the network sees
BRIGHTNESS = (0.8, 1.2)
ENDING = 0.5  # share of the views in which the cloud ends somewhere, as fragments do
VIEWS, RATE = 40, 1.0  # of a world, and a second of the drive through it
WORLD_VIEWS = 1200  # kept at a time, of the latest worlds
BATCHES = 100  # drawn before the next world is added, which takes as long as a dozen steps
SITE_SHARE = 0.8  # of the batches, where there is a site
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

    def and_then(self, later: "Views", most: int = 0) -> "Views":
        """Both, at most the last `most`; 0 keeps all."""
        return Views(
            torch.cat([self.photos, later.photos])[-most:],
            torch.cat([self.depths, later.depths])[-most:],
        )


@dataclass(frozen=True)
class Scene:
    """A cloud and the images taken in it."""

    cloud: PointCloud
    images: np.ndarray  # (N, H, W, 3) uint8
    T_map_cameras: np.ndarray  # (N, 4, 4)
    camera: Camera
    spacing: float = VOXEL  # metres between neighbouring points of the cloud


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
                yield draw(
                    self.site if at_site else pool, self.batch_size, generator, mirror=not at_site
                )


def draw(
    views: Views, count: int, generator: torch.Generator, mirror: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` photos (B, 3, h, w) in [0, 1], grey, and their control images (B, 1, h, w): cut out, zoomed, lit differently.

    mirror: half of them are mirrored; there are more worlds then, but no such place at a site.
    """
    chosen = torch.randint(len(views), (count,), generator=generator)
    size = [FINER * round(side / FINER / MARGIN) for side in views.depths.shape[-2:]]

    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    part = 1 / uniform(*ZOOM)
    mirrored = torch.where(torch.rand(count, generator=generator) < 0.5 * mirror, -1.0, 1.0)
    shift = (1 - part)[:, None] * uniform(-1, 1, 2)
    zero = torch.zeros_like(part)
    rows = torch.stack([part * mirrored, zero, shift[:, 0], zero, part, shift[:, 1]], 1).reshape(
        -1, 2, 3
    )
    places = F.affine_grid(rows, [count, 1, *size], align_corners=False)
    photos = F.grid_sample(
        grey(views.photos[chosen].float() / 255), places, align_corners=False, padding_mode="border"
    )
    depths = F.grid_sample(
        views.depths[chosen][:, None], places, "nearest", align_corners=False, padding_mode="border"
    )[:, 0]
    depths = depths * covered(count, size, generator)
    photos = (photos * uniform(*BRIGHTNESS, 1, 1, 1)).clamp(0, 1)
    return F.avg_pool2d(photos, FINER).expand(-1, 3, -1, -1), F.avg_pool2d(
        control_image(depths, depths > 0), FINER
    )


def covered(count: int, size: list[int], generator: torch.Generator) -> torch.Tensor:
    """What a cloud covers that ends at a line across the view, at its middle or further out: (B, H, W) bool; all of it in the others."""
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in size), indexing="ij")
    turn = 2 * torch.pi * torch.rand(count, 1, 1, generator=generator)
    end = torch.rand(count, 1, 1, generator=generator) / ENDING
    return turn.cos() * x + turn.sin() * y < torch.where(end < 1, end, torch.inf)


def grey(photos: torch.Tensor) -> torch.Tensor:
    """(B, 1, H, W) of photos (B, 3, H, W)."""
    return (photos * photos.new_tensor(GREY)[:, None, None]).sum(1, keepdim=True)


def stored(width: int) -> int:
    """Width of the views that a prior of `width` pixels learns from."""
    return FINER * round(MARGIN * width)


def world_views(seed: int, width: int) -> Views:
    """Views of the office that a seed stands for, and of its scan."""
    return with_depth(world_scene(seed, width))


def world_scene(seed: int, width: int) -> Scene:
    """The office that a seed stands for, its scan and images on a tour of it."""
    rng = np.random.default_rng(seed)
    world = World.office(seed, rooms=int(rng.integers(*ROOMS)))
    poses = world.drive(seed, VIEWS, RATE, cover=True)[1]
    camera = CAMERA.resized(stored(width))
    return Scene(
        world.scan(rng, scan_positions(poses), ScanStyle(voxel=VOXEL)),
        world.render(camera, poses)[0],
        poses,
        camera,
    )


def site_views(cloud: PointCloud, sequence: Sequence, width: int, max_fov: float = 100.0) -> Views:
    """Views of a mapping run's posed frames. Raises ValueError without poses, or when few of them see the cloud."""
    scene = site_scene(cloud, sequence, width, max_fov)
    views = with_depth(scene)
    if len(views) < 0.1 * len(scene.images):
        raise ValueError(
            f"the cloud is seen in {len(views)} of the {len(scene.images)} images of {sequence.name}: is it the map of that run?"
        )
    return views


def site_scene(cloud: PointCloud, sequence: Sequence, width: int, max_fov: float = 100.0) -> Scene:
    """The posed frames of a sequence in the thinned cloud. Raises ValueError without poses."""
    local = sequence.moved(-np.array(cloud.origin))
    frames = [frame for frame in local if frame.T_map_camera is not None]
    if not frames:
        raise ValueError(
            f"no image of {sequence.name} has a pose: its true poses are what ties image and cloud together"
        )
    photos = [
        _rectified(frame.image(), sequence.camera, stored(width), max_fov)
        for frame in track(frames, "images of the site", transient=True)
    ]
    images, poses = (
        np.stack([image for image, _ in photos]),
        np.stack([frame.T_map_camera for frame in frames]),
    )
    thin = cloud.voxel_downsample(VOXEL)
    return Scene(
        thin, images, poses, photos[0][1], max(VOXEL, SPREAD * neighbour_distance(thin.points))
    )


def with_depth(scene: Scene) -> Views:
    """The views of which the cloud covers enough."""
    points, poses = (
        torch.from_numpy(scene.cloud.points),
        torch.from_numpy(scene.T_map_cameras).float(),
    )
    K, size = torch.from_numpy(scene.camera.matrix).float()[None], scene.images.shape[1:3]
    parts = [
        render_depth(points, T, K.expand(len(T), 3, 3), size, scene.spacing)
        for T in poses.split(RENDERED)
    ]
    depths, known = (torch.cat(part) for part in zip(*parts, strict=True))
    good = known.float().mean((1, 2)) > MIN_KNOWN
    return Views(torch.from_numpy(scene.images).permute(0, 3, 1, 2)[good], depths[good])


def _rectified(
    image: np.ndarray, camera: Camera, width: int, max_fov: float
) -> tuple[np.ndarray, Camera]:
    """The image in colour, undistorted, and its pinhole camera."""
    channels = [
        rectify(np.ascontiguousarray(image[..., i]), camera, width, max_fov) for i in range(3)
    ]
    return np.stack([channel.grey for channel in channels], -1), channels[0].camera
