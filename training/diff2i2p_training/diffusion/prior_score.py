# SPDX-License-Identifier: Apache-2.0
"""What a diffusion prior knows of poses: whether it tells a displaced one from the true one, and whether CSD points back."""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from diff2i2p_training.diffusion.csd import GUIDANCE, ControlSideDistillation
from diff2i2p_training.diffusion.depth_render import render_depth
from diff2i2p_training.diffusion.pipeline import DiffusionPrior
from diff2i2p_training.diffusion.prior_views import Scene, grey, world_scene

UNSEEN = 7  # seed of the world it is asked about; below those of training
SHIFT, TURN = 0.15, 4.0  # standard deviations of a displacement on each axis: metres, degrees


def score_prior(
    prior: DiffusionPrior, scene: Scene | None = None, views: int = 40, draws: int = 8
) -> dict[str, float]:
    """On `views` of a scene, else of a world it never saw, displaced at random, with the same `draws` of t and noise for all poses.

    told_apart: share whose denoising loss is higher displaced than at the true pose; of each form of CSD, home_FORM: share whose
    gradient has the displacement within 90 degrees, in units of the standard deviations. Chance is 0.5 for all.
    """
    scene = scene or world_scene(UNSEEN, prior.unet.config.sample_size)
    chosen = np.linspace(0, len(scene.images) - 1, views).round().astype(int)
    photo = grey(torch.from_numpy(scene.images[chosen]).permute(0, 3, 1, 2).float() / 255)
    parts = scene.T_map_cameras[chosen], scene.cloud.points, scene.camera.matrix
    T, points, K = (torch.from_numpy(part).float() for part in parts)
    spread = torch.tensor([SHIFT] * 3 + [np.radians(TURN)] * 3, dtype=torch.float32)
    away = torch.randn(views, 6, generator=torch.Generator().manual_seed(UNSEEN))

    def seen(i: int, step: torch.Tensor):
        return render_depth(
            points,
            displaced(T[i : i + 1], (step * spread)[None]),
            K[None],
            photo.shape[2:],
            scene.spacing,
        )

    def asked(form: str, i: int, step: torch.Tensor) -> torch.Tensor:
        depth, known = seen(i, step)
        if form == "released":
            known = seen(i, torch.zeros(6))[1]
        copies = (part.expand(draws, *part.shape[1:]) for part in (photo[i : i + 1], depth, known))
        return ControlSideDistillation(prior, form)(*copies, torch.Generator().manual_seed(i))

    with torch.no_grad():
        apart = [
            (asked("full", i, away[i]) > asked("full", i, torch.zeros(6))).item()
            for i in range(views)
        ]
    score = {"told_apart": float(np.mean(apart))}
    for form in GUIDANCE:
        steps = [away[i].clone().requires_grad_() for i in range(views)]
        gradients = [
            torch.autograd.grad(asked(form, i, step), step)[0] for i, step in enumerate(steps)
        ]
        score[f"home_{form}"] = (
            (F.cosine_similarity(torch.stack(gradients), away) > 0).float().mean().item()
        )
    return score


def record_score(
    prior: DiffusionPrior, folder: Path, **scenes: Scene
) -> dict[str, dict[str, float]]:
    """Score the prior on the unseen world and on named scenes, and add the results to the card.json of its folder."""
    path = folder / "card.json"
    score = {
        name: score_prior(prior, scene) for name, scene in {"unseen world": None, **scenes}.items()
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | {"score": score}, indent=1) + "\n")
    return score


def displaced(T_map_camera: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Poses (B, 4, 4) moved by steps (B, 6) in their own frames: translation, and rotation vector; differentiable."""
    x, y, z, a, b, c = steps.unbind(-1)
    o = torch.zeros_like(x)
    twist = torch.stack([o, -c, b, x, c, o, -a, y, -b, a, o, z, o, o, o, o], -1).unflatten(
        -1, (4, 4)
    )
    return T_map_camera @ torch.matrix_exp(twist)
