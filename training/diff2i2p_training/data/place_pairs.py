# SPDX-License-Identifier: Apache-2.0
"""Pairs of places that were never built: synthetic worlds without end, scanned and looked at."""

import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from diff2i2p.camera import Camera
from diff2i2p.cloud import PointCloud
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.viewpoints import EYE
from diff2i2p_sim.description import Lighting
from diff2i2p_sim.lighting import LIGHTINGS, random_lighting
from diff2i2p_sim.places import PLACES
from diff2i2p_sim.rendering.lidar_scan import scan_positions
from diff2i2p_sim.rendering.scan_style import ScanStyle
from diff2i2p_sim.world import World
from diff2i2p_training.data.drawn_pairs import DrawnPair, draw_pairs, nudged
from diff2i2p_training.data.pair_pool import PairPool
from diff2i2p_training.data.synthesis import SiteView

FIRST = 1000  # seeds below are for demos, tests and benchmarks, never trained on
FREQUENT = {"home": 3.5, "office": 2.0, "street": 1.5}  # of kinds of places; 1 of the others
PLAIN_OFFICES, ROOMS = 0.2, (1, 4)  # share of the offices that are those of the demo, their rooms
PHOTOS, RUN, RATE = 60, 60, 10.0  # of a place; poses of its mapping run, and a second
HANDHELD, SHAKEN = 0.75, (0.1, (20, 10, 6))  # share of the places; metres and degrees
FOCAL = (190.0, 320.0)  # pixels
EYE_HEIGHT = (0.5, 1.7)  # metres of the camera under way
STANDS = (1.0, 2.5)  # metres between scans
ANY_STYLE, NOISE, VOXEL = 0.7, (0.003, 0.02), (0.02, 0.06)  # share of the scans; metres, of others
CHANGED, RELIT, UNCOLOURED = 0.5, 0.7, 0.3  # share of the places, of the photos, of the maps
LIGHTS = 6  # random ones of a place, beside those with a name
OUTDOOR_REACH = 2.5  # times as far away are drawings outdoors
NEAREST = 0.5  # metres that half of a photo must be away
FEWEST = 20  # pairs without which a place is left out


def place_pairs(seed: int, eye: Camera = EYE, photos: int = PHOTOS) -> Iterator[DrawnPair]:
    """The pairs of the place that a seed stands for."""
    rng = np.random.default_rng([seed, 99])
    world = _place(seed, rng)
    _, run = world.drive(seed, RUN, RATE, cover=True, height=float(rng.uniform(*EYE_HEIGHT)))
    dense = DenseMap.build(_mapped(world, run, rng))
    today = world.changed(seed) if rng.random() < CHANGED else world
    by_hand = rng.random() < HANDHELD
    poses = world.handheld(seed, photos) if by_hand else run[:: -(-RUN // photos)]
    zoom = eye.width / EYE.width
    focal = float(rng.uniform(*FOCAL)) * zoom
    camera = Camera(eye.width, eye.height, (focal, focal, *eye.K[2:]))
    reach = OUTDOOR_REACH if world.rooms[0].outdoors else 1.0
    views = _photos(today, camera, poses, rng)
    return draw_pairs(dense, views, rng, f"place{seed:07d}", reach=reach, eye=eye)


def fill(folder: Path, step: int, kept: int, first: int | None = None, until: int = 0) -> None:
    """Write a shard for every `step`-th place from the seed `first` on, the next one unless given.

    Only the last `kept` stay. Ends when there are `until`; 0 goes on for ever. A place that cannot
    be built is named and left out.
    """
    pool, seed = PairPool(folder), next_seed(folder) if first is None else first
    while not until or len(pool) < until:
        try:
            pairs = list(place_pairs(seed))
        except Exception as error:  # one place must not end what runs for days
            print(f"place {seed} is left out: {error!r}", file=sys.stderr)
            pairs = []
        if len(pairs) >= FEWEST:
            pool.add(pairs[0].site, pairs)
            pool.keep(kept)
        seed += step


class PlaceMakers:
    """Processes that go on filling a folder with places, while the context lasts."""

    def __init__(self, folder: Path, processes: int, kept: int):
        context = multiprocessing.get_context("spawn")  # forks of a process with threads may hang
        first = next_seed(folder)
        self.processes = [
            context.Process(target=fill, args=(folder, processes, kept, first + n), daemon=True)
            for n in range(processes)
        ]

    def __enter__(self) -> "PlaceMakers":
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes:
            process.terminate()
            process.join()


def next_seed(folder: Path) -> int:
    """The seed after all places of a folder."""
    names = (path.name[len("place") :].split("-")[0] for path in folder.glob("place*.safetensors"))
    return max((int(name) + 1 for name in names if name.isdecimal()), default=FIRST)


def _place(seed: int, rng: np.random.Generator) -> World:
    """A place of any kind, some more often than others."""
    kinds = list(PLACES)
    weights = np.array([FREQUENT.get(kind, 1.0) for kind in kinds])
    kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    if kind == "office" and rng.random() < PLAIN_OFFICES:
        return World.office(seed, rooms=int(rng.integers(*ROOMS)))
    return World.place(seed, kind)


def _mapped(world: World, poses: np.ndarray, rng: np.random.Generator) -> PointCloud:
    """The cloud of a mapping run along poses (F, 4, 4), by any sensor or a good one."""
    positions = scan_positions(poses, float(rng.uniform(*STANDS)))
    noise, voxel = float(rng.uniform(*NOISE)), float(np.exp(rng.uniform(*np.log(VOXEL))))
    any_style = rng.random() < ANY_STYLE
    style = ScanStyle.random(rng) if any_style else ScanStyle(noise=noise, voxel=voxel)
    cloud = world.scan(rng, positions, style)
    return PointCloud(cloud.points, None, cloud.intensity) if rng.random() < UNCOLOURED else cloud


def _photos(
    world: World, camera: Camera, poses: np.ndarray, rng: np.random.Generator
) -> Iterator[SiteView]:
    """What a camera that is not held still sees at poses (F, 4, 4), in many lights."""
    lights = _lights(world, rng)
    for T_map_camera in poses:
        T = nudged(T_map_camera, rng, *SHAKEN)
        light = lights[rng.integers(len(lights))] if rng.random() < RELIT else None
        images, depths = world.render(camera, T[None], light)
        if np.median(depths[0]) >= NEAREST:
            yield SiteView(cv2.cvtColor(images[0], cv2.COLOR_RGB2GRAY), depths[0], camera, T)


def _lights(world: World, rng: np.random.Generator) -> list[Lighting]:
    """Lights that a place may be in; under the sky only its own, whose sun is baked."""
    if world.rooms[0].outdoors:
        return [world.lighting]
    return [*LIGHTINGS.values(), *(random_lighting(rng) for _ in range(LIGHTS))]
