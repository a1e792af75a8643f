# SPDX-License-Identifier: Apache-2.0
"""The image side: a ResNet with a feature pyramid (facts file section 2)."""

import torch
from torch import nn
from torch.nn import functional as F

from diff2i2p.config import NetworkConfig
from diff2i2p.network.layers import BasicBlock, ConvNorm, upsample


class Rung(nn.Module):
    """Coarse features meet the finer stage, at the coarse width as in the original or, thin, at the fine one."""

    def __init__(self, fine: int, coarse: int, thin: bool):
        super().__init__()
        width = fine if thin else coarse
        self.narrow = nn.Conv2d(coarse, fine, 1) if thin else nn.Identity()
        self.lateral = nn.Conv2d(fine, width, 1)
        self.smooth = nn.Sequential(ConvNorm(width, width, 3), nn.Conv2d(width, fine, 3, padding=1))

    def forward(self, coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return self.smooth(self.lateral(skip) + upsample(self.narrow(coarse), skip))


class ImageBackbone(nn.Module):
    """Image (B, C, H, W) -> fine features (B, fine_dim, H/fine_stride, W/fine_stride), coarse features (B, C', h, w)."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        channels = config.image_channels
        self.window = config.contrast_window
        self.stem = ConvNorm(4 if config.query_depth else 1, channels[0], 7, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(BasicBlock(a, b, stride), BasicBlock(b, b, 1))
            for a, b, stride in zip(channels[:-1], channels[1:], config.image_strides, strict=True)
        )
        self.top = nn.Conv2d(channels[-1], channels[-1], 1)
        rungs = list(zip(channels[:-1], channels[1:], strict=True))[self._stages_below(config) :]
        self.rungs = nn.ModuleList(Rung(fine, coarse, config.thin_decoder) for fine, coarse in reversed(rungs))
        self.out_proj = nn.Conv2d(rungs[0][0], config.fine_dim, 1)

    @staticmethod
    def _stages_below(config: NetworkConfig) -> int:
        """How many stages are finer than the fine features."""
        stride, below = 2, 0
        while stride < config.fine_stride:
            stride *= config.image_strides[below]
            below += 1
        return below

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        stages = [self.stem(self.normalise(image))]
        for stage in self.stages:
            stages.append(stage(stages[-1]))
        coarse = fine = self.top(stages[-1])
        for rung, skip in zip(self.rungs, reversed(stages[:-1]), strict=False):
            fine = rung(fine, skip)
        return self.out_proj(fine), coarse

    def normalise(self, image: torch.Tensor) -> torch.Tensor:
        """Zero mean; with a contrast window also unit local contrast, so that one lamp or a dark room look like daylight."""
        if not self.window:
            return image - image.mean((2, 3), keepdim=True)
        mean = self._local_mean(image)
        deviation = (self._local_mean(image**2) - mean**2).clamp(min=0).sqrt()
        return (image - mean) / (deviation + 0.03)

    def _local_mean(self, image: torch.Tensor) -> torch.Tensor:
        small = F.avg_pool2d(image, 4, ceil_mode=True, count_include_pad=False)
        window = self.window // 4 | 1
        blurred = F.avg_pool2d(small, window, 1, window // 2, count_include_pad=False)
        return F.interpolate(blurred, image.shape[-2:], mode="bilinear", align_corners=False)
