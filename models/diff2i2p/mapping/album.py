# SPDX-License-Identifier: Apache-2.0
"""What the photographs of the mapping run show of a view: sharper than any cloud, warped to where a camera is thought to be."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from diff2i2p.camera import Camera, View
from diff2i2p.mapping.dense import REACH
from diff2i2p.render import Surfaces

COARSER = 4  # a photograph's depth is kept for one pixel in so many, each way
EVERY, WARPED = 16, 4  # one pixel in EVERY chooses the photographs, one in WARPED, each way, is looked up in them exactly
MOST, LEAST = 4, 0.02  # photographs that paint a view, and the share of it that one must add
SLACK, SLACK_METRES = 0.05, 0.04  # share of the depth, and metres, by which a photograph may show a surface elsewhere
BORDER = 1.5  # pixels
DARKEST = 4.0  # grey levels that gains are not computed below


@dataclass(frozen=True)
class Album:
    """V photographs with what the map has in them. The arrays may be memory-mapped."""

    images: np.ndarray  # (V, H, W) uint8 grey; lower ones end in black rows
    depths: np.ndarray  # (V, H / COARSER, W / COARSER) int16 millimetres; 0 where the map shows nothing
    K: np.ndarray  # (V, 4) float64 fx, fy, cx, cy
    poses: np.ndarray  # (V, 4, 4) float64 T_map_camera

    def paint(self, surfaces: Surfaces, camera: Camera, T_map_camera: np.ndarray) -> Surfaces:
        """`surfaces`, as a pinhole camera at `T_map_camera` (4, 4) sees them, in the shades of the photographs that show them."""
        samples = _lift(surfaces.depth, EVERY, camera, T_map_camera)[_every(surfaces.depth, EVERY) > 0]
        image, left = surfaces.image.astype(np.float32), surfaces.depth > 0
        closed = np.where(left, surfaces.depth, cv2.dilate(surfaces.depth, np.ones((9, 9))))  # else a hole bends what is around it
        lifted = _lift(closed, WARPED, camera, T_map_camera)
        for number in self._choose(samples, T_map_camera[:3, 3]):
            shades, shown = self._warped(number, lifted, left.shape)
            shown &= left
            if shown.any():
                image[shown] = shades[shown] * _gain(surfaces.image[shown], shades[shown])
                left &= ~shown
        return replace(surfaces, image=image.clip(0, 255))

    def _choose(self, points: np.ndarray, eye: np.ndarray) -> list[int]:
        """The photographs that show most of the surface `points` (M, 3) as an eye (3,) sees them, the one that shows most first."""
        near = np.flatnonzero(np.linalg.norm(self.poses[:, :3, 3] - eye, axis=1) < REACH)
        if not len(near) or not len(points):
            return []
        pixels, depth = self._project(near, points)
        rays, others = points - eye, points - self.poses[near, None, :3, 3]
        distance, other = np.linalg.norm(rays, axis=1), np.linalg.norm(others, axis=2).clip(1e-3)
        same_way = ((rays * others).sum(2) / (distance * other)).clip(0)
        worth = self._shows(near, pixels, depth) * same_way**2 * np.minimum(distance / other, 1)
        chosen: list[int] = []
        best = np.zeros(len(points))
        while len(chosen) < MOST:
            gains = (worth - best).clip(0).sum(1)
            if gains.max() < LEAST * len(points):
                break
            chosen.append(int(gains.argmax()))
            best = np.maximum(best, worth[chosen[-1]])
        return [int(near[number]) for number in sorted(chosen, key=lambda number: -worth[number].sum())]

    def _project(self, numbers: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (n, M, 2) and depths (n, M) of points (M, 3) in some photographs."""
        R, t, K = (a.astype(np.float32) for a in (self.poses[numbers, :3, :3], self.poses[numbers, None, :3, 3], self.K[numbers, None]))
        local = (points - t) @ R
        depth = local[..., 2]
        return local[..., :2] / np.maximum(depth, np.float32(0.05))[..., None] * K[..., :2] + K[..., 2:], depth

    def _shows(self, numbers: np.ndarray, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """(n, M) bool, whether each photograph shows a surface at `pixels` (n, M, 2) as far away as `depth` (n, M)."""
        height, width = self.images.shape[1:]
        u, v = pixels[..., 0], pixels[..., 1]
        inside = (u > BORDER) & (v > BORDER) & (u < width - 1 - BORDER) & (v < height - 1 - BORDER) & (depth > 0.05)
        rows, columns = (np.where(inside, axis, 0).astype(int) // COARSER for axis in (v, u))
        rows, columns = rows.clip(0, self.depths.shape[1] - 1), columns.clip(0, self.depths.shape[2] - 1)
        surface = self.depths[numbers[:, None], rows, columns] * np.float32(1e-3)
        return inside & (surface > 0) & (np.abs(surface - depth) < SLACK * depth + SLACK_METRES)

    def _warped(self, number: int, lifted: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """One photograph as seen from where `lifted` (h, w, 3) was: its shades (H, W) float32, and where it shows the same surfaces."""
        size = shape[1], shape[0]
        pixels, depth = self._project(np.array([number]), lifted.reshape(-1, 3))
        shown = self._shows(np.array([number]), pixels, depth).reshape(lifted.shape[:2])
        spread = np.array([[WARPED, 0, WARPED // 2], [0, WARPED, WARPED // 2]], float)
        u, v = (
            cv2.warpAffine(axis.reshape(lifted.shape[:2]).astype(np.float32), spread, size, borderMode=cv2.BORDER_REPLICATE)
            for axis in np.moveaxis(pixels[0], -1, 0)
        )
        shades = cv2.remap(self.images[number], u, v, cv2.INTER_LINEAR).astype(np.float32)
        return shades, cv2.resize(shown.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0


class Page(NamedTuple):
    """A photograph with the depth of what the map has in it."""

    grey: np.ndarray  # (H, W) uint8
    depth: np.ndarray  # (H / COARSER, W / COARSER) int16 millimetres
    K: tuple[float, float, float, float]
    T_map_camera: np.ndarray  # (4, 4)

    @classmethod
    def of(cls, view: View, surfaces: Surfaces, T_map_camera: np.ndarray) -> "Page":
        depth = _every(surfaces.depth, COARSER)
        return cls(view.grey, np.rint(1e3 * depth).astype(np.int16), view.camera.K, T_map_camera)


def bind(pages: list[Page]) -> dict[str, np.ndarray]:
    """The arrays of an `Album`."""
    height = COARSER * max(len(page.depth) for page in pages)
    return {
        "images": np.stack([_padded(page.grey, height) for page in pages]),
        "depths": np.stack([_padded(page.depth, height // COARSER) for page in pages]),
        "K": np.array([page.K for page in pages], float),
        "poses": np.array([page.T_map_camera for page in pages], float),
    }


def _padded(image: np.ndarray, height: int) -> np.ndarray:
    return np.pad(image[:height], ((0, max(height - len(image), 0)), (0, 0)))


def _lift(depth: np.ndarray, step: int, camera: Camera, T_map_camera: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32 map points that every step-th pixel, each way, shows; the camera's own place where it shows nothing."""
    z = _every(depth, step)
    v, u = (step * axis + step // 2 for axis in np.indices(z.shape, np.float32))
    fx, fy, cx, cy = camera.K
    local = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z], -1, dtype=np.float32)
    return local @ T_map_camera[:3, :3].T.astype(np.float32) + T_map_camera[:3, 3].astype(np.float32)


def _every(image: np.ndarray, step: int) -> np.ndarray:
    """One pixel in `step`, each way, of (H, W)."""
    return image[step // 2 :: step, step // 2 :: step]


def _gain(ours: np.ndarray, theirs: np.ndarray) -> float:
    """What makes the exposure of `theirs` that of `ours`."""
    return float((np.median(ours) + DARKEST) / (np.median(theirs) + DARKEST))
