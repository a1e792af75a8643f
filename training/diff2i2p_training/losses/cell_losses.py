# SPDX-License-Identifier: Apache-2.0
"""What the geometry network is trained by: cells that show one surface find each other, know
whether they will, and where in the photo it is.

Matching as in CLIP and XFeat (symmetric InfoNCE), reliability as in XFeat (section 3.3), tuning as
Diff2I2P's Deformable Correspondence Tuning (section 3.3), in the image.
"""

import torch
from torch import nn
from torch.nn import functional as F

from diff2i2p.network.geometry_network import Cells, GeometryNetwork, cell_middles
from diff2i2p.network.trunk import STRIDE
from diff2i2p_training.data.cell_batches import CellBatch
from diff2i2p_training.precision import bfloat16_pays

PHOTO_PACE = 0.1  # learning rate of the photo's branch, in learning rates of the rest
ALIKE = 10.0  # pixels in which two cells show too much the same to be told apart
LEAST_WEIGHT = 0.3  # of a match that neither side thinks reliable
RELIABILITY = 0.5  # weight of its loss, for each side
BESIDE = 0.25  # share of the matches, per axis, that are tuned from a cell beside the right one
HALF, ROUND = STRIDE / 2, 0.25  # pixels; half cells of error up to which the tuning loss is square
NEVER = -1e4  # logit of what is no candidate


class CellObjective(nn.Module):
    """The network with its losses: a module, so that several processes can share its gradients."""

    def __init__(self, network: GeometryNetwork):
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)

    def groups(self) -> list[dict]:
        """Parameters by pace: the photo's branch keeps what it has seen of the world."""
        photo = list(self.network.photo.parameters())
        rest = [p for name, p in self.network.named_parameters() if not name.startswith("photo.")]
        return [{"params": rest, "pace": 1.0}, {"params": photo, "pace": PHOTO_PACE}]

    def forward(
        self, batch: CellBatch, done: float
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The sum, and every loss and share by name. `done` changes nothing."""
        device = batch.photos.device.type
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16_pays(device)):
            photo = self.network.encode_photo(batch.photos)
            drawn = self.network.encode_geometry(batch.drawings)
        with torch.autocast(device, enabled=False):
            losses = cell_losses(self.network, _float(photo), _float(drawn), batch)
        return losses["matching"] + RELIABILITY * losses["reliability"] + losses["tuning"], losses


def cell_losses(
    network: GeometryNetwork, photo: Cells, drawn: Cells, batch: CellBatch
) -> dict[str, torch.Tensor]:
    """Losses of a batch, and the shares of its matches that are mutual among those of their photo
    and among all."""
    seen = F.normalize(at_pixels(photo.features, batch), dim=1)
    shown = of_cells(drawn.features, batch)
    sure = at_pixels(photo.reliability, batch)[:, 0], of_cells(drawn.reliability, batch)[:, 0]
    logits = network.log_sharpness.exp() * seen @ shown.T
    anywhere = logits.masked_fill(~candidates(batch), NEVER)
    within = anywhere.masked_fill(batch.pair[:, None] != batch.pair, NEVER)
    right = mutual(within)
    return {
        "matching": (weights(*sure) * (infonce(anywhere) + infonce(within)) / 2).mean(),
        "reliability": sum(reliability_loss(side, right) for side in sure),
        "tuning": tuning_loss(network, photo, shown, batch),
        "mutual": right.mean(),
        "mutual_of_all": mutual(anywhere).mean(),
    }


def infonce(logits: torch.Tensor) -> torch.Tensor:
    """(M,) loss of each match, pixel to cell and cell to pixel; the right ones on the diagonal."""
    return -(logits.log_softmax(1).diagonal() + logits.log_softmax(0).diagonal()) / 2


def candidates(batch: CellBatch) -> torch.Tensor:
    """(M, M) bool: the match itself, and what certainly shows something else.

    Of its own photo what is ALIKE apart, of other photos those of other sites.
    """
    same = batch.pair[:, None] == batch.pair
    site = batch.sites[batch.pair]
    apart = torch.cdist(batch.pixels, batch.pixels) >= ALIKE
    itself = torch.eye(len(site), dtype=torch.bool, device=site.device)
    return itself | torch.where(same, apart, site[:, None] != site)


@torch.no_grad()
def mutual(logits: torch.Tensor) -> torch.Tensor:
    """(M,) 1.0 where pixel and cell of a match find each other."""
    own = torch.arange(len(logits), device=logits.device)
    return ((logits.argmax(1) == own) & (logits.argmax(0) == own)).float()


def weights(photo: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """(M,) how much each match counts by the reliabilities (M,) of its sides: 1 on average."""
    both = (photo * drawn).detach()
    return LEAST_WEIGHT + (1 - LEAST_WEIGHT) * both / (both.mean() + 1e-6)


def reliability_loss(reliability: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Cross entropy of what a side (M,) thought with what came of it, `right` (M,)."""
    return F.binary_cross_entropy(reliability.clamp(1e-4, 1 - 1e-4), right)


def tuning_loss(
    network: GeometryNetwork, photo: Cells, shown: torch.Tensor, batch: CellBatch
) -> torch.Tensor:
    """Error of the tuned pixels in half cells, from the cell that holds the pixel or one beside it.

    shown: (M, DIM) features of what is matched.
    """
    height, width = photo.features.shape[-2:]
    beside = torch.randint(-1, 2, batch.pixels.shape, device=batch.pixels.device)
    beside *= torch.rand(batch.pixels.shape, device=batch.pixels.device) < BESIDE
    cells = ((batch.pixels - (STRIDE - 1) / 2) / STRIDE).round().long() + beside
    columns, rows = cells[:, 0].clamp(0, width - 1), cells[:, 1].clamp(0, height - 1)
    middles = cell_middles(height * STRIDE, width * STRIDE).to(batch.pixels)[rows * width + columns]
    found = [
        network.tuning(features, rows[own], columns[own], shown[own])
        for features, own in zip(photo.features, _owned(batch), strict=True)
    ]
    missed = batch.pixels - middles - torch.cat(found)
    return F.smooth_l1_loss(missed / HALF, torch.zeros_like(missed), beta=ROUND)


def at_pixels(maps: torch.Tensor, batch: CellBatch) -> torch.Tensor:
    """(M, C) of the photos' cells (B, C, h, w), between cells where pixels are."""
    height, width = maps.shape[-2:]
    size = batch.pixels.new_tensor([width * STRIDE, height * STRIDE])
    where = 2 * (batch.pixels + 0.5) / size - 1
    sampled = [
        F.grid_sample(one[None], where[own][None, None], padding_mode="border", align_corners=False)
        for one, own in zip(maps, _owned(batch), strict=True)
    ]
    return torch.cat([one[0, :, 0].T for one in sampled])


def of_cells(maps: torch.Tensor, batch: CellBatch) -> torch.Tensor:
    """(M, C) of the drawings' cells (B, C, h, w)."""
    return maps.flatten(2)[batch.pair, :, batch.cells]


def _owned(batch: CellBatch) -> list[torch.Tensor]:
    """The matches of each pair, in the order they have in the batch."""
    return torch.arange(len(batch.pair), device=batch.pair.device).split(
        torch.bincount(batch.pair, minlength=len(batch.photos)).tolist()
    )


def _float(cells: Cells) -> Cells:
    return Cells(cells.features.float(), cells.reliability.float())
