# SPDX-License-Identifier: Apache-2.0
"""3x3 convolution of wide feature maps on CPU with a quarter of the multiplications: Winograd's F(4x4, 3x3).

The gradient of its kernel, too, and that of narrow maps as well, where the direct sum is slower.

A tile of 6x6 inputs and the kernel become polynomials, multiplied by their values at 6 points per axis. Points at 0, +-1/sqrt(2), +-sqrt(2)
and infinity keep rounding near that of the direct sum (1e-5 of the result's size in float32).
"""

from functools import cache

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

TILE, KERNEL = 4, 3  # outputs and taps per axis
SPAN = TILE + KERNEL - 1
POINTS = (0.0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5))
AT_ONCE = 320  # tiles transformed at once: they stay in the cache
MIN_CHANNELS, MIN_PIXELS = 128, 4096  # below, the transforms cost more than they save


class Conv3x3(nn.Conv2d):
    """Convolution of stride 1 that keeps the size."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, KERNEL, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        plain = (
            x.device.type == "cpu"
            and x.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and not torch.jit.is_tracing()
        )
        if plain and torch.is_grad_enabled():
            return LearntConvolution.apply(x, self.weight, self.bias)
        return (
            convolve(x[0], self.weight, self.bias)[None]
            if plain and self._large(x)
            else super().forward(x)
        )

    def _large(self, x: torch.Tensor) -> bool:
        return (
            self.in_channels >= MIN_CHANNELS
            and len(x) == 1
            and x.shape[2] * x.shape[3] >= MIN_PIXELS
        )


class LearntConvolution(torch.autograd.Function):
    """Convolution of x (B, C, H, W) with a kernel (O, C, 3, 3) and a bias (O,), zero-padded by one."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        to_x = (
            conv2d_input(x.shape, weight, gradient, padding=1) if ctx.needs_input_grad[0] else None
        )
        return to_x, kernel_gradient(x, gradient), gradient.sum((0, 2, 3))


def convolve(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """x (C, H, W), weight (O, C, 3, 3), bias (O,) -> (O, H, W), zero-padded by one."""
    (channels, height, width), outputs = x.shape, len(weight)
    down, across = -(-height // TILE), -(-width // TILE)
    padded = F.pad(x, (1, across * TILE - width + 1, 1, down * TILE - height + 1))
    to_input, to_kernel, to_output = transforms()
    kernels = (to_kernel @ weight.flatten(2).flatten(0, 1).T).view(-1, outputs, channels)
    result = x.new_empty(outputs, down * TILE, across * TILE)
    step = max(1, AT_ONCE // across)
    for first in range(0, down, step):
        strip = padded[:, first * TILE : (first + step) * TILE + 2]
        tiles = (
            strip.unfold(1, SPAN, TILE).unfold(2, SPAN, TILE).permute(3, 4, 0, 1, 2)
        )  # (6, 6, C, rows, across)
        values = (to_input @ tiles.reshape(SPAN**2, -1)).view(SPAN**2, channels, -1)
        products = torch.bmm(kernels, values).view(SPAN**2, -1)
        rows = tiles.shape[3]
        sums = (to_output @ products).view(TILE, TILE, outputs, rows, across).permute(2, 3, 0, 4, 1)
        result[:, first * TILE : (first + rows) * TILE].view(
            outputs, rows, TILE, across, TILE
        ).copy_(sums)
    return result[:, :height, :width].add_(bias[:, None, None])


def kernel_gradient(x: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """x (B, C, H, W), gradient of the result (B, O, H, W) -> gradient of the kernel (O, C, 3, 3): the steps of `convolve`, transposed."""
    down, across = -(-x.shape[2] // TILE), -(-x.shape[3] // TILE)
    below, right = down * TILE - x.shape[2], across * TILE - x.shape[3]
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, right + 1, 1, below + 1))
    results = F.pad(gradient.permute(0, 2, 3, 1), (0, 0, 0, right, 0, below))
    to_input, to_kernel, to_output = transforms()
    products = x.new_zeros(SPAN**2, x.shape[1], gradient.shape[1])
    for image, result in zip(
        padded, results, strict=True
    ):  # one at a time: its values stay in the cache
        tiles = (
            image.unfold(0, SPAN, TILE).unfold(1, SPAN, TILE).permute(3, 4, 0, 1, 2)
        )  # (6, 6, down, across, C)
        values = (to_input @ tiles.reshape(SPAN**2, -1)).view(SPAN**2, -1, x.shape[1])
        blocks = (
            result.unflatten(1, (across, TILE)).unflatten(0, (down, TILE)).permute(1, 3, 0, 2, 4)
        )  # (4, 4, down, across, O)
        sums = (to_output.T @ blocks.reshape(TILE**2, -1)).view(SPAN**2, -1, gradient.shape[1])
        products.baddbmm_(values.transpose(1, 2), sums)
    return (
        (to_kernel.T @ products.flatten(1)).view(KERNEL, KERNEL, x.shape[1], -1).permute(3, 2, 0, 1)
    )


@cache
def transforms() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Matrices of the inputs (36, 36), of the kernel (36, 9) and of the outputs (16, 36), both axes at once (Cook-Toom)."""
    others = [
        np.poly([q for q in POINTS if q != p]) for p in POINTS
    ]  # the polynomials that vanish at all points but one
    to_input = np.zeros((SPAN, SPAN))
    to_input[:-1, :-1] = [polynomial[::-1] for polynomial in others]
    to_input[-1] = np.poly(POINTS)[::-1]
    weights = [np.polyval(polynomial, p) for polynomial, p in zip(others, POINTS, strict=True)]
    to_kernel = np.vstack(
        [
            np.vander(POINTS, KERNEL, increasing=True) / np.array(weights)[:, None],
            np.eye(KERNEL)[-1],
        ]
    )
    to_output = np.vstack([np.vander(POINTS, TILE, increasing=True), np.eye(TILE)[-1]]).T
    return tuple(torch.from_numpy(np.kron(m, m)).float() for m in (to_input, to_kernel, to_output))
