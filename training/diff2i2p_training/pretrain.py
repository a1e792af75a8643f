# SPDX-License-Identifier: Apache-2.0
"""Weights for places never seen: trained on synthetic offices, or on the pairs of a benchmark."""

from pathlib import Path

import torch
from accelerate import PartialState
from torch.utils.data import IterableDataset

from diff2i2p.config import Config
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.weights import save_weights
from diff2i2p_training.adapt import begin, card
from diff2i2p_training.data.pair_dataset import PairDataset
from diff2i2p_training.data.pairs import read_pairs
from diff2i2p_training.data.worlds import WorldDataset
from diff2i2p_training.recipe import DataRecipe, Recipe
from diff2i2p_training.train import train


def train_generic(
    out: Path, minutes: float, config: Config = Config(), recipe: Recipe = Recipe(), start: str | None = None, seed: int = 0
) -> Diff2I2P:
    """Train for `minutes` in all, or the recipe's epochs, and write the weights to `out`; resumes from `out`.ckpt."""
    torch.manual_seed(seed)
    network = Diff2I2P(config)
    if start:
        begin(network, start)
    data, dataset = dataset_of(config, recipe.data, seed)
    progress = train(network, dataset, out.with_suffix(".ckpt"), minutes, recipe, recipe.data.workers)
    if PartialState().is_main_process:
        save_weights(out, network, card(data, progress))
    return network


def dataset_of(config: Config, recipe: DataRecipe, seed: int) -> tuple[str, IterableDataset]:
    """The data set of a recipe, and its name. Raises PairsError."""
    if recipe.source == "worlds":
        return "synthetic offices", WorldDataset(config, recipe.batch, seed)
    pairs = read_pairs(recipe.pairs, "train", recipe.min_overlap)
    return f"{pairs.name}, {len(pairs)} pairs", PairDataset(pairs, config, recipe, seed)
