# SPDX-License-Identifier: Apache-2.0
"""A point cloud: cropped, moved, thinned."""

from dataclasses import dataclass, replace

import numpy as np

from diff2i2p.cloud.content import CloudError

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class PointCloud:
    """N points, and what is known of their looks."""

    points: np.ndarray  # (N, 3) float32, metres, relative to the origin
    colours: np.ndarray | None = None  # (N, 3) uint8 RGB
    intensity: np.ndarray | None = None  # (N,) float32 in [0, 1]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)  # metres, where coordinates are large
    remarks: tuple[str, ...] = ()  # what was made of the file, or left out, for people

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, chosen) -> "PointCloud":
        """The points of a mask (N,) bool, an index array or a slice."""
        parts = {name: getattr(self, name) for name in ("points", "colours", "intensity")}
        chosen_parts = {
            name: part if part is None else part[chosen] for name, part in parts.items()
        }
        return replace(self, **chosen_parts)

    @property
    def grey(self) -> np.ndarray | None:
        """(N,) float32 in [0, 1]: brightness of the colours, else the intensity, else None."""
        return (
            self.intensity
            if self.colours is None
            else self.colours.astype(np.float32) @ (LUMA / 255)
        )

    def crop(self, low, high) -> "PointCloud":
        """The points from corner `low` (3,) to `high` (3,) of a box, relative to the origin."""
        return self[((self.points >= low) & (self.points <= high)).all(1)]

    def transformed(self, T: np.ndarray) -> "PointCloud":
        """The cloud moved by T (4, 4)."""
        R, t = T[:3, :3].astype(np.float32), T[:3, 3].astype(np.float32)
        origin = tuple((T[:3, :3] @ self.origin).tolist())
        return replace(self, points=self.points @ R.T + t, origin=origin)

    def voxel_downsample(self, voxel: float) -> "PointCloud":
        """One point per cube of `voxel` metres: the mean of what lies in it, with its looks.

        Raises CloudError.
        """
        if len(self) == 0:
            return self
        order, starts = by_voxel(self.points, voxel)
        counts = np.diff(starts, append=len(self))

        def mean(values: np.ndarray) -> np.ndarray:
            return np.add.reduceat(values[order], starts, dtype=np.float64) / counts

        points = np.stack([mean(axis) for axis in self.points.T], 1).astype(np.float32)
        colours, intensity = self.colours, self.intensity
        if colours is not None:
            channels = [mean(channel).round() for channel in colours.T]
            colours = np.stack(channels, 1).astype(np.uint8)
        if intensity is not None:
            intensity = mean(intensity).astype(np.float32)
        return replace(self, points=points, colours=colours, intensity=intensity)


def by_voxel(points: np.ndarray, voxel: float) -> tuple[np.ndarray, np.ndarray]:
    """Order (N,) that sorts points by their cube, and where each cube begins in it."""
    cells = np.floor((points - points.min(0)) / np.float32(voxel))
    if not cells.max() < 1 << 21:  # three numbers of 21 bits make one key
        raise CloudError(
            f"the cloud is too wide for voxels of {voxel:g} m: crop it, or choose larger voxels"
        )
    x, y, z = cells.T.astype(np.int64)
    keys = (x << 42) | (y << 21) | z
    order = np.argsort(keys)
    keys = keys[order]
    return order, np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
