# SPDX-License-Identifier: Apache-2.0
"""Endless batches for the geometry network: augmented pairs, and what they have in common."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from diff2i2p_training.data.pair_augmentation import Sample, augment

MATCHES = 256  # of a pair at most
FEWEST = 20  # without which a pair teaches nothing
TRIES = 1000  # pairs in turn with fewer before that is an error


@dataclass(frozen=True)
class CellBatch:
    """B photos and drawings with M true matches, those of one pair after those of another."""

    photos: torch.Tensor  # (B, 1, H, W) float32
    drawings: torch.Tensor  # (B, CHANNELS, H, W) float32
    sites: torch.Tensor  # (B,) int64, equal where pairs are of one site
    pair: torch.Tensor  # (M,) int64 which pair a match belongs to
    cells: torch.Tensor  # (M,) int64 cell of the drawing
    pixels: torch.Tensor  # (M, 2) float32 (u, v) of the photo


class CellBatches(IterableDataset):
    """Batches of what `source.draw(rng)` gives, each pair augmented."""

    def __init__(self, source, size: int, seed: int = 0):
        self.source, self.size, self.seed = source, size, seed

    def __iter__(self) -> Iterator[CellBatch]:
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            yield collate([self._sample(rng) for _ in range(self.size)], rng)

    def _sample(self, rng: np.random.Generator) -> Sample:
        for _ in range(TRIES):
            sample = augment(self.source.draw(rng), rng)
            if np.isfinite(sample.pixels[:, 0]).sum() >= FEWEST:
                return sample
        raise ValueError(f"{TRIES} pairs in turn have next to nothing in common: are poses right?")


def collate(samples: list[Sample], rng: np.random.Generator) -> CellBatch:
    """The samples as one batch, with up to MATCHES matches of each."""
    known = [rng.permutation(np.flatnonzero(np.isfinite(s.pixels[:, 0]))) for s in samples]
    cells = [found[:MATCHES] for found in known]
    names = [sample.site for sample in samples]
    columns = (
        np.stack([sample.photo for sample in samples])[:, None],
        np.stack([sample.drawing for sample in samples]),
        np.array([names.index(name) for name in names]),
        np.repeat(np.arange(len(samples)), [len(own) for own in cells]),
        np.concatenate(cells),
        np.concatenate([sample.pixels[own] for sample, own in zip(samples, cells, strict=True)]),
    )
    return CellBatch(*map(torch.from_numpy, columns))
