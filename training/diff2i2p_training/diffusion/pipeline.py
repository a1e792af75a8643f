# SPDX-License-Identifier: Apache-2.0
"""A depth-conditioned diffusion model as this package uses one: photos to latents, noise on them, noise predicted from them.

Any diffusers Stable Diffusion ControlNet pipeline serves, by hub id or folder, and so do the small ones that `prior.py` trains:
the same pipeline class without autoencoder and text encoder, whose latents are the pixels themselves.
"""

from pathlib import Path

import torch
from diffusers import (
    ControlNetModel,
    DDIMScheduler,
    DiffusionPipeline,
    StableDiffusionControlNetPipeline,
)
from torch.nn import functional as F

from diff2i2p_training.diffusion.depth_render import densify

STABLE_DIFFUSION = "stable-diffusion-v1-5/stable-diffusion-v1-5"
CONTROL = (
    "lllyasviel/control_v11f1p_sd15_depth"  # joins a pipeline that has no ControlNet of its own
)
PROMPT = "best quality, a photo of a room, furniture, household items"
NEGATIVE = "low resolution, bad anatomy, bad hands, cropped, worst quality"
FAR, NEAR = 0.02, 0.98  # quantiles of the inverse depth that become black and white


class PriorError(ValueError):
    """A diffusion model that cannot be used: says which and what to do."""


def load_prior(
    where: str | Path = STABLE_DIFFUSION,
    controlnet: str = CONTROL,
    device: str | torch.device = "cpu",
) -> "DiffusionPrior":
    """The pipeline in a folder or on the hub, with its own ControlNet or else `controlnet`. Raises PriorError."""
    loader, where = StableDiffusionControlNetPipeline, str(where)
    try:
        parts = {
            name: part[0]
            for name, part in DiffusionPipeline.load_config(where).items()
            if isinstance(part, (list, tuple)) and part
        }
        given = {name: None for name, library in parts.items() if library is None}
        given |= {
            "safety_checker": None,
            "feature_extractor": None,
            "requires_safety_checker": False,
        }
        if "controlnet" not in parts:
            given["controlnet"] = ControlNetModel.from_pretrained(controlnet)
        return DiffusionPrior(loader.from_pretrained(where, **given), device)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = str(error).strip().split("\n")[0][:160]
        raise PriorError(
            f"no diffusion model could be loaded from '{where}': give the folder or hub id of a diffusers Stable Diffusion ControlNet"
            f" pipeline, as 'diff2i2p-train prior' writes one ({reason})"
        ) from error


def control_image(depth: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """What a depth ControlNet is shown: (B, 1, H, W) inverse depth in [0, 1], near is white, stretched over what is `known` (B, H, W).

    depth (B, H, W) metres, differentiable; holes are filled from around. The stretch is held constant in the gradient. It takes
    scale and offset of the inverse depth away, as the monocular depth that such models are trained on has neither.
    """
    inverse = 1 / densify(depth, known).clamp(min=0.05)
    limits = (
        inverse.detach()
        .masked_fill(~known, torch.nan)
        .flatten(1)
        .nanquantile(torch.tensor([FAR, NEAR]).to(inverse), dim=1)
    )
    low, high = limits.nan_to_num(0.0)[..., None, None]
    return ((inverse - low) / (high - low).clamp(min=1e-3)).clamp(0, 1)[:, None]


class DiffusionPrior:
    """e_phi(x_t; t, y, c): the noise that a frozen model sees in x_t, given a prompt y and a control image c."""

    def __init__(
        self, pipeline: StableDiffusionControlNetPipeline, device: str | torch.device = "cpu"
    ):
        self.vae, self.unet, self.controlnet = pipeline.vae, pipeline.unet, pipeline.controlnet
        self.predicts = pipeline.scheduler.config.prediction_type
        self.scheduler = DDIMScheduler.from_config(
            pipeline.scheduler.config,
            prediction_type="epsilon",
            clip_sample=self.vae is None,
            set_alpha_to_one=True,
        )
        self.alpha_bar = self.scheduler.alphas_cumprod.to(device)
        for part in (self.vae, self.unet, self.controlnet):
            if part is not None:
                part.to(device).eval().requires_grad_(False)
        self.prompts = None
        if pipeline.text_encoder is not None:
            with torch.no_grad():
                self.prompts = pipeline.to(device).encode_prompt(PROMPT, device, 1, True, NEGATIVE)
        self.photo_scale = (
            1 if self.vae is None else 2 ** (len(self.vae.config.block_out_channels) - 1)
        )
        self.control_scale = 2 ** (
            len(self.controlnet.config.conditioning_embedding_out_channels) - 1
        )

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Latent rows and columns for images of that shape: as wide as the model was trained, aspect kept as far as its levels allow."""
        size = self.unet.config.sample_size
        columns, step = (
            size if isinstance(size, int) else size[-1],
            2 ** (len(self.unet.config.block_out_channels) - 1),
        )
        return max(step, round(columns * height / width / step) * step), columns

    @torch.no_grad()
    def encode(self, photo: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
        """Latents x (B, C, *grid) of photo (B, 1 or 3, H, W) in [0, 1]."""
        image = _resized(photo, grid, self.photo_scale).expand(-1, 3, -1, -1) * 2 - 1
        return (
            image
            if self.vae is None
            else self.vae.encode(image).latent_dist.mode() * self.vae.config.scaling_factor
        )

    @torch.no_grad()
    def decode(self, x: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) in [0, 1] of latents."""
        image = (
            x if self.vae is None else self.vae.decode(x / self.vae.config.scaling_factor).sample
        )
        return (image / 2 + 0.5).clamp(0, 1)

    def control(self, image: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
        """A control image (B, 1, H, W) at the size and with the channels that the ControlNet takes."""
        return _resized(image, grid, self.control_scale).expand(
            -1, self.controlnet.config.conditioning_channels, -1, -1
        )

    def noisy(self, x: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """x_t = sqrt(alpha_bar_t) x + sqrt(1 - alpha_bar_t) noise, t (B,)."""
        signal, spread = self._scales(t)
        return signal * x + spread * noise

    def noise(
        self,
        x_t,
        t,
        prompt: int = 0,
        control: torch.Tensor | None = None,
        control_sees: torch.Tensor | None = None,
        guess: bool = False,
    ) -> torch.Tensor:
        """e_phi (B, C, h, w); prompt 0 = what rooms look like, 1 = what they do not. Without `control` the ControlNet is left out.

        control_sees: latents that the ControlNet is given in place of x_t; guess: it says less on finer levels.
        """
        words = None if self.prompts is None else self.prompts[prompt].expand(len(x_t), -1, -1)
        residuals = {}
        if control is not None:
            seen = x_t if control_sees is None else control_sees
            down, mid = self.controlnet(
                seen, t, words, control, guess_mode=guess, return_dict=False
            )
            residuals = {
                "down_block_additional_residuals": down,
                "mid_block_additional_residual": mid,
            }
        output = self.unet(x_t, t, words, **residuals).sample
        signal, spread = self._scales(t)
        if self.predicts == "v_prediction":
            return signal * output + spread * x_t
        return output if self.predicts == "epsilon" else (x_t - signal * output) / spread

    def _scales(self, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        alpha_bar = self.alpha_bar[t][:, None, None, None]
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()

    @torch.no_grad()
    def sample(
        self, image: torch.Tensor, steps: int = 30, guidance: float = 1.0, seed: int = 0
    ) -> torch.Tensor:
        """Images (B, 3, H, W) in [0, 1] that the model imagines for control images (B, 1, H, W), by DDIM."""
        grid = self.grid(*image.shape[-2:])
        control = self.control(image, grid)
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(len(image), self.unet.config.in_channels, *grid, generator=generator).to(
            image
        )
        self.scheduler.set_timesteps(steps)
        for step in self.scheduler.timesteps:
            e = self.guided(x, step.to(image.device).expand(len(x)), control, guidance)
            x = self.scheduler.step(e, step, x).prev_sample
        return self.decode(x)

    def guided(
        self, x_t: torch.Tensor, t: torch.Tensor, control: torch.Tensor, guidance: float
    ) -> torch.Tensor:
        """e^ = e_0 + s (e_phi - e_0), where e_0 knows neither the control nor the wanted prompt; e_phi itself for s = 1."""
        e = self.noise(x_t, t, 0, control)
        if guidance == 1:
            return e
        e_0 = self.noise(x_t, t, 1)
        return e_0 + guidance * (e - e_0)


def _resized(image: torch.Tensor, grid: tuple[int, int], scale: int) -> torch.Tensor:
    return F.interpolate(
        image,
        (grid[0] * scale, grid[1] * scale),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )
