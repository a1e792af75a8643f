# SPDX-License-Identifier: Apache-2.0
"""What a camera would see of a point cloud: square splats with a depth buffer, numpy and OpenCV only."""

from dataclasses import dataclass

import cv2
import numpy as np

from diff2i2p.camera import Camera

NEAREST = 0.05  # metres; bound: points closer to the camera plane are not drawn
DEPTH_STEPS_PER_E = 8192  # derived: 16 bits order depths from NEAREST to 149 m
BEHIND = 0.1  # a camera has the back of a surface when it is behind it by this share of the point's depth
# Step between neighbouring depths that is an edge: this share of the depth, and so much more.
EDGE, EDGE_METRES = (0.08, 0.03)


@dataclass(frozen=True)
class Rendering:
    """A view of a cloud."""

    image: np.ndarray  # (H, W) or (H, W, 3), shades as given; 0 where nothing is
    depth: np.ndarray  # (H, W) float32, metres along the optical axis; 0 where nothing is

    def with_nearer(self, other: "Rendering") -> "Rendering":
        """Of every pixel what is nearer in both renderings."""
        nearer = (other.depth > 0) & ((self.depth == 0) | (other.depth < self.depth))
        return Rendering(
            np.where(nearer, other.image, self.image), np.where(nearer, other.depth, self.depth)
        )


def render_cloud(
    points: np.ndarray, shades: np.ndarray, camera: Camera, T_map_camera: np.ndarray, spacing: float | np.ndarray, max_splat: int = 15,
    normals: np.ndarray | None = None,
) -> Rendering:  # fmt: skip
    """Render `points` (N, 3), map frame, metres, as squares of `spacing` metres, for a pinhole `camera` at `T_map_camera` (4, 4).

    shades: (N,) or (N, 3), uint8 as a rule. spacing: distance between neighbouring points, one for all or (N,). max_splat: side of
    the largest square, pixels. normals: (N, 3) int8, 127 long; what is seen from behind is not there. 0 is seen from both sides.
    """
    seen, depth, corners, sides = _project(
        points, normals, camera, T_map_camera, spacing, max_splat
    )
    order = _far_to_near(depth)
    winner = _splat(corners[order], sides[order], camera, max_splat)
    filled = winner >= 0
    chosen = order[winner[filled]]
    image = np.zeros((camera.height, camera.width, *shades.shape[1:]), shades.dtype)
    image[filled] = shades[seen[chosen]]
    depth_image = np.zeros((camera.height, camera.width), np.float32)
    depth_image[filled] = depth[chosen]
    return Rendering(image, depth_image)


@dataclass(frozen=True)
class Surfaces:
    """A rendering with the cracks between its splats closed, and where not to trust it."""

    image: np.ndarray  # (H, W) float32 shades
    depth: np.ndarray  # (H, W) float32, metres; 0 in holes
    edges: np.ndarray  # (H, W) bool, depth jumps here
    holes: np.ndarray  # (H, W) bool, nothing is known here

    @property
    def doubtful(self) -> np.ndarray:
        """(H, W) bool, within two pixels of an edge or a hole."""
        return cv2.dilate((self.edges | self.holes).astype(np.uint8), np.ones((5, 5))) > 0


def close_cracks(rendering: Rendering) -> Surfaces:
    """Fill what is narrower than three pixels from the pixels around it."""
    known = rendering.depth > 0
    holes = cv2.morphologyEx((~known).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3))) > 0
    weight = np.maximum(cv2.blur(known.astype(np.float32), (5, 5)), 1e-3)
    depth, image = (
        np.where(known, a, cv2.blur(a.astype(np.float32), (5, 5)) / weight)
        for a in (rendering.depth, rendering.image)
    )
    far = cv2.dilate(depth, np.ones((5, 5)))
    near = cv2.erode(np.where(depth > 0, depth, np.float32(99)), np.ones((5, 5)))
    return Surfaces(image, depth, far - near > EDGE * far + EDGE_METRES, holes)


def _project(points, normals, camera: Camera, T_map_camera, spacing, max_splat: int):
    """Of the n points in view: index, depth (n,), upper left pixel (n,) in an image with a margin, and side (n,) of the square."""
    fx, fy, cx, cy = np.float32(camera.K)
    R, t = T_map_camera[:3, :3].astype(np.float32), T_map_camera[:3, 3].astype(np.float32)
    centred = np.ascontiguousarray(np.asarray(points, np.float32).T) - t[:, None]
    x, y, z = (
        R[0, i] * centred[0] + R[1, i] * centred[1] + R[2, i] * centred[2] for i in range(3)
    )  # 3 x faster than a threaded product
    slack = z * np.float32(max_splat / min(fx, fy))
    right, down = (camera.width - cx) / fx, (camera.height - cy) / fy
    inside = (
        (z > NEAREST)
        & (x < right * z + slack)
        & (x > -cx / fx * z - slack)
        & (y < down * z + slack)
        & (y > -cy / fy * z - slack)
    )
    if normals is not None:
        away = np.ascontiguousarray(normals.T)
        inside &= (
            centred[0] * away[0] + centred[1] * away[1] + centred[2] * away[2]
            <= np.float32(127 * BEHIND) * z
        )
    seen = np.flatnonzero(inside)
    x, y, z = x[seen], y[seen], z[seen]
    spacing = np.float32(spacing if np.ndim(spacing) == 0 else spacing[seen])
    sides = np.rint(fx * spacing / z).clip(1, max_splat)
    u = np.rint(x / z * fx + cx - 0.5 * (sides - 1))
    v = np.rint(y / z * fy + cy - 0.5 * (sides - 1))
    kept = np.flatnonzero((u < camera.width) & (v < camera.height) & (u > -sides) & (v > -sides))
    margin = np.float32(max_splat)  # room for squares that begin outside
    corners = ((v[kept] + margin) * (camera.width + margin) + (u[kept] + margin)).astype(np.int32)
    return seen[kept], z[kept], corners, sides[kept].astype(np.uint8)


def _far_to_near(depth: np.ndarray) -> np.ndarray:
    """Order of descending depth: 16 bits of its logarithm, because numpy sorts those by radix."""
    steps = np.log(np.float32(1 / NEAREST) * depth) * np.float32(DEPTH_STEPS_PER_E)
    return np.argsort(65535 - steps.clip(0, 65535).astype(np.uint16), kind="stable")


def _splat(corners: np.ndarray, sides: np.ndarray, camera: Camera, max_splat: int) -> np.ndarray:
    """(H, W) index of the nearest square over each pixel, -1 where there is none; squares come far to near.

    Corners of one size go into an image, later ones win; a maximum filter of that size grows them into squares.
    """
    shape = camera.height + max_splat, camera.width + max_splat
    by_side, ends = np.argsort(sides, kind="stable"), np.cumsum(np.bincount(sides))
    winner = np.zeros(shape, np.float32)
    for side in np.flatnonzero(np.diff(ends)) + 1:
        chosen = by_side[ends[side - 1] : ends[side]]
        layer = np.zeros(shape[0] * shape[1], np.float32)
        layer[corners[chosen]] = chosen + 1
        square = np.ones((side, side), np.uint8)
        np.maximum(
            winner,
            cv2.dilate(layer.reshape(shape), square, anchor=(side - 1, side - 1)),
            out=winner,
        )
    return winner[max_splat:, max_splat:].astype(np.int32) - 1
