# SPDX-License-Identifier: Apache-2.0
"""The paper's training: on the pairs of a benchmark, by the losses that a configuration names."""

from pathlib import Path

import torch

from diff2i2p.config import Config
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.weights import load_weights, save_weights
from diff2i2p_training.card import card
from diff2i2p_training.data.pair_dataset import PairDataset
from diff2i2p_training.data.pairs import read_pairs
from diff2i2p_training.losses.objective import Objective
from diff2i2p_training.recipe import Recipe
from diff2i2p_training.resume import Progress
from diff2i2p_training.train import train


def train_pairs(
    out: Path,
    minutes: float,
    config: Config,
    recipe: Recipe,
    start: str | None = None,
    seed: int = 0,
) -> Diff2I2P:
    """Train for `minutes` in all, or the recipe's epochs, and write the weights to `out`.

    Goes on from `out`.ckpt; start: weights to begin with. Raises PairsError, WeightsError.
    """
    torch.manual_seed(seed)
    network = Diff2I2P(config)
    if start:
        _begin(network, start)
    pairs = read_pairs(recipe.data.pairs, "train", recipe.data.min_overlap)
    dataset, data = (
        PairDataset(pairs, config, recipe.data, seed),
        f"{pairs.name}, {len(pairs)} pairs",
    )

    def keep(trained: Diff2I2P, progress: Progress) -> None:
        save_weights(out, trained, card(data, progress))

    objective, checkpoint = Objective(network, recipe.losses), out.with_suffix(".ckpt")
    workers = recipe.data.workers
    train(objective, dataset, checkpoint, minutes, recipe.schedule, workers, keep)
    return network


def _begin(network: Diff2I2P, start: str) -> None:
    """Take over from other weights all that has the same name and shape."""
    known, own = load_weights(start)[0].state_dict(), network.state_dict()
    fitting = {name: t for name, t in known.items() if name in own and own[name].shape == t.shape}
    network.load_state_dict(own | fitting)
