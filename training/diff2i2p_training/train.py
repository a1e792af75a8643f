# SPDX-License-Identifier: Apache-2.0
"""The training loop: for a time or a number of epochs, resumable, on CPU or CUDA, in one process or, under `accelerate launch`, in many."""

import ctypes
import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import broadcast
from rich.console import Console
from torch.utils.data import DataLoader, IterableDataset

from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p_training.data.site_dataset import Batch
from diff2i2p_training.losses.objective import Objective
from diff2i2p_training.recipe import Recipe, ScheduleRecipe
from diff2i2p_training.resume import read_checkpoint, write_checkpoint

CHECKPOINT_EVERY = 120.0  # seconds
REPORT_EVERY = 30.0  # seconds
DROP_GREY = 0.4  # share of steps in which the map has no grey value: bare geometry must work too
WARM_UP = 0.03  # share of the training until the full learning rate
EASY = 0.3  # share of the training until views are hard, and from everywhere: without easy ones first, learning does not begin
CODES_PACE = 5.0  # learning rate of the codes of places, in learning rates of the rest
DECAY = 0.95  # of the learning rate per epoch, in the paper's schedule


@dataclass
class Progress:
    """Where training stands; saved with every checkpoint."""

    step: int = 0
    seconds: float = 0.0


class Budget:
    """How long to train: a time, or epochs over a dataset that says how many steps one has."""

    def __init__(self, schedule: ScheduleRecipe, minutes: float, dataset: IterableDataset, processes: int):
        self.schedule, self.minutes = schedule, minutes
        self.epoch = getattr(dataset, "epoch", 0) / processes  # steps
        if schedule.epochs and not self.epoch:
            raise ValueError("training.schedule.epochs needs pairs: synthetic worlds have no end, give --minutes")

    def done(self, progress: Progress) -> float:
        """Share of the training that is over."""
        if self.schedule.epochs:
            return progress.step / (self.schedule.epochs * self.epoch)
        return progress.seconds / (60 * self.minutes)

    def rate(self, progress: Progress) -> float:
        """Learning rate over its highest."""
        if self.schedule.decay == "epochs":
            return DECAY ** math.floor(progress.step / self.epoch)
        return _cosine(self.done(progress))


def train(
    network: Diff2I2P, dataset: IterableDataset, checkpoint: Path, minutes: float, recipe: Recipe = Recipe(), workers: int = 1, console=None
) -> Progress:
    """Train `network` in place for `minutes` in all, or the recipe's epochs; goes on from `checkpoint` where there is one.

    The learning rate rises over the first 3 % and falls to zero by a cosine, or falls by 5 % an epoch.
    """
    schedule = recipe.schedule
    _keep_freed_memory()
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # a view without matches leaves the tuning out
    accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=schedule.precision, kwargs_handlers=[unused])
    console = console or Console(quiet=not accelerator.is_main_process)
    network.to(accelerator.device).train()
    network.image_backbone.to(memory_format=torch.channels_last)  # an eighth faster
    optimizer = torch.optim.AdamW(_groups(network), weight_decay=schedule.weight_decay, fused=True)
    progress = _resume(checkpoint, network, optimizer, console)
    objective, optimizer = accelerator.prepare(Objective(network, recipe.losses), optimizer)
    dataset.seed += progress.step + 1_000_003 * accelerator.process_index  # other views than before the interruption, and than elsewhere
    loader = iter(DataLoader(dataset, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None))
    budget, bank = Budget(schedule, minutes, dataset, accelerator.num_processes), VoteBank(network.config.network.token_dim)
    log, saved = Log(checkpoint, schedule.tensorboard and accelerator.is_main_process, console), time.monotonic()
    while (done := budget.done(progress)) < 1:
        started = time.monotonic()
        dataset.effort.fill_(min(1.0, 0.1 + done / EASY))
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate * accelerator.num_processes * group["pace"] * budget.rate(progress)
        losses = _step(objective, optimizer, accelerator, moved(next(loader), accelerator.device), bank, done, schedule.clip)
        progress.step += 1
        progress.seconds = _agreed(progress.seconds + time.monotonic() - started, accelerator)
        log.add(losses, progress)
        if time.monotonic() - saved > CHECKPOINT_EVERY and accelerator.is_main_process:
            saved = time.monotonic()
            _save(checkpoint, network, optimizer, progress)
    log.close()
    if accelerator.is_main_process:
        _save(checkpoint, network, optimizer, progress)
    network.eval().cpu()
    return progress


def _keep_freed_memory() -> None:
    """Big arrays, of every step alike, are taken from what was freed: to get them from the system anew takes time.

    Holds for this process and for the workers it forks, where the C library is glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(-4, 0)  # M_MMAP_MAX: nothing has pages of its own
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


class Log:
    """Running means of the losses, on the console and in files for TensorBoard."""

    def __init__(self, checkpoint: Path, tensorboard: bool, console: Console):
        self.console, self.means, self.reported, self.writer = console, {}, time.monotonic(), None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(checkpoint.with_suffix(".tensorboard")))

    def add(self, losses: dict[str, float], progress: Progress) -> None:
        for name, value in losses.items():
            self.means[name] = 0.97 * self.means.get(name, value) + 0.03 * value
            if self.writer:
                self.writer.add_scalar(name, value, progress.step)
        if time.monotonic() - self.reported > REPORT_EVERY:
            self.reported = time.monotonic()
            figures = "  ".join(f"{name} {value:.3f}" for name, value in self.means.items())
            self.console.print(f"{progress.seconds / 60:5.1f} min  step {progress.step}  {figures}", highlight=False)

    def close(self) -> None:
        if self.writer:
            self.writer.close()


class VoteBank:
    """The nodes of a whole map as last seen, while batches show parts of it."""

    def __init__(self, dim: int):
        self.dim, self.site, self.nodes = dim, None, None

    def of(self, batch: Batch) -> torch.Tensor:
        """(M, dim) of the batch's map; zeros where nothing was seen yet."""
        if self.site != batch.site:
            self.site, self.nodes = batch.site, batch.images.new_zeros(len(batch.nodes), self.dim)
        return self.nodes


def _step(objective, optimizer, accelerator: Accelerator, batch: Batch, bank: VoteBank, done: float, clip: float) -> dict[str, float]:
    if torch.rand(()) < DROP_GREY:
        batch = dataclasses.replace(batch, pyramid=dataclasses.replace(batch.pyramid, grey=None))
    total, losses = objective(batch, bank.of(batch), done)
    optimizer.zero_grad(set_to_none=True)
    accelerator.backward(total)
    if clip:
        accelerator.clip_grad_norm_(objective.parameters(), clip)
    optimizer.step()
    return {name: value.item() for name, value in losses.items()}


def _groups(network: Diff2I2P) -> list[dict]:
    """Parameters by pace: codes of places are seen rarely, so they learn faster, and forget nothing."""
    codes = [network.place_memory.codes] if network.place_memory else []
    rest = [parameter for name, parameter in network.named_parameters() if name != "place_memory.codes"]
    return [{"params": rest, "pace": 1.0}, {"params": codes, "pace": CODES_PACE, "weight_decay": 0.0}]


def _agreed(seconds: float, accelerator: Accelerator) -> float:
    """The time of the first process, or some would stop while others wait for them."""
    if accelerator.num_processes == 1:
        return seconds
    return broadcast(torch.tensor([seconds], dtype=torch.float64, device=accelerator.device)).item()


def _cosine(done: float) -> float:
    return min(done / WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))) + 1e-3


def moved(record, device: str | torch.device):
    """A dataclass of tensors (and tuples and dataclasses of them) on another device."""

    def move(value):
        if isinstance(value, tuple):
            return tuple(map(move, value))
        if dataclasses.is_dataclass(value):
            return moved(value, device)
        return value.to(device) if isinstance(value, torch.Tensor) else value

    return dataclasses.replace(record, **{f.name: move(getattr(record, f.name)) for f in dataclasses.fields(record)})


def _save(path: Path, network, optimizer, progress: Progress) -> None:
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "progress": dataclasses.asdict(progress)}
    write_checkpoint(path, state)


def _resume(path: Path, network, optimizer, console) -> Progress:
    state = read_checkpoint(path, "cpu", {"network", "optimizer", "progress"})
    if state is None:
        return Progress()
    try:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        progress = Progress(**state["progress"])
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} was begun with another network: remove it to begin anew, or write elsewhere") from error
    console.print(f"going on from {path}: step {progress.step}, {progress.seconds / 60:.1f} min")
    return progress
