# SPDX-License-Identifier: Apache-2.0
"""A depth-conditioned diffusion model of our own: a small UNet and ControlNet on pixels, for CSD without any download.

Saved as a diffusers Stable Diffusion ControlNet pipeline without autoencoder and text encoder, which `load_prior` reads like any other.
"""

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import (
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionControlNetPipeline,
    UNet2DConditionModel,
)
from diffusers.training_utils import EMAModel
from diffusers.utils import logging
from rich.console import Console
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from diff2i2p_training.card import card
from diff2i2p_training.diffusion.pipeline import DiffusionPrior, load_prior
from diff2i2p_training.diffusion.prior_views import PriorViews, Views, draw, world_views
from diff2i2p_training.resume import Progress, read_checkpoint, write_checkpoint
from diff2i2p_training.train import CHECKPOINT_EVERY, REPORT_EVERY, WARM_UP

RATE = 1e-3
UNCONTROLLED = (
    0.1  # share of the samples without control, from which guidance knows what there is without it
)
EMA = 0.995
SHEET_GUIDANCE = 1.5
UNSEEN = 7  # seed of the world on the sheet; below those of training
GROUPS = 8  # of the group norms; channels are a multiple


@dataclass(frozen=True)
class PriorShape:
    """What a prior is made of; a training can only go on with the same."""

    width: int = 64  # pixels of its images
    channels: int = 32  # of the finest level; two and three times as many below

    def __post_init__(self):
        if self.width % 16 or self.channels % GROUPS or min(self.width, self.channels) <= 0:
            raise ValueError(
                f"a prior is a multiple of 16 pixels wide and has a multiple of {GROUPS} channels, not {self}"
            )


def new_pipeline(shape: PriorShape) -> StableDiffusionControlNetPipeline:
    """An untrained model: three levels, attention on the coarsest, v-prediction, the control as large as the image."""
    widths = tuple(shape.channels * i for i in (1, 2, 3))
    unet = UNet2DConditionModel(
        sample_size=shape.width, in_channels=3, out_channels=3, block_out_channels=widths, layers_per_block=1, norm_num_groups=GROUPS,
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"), mid_block_type="UNetMidBlock2D",
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"), attention_head_dim=GROUPS, cross_attention_dim=GROUPS,
    )  # fmt: skip
    controlnet = ControlNetModel.from_unet(
        unet, conditioning_embedding_out_channels=(16,), conditioning_channels=1
    )
    for part in (
        controlnet.controlnet_cond_embedding.conv_out,
        *controlnet.controlnet_down_blocks,
        controlnet.controlnet_mid_block,
    ):
        part.reset_parameters()  # zeros spare a model that is trained already; here they only put off the day when the depth is heard
    scheduler = DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    )
    return StableDiffusionControlNetPipeline(
        None, None, None, unet, controlnet, scheduler, None, None, requires_safety_checker=False
    )


class PriorTrainer:
    """Makes a pipeline predict what the noise hides, with and without the control."""

    def __init__(
        self, pipeline: StableDiffusionControlNetPipeline, device: str = "cpu", rate: float = RATE
    ):
        self.pipeline, self.device, self.rate = pipeline, device, rate
        self.model = (
            torch.nn.ModuleDict({"unet": pipeline.unet, "controlnet": pipeline.controlnet})
            .to(device)
            .train()
        )
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=rate, weight_decay=1e-4)
        self.average = EMAModel(self.model.parameters(), decay=EMA, use_ema_warmup=True, power=0.75)
        self.progress = Progress()

    def step(self, photos: torch.Tensor, controls: torch.Tensor, done: float = 0.5) -> float:
        """One step on photos (B, 3, h, w) in [0, 1] and controls (B, 1, h, w); `done` is the share of the training that is over."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * min(1.0, done / WARM_UP + 1e-3) * (1 - 0.9 * done)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            loss = self._loss(photos.to(self.device) * 2 - 1, controls.to(self.device))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.average.step(self.model.parameters())
        self.progress.step += 1
        return loss.item()

    def _loss(self, x: torch.Tensor, controls: torch.Tensor) -> torch.Tensor:
        scheduler, noise = self.pipeline.scheduler, torch.randn_like(x)
        t = (
            scheduler.config.num_train_timesteps * torch.rand(len(x), device=x.device).sqrt()
        ).long()  # rarely where x_t itself tells all
        x_t = scheduler.add_noise(x, noise, t)
        down, middle = self.model["controlnet"](x_t, t, None, controls, return_dict=False)
        controlled = (torch.rand(len(x), 1, 1, 1, device=x.device) >= UNCONTROLLED).to(x)
        v = self.model["unet"](
            x_t, t, None, down_block_additional_residuals=[controlled * part for part in down],
            mid_block_additional_residual=controlled * middle,
        ).sample  # fmt: skip
        return F.mse_loss(v.float(), scheduler.get_velocity(x, noise, t))

    def save(self, out: Path) -> None:
        """The averaged weights as a pipeline folder."""
        self.average.store(self.model.parameters())
        self.average.copy_to(self.model.parameters())
        verbosity = logging.get_verbosity()
        logging.set_verbosity_error()  # of the parts that it has not
        self.pipeline.save_pretrained(out)
        logging.set_verbosity(verbosity)
        self.average.restore(self.model.parameters())

    def state(self) -> dict:
        return {
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "average": self.average.state_dict(),
            "progress": dataclasses.asdict(self.progress),
        }  # fmt: skip

    def restore(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.load_state_dict(state["average"])
        self.average.to(self.device)
        self.progress = Progress(**state["progress"])


def train_prior(
    out: Path,
    minutes: float,
    shape: PriorShape = PriorShape(),
    site: Views | None = None,
    batch_size: int = 32,
    workers: int = 1,
    seed: int = 0,
) -> DiffusionPrior:
    """Train for `minutes` in all on worlds, and on `site` too where there is one, and write the pipeline folder `out`.

    Goes on from `out`.ckpt where there is one; raises ValueError when that is of another shape.
    """
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    trainer, checkpoint = (
        PriorTrainer(new_pipeline(shape), device),
        out.with_name(out.name + ".ckpt"),
    )
    _resume(trainer, checkpoint, shape)
    views = PriorViews(
        shape.width, batch_size, site, seed + trainer.progress.step
    )  # others than before an interruption
    _run(trainer, views, minutes, workers, lambda: _save(trainer, checkpoint, shape))
    trainer.save(out)
    data = (
        "synthetic offices"
        if site is None
        else f"synthetic offices and {len(site)} views of a site"
    )
    (out / "card.json").write_text(json.dumps(card(data, trainer.progress), indent=1) + "\n")
    return load_prior(out)


def _run(trainer: PriorTrainer, data: IterableDataset, minutes: float, workers: int, save) -> None:
    console, progress = Console(), trainer.progress
    loader = iter(
        DataLoader(
            data, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None
        )
    )
    mean, reported, saved = None, time.monotonic(), time.monotonic()
    while progress.seconds < 60 * minutes:
        started = time.monotonic()
        loss = trainer.step(*next(loader), progress.seconds / (60 * minutes))
        progress.seconds += time.monotonic() - started
        mean = loss if mean is None else 0.97 * mean + 0.03 * loss
        if time.monotonic() - reported > REPORT_EVERY:
            reported = time.monotonic()
            console.print(
                f"{progress.seconds / 60:5.1f} min  step {progress.step}  loss {mean:.4f}",
                highlight=False,
            )
        if time.monotonic() - saved > CHECKPOINT_EVERY:
            saved = time.monotonic()
            save()
    save()


def _save(trainer: PriorTrainer, path: Path, shape: PriorShape) -> None:
    write_checkpoint(path, trainer.state() | {"shape": dataclasses.asdict(shape)})


def _resume(trainer: PriorTrainer, path: Path, shape: PriorShape) -> None:
    state = read_checkpoint(path, trainer.device, {"shape", *trainer.state()})
    if state is None:
        return
    if state["shape"] != (asked := dataclasses.asdict(shape)):
        raise ValueError(
            f"{path} was begun as {state['shape']}, not {asked}: ask for that, or write elsewhere"
        )
    trainer.restore(state)
    Console().print(
        f"going on from {path}: step {trainer.progress.step}, {trainer.progress.seconds / 60:.1f} min"
    )


def unseen_sheet(prior: DiffusionPrior, path: Path, rows: int = 4) -> None:
    """The sample sheet of a world that no training sees."""
    views = world_views(UNSEEN, prior.unet.config.sample_size)
    sample_sheet(prior, *draw(views, rows, torch.Generator().manual_seed(0)), path)


def sample_sheet(
    prior: DiffusionPrior,
    photos: torch.Tensor,
    controls: torch.Tensor,
    path: Path,
    samples: int = 3,
    enlarged: int = 2,
) -> None:
    """Write a PNG with a row for each of photos (B, 3, h, w) in [0, 1]: its control image (B, 1, h, w), itself, and imagined images."""
    columns = [
        controls.expand(-1, 3, -1, -1),
        photos,
        *(prior.sample(controls, guidance=SHEET_GUIDANCE, seed=i) for i in range(samples)),
    ]
    sheet = torch.cat([F.interpolate(column, controls.shape[-2:]) for column in columns], 3)
    image = (sheet.permute(0, 2, 3, 1).flatten(0, 1).numpy() * 255).round().astype(np.uint8)
    image = cv2.resize(image, None, fx=enlarged, fy=enlarged, interpolation=cv2.INTER_CUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
        raise OSError(f"cannot write the picture {path}")
