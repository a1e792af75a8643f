# SPDX-License-Identifier: Apache-2.0
"""Generic weights: trained on synthetic offices, for places they have never seen."""

from pathlib import Path

import torch

from diff2i2p.config import Config
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.weights import save_weights
from diff2i2p_training.adapt import BATCH, begin, card
from diff2i2p_training.train import train
from diff2i2p_training.worlds import WorldDataset

WORKERS = 2


def train_generic(out: Path, minutes: float, config: Config = Config(), start: str | None = None, seed: int = 0) -> Diff2I2P:
    """Train on worlds without end for `minutes` in all and write the weights to `out`; resumes from `out`.ckpt."""
    torch.manual_seed(seed)
    network = Diff2I2P(config)
    if start:
        begin(network, start)
    progress = train(network, WorldDataset(config, BATCH, seed), out.with_suffix(".ckpt"), minutes, workers=WORKERS)
    save_weights(out, network, card("synthetic offices", progress))
    return network
