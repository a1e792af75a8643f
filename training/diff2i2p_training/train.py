# SPDX-License-Identifier: Apache-2.0
"""The training loop: for a number of minutes, resumable, on CPU or CUDA."""

import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch.utils.data import DataLoader, IterableDataset

from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p_training.datasets import Batch
from diff2i2p_training.losses import matching_losses, total

CHECKPOINT_EVERY = 120.0  # seconds
REPORT_EVERY = 30.0  # seconds
DROP_GREY = 0.4  # share of steps in which the map has no grey value: bare geometry must work too
WARM_UP = 0.03  # share of the time until the full learning rate
EASY = 0.3  # share of the time until views are as hard as they get, and from everywhere: without easy ones first, learning does not begin
CODES_PACE = 5.0  # learning rate of the codes of places, in learning rates of the rest


@dataclass
class Progress:
    """Where training stands; saved with every checkpoint."""

    step: int = 0
    seconds: float = 0.0


def train(
    network: Diff2I2P, dataset: IterableDataset, checkpoint: Path, minutes: float, rate: float = 5e-4, workers: int = 1, console=None
) -> Progress:
    """Train `network` in place for `minutes` in all; goes on from `checkpoint` where there is one.

    The learning rate rises over the first 3 % of the time and falls to zero by a cosine.
    """
    console = console or Console()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device).train()
    network.image_backbone.to(memory_format=torch.channels_last)  # an eighth faster
    optimizer = torch.optim.AdamW(_groups(network), weight_decay=1e-3)
    progress = _resume(checkpoint, network, optimizer, console)
    dataset.seed += progress.step  # other views than before the interruption
    loader = iter(DataLoader(dataset, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None))
    bank = VoteBank(network.config.network.token_dim)
    means, reported, saved = {}, time.monotonic(), time.monotonic()
    while progress.seconds < 60 * minutes:
        started = time.monotonic()
        dataset.effort.fill_(min(1.0, 0.1 + progress.seconds / (60 * minutes * EASY)))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["pace"] * _schedule(progress.seconds / (60 * minutes))
        losses = _step(network, optimizer, _moved(next(loader), device), bank)
        progress.step += 1
        progress.seconds += time.monotonic() - started
        for name, value in losses.items():
            means[name] = 0.97 * means.get(name, value) + 0.03 * value
        if time.monotonic() - reported > REPORT_EVERY:
            reported = time.monotonic()
            figures = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
            console.print(f"{progress.seconds / 60:5.1f} min  step {progress.step}  {figures}", highlight=False)
        if time.monotonic() - saved > CHECKPOINT_EVERY:
            saved = time.monotonic()
            _save(checkpoint, network, optimizer, progress)
    _save(checkpoint, network, optimizer, progress)
    network.eval().cpu()
    return progress


class VoteBank:
    """The nodes of a whole map as last seen, while batches show parts of it."""

    def __init__(self, dim: int):
        self.dim, self.site, self.nodes = dim, None, None

    def of(self, batch: Batch) -> torch.Tensor:
        """(M, dim) of the batch's map; zeros where nothing was seen yet."""
        if self.site != batch.site:
            self.site, self.nodes = batch.site, batch.images.new_zeros(len(batch.nodes), self.dim)
        return self.nodes


def _step(network: Diff2I2P, optimizer, batch: Batch, bank: VoteBank) -> dict[str, float]:
    if torch.rand(()) < DROP_GREY:
        batch = dataclasses.replace(batch, pyramid=dataclasses.replace(batch.pyramid, grey=None))
    losses = matching_losses(network, batch, bank.of(batch))
    optimizer.zero_grad(set_to_none=True)
    total(losses).backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return {name: value.item() for name, value in losses.items()}


def _groups(network: Diff2I2P) -> list[dict]:
    """Parameters by pace: codes of places are seen rarely, so they learn faster, and forget nothing."""
    codes = [network.place_memory.codes] if network.place_memory else []
    rest = [parameter for name, parameter in network.named_parameters() if name != "place_memory.codes"]
    return [{"params": rest, "pace": 1.0}, {"params": codes, "pace": CODES_PACE, "weight_decay": 0.0}]


def _schedule(done: float) -> float:
    return min(done / WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))) + 1e-3


def _moved(record, device: str):
    """A dataclass of tensors (and tuples and dataclasses of them) on another device."""

    def move(value):
        if isinstance(value, tuple):
            return tuple(map(move, value))
        if dataclasses.is_dataclass(value):
            return _moved(value, device)
        return value.to(device) if isinstance(value, torch.Tensor) else value

    return dataclasses.replace(record, **{f.name: move(getattr(record, f.name)) for f in dataclasses.fields(record)})


def _save(path: Path, network, optimizer, progress: Progress) -> None:
    partial = path.with_name(path.name + ".part")
    torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict(), "progress": dataclasses.asdict(progress)}, partial)
    partial.replace(path)


def _resume(path: Path, network, optimizer, console) -> Progress:
    if not path.exists():
        return Progress()
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    console.print(f"going on from {path}: step {state['progress']['step']}, {state['progress']['seconds'] / 60:.1f} min")
    return Progress(**state["progress"])
