# SPDX-License-Identifier: Apache-2.0
"""The map as dense as it was measured, cut into blocks: what a camera may see is found without reading the rest."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from diff2i2p.camera import Camera
from diff2i2p.cloud import PointCloud, by_voxel
from diff2i2p.render import Rendering, render_cloud

BLOCK = 1.0  # metres
REACH = 15.0  # metres that a rendered view sees
FINEST = 0.008  # metres; a cloud with less between its points is thinned to THINNED
THINNED = 0.012
SAMPLE = 2000  # points whose nearest neighbour tells the spacing
RADIUS = BLOCK * np.sqrt(3) / 2  # of the ball around a block
SHELLS = (1.5, 3.0, 4.5, 7.0, 10.0)  # metres at which a rendering looks what the nearer blocks hide
COVERING = 1.2  # size of a splat in distances between neighbours


@dataclass(frozen=True)
class DenseMap:
    """N points sorted by block: block b owns points[starts[b]:starts[b + 1]]. The arrays may be memory-mapped."""

    points: np.ndarray  # (N, 3) float32, map frame, metres
    shades: np.ndarray | None  # (N,) uint8, where the map has colour or intensity
    normals: np.ndarray  # (N, 3) int8, 127 long, towards the side that a surface was seen from; 0 where it may be seen from both
    centres: np.ndarray  # (B, 3) float32, middles of the blocks
    starts: np.ndarray  # (B + 1,) int64
    spacing: float  # metres that a splat must cover

    @property
    def has_intensity(self) -> bool:
        """Whether the map has colour or intensity."""
        return self.shades is not None

    @classmethod
    def build(cls, cloud: PointCloud, colour: bool = True) -> "DenseMap":
        """The points of `cloud`, thinned where they lie too close to be of use, all seen from both sides. Raises CloudError."""
        if len(cloud) > 1 and neighbour_distance(cloud.points) < FINEST:
            cloud = cloud.voxel_downsample(THINNED)
        order, starts = by_voxel(cloud.points, BLOCK)
        points = cloud.points[order]
        low = cloud.points.min(0)
        centres = low + (
            np.floor((points[starts] - low) / np.float32(BLOCK)) + np.float32(0.5)
        ) * np.float32(BLOCK)
        grey = cloud.grey if colour else None
        shades = None if grey is None else np.rint(grey[order] * 255).astype(np.uint8)
        spacing = COVERING * neighbour_distance(points) if len(points) > 1 else BLOCK
        normals = np.zeros(points.shape, np.int8)
        return cls(
            points,
            shades,
            normals,
            centres.astype(np.float32),
            np.append(starts, len(points)),
            spacing,
        )

    def in_view(self, camera: Camera, T_map_camera: np.ndarray, reach: float = REACH) -> np.ndarray:
        """(n,) indices of the points of every block that a pinhole camera at `T_map_camera` (4, 4) may see within `reach` metres."""
        return _ranges(self.starts, self._blocks(camera, T_map_camera, reach)[0])

    def near_line(
        self, point: np.ndarray, direction: np.ndarray, around: float, reach: float
    ) -> np.ndarray:
        """(n,) indices of the points of every block within `around` metres of a line, up to `reach` from a `point` of it both ways."""
        offset = self.centres - point.astype(np.float32)
        along = offset @ direction.astype(np.float32)
        aside = np.linalg.norm(offset - along[:, None] * direction.astype(np.float32), axis=1)
        return _ranges(
            self.starts,
            np.flatnonzero((aside < around + RADIUS) & (np.abs(along) < reach + RADIUS)),
        )

    def render(
        self, camera: Camera, T_map_camera: np.ndarray, max_splat: int = 15, every: int = 1
    ) -> Rendering:
        """What a pinhole camera at `T_map_camera` (4, 4) would see; black where the map has no looks.

        every: one point in so many is drawn, in a larger square: enough for a small image.
        """
        blocks, middles = self._blocks(camera, T_map_camera, REACH)
        nearest, spacing = middles[:, 2] - RADIUS, self.spacing * np.sqrt(every)
        depth = np.zeros((camera.height, camera.width), np.float32)
        rendering = Rendering(np.zeros(depth.shape, np.uint8), depth)
        for begin, end in zip(
            (-np.inf, *SHELLS), (*SHELLS, np.inf), strict=True
        ):  # most of what is behind walls is never drawn
            shell = np.flatnonzero((begin <= nearest) & (nearest < end))
            shell = shell[~_hidden(middles[shell], camera, rendering.depth, begin)]
            index = _ranges(self.starts, blocks[shell])[::every]
            points, normals = (
                self.points.take(index, 0),
                self.normals.take(index, 0),
            )  # 8 x faster than [index]
            shades = np.zeros(len(index), np.uint8) if self.shades is None else self.shades[index]
            rendering = rendering.with_nearer(
                render_cloud(points, shades, camera, T_map_camera, spacing, max_splat, normals)
            )
        return rendering

    def _blocks(
        self, camera: Camera, T_map_camera: np.ndarray, reach: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """The blocks (b,) that a camera may see within `reach` metres, and their middles (b, 3) as it sees them."""
        local = (self.centres - T_map_camera[:3, 3].astype(np.float32)) @ T_map_camera[
            :3, :3
        ].astype(np.float32)
        seen = (local**2).sum(1) < (reach + RADIUS) ** 2
        for normal in _sides(camera):
            seen &= local @ normal.astype(np.float32) > -RADIUS
        return np.flatnonzero(seen), local[seen]


def neighbour_distance(points: np.ndarray) -> float:
    """Median distance, metres, from points (N, 3) of all over the cloud to their nearest neighbours."""
    some = points[:: max(1, len(points) // SAMPLE)]
    return float(np.median(cKDTree(points).query(some, 2)[0][:, 1]))


def _sides(camera: Camera) -> np.ndarray:
    """(5, 3) inward unit normals of the planes that bound what a pinhole camera sees: left, right, top, bottom, front."""
    fx, fy, cx, cy = camera.K
    right, down = (camera.width - cx) / fx, (camera.height - cy) / fy
    normals = np.array([[1, 0, cx / fx], [-1, 0, right], [0, 1, cy / fy], [0, -1, down], [0, 0, 1]])
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _hidden(middles: np.ndarray, camera: Camera, depth: np.ndarray, begin: float) -> np.ndarray:
    """(b,) whether surfaces nearer than `begin`, where the blocks begin, fill all of the view that a block can be in. depth: (H, W)."""
    covered = ((depth > 0) & (depth < begin)).astype(np.uint8)
    if not covered.any():
        return np.zeros(len(middles), bool)
    open_pixels = cv2.integral(
        1 - cv2.morphologyEx(covered, cv2.MORPH_CLOSE, np.ones((3, 3)))
    )  # cracks do not let through
    x, y, z = middles.T
    near, far = z - RADIUS, z + RADIUS
    (u, right), (v, down) = (
        _interval(axis, near, far, focal, centre, size) for axis, focal, centre, size in
        ((x, camera.K[0], camera.K[2], camera.width), (y, camera.K[1], camera.K[3], camera.height))
    )  # fmt: skip
    return (
        open_pixels[down, right] - open_pixels[v, right] - open_pixels[down, u] + open_pixels[v, u]
        == 0
    )


def _interval(
    x: np.ndarray, near: np.ndarray, far: np.ndarray, focal: float, centre: float, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """First and last pixel, plus one, of balls at x (b,) between the depths `near` and `far`, along an axis of the view."""
    low = np.minimum((x - RADIUS) / near, (x - RADIUS) / far) * focal + centre
    high = np.maximum((x + RADIUS) / near, (x + RADIUS) / far) * focal + centre
    return np.floor(low).clip(0, size).astype(int), np.ceil(high + 1).clip(0, size).astype(int)


def _ranges(starts: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """The indices starts[b], ..., starts[b + 1] - 1 of all `blocks`, in one array."""
    counts = starts[blocks + 1] - starts[blocks]
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(
        starts[blocks] - ends + counts, counts
    )
