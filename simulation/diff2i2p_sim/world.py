# SPDX-License-Identifier: Apache-2.0
"""The world: generate it, render it, scan it, drive through it."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from diff2i2p.camera import Camera, CameraError
from diff2i2p.cloud import PointCloud
from diff2i2p_sim.description import Item, Light, Lighting, Primitive, Room
from diff2i2p_sim.lighting import LIGHTINGS, random_lighting
from diff2i2p_sim.office.furnish import build_office
from diff2i2p_sim.places import build_place
from diff2i2p_sim.rendering.camera_view import Stage
from diff2i2p_sim.rendering.lidar_scan import scan
from diff2i2p_sim.rendering.light_bake import FINE, Detail, detail_for
from diff2i2p_sim.rendering.scan_style import ScanStyle
from diff2i2p_sim.robot.drive import drive, survey
from diff2i2p_sim.robot.handheld import handheld_poses
from diff2i2p_sim.sdf import read_sdf, write_sdf
from diff2i2p_sim.variants import another_day


@dataclass(frozen=True)
class World:
    """An indoor place. Map frame: z up, floor at z = 0; metres."""

    items: tuple[Item, ...]
    lights: tuple[Light, ...]
    rooms: tuple[Room, ...]
    lighting: Lighting = LIGHTINGS["day"]
    detail: Detail = FINE

    @classmethod
    def office(cls, seed: int, rooms: int = 3) -> "World":
        """A furnished office: a corridor with `rooms` rooms on both sides, about 18 m2 each."""
        return cls(*build_office(seed, rooms))

    @classmethod
    def place(cls, seed: int, kind: str | None = None) -> "World":
        """A place of one of the kinds in places.PLACES, or of any kind, and its light, by its seed.

        Raises ValueError for another kind.
        """
        items, lights, rooms = build_place(seed, kind)
        lighting = random_lighting(np.random.default_rng([seed, 23]), rooms[0].outdoors)
        return cls(items, lights, rooms, lighting, detail_for(rooms))

    @classmethod
    def from_sdf(cls, path: Path | str) -> "World":
        """The world that `to_sdf` wrote. Raises WorldError naming the file."""
        return cls(*read_sdf(Path(path)))

    def to_sdf(self, path: Path | str) -> None:
        """Write an SDF 1.9 world, and its textures as JPEG in the folder `textures` beside it."""
        write_sdf(Path(path), self.items, self.lights, self.rooms, self.lighting)

    @property
    def primitives(self) -> tuple[Primitive, ...]:
        return tuple(primitive for item in self.items for primitive in item.primitives)

    @cached_property
    def stage(self) -> Stage:
        return Stage(self.primitives, self.rooms, self.lights, self.detail)

    def render(
        self, camera: Camera, T_map_cameras: np.ndarray, light: str | Lighting | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images (B, H, W, 3) uint8 RGB and depths (B, H, W) float32 metres (0: nothing there) at poses (B, 4, 4).

        `light` is one of LIGHTINGS or a Lighting; without it the world's own. Raises CameraError for a distorted camera.
        """
        if camera.D:
            raise CameraError(
                "worlds are rendered by pinhole cameras: rectify, or leave the distortion out"
            )
        lighting = LIGHTINGS[light] if isinstance(light, str) else light or self.lighting
        frames = [
            self.stage.render(camera, T, lighting)
            for T in np.asarray(T_map_cameras, float).reshape(-1, 4, 4)
        ]
        images, depths = zip(*frames, strict=True)
        return np.stack(images), np.stack(depths)

    def scan(
        self, rng: np.random.Generator, positions: np.ndarray, style: ScanStyle = ScanStyle()
    ) -> PointCloud:
        """Scan from `positions` (S, 3), map frame: points, colours, intensity. See ScanStyle."""
        return scan(self.stage, rng, positions, self.lighting, style)

    def changed(self, seed: int) -> "World":
        """The same place another day: other light, some furniture moved 0.3 to 1 m, some gone.

        Screens show other things, small things come and go, the sun has moved on.
        """
        items, lights, lighting = another_day(self.items, self.lights, self.rooms, seed)
        return replace(self, items=items, lights=lights, lighting=lighting)

    def drive(
        self, seed: int, frames: int, rate: float = 10.0, cover: bool = False, height: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Stamps (F,) seconds and camera poses T_map_camera (F, 4, 4) float64 of a robot under way, at most 0.6 m/s.

        `cover` visits every room and looks around, as a mapping run does: the frames are spread over the whole tour then.
        `height` is that of the camera, metres.
        """
        return drive(self.items, self.rooms, seed, frames, rate, cover, height)

    def handheld(self, seed: int, frames: int) -> np.ndarray:
        """Poses T_map_camera (F, 4, 4) float64 of a camera in the hand, each drawn for itself.

        They lie over the floor that `drive` can reach, 0.6 to 1.9 m high, tilted, facing something.
        """
        return handheld_poses(self.stage, survey(self.items, self.rooms), seed, frames)
