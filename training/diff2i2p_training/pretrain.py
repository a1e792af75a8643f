# SPDX-License-Identifier: Apache-2.0
"""Weights for places never seen: endless synthetic places, and what real images there are."""

from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from diff2i2p.cloud import PointCloud
from diff2i2p.datasets.sequences import Sequence
from diff2i2p.network.geometry_network import GeometryNetwork
from diff2i2p.weights import save_weights
from diff2i2p_training.card import card
from diff2i2p_training.data.cell_batches import CellBatches
from diff2i2p_training.data.pair_pool import Mixture, PairPool
from diff2i2p_training.data.place_pairs import PlaceMakers, fill
from diff2i2p_training.data.rgbd import rgbd_pairs
from diff2i2p_training.data.site_pairs import sequence_pairs
from diff2i2p_training.losses.cell_losses import CellObjective
from diff2i2p_training.recipe import ScheduleRecipe
from diff2i2p_training.resume import Progress
from diff2i2p_training.start import begin
from diff2i2p_training.train import train

BATCH = 8  # pairs
# Averaged weights: half way through a training (step 1,044 of the second hour of `generic`) 76 % of
# 29 kitchen frames found their place with them, 45 % with those of that step.
SCHEDULE = ScheduleRecipe(rate=1e-3, decay="cosine", weight_decay=1e-4, clip=1.0, average=0.998)
PLACES_SHARE, REAL_SHARE = 3.0, 1.0  # of the pairs, where there are real ones
ENOUGH = 4  # places that training begins with


@dataclass(frozen=True)
class RealData:
    """Folders of RGB-D images, and a site: its cloud and the posed photos of a mapping run."""

    rgbd: tuple[Path, ...] = ()
    site: tuple[PointCloud, Sequence] | None = None


@dataclass(frozen=True)
class Work:
    """What a machine is asked for: a GPU wants larger batches, and many processes to feed it."""

    batch: int = BATCH  # pairs of a step
    workers: int = 1  # processes that augment pairs
    makers: int = 1  # processes that make places
    places: int = 100  # the latest ones, kept on disk


def pretrain(
    out: Path, minutes: float, real: RealData = RealData(), start: str | None = None,
    pool: Path | None = None, work: Work = Work(), seed: int = 0,
) -> GeometryNetwork:  # fmt: skip
    """Train for `minutes` in all and write the weights to `out`; goes on from `out`.ckpt.

    real: data besides synthetic places; start: weights to begin with, XFeat's unless given; pool:
    folder of pairs, `out`.pairs unless given. Raises WeightsError, RgbdError, SequenceError.
    """
    torch.manual_seed(seed)
    network, folder = begin(start), pool or out.with_suffix(".pairs")
    source, data = stored_pairs(folder, real, work.places)

    def keep(trained: GeometryNetwork, progress: Progress) -> None:
        save_weights(out, trained, card(data, progress, start=start or "XFeat"), torch.float32)

    batches, checkpoint = CellBatches(source, work.batch, seed), out.with_suffix(".ckpt")
    with PlaceMakers(folder / "places", work.makers, work.places):
        train(CellObjective(network), batches, checkpoint, minutes, SCHEDULE, work.workers, keep)
    return network


def stored_pairs(folder: Path, real: RealData, kept: int) -> tuple[Mixture, str]:
    """The pairs of `folder`, where what it lacks is made first; and what they are, in words."""
    places = PairPool(folder / "places")
    if len(places) < ENOUGH:
        Console().print("making the first places", highlight=False)
        fill(places.folder, 1, kept, until=ENOUGH)
    reals = PairPool(folder / "real")
    add_real(reals, real)
    if not len(reals):
        return Mixture([places], [1.0]), "synthetic places"
    data = f"synthetic places; real images: {', '.join(sorted(set(reals.sites)))}"
    return Mixture([places, reals], [PLACES_SHARE, REAL_SHARE]), data


def add_real(pool: PairPool, real: RealData) -> None:
    """Store the pairs of real data that the pool does not hold yet. Raises as `pretrain` does."""
    makers = {
        folder.resolve().name: lambda folder=folder: rgbd_pairs(folder) for folder in real.rgbd
    }
    if real.site:
        makers[real.site[1].name] = lambda: sequence_pairs(*real.site)
    for name, pairs in makers.items():
        if not any(pool.folder.glob(f"{name}-*.safetensors")):
            count = pool.add(name, pairs())
            Console().print(f"{name}: {count} pairs", highlight=False)
