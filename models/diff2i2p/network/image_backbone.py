# SPDX-License-Identifier: Apache-2.0
"""The image side: a ResNet with a feature pyramid (facts file section 2)."""

import torch
from torch import nn
from torch.nn import functional as F

from diff2i2p.config import NetworkConfig
from diff2i2p.network.conv3x3_cpu import Conv3x3
from diff2i2p.network.layers import BasicBlock, ConvNorm, upsample


class Rung(nn.Module):
    """Coarse features meet the finer stage, at the coarse width as in the original or, thin, at the fine one."""

    def __init__(self, fine: int, coarse: int, thin: bool):
        super().__init__()
        width = fine if thin else coarse
        self.narrow = nn.Conv2d(coarse, fine, 1) if thin else nn.Identity()
        self.lateral = nn.Conv2d(fine, width, 1)
        self.smooth = nn.Sequential(ConvNorm(width, width, 3), Conv3x3(width, fine))

    def forward(self, coarse: torch.Tensor, skip: torch.Tensor, size=None) -> torch.Tensor:
        """The features at the size of `skip`, or brought to `size` (height, width) before they are smoothed."""
        return self.smooth(self._merged(coarse, skip, size))

    def every_nth(
        self, step: int, after: nn.Conv2d, coarse: torch.Tensor, skip: torch.Tensor, size=None
    ) -> torch.Tensor:
        """What `after`, a 1x1 convolution, makes of every n-th row and column of `forward`: one strided convolution does both."""
        last = self.smooth[1]
        weight = torch.einsum("oi,ihkl->ohkl", after.weight[..., 0, 0], last.weight)
        bias = after.weight[..., 0, 0] @ last.bias + after.bias
        return F.conv2d(self.smooth[0](self._merged(coarse, skip, size)), weight, bias, step, 1)

    def _merged(self, coarse: torch.Tensor, skip: torch.Tensor, size) -> torch.Tensor:
        merged = self.lateral(skip) + upsample(self.narrow(coarse), skip.shape[-2:])
        return merged if size is None else upsample(merged, size)


class ImageBackbone(nn.Module):
    """Image (B, C, H, W) -> fine features (B, fine_dim, H/fine_stride, W/fine_stride), coarse features (B, C', h, w).

    C is 1, grey, or 4 in mode rgbd: grey and the camera-frame xyz of every pixel in metres. Outside training the fine features are
    those of every `fine_step`-th row and column.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        channels = config.image_channels
        self.window, self.fine_step = config.contrast_window, config.fine_step
        self.query_depth, self.full_size = config.query_depth, config.fine_stride == 1
        self.stem = ConvNorm(4 if config.query_depth else 1, channels[0], 7, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(BasicBlock(a, b, stride), BasicBlock(b, b, 1))
            for a, b, stride in zip(channels[:-1], channels[1:], config.image_strides, strict=True)
        )
        self.top = nn.Conv2d(channels[-1], channels[-1], 1)
        rungs = list(zip(channels[:-1], channels[1:], strict=True))[self._stages_below(config) :]
        self.rungs = nn.ModuleList(
            Rung(fine, coarse, config.thin_decoder) for fine, coarse in reversed(rungs)
        )
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
        grey = self.normalise(image[:, :1])
        stages = [self.stem(torch.cat([grey, image[:, 1:]], 1) if self.query_depth else grey)]
        for stage in self.stages:
            stages.append(stage(stages[-1]))
        coarse = fine = self.top(stages[-1])
        *rungs, last = zip(self.rungs, reversed(stages[:-1]), strict=False)
        for rung, skip in rungs:
            fine = rung(fine, skip)
        rung, skip = last
        size = image.shape[-2:] if self.full_size else None
        if self.fine_step > 1 and not self.training:
            return rung.every_nth(self.fine_step, self.out_proj, fine, skip, size), coarse
        return self.out_proj(rung(fine, skip, size)), coarse

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
