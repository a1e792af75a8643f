# SPDX-License-Identifier: Apache-2.0
"""The map as dense as it was measured, cut into blocks: what a camera may see is found without reading the rest."""

from dataclasses import dataclass

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

    @classmethod
    def build(cls, cloud: PointCloud, colour: bool = True) -> "DenseMap":
        """The points of `cloud`, thinned where they lie too close to be of use, all seen from both sides. Raises CloudError."""
        if len(cloud) > 1 and neighbour_distance(cloud.points) < FINEST:
            cloud = cloud.voxel_downsample(THINNED)
        order, starts = by_voxel(cloud.points, BLOCK)
        points = cloud.points[order]
        low = cloud.points.min(0)
        centres = low + (np.floor((points[starts] - low) / np.float32(BLOCK)) + np.float32(0.5)) * np.float32(BLOCK)
        grey = cloud.grey if colour else None
        shades = None if grey is None else np.rint(grey[order] * 255).astype(np.uint8)
        spacing = COVERING * neighbour_distance(points) if len(points) > 1 else BLOCK
        normals = np.zeros(points.shape, np.int8)
        return cls(points, shades, normals, centres.astype(np.float32), np.append(starts, len(points)), spacing)

    def in_view(self, camera: Camera, T_map_camera: np.ndarray, reach: float = REACH) -> np.ndarray:
        """(n,) indices of the points of every block that a pinhole camera at `T_map_camera` (4, 4) may see within `reach` metres."""
        radius = BLOCK * np.sqrt(3) / 2
        local = (self.centres - T_map_camera[:3, 3].astype(np.float32)) @ T_map_camera[:3, :3].astype(np.float32)
        seen = (local**2).sum(1) < (reach + radius) ** 2
        for normal in _sides(camera):
            seen &= local @ normal.astype(np.float32) > -radius
        return _ranges(self.starts, np.flatnonzero(seen))

    def render(self, camera: Camera, T_map_camera: np.ndarray, max_splat: int = 15) -> Rendering:
        """What a pinhole camera at `T_map_camera` (4, 4) would see; black where the map has no looks."""
        index = self.in_view(camera, T_map_camera)
        points, normals = self.points.take(index, 0), self.normals.take(index, 0)  # 8 x faster than [index]
        shades = np.zeros(len(index), np.uint8) if self.shades is None else self.shades[index]
        return render_cloud(points, shades, camera, T_map_camera, self.spacing, max_splat, normals)


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


def _ranges(starts: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """The indices starts[b], ..., starts[b + 1] - 1 of all `blocks`, in one array."""
    counts = starts[blocks + 1] - starts[blocks]
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts[blocks] - ends + counts, counts)
