# SPDX-License-Identifier: Apache-2.0
"""The training loop: for a time or a number of epochs, resumable, on CPU or CUDA, in one process or
under `accelerate launch` in many."""

import ctypes
import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import broadcast
from rich.console import Console
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset

from diff2i2p_training.recipe import ScheduleRecipe
from diff2i2p_training.resume import Progress, resume, save_progress

CHECKPOINT_EVERY = 120.0  # seconds
REPORT_EVERY = 30.0  # seconds
WARM_UP = 0.03  # share of the training until the full learning rate
DECAY = 0.95  # of the learning rate per epoch, in the paper's schedule


class Budget:
    """How long to train: a time, or epochs over a dataset that says how many steps one has."""

    def __init__(
        self, schedule: ScheduleRecipe, minutes: float, dataset: IterableDataset, processes: int
    ):
        self.schedule, self.minutes = schedule, minutes
        self.epoch = getattr(dataset, "epoch", 0) / processes  # steps
        if schedule.epochs and not self.epoch:
            raise ValueError(
                "training.schedule.epochs needs pairs: other data has no end, give --minutes"
            )

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
    objective: nn.Module, dataset: IterableDataset, checkpoint: Path, minutes: float,
    schedule: ScheduleRecipe = ScheduleRecipe(), workers: int = 1,
    keep: Callable[[nn.Module, Progress], None] = lambda network, progress: None,
    console: Console | None = None,
) -> Progress:  # fmt: skip
    """Train `objective.network` in place for `minutes` in all, or the schedule's epochs.

    objective: called with a batch of `dataset` and the share of the training that is over, gives
    the sum to minimise and losses by name; its `groups` are parameters by pace. Goes on from
    `checkpoint` where there is one; keep: called at every checkpoint and at the end, with the
    running average of the network, which `objective.network` is in the end.
    """
    _keep_freed_memory()
    network = objective.network
    accelerator = _accelerator(schedule)
    console = console or Console(quiet=not accelerator.is_main_process)
    network.to(accelerator.device).train()
    optimizer = torch.optim.AdamW(
        objective.groups(), weight_decay=schedule.weight_decay, fused=True
    )
    average = running_average(network, schedule.average)
    parts = {"network": network, "optimizer": optimizer, "average": average}
    progress = resume(checkpoint, parts)
    if progress.step:
        done = f"step {progress.step}, {progress.seconds / 60:.1f} min"
        console.print(f"going on from {checkpoint}: {done}", highlight=False)
    objective, optimizer = accelerator.prepare(objective, optimizer)
    # other views than before the interruption, and than elsewhere
    dataset.seed += progress.step + 1_000_003 * accelerator.process_index
    prefetch = 4 if workers else None
    loader = iter(DataLoader(dataset, None, num_workers=workers, prefetch_factor=prefetch))
    budget = Budget(schedule, minutes, dataset, accelerator.num_processes)
    log = Log(checkpoint, schedule.tensorboard and accelerator.is_main_process, console)

    def save() -> None:
        if accelerator.is_main_process:
            save_progress(checkpoint, parts, progress)
            keep(average.module, progress)

    saved = time.monotonic()
    while (done := budget.done(progress)) < 1:
        started = time.monotonic()
        for group in optimizer.param_groups:
            rate = schedule.rate * accelerator.num_processes * budget.rate(progress)
            group["lr"] = rate * group["pace"]
        batch = moved(next(loader), accelerator.device)
        losses = _step(objective, optimizer, accelerator, batch, done, schedule.clip)
        average.update_parameters(network)
        progress.step += 1
        spent = time.monotonic() - started
        progress.seconds = _agreed(progress.seconds + spent, accelerator)
        log.add(losses, progress)
        if time.monotonic() - saved > CHECKPOINT_EVERY:
            saved = time.monotonic()
            save()
    log.close()
    save()
    network.load_state_dict(average.module.state_dict())
    network.eval().cpu()
    return progress


def running_average(network: nn.Module, decay: float) -> AveragedModel:
    """The average of all that the network was, buffers too, forgetting by `decay` a step.

    It forgets sooner while it is young, and counters are those of the latest state.
    """

    def update(averages: list[torch.Tensor], latest: list[torch.Tensor], steps: torch.Tensor):
        young = (int(steps) + 1) / (int(steps) + 10)
        kept = min(decay, young) if averages[0].is_floating_point() else 0.0
        get_ema_multi_avg_fn(kept)(averages, latest, steps)

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)


def _accelerator(schedule: ScheduleRecipe) -> Accelerator:
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # of views without matches
    on_cpu = not torch.cuda.is_available()
    return Accelerator(cpu=on_cpu, mixed_precision=schedule.precision, kwargs_handlers=[unused])


def _step(
    objective, optimizer, accelerator: Accelerator, batch, done: float, clip: float
) -> dict[str, float]:
    total, losses = objective(batch, done)
    optimizer.zero_grad(set_to_none=True)
    accelerator.backward(total)
    if clip:
        accelerator.clip_grad_norm_(objective.parameters(), clip)
    optimizer.step()
    return {name: value.item() for name, value in losses.items()}


def _keep_freed_memory() -> None:
    """Big arrays, of every step alike, are taken from what was freed: the system is slow to give.

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
            self.console.print(
                f"{progress.seconds / 60:5.1f} min  step {progress.step}  {figures}",
                highlight=False,
            )

    def close(self) -> None:
        if self.writer:
            self.writer.close()


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

    return dataclasses.replace(
        record, **{f.name: move(getattr(record, f.name)) for f in dataclasses.fields(record)}
    )
