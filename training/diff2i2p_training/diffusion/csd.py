# SPDX-License-Identifier: Apache-2.0
"""Control-Side Score Distillation: a diffusion model says how the depth at the predicted pose should change to fit the photo.

Score distillation (DreamFusion) makes an image fit a fixed condition. Here the image is fixed, the query photo, and what changes is
the condition. Symbols of the paper -> names below:

    x        photo in the latent space of the model phi              x
    theta    camera pose; D(theta) depth of the cloud seen there     depth
    c(D)     control image, inverse depth                            diffusion.control_image
    t, eps   timestep ~ U(0.02, 0.98) T, noise ~ N(0, I)             t, eps
    (1)      x_t = sqrt(abar_t) x + sqrt(1 - abar_t) eps             prior.noisy
    (2)      e^ = e_0 + s (e_phi(x_t; t, y, c(D)) - e_0)             prior.guided, s = guidance
    (3)      w(t) = 1 - abar_t                                       w
    (4)      L = w(t) mean_m |e^ - eps|^2                            over latent cells m where the cloud is seen, and channels

L is low when the depth fits the photo: then the control tells the model what the noise hides. Its gradient on D comes in three forms.

    full      dL/dD, through c, the ControlNet and the UNet that it steers. s = 1, for which -L is a bound of log p(x | D).
    score     w(t) (e^ - eps), the Jacobian of the networks left out as in score distillation: at the latent's resolution, mean of its
              channels, on D in units of its largest value. s = 4.
    released  what the paper's code does, for comparison. As score, but: the ControlNet sees x, not x_t, at falling influence on the
              finer levels; e_0 has the wanted prompt and e_phi the unwanted one; the control is D over its maximum, far is white; images
              are squeezed to squares; D is copied to all channels of the latent, and sums are not means (the code's weight: 0.001).
              Its mask is the depth at the *true* pose: give that as `known`.

Only `full` is a descent direction whatever photos look like. With x^ the image that e^ stands for, e^ - eps = k (x - x^), k > 0: `score`
brings the depth nearer where the photo is brighter than imagined, wherever the latent's mean grows or falls with depth. That helps where
near is bright, and harms where near is dark (tests/training/test_csd.py shows both).

The mask is constant in the gradient, so that a pose gains nothing by looking away from the map.
"""

import torch
from torch.nn import functional as F

from diff2i2p_training.diffusion.depth_render import densify
from diff2i2p_training.diffusion.pipeline import DiffusionPrior, control_image

GUIDANCE = {"full": 1.0, "score": 4.0, "released": 4.0}
STEPS = (0.02, 0.98)  # of the T timesteps: nearly clean and nearly pure noise teach nothing


class ControlSideDistillation:
    """Loss on rendered depth, with one of three gradients."""

    def __init__(self, prior: DiffusionPrior, form: str = "full", guidance: float | None = None):
        if form not in GUIDANCE:
            raise ValueError(f"the distillation has the forms {', '.join(GUIDANCE)}, not '{form}'")
        self.prior, self.form = prior, form
        self.guidance = GUIDANCE[form] if guidance is None else guidance

    def __call__(
        self,
        photo: torch.Tensor,
        depth: torch.Tensor,
        known: torch.Tensor,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Mean denoising loss of B views (its sum as released), with the gradient of `form` on depth; one draw of t and eps a view.

        photo (B, 1 or 3, H, W) in [0, 1]; depth (B, H, W) metres and known (B, H, W) bool as `render_depth` gives them at the
        predicted poses. A view where nothing is known adds nothing. generator: of the draws, on the CPU.
        """
        rows, columns = self.prior.grid(*photo.shape[-2:])
        grid = (columns, columns) if self.form == "released" else (rows, columns)
        x = self.prior.encode(photo, grid)
        low, high = (round(share * len(self.prior.alpha_bar)) for share in STEPS)
        t = torch.randint(low, high, (len(x),), generator=generator).to(x.device)
        eps = torch.randn(x.shape, generator=generator).to(x)
        m = F.adaptive_avg_pool2d(known[:, None].to(x), grid) > 0.5  # (B, 1, h, w)
        return getattr(self, f"_{self.form}")(x, t, eps, m, depth, known)

    def _full(self, x, t, eps, m, depth, known) -> torch.Tensor:
        control = self.prior.control(control_image(depth, known).to(x), x.shape[-2:])
        residual = self.prior.guided(self.prior.noisy(x, eps, t), t, control, self.guidance) - eps
        return self._denoising_loss(residual, t, m)

    def _score(self, x, t, eps, m, depth, known) -> torch.Tensor:
        with torch.no_grad():
            control = self.prior.control(control_image(depth, known).to(x), x.shape[-2:])
            residual = (
                self.prior.guided(self.prior.noisy(x, eps, t), t, control, self.guidance) - eps
            )
        gradient = m * self._w(t) * residual.mean(1, keepdim=True)
        pulled = (gradient * _relative(depth, known, x.shape[-2:])).sum() / m.sum().clamp(min=1)
        return _with_gradient_of(self._denoising_loss(residual, t, m), pulled)

    @torch.no_grad()
    def _released_residual(self, x, t, eps, depth) -> torch.Tensor:
        scaled = _relative(depth, depth > 0, depth.shape[-2:]).to(x)
        control, x_t = self.prior.control(scaled, x.shape[-2:]), self.prior.noisy(x, eps, t)
        e_0 = self.prior.noise(x_t, t, 0)
        e = self.prior.noise(x_t, t, 1, control, control_sees=x, guess=True)
        return e_0 + self.guidance * (e - e_0) - eps

    def _released(self, x, t, eps, m, depth, known) -> torch.Tensor:
        residual = self._released_residual(x, t, eps, depth)
        gradient = (m * self._w(t) * residual).nan_to_num(0, 0, 0)
        copies = _relative(depth, depth > 0, x.shape[-2:]).expand_as(residual)
        return _with_gradient_of(0.5 * gradient.square().sum(), (gradient * copies).sum())

    def _w(self, t: torch.Tensor) -> torch.Tensor:
        return (1 - self.prior.alpha_bar[t])[:, None, None, None]

    def _denoising_loss(
        self, residual: torch.Tensor, t: torch.Tensor, m: torch.Tensor
    ) -> torch.Tensor:
        return (m * self._w(t) * residual.square().mean(1, keepdim=True)).sum() / m.sum().clamp(
            min=1
        )


def _relative(depth: torch.Tensor, known: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Filled depth (B, 1, *grid) over the largest of each view, which is constant in the gradient."""
    filled = densify(depth, known)[:, None]
    filled = filled / filled.detach().amax((1, 2, 3), keepdim=True).clamp(min=1e-6)
    return F.interpolate(filled, grid, mode="bilinear", antialias=True, align_corners=False)


def _with_gradient_of(value: torch.Tensor, pulled: torch.Tensor) -> torch.Tensor:
    return value.detach() + pulled - pulled.detach()
