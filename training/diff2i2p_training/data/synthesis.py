# SPDX-License-Identifier: Apache-2.0
"""New views of a site: a posed image turned and zoomed, or posed images and the cloud rendered from a new place."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera, rectify
from diff2i2p.cloud import PointCloud
from diff2i2p.datasets.sequences import Frame, Sequence
from diff2i2p.render import render_cloud

# How far a new view may be from a real one: metres and degrees.
SHIFT, TURN, TILT, ROLL = (0.7, 30.0, 20.0, 90.0)
# How far a view may turn and tilt to look at a point of the map, degrees, and how far off that is,
# metres.
AWAY, REACH = ((60.0, 35.0), 5.0)
PLACE = 0.3  # metres within which points of the map are seen by the same images
ZOOM = (0.75, 1.3)


@dataclass(frozen=True)
class SiteView:
    """An image with the map point behind every pixel."""

    grey: np.ndarray  # (H, W) uint8
    depth: np.ndarray  # (H, W) float32, metres, 0 = not known
    camera: Camera  # pinhole
    T_map_camera: np.ndarray  # (4, 4) float64

    def points(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Map points (N, 3) float32 seen at pixels; NaN where the depth is not known."""
        fx, fy, cx, cy = np.float32(self.camera.K)
        depth = self.depth[rows, columns]
        depth = np.where(depth > 0, depth, np.float32(np.nan))
        x, y = (
            (columns.astype(np.float32) - cx) / fx * depth,
            (rows.astype(np.float32) - cy) / fy * depth,
        )
        T = self.T_map_camera.astype(np.float32)
        return np.stack(
            [
                T[axis, 0] * x + T[axis, 1] * y + T[axis, 2] * depth + T[axis, 3]
                for axis in range(3)
            ],
            1,
        )


class ViewSynthesizer:
    """Draws views of a site from its posed images and its cloud."""

    REAL_SHARE = 0.35  # of the views that keep the place of a real image
    AIMED = 0.3  # of the others that look at a point of the map: some of it few images see, or none
    SOURCES, POOL = 3, 10  # images that a new view is made from, drawn from the nearest ones
    MIN_FILLED, MIN_DEPTH = 0.5, 0.35

    def __init__(
        self, cloud: PointCloud, spacing: float, sequence: Sequence, width: int, max_fov: float,
        progress=iter,
    ):  # fmt: skip
        self.cloud, self.spacing = cloud, spacing
        self.shades = None if cloud.grey is None else (cloud.grey * 255).astype(np.uint8)
        self.views = [
            self._real_view(frame, frame.camera or sequence.camera, width, max_fov)
            for frame in progress(sequence.frames)
        ]
        self.centres = np.stack([view.T_map_camera[:3, 3] for view in self.views])
        self.axes = np.stack([view.T_map_camera[:3, 2] for view in self.views])
        self.chances = (rarity := self._rarity()).cumsum() / rarity.sum()

    def _rarity(self) -> np.ndarray:
        """How seldom real images see the place of each point of the cloud (N,), 1 where none does."""
        places = self.cloud.voxel_downsample(PLACE).points
        tree, seen = cKDTree(places), np.zeros(len(places))
        for view in self.views:
            points = view.points(
                *(
                    grid.ravel()
                    for grid in np.mgrid[: view.camera.height : 8, : view.camera.width : 8]
                )
            )
            seen[np.unique(tree.query(points[np.isfinite(points[:, 0])])[1])] += 1
        return 1 / (1 + seen[tree.query(self.cloud.points)[1]])

    def _real_view(self, frame: Frame, camera: Camera, width: int, max_fov: float) -> SiteView:
        """A rectified image with its depth; nothing was seen beyond the edge of a distorted one."""
        white = np.full((camera.height, camera.width), 255, np.uint8)
        taken = rectify(white, camera, width, max_fov).grey == 255
        view, T = rectify(frame.image(), camera, width, max_fov), frame.T_map_camera
        blank = np.zeros(len(self.cloud), np.uint8)
        depth = render_cloud(self.cloud.points, blank, view.camera, T, self.spacing).depth
        return SiteView(view.grey, np.where(taken, depth, 0), view.camera, T)

    def draw(self, rng: np.random.Generator) -> SiteView:
        """A view from around any real image."""
        anchor = self.views[rng.integers(len(self.views))]
        if rng.random() < self.REAL_SHARE:
            return turned(anchor, rng)
        for _ in range(4):
            view = self._elsewhere(anchor, rng)
            known = view.depth > 0
            if known.mean() > self.MIN_FILLED and np.median(view.depth[known]) > self.MIN_DEPTH:
                return view
        return turned(anchor, rng)

    def _elsewhere(self, anchor: SiteView, rng: np.random.Generator) -> SiteView:
        """Another place: nearby images and the coloured cloud, splatted."""
        camera = _zoomed(anchor.camera, rng)
        T = anchor.T_map_camera.copy()
        T[:3, 3] += rng.uniform(-1, 1, 3) * SHIFT
        aimed = rng.random() < self.AIMED
        T[:3, :3] = T[:3, :3] @ (self._aim(T, rng) if aimed else _turn(rng, TURN, TILT, ROLL))
        grey, depth = self._from_images(self._sources(T, rng), camera, T)
        if self.shades is not None:
            grey, depth = _behind((grey, depth), self._from_cloud(camera, T))
        return SiteView(_filled(grey, depth > 0, rng), depth, camera, T)

    def _aim(self, T: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Rotation (3, 3) in the optical frame of `T` (4, 4) that brings a point of a rare place to the middle, as far as AWAY allows."""
        points = self.cloud.points[np.searchsorted(self.chances, rng.random(32))] - T[:3, 3]
        x, y, z = points[np.argmax(np.linalg.norm(points, axis=1) < REACH)] @ T[:3, :3]
        turn, tilt = np.degrees([np.arctan2(x, z), np.arctan2(-y, np.hypot(x, z))]).clip(
            *np.outer([-1, 1], AWAY)
        )
        return Rotation.from_euler("YX", (turn, tilt), degrees=True).as_matrix() @ _turn(
            rng, 0, 0, ROLL
        )

    def _sources(self, T: np.ndarray, rng: np.random.Generator) -> list[SiteView]:
        distance = np.linalg.norm(self.centres - T[:3, 3], axis=1)
        angle = np.arccos(np.clip(self.axes @ T[:3, 2], -1, 1))
        nearest = np.argsort(distance + 2 * angle + rng.uniform(0, 0.2, len(angle)))[: self.POOL]
        return [self.views[i] for i in rng.permutation(nearest)[: self.SOURCES]]

    def _from_images(self, sources: list[SiteView], camera: Camera, T: np.ndarray):
        points, shades, spacing = [], [], []
        for view in sources:
            rows, columns = np.nonzero(view.depth)
            points.append(view.points(rows, columns))
            shades.append(view.grey[rows, columns])
            spacing.append(view.depth[rows, columns] * (1.3 / view.camera.K[0]))
        rendering = render_cloud(
            np.concatenate(points), np.concatenate(shades), camera, T, np.concatenate(spacing)
        )
        return rendering.image, rendering.depth

    def _from_cloud(self, camera: Camera, T: np.ndarray):
        rendering = render_cloud(self.cloud.points, self.shades, camera, T, self.spacing)
        return rendering.image, rendering.depth


def turned(view: SiteView, rng: np.random.Generator) -> SiteView:
    """The same optical centre, another direction and focal length: exact."""
    camera = _zoomed(view.camera, rng)
    R = _turn(rng, 0.4 * TURN, 0.4 * TILT, ROLL)  # new camera to old camera
    H = view.camera.matrix @ R @ np.linalg.inv(camera.matrix)
    size, flags = (camera.width, camera.height), cv2.WARP_INVERSE_MAP
    grey = cv2.warpPerspective(
        view.grey, H, size, flags=flags | cv2.INTER_LINEAR, borderValue=int(rng.integers(256))
    )
    old_depth = cv2.warpPerspective(view.depth, H, size, flags=flags | cv2.INTER_NEAREST)
    v, u = np.mgrid[: camera.height, : camera.width]
    x, y = (u - camera.K[2]) / camera.K[0], (v - camera.K[3]) / camera.K[1]
    depth = old_depth / np.maximum(
        R[2, 0] * x + R[2, 1] * y + R[2, 2], 1e-3
    )  # z of the ray in the old camera
    T = view.T_map_camera.copy()
    T[:3, :3] = T[:3, :3] @ R
    return SiteView(grey, depth.astype(np.float32), camera, T)


def _zoomed(camera: Camera, rng: np.random.Generator) -> Camera:
    zoom = np.exp(rng.uniform(*np.log(ZOOM)))
    fx, fy, cx, cy = camera.K
    return Camera(camera.width, camera.height, (fx * zoom, fy * zoom, cx, cy))


def _turn(rng: np.random.Generator, turn: float, tilt: float, roll: float) -> np.ndarray:
    """Random rotation (3, 3) in the optical frame, limits in degrees; a strong roll is rare: half stay within an eighth of it."""
    yaw, pitch, lean = rng.uniform(-1, 1, 3)
    return Rotation.from_euler(
        "yxz", (turn * yaw, tilt * pitch, roll * lean**3), degrees=True
    ).as_matrix()


def _behind(front, back):
    """`front` (grey, depth) where it sees something not hidden by `back`, else `back`."""
    keep = (front[1] > 0) & ((back[1] == 0) | (front[1] < back[1] + 0.1))
    return np.where(keep, front[0], back[0]), np.where(keep, front[1], back[1])


def _filled(grey: np.ndarray, known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unknown pixels take the blurred surroundings, or now and then a flat shade."""
    if rng.random() < 0.3:
        return np.where(known, grey, np.uint8(rng.integers(256)))
    weight = cv2.blur(known.astype(np.float32), (31, 31)) + 1e-3
    smooth = cv2.blur(np.where(known, grey, 0).astype(np.float32), (31, 31)) / weight
    return np.where(known, grey, smooth.clip(0, 255)).astype(np.uint8)
