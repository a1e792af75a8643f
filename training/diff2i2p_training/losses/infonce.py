# SPDX-License-Identifier: Apache-2.0
"""Matching losses: every cell and every token names the map points it sees."""

import torch
from torch.nn import functional as F

from diff2i2p.mapping.pyramid import Pyramid
from diff2i2p.network.diff2i2p import Diff2I2P, ImageFeatures, MapFeatures
from diff2i2p.network.point_backbone import gather
from diff2i2p_training.data.site_dataset import Batch

CELLS = 1920  # labelled cells of a batch in the fine loss
OTHERS = 1500  # map points that no cell drawn sees, as wrong answers
ROWS = 128  # logits of so many queries stay in a processor's cache


def encode(network: Diff2I2P, batch: Batch) -> tuple[ImageFeatures, MapFeatures]:
    """The features of a batch's images and of its map."""
    device = batch.images.device.type
    with torch.autocast(device, torch.bfloat16, enabled=bfloat16_pays(device)):  # halves the time of the image side, on CPU too
        image = network.encode_image(batch.images)
    return image, network.encode_map(batch.pyramid)


def bfloat16_pays(device: str) -> bool:
    """Whether a device has instructions for bfloat16: a CPU without them is far slower than in float32."""
    return device != "cpu" or any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))


def naming_losses(network: Diff2I2P, image: ImageFeatures, site: MapFeatures, batch: Batch, bank: torch.Tensor) -> dict[str, torch.Tensor]:
    """Losses of one batch, plus shares of cells and tokens that are right.

    bank (M, token_dim): the nodes of the whole map as last seen, wrong answers for the votes; brought up to date in place.
    """
    salience = _salience(batch.images[:, :1], image.fine.shape[-2:])
    return fine_losses(network, image, site, batch, salience) | coarse_losses(network, image, site, batch, salience, bank)


def fine_losses(network, image: ImageFeatures, site: MapFeatures, batch: Batch, salience) -> dict[str, torch.Tensor]:
    """Drawn cells name the map point they see among many; the tuning then moves that point onto what the cell sees."""
    pyramid = batch.pyramid
    view, cell = _drawn_cells(batch.targets, salience)
    features = image.fine.flatten(2).transpose(1, 2)[view, cell]  # (C, D)
    targets, points = batch.targets[view, cell], batch.points[view, cell]
    share = _label_shares(pyramid.points[0][targets], points, pyramid.voxel)
    answers, targets = _answers(targets, len(site.fine))
    asked, known = network.log_sharpness[0].exp().clamp(max=100) * features, site.fine.index_select(0, answers)
    everything, guess = MeanLogSumExp.apply(asked, known)
    right = (asked[:, None] * gather(known, targets)).sum(2)  # (C, K)
    guess = answers[guess]
    miss = (points - pyramid.points[0][guess]) / pyramid.voxel
    close = miss.norm(dim=1) < 2
    offset = network.tuning(features[close], site.fine[guess[close]]) / pyramid.voxel
    return {
        "fine": everything - (right * share).sum(1).mean() + 0.5 * _named_back(asked, known, targets[:, 0], right[:, 0]),
        "tuning": F.smooth_l1_loss(offset, miss[close], beta=0.1, reduction="sum") / close.sum().clamp(min=1),
        "cells_right": close.float().mean(),
    }


def coarse_losses(network, image: ImageFeatures, site: MapFeatures, batch: Batch, salience, bank) -> dict[str, torch.Tensor]:
    """Tokens name the nodes they see: after fusion among the batch's, before it (multi-scale loss) among the whole map's."""
    pyramid, sharpness = batch.pyramid, network.log_sharpness.exp().clamp(max=100)
    weight = F.adaptive_avg_pool2d(salience.unflatten(1, image.fine.shape[-2:]), image.tokens.shape[-2:]).flatten(1)
    labels = _token_labels(batch.targets, pyramid, image.tokens.shape[-2:], image.fine.shape[-2:])
    views, tokens = labels.shape[:2]
    patches, nodes = network.fuse(image.tokens, site.nodes.expand(views, -1, -1), pyramid.nodes.expand(views, -1, -1))
    coarse_logits = sharpness[1] * patches[:, :tokens] @ nodes.transpose(1, 2)
    patches, nodes = network.votes(image.tokens, site.nodes)
    vote_logits = sharpness[2] * patches[:, :tokens] @ bank.index_put((batch.nodes,), nodes).T
    vote_labels = labels.new_zeros(vote_logits.shape).masked_scatter(batch.nodes, labels)
    bank[batch.nodes] = nodes.detach()
    return {
        "coarse": _soft_cross_entropy(coarse_logits, labels, weight),
        "votes": _soft_cross_entropy(vote_logits, vote_labels, weight),
        "tokens_right": _hit_rate(coarse_logits, labels),
        "votes_right": _hit_rate(vote_logits, vote_labels),
    }


def _salience(images: torch.Tensor, fine_grid) -> torch.Tensor:
    """Contrast around every cell (B, G), 1 on average: a blank wall says nothing about where it is, so it is asked less often."""
    stride = -(-images.shape[-1] // fine_grid[1])
    local = F.avg_pool2d(torch.cat([images, images**2], 1), 4 * stride + 1, stride, 2 * stride, count_include_pad=False)
    deviation = (local[:, 1:] - local[:, :1] ** 2).clamp(min=0).sqrt().flatten(1)
    return deviation / deviation.mean(1, keepdim=True).clamp(min=1e-6) + 0.05


def _drawn_cells(targets: torch.Tensor, salience: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices (C,) of view and cell of up to CELLS labelled cells, as many of each view, salient ones more often."""
    weight = salience * (targets[..., 0] >= 0)
    chosen = torch.zeros_like(weight)
    each = min(CELLS // len(weight), weight.shape[1])
    chosen.scatter_(1, torch.multinomial(weight + 1e-12, each), 1.0)
    return (chosen * weight).nonzero(as_tuple=True)


def _answers(targets: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Map points to choose from: all targets and some others; and the targets' indices among them."""
    chosen = torch.zeros(count, dtype=torch.bool, device=targets.device)
    chosen[torch.randint(count, (OTHERS,), device=targets.device)] = True
    chosen[targets.flatten()] = True
    return chosen.nonzero()[:, 0], (chosen.cumsum(0) - 1)[targets]


def _label_shares(near: torch.Tensor, points: torch.Tensor, voxel: float) -> torch.Tensor:
    """How the label (C, K) of a cell is shared among the K nearest map points (C, K, 3)."""
    distance = (near - points[:, None]).square().sum(2)
    return torch.softmax(-distance / (2 * (0.5 * voxel) ** 2), 1)


def _named_back(asked: torch.Tensor, known: torch.Tensor, target: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The other direction: a map point names the cells that see it, among the cells drawn; right (C,): each cell's logit of its target."""
    seen, label = target.unique(return_inverse=True)
    top = right.new_empty(len(seen)).scatter_reduce(0, label, right.detach(), "amax", include_self=False)
    own = top + right.new_zeros(len(seen)).index_add(0, label, (right - top[label]).exp()).log()  # of its cells alone
    return MeanLogSumExp.apply(known.index_select(0, seen), asked)[0] - own.mean()


class MeanLogSumExp(torch.autograd.Function):
    """Queries (Q, D), keys (A, D) -> the mean over queries of logsumexp(query . keys), and each query's best key (Q,).

    The (Q, A) logits would not fit in the cache: they are made, and their gradients with them, some rows at a time.
    """

    @staticmethod
    def forward(ctx, queries, keys):
        to_queries, to_keys, best, total = torch.empty_like(queries), torch.zeros_like(keys), [], 0.0
        for rows, gradient in zip(queries.split(ROWS), to_queries.split(ROWS), strict=True):
            share = rows @ keys.T
            top, index = share.max(1, keepdim=True)
            sums = share.sub_(top).exp_().sum(1, keepdim=True)
            share /= sums * len(queries)
            torch.mm(share, keys, out=gradient)
            to_keys.addmm_(share.T, rows)
            best.append(index[:, 0])
            total += (sums.log() + top).sum()
        ctx.save_for_backward(to_queries, to_keys)
        best = torch.cat(best)
        ctx.mark_non_differentiable(best)
        return total / len(queries), best

    @staticmethod
    def backward(ctx, upstream, _):
        to_queries, to_keys = ctx.saved_tensors
        return upstream * to_queries, upstream * to_keys


def _token_labels(targets: torch.Tensor, pyramid: Pyramid, grid, fine_grid) -> torch.Tensor:
    """Share of each token's cells that each node holds: (B, T, M); rows without labels are zero."""
    size = [-(-fine // coarse) for fine, coarse in zip(fine_grid, grid, strict=True)]
    nearest = targets[..., 0].unflatten(1, tuple(fine_grid))
    padded = F.pad(nearest, (0, grid[1] * size[1] - fine_grid[1], 0, grid[0] * size[0] - fine_grid[0]), value=-1)
    blocks = padded.unfold(1, size[0], size[0]).unfold(2, size[1], size[1]).flatten(3).flatten(1, 2)  # (B, T, cells)
    owners = torch.where(blocks >= 0, pyramid.owners[0][blocks.clamp(min=0)], len(pyramid.nodes))
    counts = torch.zeros(*blocks.shape[:2], len(pyramid.nodes) + 1, device=targets.device)
    counts.scatter_add_(2, owners, torch.ones_like(owners, dtype=counts.dtype))
    counts = counts[..., :-1]
    return counts / counts.sum(2, keepdim=True).clamp(min=1)


def _soft_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    known = labels.sum(2) > 0
    each = -(F.log_softmax(logits[known], 1) * labels[known]).sum(1)
    return (each * weight[known]).sum() / weight[known].sum()


def _hit_rate(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    known = labels.sum(2) > 0
    return (labels[known].gather(1, logits[known].argmax(1, keepdim=True)) > 0).float().mean()
