# SPDX-License-Identifier: Apache-2.0
"""Control-Side Score Distillation: the formulas, the models it takes, and which of its gradients leads a displaced pose home."""

import numpy as np
import pytest
import torch
from diffusion_models import tiny_stable_diffusion
from test_depth_render import moved
from torch.nn import functional as F

from diff2i2p.camera import Camera
from diff2i2p.cloud import PointCloud
from diff2i2p_training.diffusion.csd import ControlSideDistillation
from diff2i2p_training.diffusion.depth_render import render_depth
from diff2i2p_training.diffusion.pipeline import PriorError, control_image, load_prior
from diff2i2p_training.diffusion.prior_score import score_prior
from diff2i2p_training.diffusion.prior_views import Scene
from diff2i2p_training.diffusion.train_prior import PriorShape, PriorTrainer, new_pipeline

K = torch.tensor([[28.0, 0, 15.5], [0, 28, 11.5], [0, 0, 1]])
SIZE = (24, 32)
FORMS = ("full", "score", "released")


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    """A tiny Stable Diffusion, saved and loaded as the real one is."""
    folder = tmp_path_factory.mktemp("diffusion")
    tiny_stable_diffusion(folder).save_pretrained(folder / "pipeline")
    return load_prior(folder / "pipeline")


@pytest.fixture(scope="module")
def views():
    """photo (2, 3, 48, 64), depth and known (2, 48, 64); the first view has a hole."""
    generator = torch.Generator().manual_seed(0)
    depth = F.interpolate(
        1 + 3 * torch.rand(2, 1, 6, 8, generator=generator), (48, 64), mode="bilinear"
    )[:, 0]
    known = torch.ones(2, 48, 64, dtype=torch.bool)
    known[0, :24, :32] = False
    return torch.rand(2, 3, 48, 64, generator=generator), depth * known, known


def loss_and_gradient(prior, form, photo, depth, known, seed=0):
    depth = depth.clone().requires_grad_()
    loss = ControlSideDistillation(prior, form)(
        photo, depth, known, torch.Generator().manual_seed(seed)
    )
    return loss.detach(), torch.autograd.grad(loss, depth)[0]


class Spy:
    """Notes what a model is called with."""

    def __init__(self, model):
        self.model, self.calls = model, []

    def __call__(self, *args, **kwargs):
        self.calls.append((args, kwargs))
        return self.model(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(self.model, name)


@pytest.fixture
def spied(prior, monkeypatch):
    monkeypatch.setattr(prior, "unet", Spy(prior.unet))
    monkeypatch.setattr(prior, "controlnet", Spy(prior.controlnet))
    return prior


def draws(prior, x, seed=0):
    """t and eps as a distillation with a generator of that seed draws them."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(20, 980, (len(x),), generator=generator), torch.randn(
        x.shape, generator=generator
    )


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_each_view_a_gradient(prior, views, form):
    loss, gradient = loss_and_gradient(prior, form, *views)
    assert loss.isfinite() and gradient.isfinite().all()
    assert (gradient.abs().amax((1, 2)) > 0).all()


def test_a_pipeline_without_a_controlnet_is_given_one(tmp_path):
    whole = tiny_stable_diffusion(tmp_path)
    parts = {
        name: part
        for name, part in whole.components.items()
        if name not in ("controlnet", "image_encoder")
    }
    from diffusers import StableDiffusionPipeline

    StableDiffusionPipeline(**parts, requires_safety_checker=False).save_pretrained(
        tmp_path / "plain"
    )
    whole.controlnet.save_pretrained(tmp_path / "control")
    joined = load_prior(tmp_path / "plain", str(tmp_path / "control"))
    weights = joined.controlnet.state_dict()
    assert all(
        (weights[name] == value).all() for name, value in whole.controlnet.state_dict().items()
    )


def test_what_is_no_pipeline_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(
        PriorError, match="no diffusion model could be loaded from .*diff2i2p-train prior"
    ) as error:
        load_prior(tmp_path)
    assert "\n" not in str(error.value)


def test_ours_shows_the_controlnet_noisy_latents_and_the_wanted_prompt(spied, views):
    ControlSideDistillation(spied, "score")(*views, torch.Generator().manual_seed(0))
    x = spied.encode(views[0], (12, 16))
    t, eps = draws(spied, x)
    ((latents, steps, words, control), _), *others = spied.controlnet.calls
    torch.testing.assert_close(latents, spied.noisy(x, eps, t))
    assert not others and (steps == t).all() and (words == spied.prompts[0]).all()
    assert control.shape == (2, 3, 48, 64) and control.min() >= 0 and control.max() <= 1
    prompts = [
        0 if (words == spied.prompts[0]).all() else 1 for (_, _, words), _ in spied.unet.calls
    ]
    assert prompts == [0, 1] and [bool(kwargs) for _, kwargs in spied.unet.calls] == [True, False]


def test_the_released_form_shows_it_clean_latents_and_the_unwanted_prompt(spied, views):
    ControlSideDistillation(spied, "released")(*views, torch.Generator().manual_seed(0))
    ((latents, _, words, control), kwargs), *_ = spied.controlnet.calls
    torch.testing.assert_close(latents, spied.encode(views[0], (16, 16)))
    assert (words == spied.prompts[1]).all() and kwargs["guess_mode"]
    assert control.amax() > 0.99 and (control[:, 0] == control[:, 2]).all()
    prompts = [
        0 if (words == spied.prompts[0]).all() else 1 for (_, _, words), _ in spied.unet.calls
    ]
    assert prompts == [0, 1] and [bool(kwargs) for _, kwargs in spied.unet.calls] == [False, True]


def test_the_full_gradient_is_that_of_finite_differences(views, tmp_path):
    prior = load_prior(saved(tiny_stable_diffusion(tmp_path), tmp_path))
    for part in (prior.vae, prior.unet, prior.controlnet):
        part.double()
    prior.prompts, prior.alpha_bar = (
        tuple(part.double() for part in prior.prompts),
        prior.alpha_bar.double(),
    )
    photo, depth, known = views[0].double(), views[1].double(), views[2]
    _, gradient = loss_and_gradient(prior, "full", photo, depth, known)
    low, high = depth[known].quantile(torch.tensor([0.2, 0.8], dtype=torch.float64))
    inside = (
        known & (depth > low) & (depth < high)
    )  # what sets the stretch of the control, a constant, stays as it is
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        way = torch.randn(depth.shape, generator=generator, dtype=torch.float64) * inside * 1e-5
        low, high = (
            loss_and_gradient(prior, "full", photo, depth + sign * way, known)[0]
            for sign in (-1, 1)
        )
        torch.testing.assert_close((gradient * way).sum(), (high - low) / 2, rtol=1e-3, atol=1e-14)


def saved(pipeline, folder):
    pipeline.save_pretrained(folder / "pipeline")
    return folder / "pipeline"


def test_the_score_is_the_weighted_residual_at_the_latents_resolution(prior, views):
    photo, depth, known = views
    depth = torch.full_like(depth, 2.0)
    _, gradient = loss_and_gradient(prior, "score", photo, depth, torch.ones_like(known))
    x = prior.encode(photo, (12, 16))
    t, eps = draws(prior, x)
    control = prior.control(control_image(depth, torch.ones_like(known)), (12, 16))
    x_t = prior.noisy(x, eps, t)
    with torch.no_grad():
        e_0, e = prior.noise(x_t, t, 1), prior.noise(x_t, t, 0, control)
    w = (1 - prior.alpha_bar[t])[:, None, None]
    expected = w * (e_0 + 4 * (e - e_0) - eps).mean(1) / (2 * 12 * 16) / 2.0
    gathered = F.avg_pool2d(gradient, 4) * 16
    inner = (..., slice(2, -2), slice(2, -2))
    assert (
        torch.corrcoef(torch.stack([gathered[inner].ravel(), expected[inner].ravel()]))[0, 1] > 0.8
    )
    torch.testing.assert_close(gradient.sum(), expected.sum())


@pytest.mark.parametrize("form", FORMS)
def test_a_view_where_nothing_is_known_adds_nothing(prior, views, form):
    photo, depth, known = views
    known = torch.zeros_like(known)
    loss, gradient = loss_and_gradient(prior, form, photo, depth * known, known)
    assert loss == 0 and (gradient == 0).all()


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_whatever_a_model_predicts_is_read_as_noise(prior, monkeypatch, kind):
    x, eps, t = torch.rand(2, 4, 12, 16), torch.randn(2, 4, 12, 16), torch.tensor([100, 700])
    truth = {"epsilon": eps, "sample": x, "v_prediction": prior.scheduler.get_velocity(x, eps, t)}[
        kind
    ]
    monkeypatch.setattr(prior, "predicts", kind)
    monkeypatch.setattr(prior, "unet", lambda *args: type("Output", (), {"sample": truth}))
    torch.testing.assert_close(prior.noise(prior.noisy(x, eps, t), t), eps, atol=1e-4, rtol=1e-4)


def test_near_is_white_holes_are_filled_and_scale_does_not_matter():
    depth, known = (
        torch.linspace(1, 4, 64).expand(1, 48, 64),
        torch.ones(1, 48, 64, dtype=torch.bool),
    )
    known[:, 10:20, 10:20] = False
    image = control_image(depth * known, known)
    assert (
        image[0, 0, 0, 0] == 1
        and image[0, 0, 0, -1] == 0
        and (image.diff(dim=3)[..., 30:, :] <= 0).all()
    )
    assert (image - control_image(depth, torch.ones_like(known))).abs().max() < 0.15
    torch.testing.assert_close(image, control_image(2.5 * depth * known, known))


@pytest.fixture(scope="module")
def corner():
    """Two walls and a post before them, (1200, 3)."""
    a, b = np.random.default_rng(0).uniform(-1.5, 1.5, (2, 400))
    walls = [np.stack([a, b, 3 + 0.3 * a], 1), np.stack([a, np.full(400, 1.0), 2 + b], 1)]
    return torch.from_numpy(
        np.concatenate([*walls, np.stack([0.1 * a, b, 1.5 + 0 * a], 1)])
    ).float()


def seen(corner, steps):
    """Depth and known of cameras moved by steps (B, 6) from the origin."""
    T = torch.stack([moved(torch.eye(4), step) for step in steps])
    return render_depth(corner, T, K.expand(len(T), 3, 3), SIZE, 0.15)


def some_steps(count, size, seed):
    spread = size * torch.tensor([0.15, 0.15, 0.15, 0.08, 0.08, 0.08])
    return spread * torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))


def cosines(prior, form, corner, photo, steps, draws=8):
    """Between the way off the true pose, the origin, and the gradient there: 1 is the best, (B,)."""
    distillation, generator = ControlSideDistillation(prior, form), torch.Generator().manual_seed(0)
    steps, gradient = steps.requires_grad_(), 0.0
    for _ in range(draws):
        loss = distillation(photo.expand(len(steps), -1, -1, -1), *seen(corner, steps), generator)
        gradient = gradient + torch.autograd.grad(loss, steps)[0]
    return F.cosine_similarity(gradient, steps.detach())


class KnowsAll:
    """A perfect model of a world whose photos are a function of the control image."""

    def __init__(self, prior, look):
        self.prior, self.look = prior, look

    def guided(self, x_t, t, control, guidance):
        signal, spread = self.prior._scales(t)
        return (x_t - signal * (2 * self.look(control) - 1)) / spread

    def __getattr__(self, name):
        return getattr(self.prior, name)


@pytest.mark.parametrize(
    ("form", "look", "right"),
    [("full", "bright", 1), ("full", "dark", 1), ("score", "bright", 1), ("score", "dark", -1)],
)
def test_only_the_full_gradient_does_not_depend_on_whether_near_is_bright(
    corner, form, look, right, tmp_path
):
    trainer = PriorTrainer(new_pipeline(PriorShape(32, 8)))
    trainer.save(tmp_path)
    look = {
        "bright": lambda c: c.expand(-1, 3, -1, -1),
        "dark": lambda c: 1 - c.expand(-1, 3, -1, -1),
    }[look]
    photo = look(control_image(*seen(corner, torch.zeros(1, 6))))
    found = cosines(
        KnowsAll(load_prior(tmp_path), look),
        form,
        corner,
        photo,
        some_steps(6, 0.5, seed=0),
        draws=2,
    )
    assert ((found * right) > 0).double().mean() > 0.8


def test_the_score_of_a_prior_says_what_it_knows_of_poses(corner, tmp_path):
    PriorTrainer(new_pipeline(PriorShape(32, 8))).save(tmp_path)
    untrained = load_prior(tmp_path)
    steps = some_steps(8, 0.5, seed=3)
    poses = torch.stack([moved(torch.eye(4), step) for step in steps]).double().numpy()
    images = (
        (control_image(*seen(corner, steps)).expand(-1, 3, -1, -1).permute(0, 2, 3, 1) * 255)
        .round()
        .byte()
        .numpy()
    )
    scene = Scene(
        PointCloud(corner.numpy()), images, poses, Camera(32, 24, (28.0, 28.0, 15.5, 11.5)), 0.15
    )
    knowing = KnowsAll(untrained, lambda control: control.expand(-1, 3, -1, -1))
    score = score_prior(knowing, scene, views=8, draws=2)
    assert score["told_apart"] >= 0.9 and score["home_full"] >= 0.9
    assert set(score) == {"told_apart", "home_full", "home_score", "home_released"}
    assert score_prior(untrained, scene, views=8, draws=1)["told_apart"] < 0.9


def test_the_gradient_of_a_trained_prior_brings_displaced_poses_nearer(corner, tmp_path):
    torch.manual_seed(0)
    trainer = PriorTrainer(new_pipeline(PriorShape(32, 8)), rate=3e-3)

    def look(control):
        return torch.cat([control, 1 - control, (4 * control - 2).square().clamp(0, 1)], 1)

    controls = control_image(*seen(corner, some_steps(100, 1.5, seed=1)))
    for done in torch.linspace(0, 1, 120).tolist():
        chosen = torch.randint(len(controls), (8,))
        trainer.step(look(controls[chosen]), controls[chosen], done)
    trainer.save(tmp_path)
    prior, photo = load_prior(tmp_path), look(control_image(*seen(corner, torch.zeros(1, 6))))
    begin = some_steps(6, 0.7, seed=2)
    assert (cosines(prior, "full", corner, photo, begin.clone()) > 0).sum() >= 5
    steps = begin.clone().requires_grad_()
    optimizer, generator = torch.optim.Adam([steps], 0.01), torch.Generator().manual_seed(0)
    for _ in range(30):
        loss = ControlSideDistillation(prior, "full")(
            photo.expand(6, -1, -1, -1), *seen(corner, steps), generator
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert steps.detach().norm(dim=1).mean() < 0.8 * begin.norm(dim=1).mean()
