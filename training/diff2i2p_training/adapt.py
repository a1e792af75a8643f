# SPDX-License-Identifier: Apache-2.0
"""Site adaptation: generic weights become those of a site by its cloud and posed photos of it."""

from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from diff2i2p.cloud import PointCloud
from diff2i2p.datasets.sequences import Sequence
from diff2i2p.network.geometry_network import GeometryNetwork
from diff2i2p.weights import GENERIC, save_weights
from diff2i2p_training.card import card
from diff2i2p_training.data.cell_batches import CellBatches
from diff2i2p_training.data.site_pairs import SitePairs
from diff2i2p_training.losses.cell_losses import CellObjective
from diff2i2p_training.pretrain import BATCH, SCHEDULE
from diff2i2p_training.resume import Progress
from diff2i2p_training.start import begin
from diff2i2p_training.train import train


def adapt(
    cloud: PointCloud, sequence: Sequence, out: Path, minutes: float, start: str = GENERIC,
    seed: int = 0,
) -> GeometryNetwork:  # fmt: skip
    """Fine-tune the weights `start` for the site of `cloud` and write them to `out`.

    sequence: posed photos of it, in the cloud's coordinates. Goes on from `out`.ckpt. Raises WeightsError, SequenceError,
    CameraError, and ValueError where no photo shows the cloud.
    """
    torch.manual_seed(seed)
    network, console = begin(start), Console()
    console.print(f"map: {len(cloud)} points; mapping run: {len(sequence)} images", highlight=False)
    pairs = SitePairs(cloud, sequence, lambda views: track(views, "depth of the images"))
    data = f"{sequence.name}, {len(sequence)} images"

    def keep(trained: GeometryNetwork, progress: Progress) -> None:
        save_weights(out, trained, card(data, progress, start=start), torch.float32)

    batches, checkpoint = CellBatches(pairs, BATCH, seed), out.with_suffix(".ckpt")
    train(
        CellObjective(network), batches, checkpoint, minutes, SCHEDULE, keep=keep, console=console
    )
    return network
