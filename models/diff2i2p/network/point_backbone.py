# SPDX-License-Identifier: Apache-2.0
"""The point side: kernel point convolutions on the voxel pyramid (facts file section 3)."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from diff2i2p.config import MapConfig, NetworkConfig
from diff2i2p.mapping.pyramid import Pyramid
from diff2i2p.network.layers import group_count

KERNEL_POINTS = 15
# Convolution radius and influence in voxels; where the kernel points sit in the radius.
RADIUS, SIGMA, SHELL = (2.5, 2.0, 0.66)
# Gathered values held at once where no gradient is wanted: they stay in the cache, and any map fits
# in memory.
AT_ONCE = 2**20


def kernel_disposition() -> np.ndarray:
    """(15, 3): the centre and 14 points spread over the unit sphere by mutual repulsion."""
    turn = math.pi * (3 - math.sqrt(5))
    z = 1 - (np.arange(KERNEL_POINTS - 1) + 0.5) * 2 / (KERNEL_POINTS - 1)
    ring = np.sqrt(1 - z**2)
    sphere = np.stack(
        [ring * np.cos(turn * np.arange(len(z))), ring * np.sin(turn * np.arange(len(z))), z], 1
    )
    for _ in range(200):
        gaps = sphere[:, None] - sphere
        distance = np.linalg.norm(gaps, axis=2) + np.eye(len(sphere))
        sphere += 0.02 * (gaps / distance[..., None] ** 3).sum(1)
        sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    return np.concatenate([np.zeros((1, 3)), sphere])


def gather(padded: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Rows of features `padded` (N + 1, C) at `index` (M, K)."""
    return padded.index_select(0, index.reshape(-1)).view(*index.shape, padded.shape[1])


def in_parts(
    function, features: torch.Tensor, queries: torch.Tensor, index: torch.Tensor
) -> torch.Tensor:
    """function(padded, queries (M, 3), index (M, K)) -> (M, ...) with `padded` the features (N, C) and a row of zeros for the padding.

    Where no gradient is wanted, the queries are taken part by part.
    """
    padded = F.pad(features, (0, 0, 0, 1))
    if torch.is_grad_enabled():
        return function(padded, queries, index)
    rows = max(1, AT_ONCE // (index.shape[1] * features.shape[1]))
    return torch.cat(
        [
            function(padded, *part)
            for part in zip(queries.split(rows), index.split(rows), strict=True)
        ]
    )


class PointNorm(nn.GroupNorm):
    """GroupNorm of (N, C) features, over each point's own channels or over the whole cloud."""

    def __init__(self, channels: int, over: str):
        super().__init__(group_count(channels), channels)
        self.over_cloud = over == "cloud"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.over_cloud:
            return super().forward(x)
        groups = x.unflatten(1, (self.num_groups, -1))
        variance, mean = torch.var_mean(groups, (0, 2), correction=0)
        size = self.num_channels // self.num_groups
        scale = self.weight * (variance + self.eps).rsqrt().repeat_interleave(size)
        return torch.addcmul(self.bias - scale * mean.repeat_interleave(size), x, scale)


class KernelPointConvolution(nn.Module):
    """Rigid kernel point convolution with linear influence max(0, 1 - d / sigma)."""

    def __init__(self, inputs: int, outputs: int, voxel: float):
        super().__init__()
        self.weights = nn.Parameter(torch.empty(KERNEL_POINTS, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer(
            "kernel_points", torch.from_numpy(kernel_disposition() * SHELL * RADIUS).float()
        )  # in voxels
        self.voxel = voxel
        nn.init.kaiming_uniform_(self.weights.view(-1, outputs), a=math.sqrt(5))

    def forward(
        self,
        features: torch.Tensor,
        queries: torch.Tensor,
        support: torch.Tensor,
        index: torch.Tensor,
    ) -> torch.Tensor:
        """features (N, C) on support (N, 3), gathered by index (M, K) around queries (M, 3) -> (M, C')."""
        support = torch.cat([support, support.new_full((1, 3), 1e6)])
        filled = F.pad(features.sum(1) > 0, (0, 1))

        def convolve(padded, queries, index):
            offsets = (support[index] - queries[:, None]) / self.voxel  # (M, K, 3)
            influence = (
                1 - torch.cdist(offsets, self.kernel_points.expand(len(queries), -1, -1)) / SIGMA
            ).clamp(min=0)
            weighted = torch.bmm(
                influence.transpose(1, 2), gather(padded, index)
            )  # (M, kernel points, C)
            return (
                weighted.flatten(1)
                @ self.weights.flatten(0, 1)
                / filled[index].sum(1, keepdim=True).clamp(min=1)
            )

        return in_parts(convolve, features, queries, index) + self.bias


class ConvolutionBlock(nn.Module):
    """Kernel point convolution, norm, LeakyReLU(0.2)."""

    def __init__(self, inputs: int, outputs: int, voxel: float, norm: str):
        super().__init__()
        self.conv = KernelPointConvolution(inputs, outputs, voxel)
        self.norm = PointNorm(outputs, norm)

    def forward(self, features, queries, support, index):
        return F.leaky_relu(self.norm(self.conv(features, queries, support, index)), 0.2)


class Unary(nn.Sequential):
    """Linear, norm and, unless told otherwise, LeakyReLU(0.2)."""

    def __init__(self, inputs: int, outputs: int, norm: str, act: bool = True):
        super().__init__(
            nn.Linear(inputs, outputs),
            PointNorm(outputs, norm),
            nn.LeakyReLU(0.2) if act else nn.Identity(),
        )


class ResidualBlock(nn.Module):
    """Bottleneck residual block around a kernel point convolution; strided when the queries are the next level's points."""

    def __init__(self, inputs: int, outputs: int, voxel: float, norm: str, strided: bool = False):
        super().__init__()
        self.strided = strided
        self.unary1 = Unary(inputs, outputs // 4, norm)
        self.conv = ConvolutionBlock(outputs // 4, outputs // 4, voxel, norm)
        self.unary2 = Unary(outputs // 4, outputs, norm, act=False)
        self.shortcut = (
            nn.Identity() if inputs == outputs else Unary(inputs, outputs, norm, act=False)
        )

    def forward(self, features, queries, support, index):
        out = self.unary2(self.conv(self.unary1(features), queries, support, index))
        kept = (
            in_parts(lambda padded, _, near: gather(padded, near).amax(1), features, queries, index)
            if self.strided
            else features
        )
        return F.leaky_relu(out + self.shortcut(kept), 0.2)


class Rise(Unary):
    """Unary over the interpolated coarse features and the fine ones; linear, so that the coarse ones are projected before they are many."""

    def forward(self, coarse, fine, support, queries, index):
        linear, *rest = self
        above, beside = linear.weight.split([coarse.shape[1], fine.shape[1]], 1)
        out = interpolate(coarse @ above.T, support, queries, index) + F.linear(
            fine, beside, linear.bias
        )
        for layer in rest:
            out = layer(out)
        return out


class PointBackbone(nn.Module):
    """Pyramid -> fine features (N_0, fine_dim) of its points, coarse features (N_L, C) of its nodes. Depends on the map alone."""

    def __init__(self, config: NetworkConfig, map_config: MapConfig):
        super().__init__()
        self.config = config
        voxel = map_config.fine_voxel
        widths = [config.point_width * 2 ** (level + 1) for level in range(map_config.levels)]
        norm = config.point_norm
        self.stem = ConvolutionBlock(self.input_dim(config), config.point_width, voxel, norm)
        self.downs = nn.ModuleList(
            ResidualBlock(w, w, voxel * 2**i, norm, strided=True) for i, w in enumerate(widths[:-1])
        )
        self.stages = nn.ModuleList()
        for level, width in enumerate(widths):
            repeats = config.point_repeats if level else 1
            inputs = [width // 2] + [width] * (repeats - 1)
            self.stages.append(
                nn.ModuleList(ResidualBlock(w, width, voxel * 2**level, norm) for w in inputs)
            )
        self.rises = nn.ModuleList(
            Rise(coarse + fine, fine, norm)
            for fine, coarse in zip(widths[:-1], widths[1:], strict=True)
        )
        self.out_proj = nn.Linear(widths[0], config.fine_dim)

    @staticmethod
    def input_dim(config: NetworkConfig) -> int:
        return {"ones": 1, "xyz": 3, "grey": 3}[config.point_input]

    def inputs(self, pyramid: Pyramid) -> torch.Tensor:
        """What is known of each point: (N, input_dim)."""
        points = pyramid.points[0]
        ones = torch.ones_like(points[:, :1])
        if self.config.point_input == "xyz":
            return points
        if self.config.point_input == "ones":
            return ones
        # its grey value, and whether there is one
        grey = ones * 0 if pyramid.grey is None else pyramid.grey[:, None].to(ones)
        return torch.cat([ones, grey, ones * (pyramid.grey is not None)], 1)

    def forward(self, pyramid: Pyramid) -> tuple[torch.Tensor, torch.Tensor]:
        points = pyramid.points
        x = self.stem(self.inputs(pyramid), points[0], points[0], pyramid.neighbours[0])
        skips = []
        for level, stage in enumerate(self.stages):
            if level:
                x = self.downs[level - 1](
                    x, points[level], points[level - 1], pyramid.pools[level - 1]
                )
            for block in stage:
                x = block(x, points[level], points[level], pyramid.neighbours[level])
            skips.append(x)
        coarse = skips.pop()
        for level in reversed(range(len(self.rises))):
            x = self.rises[level](
                x, skips.pop(), points[level + 1], points[level], pyramid.rises[level]
            )
        return self.out_proj(x), coarse


def interpolate(
    features: torch.Tensor, support: torch.Tensor, queries: torch.Tensor, index: torch.Tensor
) -> torch.Tensor:
    """Inverse squared distance interpolation of `features` (N, C) over the neighbours in `index` (M, K)."""
    support = torch.cat([support, support.new_full((1, 3), 1e6)])

    def blend(padded, queries, index):
        distance = (support[index] - queries[:, None]).square().sum(2)
        weight = torch.where(index < len(features), 1 / (distance + 1e-8), 0.0)
        weight = weight / (weight.sum(1, keepdim=True) + 1e-8)
        return torch.bmm(weight[:, None], gather(padded, index))[:, 0]

    return in_parts(blend, features, queries, index)
