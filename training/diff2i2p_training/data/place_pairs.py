# SPDX-License-Identifier: Apache-2.0
"""Pairs of places that were never built: synthetic worlds without end, scanned, lit and looked at."""

import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from diff2i2p.camera import Camera
from diff2i2p.cloud import PointCloud
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.geometry_index import EYE
from diff2i2p_sim.places import PLACES
from diff2i2p_sim.rendering.lidar_scan import scan_positions
from diff2i2p_sim.world import LIGHTINGS, World
from diff2i2p_training.data.drawn_pairs import DrawnPair, draw_pairs, nudged
from diff2i2p_training.data.pair_pool import PairPool
from diff2i2p_training.data.synthesis import SiteView

FIRST = 1000  # seeds below are for demos, tests and benchmarks, never trained on
FREQUENT = {"home": 3.0, "office": 2.0}  # of kinds of places; 1 of the others
PLAIN_OFFICES, ROOMS = 0.2, (1, 4)  # share of the offices that are those of the demo, their rooms
PHOTOS, RATE = 60, 10.0  # of a place, and a second of the mapping run
HANDHELD, SHAKEN = 0.75, (0.1, (20, 10, 6))  # share of the places; metres and degrees
FOCAL = (190.0, 320.0)  # pixels
EYE_HEIGHT = (0.5, 1.7)  # metres of the camera under way
STANDS, HALF_SEEN = (1.0, 2.5), 0.3  # metres between scans; share of the maps that end before the place
NOISE, VOXEL = (0.003, 0.025), (0.02, 0.07)  # metres, of scans
CHANGED, RELIT, UNCOLOURED = 0.5, 0.7, 0.3  # share of the places, of the photos, of the maps
NEAREST = 0.5  # metres that half of a photo must be away
FEWEST = 20  # pairs without which a place is left out


def place_pairs(seed: int, eye: Camera = EYE, photos: int = PHOTOS) -> Iterator[DrawnPair]:
    """The pairs of the place that a seed stands for."""
    rng = np.random.default_rng([seed, 99])
    world = _place(seed, rng)
    _, poses = world.drive(seed, photos, RATE, cover=True, height=float(rng.uniform(*EYE_HEIGHT)))
    dense = DenseMap.build(_mapped(world, poses, rng))
    today = world.changed(seed) if rng.random() < CHANGED else world
    if rng.random() < HANDHELD:
        poses = world.handheld(seed, photos)
    zoom = eye.width / EYE.width
    focal = float(rng.uniform(*FOCAL)) * zoom
    camera = Camera(eye.width, eye.height, (focal, focal, *eye.K[2:]))
    return draw_pairs(dense, _photos(today, camera, poses, rng), rng, f"place{seed:07d}", eye=eye)


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
    """Processes that fill a folder with places, later ones than it holds, as long as the context lasts."""

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
    """The cloud of a mapping run along poses (F, 4, 4), by a scanner that may be poor."""
    positions = scan_positions(poses, float(rng.uniform(*STANDS)))
    if rng.random() < HALF_SEEN:
        positions = positions[: max(3, len(positions) * 2 // 3)]
    noise, voxel = rng.uniform(*NOISE), np.exp(rng.uniform(*np.log(VOXEL)))
    cloud = world.scan(rng, positions, noise=float(noise), voxel=float(voxel))
    return PointCloud(cloud.points, None, cloud.intensity) if rng.random() < UNCOLOURED else cloud


def _photos(
    world: World, camera: Camera, poses: np.ndarray, rng: np.random.Generator
) -> Iterator[SiteView]:
    """What a camera that is not held still sees at poses (F, 4, 4), in many lights."""
    for T_map_camera in poses:
        T = nudged(T_map_camera, rng, *SHAKEN)
        light = str(rng.choice(list(LIGHTINGS))) if rng.random() < RELIT else None
        images, depths = world.render(camera, T[None], light)
        if np.median(depths[0]) >= NEAREST:
            yield SiteView(cv2.cvtColor(images[0], cv2.COLOR_RGB2GRAY), depths[0], camera, T)
