# SPDX-License-Identifier: Apache-2.0
"""Building blocks shared by the backbones."""

import torch
from torch import nn
from torch.nn import functional as F

from diff2i2p.network.conv3x3_cpu import Conv3x3


def group_count(channels: int) -> int:
    """The largest power of two up to 32 that leaves at least 8 channels a group."""
    groups = 32
    while groups > 1 and (channels % groups or channels // groups < 8):
        groups //= 2
    return groups


class ConvNorm(nn.Sequential):
    """Convolution, GroupNorm and, unless told otherwise, LeakyReLU(0.2)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, act: bool = True):
        super().__init__(
            Conv3x3(inputs, outputs)
            if (kernel, stride) == (3, 1)
            else nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2),
            nn.GroupNorm(group_count(outputs), outputs),
            nn.LeakyReLU(0.2, inplace=True) if act else nn.Identity(),
        )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; a strided block shortens by a strided 3x3 convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs, 3, stride)
        self.conv2 = ConvNorm(outputs, outputs, 3, act=False)
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else ConvNorm(inputs, outputs, 3, stride, act=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(self.conv2(self.conv1(x)) + self.shortcut(x), 0.2)


def upsample(x: torch.Tensor, size) -> torch.Tensor:
    """Bilinear, corners aligned, to `size` (height, width)."""
    return F.interpolate(x, size, mode="bilinear", align_corners=True)


def fourier(x: torch.Tensor, octaves: int) -> torch.Tensor:
    """[x, sin(x), cos(x), sin(2x), cos(2x), ...]: (..., D) -> (..., D (1 + 2 octaves))."""
    waves = [wave(x * 2.0**k) for k in range(octaves) for wave in (torch.sin, torch.cos)]
    return torch.cat([x, *waves], -1)
