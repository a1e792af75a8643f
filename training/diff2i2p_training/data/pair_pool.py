# SPDX-License-Identifier: Apache-2.0
"""Pairs on disk, some hundred to a file, read one at a time; old files make room for new ones."""

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from diff2i2p.mapping.drawn_geometry import CHANNELS
from diff2i2p_training.data.drawn_pairs import DrawnPair

FORMAT = "diff2i2p-pairs-1"
SHARD = 256  # pairs of one file at most: about 170 MB
ARRAYS = "photos", "drawings", "pixels"


class PoolError(ValueError):
    """A folder of pairs that cannot be used: says why and what to do."""


class PairPool:
    """The shards SITE-PART.safetensors of a folder, which other processes may be writing."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.listed = -1  # when the folder had been changed that the lists below are of
        self.shards: list[Path] = []
        self.chances = np.zeros(0)

    def __len__(self) -> int:
        """Shards there are now."""
        changed = self.folder.stat().st_mtime_ns
        if changed != self.listed:
            sizes = {path: _size(path) for path in sorted(self.folder.glob("[!.]*.safetensors"))}
            self.shards = [path for path, size in sizes.items() if size]
            self.chances = _chances(self.sites, np.array([sizes[path] for path in self.shards]))
            self.listed = changed
        return len(self.shards)

    @property
    def sites(self) -> list[str]:
        """The site of each shard."""
        return [path.stem.rsplit("-", 1)[0] for path in self.shards]

    def draw(self, rng: np.random.Generator) -> DrawnPair:
        """Any pair of any shard. Raises PoolError."""
        while count := len(self):
            path = self.shards[rng.choice(count, p=self.chances)]
            try:
                return _read(path, rng)
            except FileNotFoundError:  # it has made room since the folder was listed
                self.listed = -1
        raise PoolError(f"{self.folder} holds no pairs: name data to make some of")

    def add(self, site: str, pairs: Iterable[DrawnPair]) -> int:
        """Write the pairs of a site, a shard at a time; gives their number. Raises OSError."""
        pairs, count = iter(pairs), 0
        for part in range(10**6):
            shard = list(islice(pairs, SHARD))
            if not shard:
                break
            self._write(f"{site}-{part}", site, shard)
            count += len(shard)
        return count

    def keep(self, most: int) -> None:
        """Delete the first shards by name where there are more than `most`."""
        for path in self.shards[: len(self) - most] if len(self) > most else ():
            path.unlink(missing_ok=True)

    def _write(self, name: str, site: str, pairs: list[DrawnPair]) -> None:
        columns = (
            [getattr(pair, part) for pair in pairs] for part in ("photo", "drawing", "pixels")
        )
        arrays = (np.ascontiguousarray(np.stack(column)) for column in columns)  # or it is garbled
        tensors = dict(zip(ARRAYS, arrays, strict=True))
        partial = self.folder / f".{name}.part"  # no shard until it is whole
        save_file(tensors, partial, {"format": FORMAT, "site": site})
        os.replace(partial, self.folder / f"{name}.safetensors")


def _size(path: Path) -> int:
    """Bytes of a file, 0 when it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _chances(sites: list[str], sizes: np.ndarray) -> np.ndarray:
    """How often each shard is drawn from: a site by the root of its size, as photos of one place
    repeat each other."""
    if not sites:
        return np.zeros(0)
    _, owner = np.unique(sites, return_inverse=True)
    weights = sizes / np.sqrt(np.bincount(owner, sizes)[owner])
    return weights / weights.sum()


def _read(path: Path, rng: np.random.Generator) -> DrawnPair:
    """Any pair of a shard. Raises PoolError, FileNotFoundError."""
    try:
        with safe_open(path, "np") as shard:
            metadata = shard.metadata() or {}
            slices = [shard.get_slice(key) for key in ARRAYS]
            photos, drawings, pixels = (tuple(part.get_shape()) for part in slices)
            fits = len(pixels) == 3 and drawings == (photos[0], CHANNELS, *photos[1:])
            if metadata.get("format") != FORMAT or not fits or not photos[0]:
                raise PoolError(f"{path} is no shard of pairs: remove it")
            number = int(rng.integers(photos[0]))
            return DrawnPair(metadata["site"], *(part[number] for part in slices))
    except (SafetensorError, KeyError, IndexError) as error:
        raise PoolError(
            f"{path} cannot be read as a shard of pairs ({error}): remove it"
        ) from error


class Mixture:
    """Pairs of several sources, in turn by chance."""

    def __init__(self, sources: list, shares: list[float]):
        """sources: what has `draw`; shares: how often each is asked, of their sum."""
        self.sources, self.chances = sources, np.array(shares) / sum(shares)

    def draw(self, rng: np.random.Generator) -> DrawnPair:
        return self.sources[rng.choice(len(self.sources), p=self.chances)].draw(rng)
