# SPDX-License-Identifier: Apache-2.0
"""Depth of a cloud at a pose, differentiable in both: soft splats, soft depth buffer, holes filled from around.

A point at (u, v, z) covers the pixels within its radius r with k = (1 - d^2 / r^2)^2, d the distance to the pixel centre.
Of what covers a pixel, the nearest z_0 wins softly: D = sum w z / sum w with w = k (exp(-(z - z_0) / softness) + LEAK).
The leak is what lets an outline move a little: without it a background metres behind would weigh nothing beside the faintest edge
of a splat, and outlines, where a pose is seen best, would have no gradient.
"""

import torch
from torch.nn import functional as F

NEAREST = 0.05  # metres; points closer to the camera plane are not drawn
LEAK = 1e-3  # weight of what lies behind; 3 m behind, 3 mm of error
COVERED = 0.05  # sum of k from which on a pixel is known
WIDTH = 1.0  # radius of a splat in distances between points
# Pixels, least and most: no pixel centre between, no splat over all of the image.
RADIUS = (1.0, 16.0)


def render_depth(
    points: torch.Tensor,
    T_map_camera: torch.Tensor,
    K: torch.Tensor,
    size: tuple[int, int],
    spacing: float,
    softness: float = 0.04,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Depth (B, H, W), metres along the optical axis, 0 = unknown, and which pixels are known (B, H, W) bool.

    points (N, 3) for all, or (B, N, 3), map frame, metres, rows with NaN not drawn; T_map_camera (B, 4, 4); K (B, 3, 3) pinhole,
    pixel centres at integers; size (H, W). spacing: metres between neighbouring points; softness: metres between surfaces that
    are told apart. Gradients go to points, T_map_camera and K; at the borders of what is known the depth jumps and has none.
    """
    points = points.expand(len(K), *points.shape[-2:])
    views, chosen = _in_view(points, T_map_camera, K, size, spacing)
    u, v, z, radius = _project(points[views, chosen], T_map_camera[views], K[views], spacing)
    splat, row, column = _pixels_of(u.detach(), v.detach(), radius.detach(), size)
    distance2 = (column - u[splat]).square() + (row - v[splat]).square()
    k = (1 - distance2 / radius[splat].square()).clamp(min=0).square()
    z, place = z[splat], (views[splat] * size[0] + row) * size[1] + column
    blank = z.new_zeros(len(K) * size[0] * size[1])
    front = (blank + torch.inf).scatter_reduce(0, place[k > 0], z[k > 0], "amin")
    w = k * (torch.exp((front[place] - z).clamp(max=0) / softness) + LEAK)
    known = blank.index_add(0, place, k.detach()) > COVERED
    total = torch.where(known, blank.index_add(0, place, w), 1.0)
    depth = torch.where(known, blank.index_add(0, place, w * z) / total, 0.0)
    return depth.reshape(-1, *size), known.reshape(-1, *size)


def densify(depth: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """depth (B, H, W) with what is not `known` (B, H, W) filled from around, near holes from near, large ones from afar; differentiable.

    0 everywhere where nothing is known.
    """
    return _filled(depth[:, None], known[:, None].to(depth))[:, 0]


def _filled(depth: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Pull and push: means over 2 x 2 known pixels until none is missing, then back up through the gaps."""
    if known.all() or max(depth.shape[-2:]) == 1:
        return depth * known
    share = F.avg_pool2d(known, 2, ceil_mode=True)
    mean = F.avg_pool2d(depth * known, 2, ceil_mode=True) / share.clamp(min=1e-6)
    around = F.interpolate(_filled(mean, (share > 0).to(depth)), depth.shape[-2:], mode="bilinear")
    return torch.where(known > 0, depth, around)


@torch.no_grad()
def _in_view(points, T_map_camera, K, size, spacing) -> tuple[torch.Tensor, torch.Tensor]:
    """View and index of the points whose splats touch the image."""
    u, v, z, radius = _project(points, T_map_camera[:, None], K[:, None], spacing)
    inside = (
        (z > NEAREST)
        & (u > -radius)
        & (v > -radius)
        & (u < size[1] - 1 + radius)
        & (v < size[0] - 1 + radius)
    )
    return inside.nonzero(as_tuple=True)


def _project(points, T_map_camera, K, spacing) -> tuple[torch.Tensor, ...]:
    """u, v, z and radius in pixels of points (..., 3) seen from poses (..., 4, 4)."""
    local = torch.einsum(
        "...i,...ij->...j", points - T_map_camera[..., :3, 3], T_map_camera[..., :3, :3]
    )
    x, y, z = local.unbind(-1)
    depth = z.clamp(min=NEAREST)
    u, v = x / depth * K[..., 0, 0] + K[..., 0, 2], y / depth * K[..., 1, 1] + K[..., 1, 2]
    return u, v, z, (WIDTH * spacing * K[..., 0, 0] / depth).clamp(*RADIUS)


@torch.no_grad()
def _pixels_of(u, v, radius, size) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All pairs of a splat and a pixel of its square: index of the splat, row, column."""
    left, right = (
        (u - radius).ceil().clamp(min=0).long(),
        (u + radius).floor().clamp(max=size[1] - 1).long(),
    )
    top, bottom = (
        (v - radius).ceil().clamp(min=0).long(),
        (v + radius).floor().clamp(max=size[0] - 1).long(),
    )
    width = right - left + 1
    count = width * (bottom - top + 1)
    splat = torch.arange(len(u), device=u.device).repeat_interleave(count)
    place = torch.arange(len(splat), device=u.device) - (count.cumsum(0) - count)[splat]
    return splat, top[splat] + place // width[splat], left[splat] + place % width[splat]
