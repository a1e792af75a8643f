# SPDX-License-Identifier: Apache-2.0
"""Analytic ray casting: which face each pixel of a pinhole view sees first, and how near.

The inverse depth of a plane is linear in the pixel, and so are its edges; each face is tested only on the pixels of
its own rectangle on the image, nearest faces first, and skipped when all of that is already covered.
"""

from dataclasses import dataclass

import numpy as np

from diff2i2p_sim.rendering.faces import DISK, SHELL, Faces

NEAR = 0.03  # metres


@dataclass(frozen=True)
class Pinhole:
    """Pixel grid: the ray of pixel (u, v) is ((u - cx) / fx, (v - cy) / fy, 1)."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """(W,) and (H,) float32 ray slopes of the columns and rows."""
        us = (np.arange(self.width) - self.cx) / self.fx
        vs = (np.arange(self.height) - self.cy) / self.fy
        return us.astype(np.float32), vs.astype(np.float32)


@dataclass(frozen=True)
class Seen:
    """The faces as one camera sees them; rows of faces that it cannot see are zero.

    Along the ray d = (x, y, 1): 1 / depth = inverse @ d, and the place on the face, 0..1, is (s @ d * depth, t @ d * depth).
    """

    order: np.ndarray  # (K,) faces in view and turned towards the camera, nearest first
    inverse: np.ndarray  # (F, 3) float32, rectangles and disks
    s: np.ndarray  # (F, 3) float32
    t: np.ndarray  # (F, 3) float32
    centre: np.ndarray  # (F, 3) float32, camera frame
    axes: np.ndarray  # (F, 3, 3) float32, rows right, up, normal in the camera frame
    boxes: np.ndarray  # (F, 4) int32 first and past-last column and row on the image
    nearest: np.ndarray  # (F,) float32 largest inverse depth


def cast(
    faces: Faces, view: Pinhole, T_map_camera: np.ndarray, max_range: float = np.inf
) -> tuple[np.ndarray, np.ndarray, Seen]:
    """First face (H, W) int32 per pixel, -1 for none, and its inverse depth (H, W) float32."""
    seen = project(faces, view, T_map_camera, max_range)
    us, vs = view.axes
    first = np.full((view.height, view.width), -1, np.int32)
    inverse = np.full((view.height, view.width), 1e-4, np.float32)
    for face in seen.order:
        left, right, top, bottom = seen.boxes[face]
        near = inverse[top:bottom, left:right]
        if near.min() >= seen.nearest[face]:
            continue
        test = (
            _hit_shell
            if faces.kind[face] == SHELL
            else _hit_disk
            if faces.kind[face] == DISK
            else _hit_rectangle
        )
        w, hit = test(faces, seen, face, us[left:right], vs[top:bottom, None])
        hit &= w > near
        np.copyto(near, w, where=hit)
        np.copyto(first[top:bottom, left:right], face, where=hit)
    return first, inverse, seen


def _hit_rectangle(faces, seen, face, x, y):
    w, s, t = (
        k[0] * x + (k[1] * y + k[2]) for k in (seen.inverse[face], seen.s[face], seen.t[face])
    )
    hit = s >= 0
    hit &= s <= w
    hit &= t >= 0
    hit &= t <= w
    return w, hit


def _hit_disk(faces, seen, face, x, y):
    w, s, t = (
        k[0] * x + (k[1] * y + k[2]) for k in (seen.inverse[face], seen.s[face], seen.t[face])
    )
    return w, (2 * s - w) ** 2 + (2 * t - w) ** 2 <= w * w


def _hit_shell(faces, seen, face, x, y):
    axis, centre = seen.axes[face, 1], seen.centre[face]
    along = axis @ centre
    across = centre - along * axis
    radius, half = faces.half[face]
    dot = axis[0] * x + (axis[1] * y + axis[2])
    a = x * x + (y * y + 1) - dot * dot
    b = across[0] * x + (across[1] * y + across[2])
    c = across @ across - radius * radius
    square = b * b - a * c
    w = (b + np.sqrt(np.maximum(square, 0))) / max(c, 1e-6)  # the nearer root, as inverse depth
    return w, (square >= 0) & (b > 0) & (np.abs(dot - w * along) <= half * w)


def project(faces: Faces, view: Pinhole, T_map_camera: np.ndarray, max_range: float) -> Seen:
    """Bring the faces into the camera frame and find where on the image they can be."""
    R, F = T_map_camera[:3, :3].astype(np.float32), len(faces)
    offset = faces.centre - T_map_camera[:3, 3].astype(np.float32)
    near = np.flatnonzero(_maybe_visible(faces, view, offset, offset @ R, max_range))
    centre, axes, half = offset[near] @ R, faces.axes[near] @ R, faces.half[near]
    flat = faces.kind[near] != SHELL
    plane = np.einsum("fk,fk->f", axes[:, 2], centre)
    inverse = axes[:, 2] / np.where(flat, np.minimum(plane, -1e-6), 1)[:, None]
    s, t = (_coordinate(axes[:, k], centre, inverse, half[:, k : k + 1]) for k in (0, 1))
    boxes, nearest = _bounds(view, centre, axes, half, flat)
    shown = np.flatnonzero((boxes[:, 0] < boxes[:, 1]) & (boxes[:, 2] < boxes[:, 3]))
    order = near[shown[np.argsort(-nearest[shown], kind="stable")]]
    return Seen(
        order, *(_spread(part, near, F) for part in (inverse, s, t, centre, axes, boxes, nearest))
    )


def _maybe_visible(faces, view, offset, centre, max_range) -> np.ndarray:
    """(F,) False for what is turned away or whose bounding sphere lies beyond the image borders or the range."""
    towards = np.einsum("fk,fk->f", faces.normal, offset) < -1e-6
    radius = faces.radius
    visible = (
        (towards | (faces.kind == SHELL))
        & (centre[:, 2] > -radius)
        & (np.einsum("fk,fk->f", offset, offset) < (max_range + radius) ** 2)
    )
    (left, right), (top, bottom) = ((slopes[0], slopes[-1]) for slopes in view.axes)
    for axis, slope, side in ((0, left, -1), (0, right, 1), (1, top, -1), (1, bottom, 1)):
        visible &= side * (centre[:, axis] - slope * centre[:, 2]) < radius * np.float32(
            np.hypot(1, slope)
        )
    return visible


def _spread(part, rows, count) -> np.ndarray:
    whole = np.zeros((count, *part.shape[1:]), part.dtype)
    whole[rows] = part
    return whole


def _coordinate(axis, centre, inverse, half):
    """Coefficients of s / depth, where s runs 0..1 along `axis` over the face."""
    offset = np.einsum("fk,fk->f", axis, centre)[:, None]
    return (axis / half + inverse * (1 - offset / half)) / 2


def _bounds(view, centre, axes, half, flat):
    """Pixel rectangles and largest inverse depths of faces; of shells, those of the box around."""
    a, b = axes[:, 0] * half[:, :1], axes[:, 1] * half[:, 1:]
    depth = np.where(flat[:, None], 0, axes[:, 2] * half[:, :1])[:, None]
    square = centre[:, None] + np.stack([-a - b, a - b, a + b, b - a], 1)
    corners = np.concatenate([square - depth, square + depth], 1)  # (F, 8, 3)
    ring = [1, 2, 3, 0, 5, 6, 7, 4]
    points = np.concatenate(
        [
            corners,
            _crossings(corners, corners[:, ring]),
            _crossings(corners[:, :4], corners[:, 4:]),
        ],
        1,
    )
    front = points[..., 2] >= NEAR * 0.999
    w = 1 / np.maximum(points[..., 2], NEAR)
    columns = _span(points[..., 0] * w * view.fx + view.cx, front, view.width)
    rows = _span(points[..., 1] * w * view.fy + view.cy, front, view.height)
    return np.stack([*columns, *rows], 1), np.where(front, w, 0).max(1)


def _crossings(start, end):
    """Where edges cross the near plane; a copy of the start where they do not."""
    z0, z1 = start[..., 2], end[..., 2]
    crosses = (z0 >= NEAR) != (z1 >= NEAR)
    share = np.where(crosses, (NEAR - z0) / np.where(crosses, z1 - z0, 1), 0)
    return start + share[..., None] * (end - start)


def _span(pixels, front, size):
    """First and past-last pixel that the visible corners enclose."""
    low = np.where(front, pixels, np.inf).min(1)
    high = np.where(front, pixels, -np.inf).max(1)
    return np.clip(np.ceil(low - 0.01), 0, size).astype(np.int32), np.clip(
        np.floor(high + 0.01) + 1, 0, size
    ).astype(np.int32)
