# SPDX-License-Identifier: Apache-2.0
"""The trunk of both branches of the geometry network: that of XFeat (Potje et al., CVPR 2024)."""

import torch
from torch import nn
from torch.nn import functional as F

# cited: Potje et al., CVPR 2024
DIM = 64  # length of a cell's descriptor
STRIDE = 8  # pixels from one cell to the next
COARSEST = (
    32  # pixels that one cell of the deepest block covers: images are padded to multiples of it
)


class BasicLayer(nn.Module):
    """Convolution without bias, batch normalisation without affine part, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1):
        super().__init__()
        self.layer = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, affine=False),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


class Trunk(nn.Module):
    """Images (B, C, H, W) -> descriptors (B, DIM, h, w), not normalised, and reliability.

    Reliability is (B, 1, h, w) in [0, 1]; there is one cell per STRIDE pixels. Modules bear the
    names of the published weights, so that those can be read as they are.
    """

    def __init__(self, channels: int, stem: tuple[int, int, int]):
        """stem: channels of the first three layers."""
        super().__init__()
        a, b, c = stem
        self.block1 = nn.Sequential(
            BasicLayer(channels, a),
            BasicLayer(a, b, stride=2),
            BasicLayer(b, c),
            BasicLayer(c, 24, stride=2),
        )
        self.skip1 = nn.Sequential(nn.AvgPool2d(4, 4), nn.Conv2d(channels, 24, 1))
        self.block2 = nn.Sequential(BasicLayer(24, 24), BasicLayer(24, 24))
        self.block3 = nn.Sequential(
            BasicLayer(24, 64, stride=2), BasicLayer(64, 64), BasicLayer(64, 64, 1)
        )
        self.block4 = nn.Sequential(
            BasicLayer(64, 64, stride=2), BasicLayer(64, 64), BasicLayer(64, 64)
        )
        self.block5 = nn.Sequential(
            BasicLayer(64, 128, stride=2),
            BasicLayer(128, 128),
            BasicLayer(128, 128),
            BasicLayer(128, DIM, 1),
        )
        self.block_fusion = nn.Sequential(
            BasicLayer(DIM, DIM), BasicLayer(DIM, DIM), nn.Conv2d(DIM, DIM, 1)
        )
        self.heatmap_head = nn.Sequential(
            BasicLayer(DIM, 64, 1), BasicLayer(64, 64, 1), nn.Conv2d(64, 1, 1)
        )

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # as numbers: what a tracer makes of sizes it divides towards zero
        height, width = map(int, image.shape[-2:])
        image = F.pad(image, (0, -width % COARSEST, 0, -height % COARSEST))
        quarter = self.block2(self.block1(image) + self.skip1(image))
        eighth = self.block3(quarter)
        sixteenth = self.block4(eighth)
        coarsest = self.block5(sixteenth)
        deeper = (
            F.interpolate(x, eighth.shape[-2:], mode="bilinear") for x in (sixteenth, coarsest)
        )
        cells = self.block_fusion(sum(deeper, eighth))
        rows, columns = -(-height // STRIDE), -(-width // STRIDE)
        return cells[..., :rows, :columns], self.heatmap_head(cells)[..., :rows, :columns].sigmoid()


def folded(module: nn.Module) -> nn.Module:
    """The module made ready for inference, in place: batch norms become part of convolutions."""
    for layer in module.modules():
        if isinstance(layer, BasicLayer) and isinstance(layer.layer[1], nn.BatchNorm2d):
            layer.layer[0] = nn.utils.fuse_conv_bn_eval(
                layer.layer[0].eval(), layer.layer[1].eval()
            )
            layer.layer[1] = nn.Identity()
    return module
