# SPDX-License-Identifier: Apache-2.0
"""The prior of our own: what it learns from fits together, training goes on where it stopped, and what it writes is a pipeline."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from diff2i2p.cloud import write_cloud
from diff2i2p_training.cli import app
from diff2i2p_training.diffusion import prior_views
from diff2i2p_training.diffusion import train_prior as prior_module
from diff2i2p_training.diffusion.pipeline import load_prior
from diff2i2p_training.diffusion.prior_views import PriorViews, Views, covered, draw, site_views
from diff2i2p_training.diffusion.train_prior import PriorShape, sample_sheet, train_prior

SHAPE = PriorShape(32, 8)


@pytest.fixture(scope="module")
def views(site):
    return site_views(*site, SHAPE.width)


@pytest.fixture
def no_worlds(views, monkeypatch):
    """The site in place of worlds, which take seconds to make."""
    for module in (prior_module, prior_views):
        monkeypatch.setattr(module, "world_views", lambda seed, width: views)


def test_the_depth_of_a_view_is_that_of_its_photo(room, site, views):
    _, sequence = site
    camera = sequence.camera.resized(96)
    assert views.photos.shape == (len(views), 3, 72, 96) and 30 < len(views) <= 40
    poses = np.stack([frame.T_map_camera for frame in sequence.frames])
    images, depths = room.render(camera, poses)
    apart = [
        np.abs(images.astype(float) - photo.permute(1, 2, 0).numpy()).mean((1, 2, 3)).argmin()
        for photo in views.photos
    ]
    errors = [
        (np.abs(depths[i] - depth.numpy()) / depths[i])[depth.numpy() > 0]
        for i, depth in zip(apart, views.depths, strict=True)
    ]
    assert np.median(np.concatenate(errors)) < 0.02
    assert np.mean(np.diff(apart) > 0) > 0.9


def test_a_distorted_camera_is_rectified_in_colour(site):
    cloud, sequence = site
    distorted = dataclasses.replace(sequence.camera, D=(-0.3, 0.1, 0.0, 0.0))
    bent = site_views(cloud, dataclasses.replace(sequence, camera=distorted), SHAPE.width)
    straight = site_views(cloud, sequence, SHAPE.width)
    assert bent.photos.shape == straight.photos.shape
    assert (bent.photos[0].float() - straight.photos[0].float()).abs().mean() > 1
    assert (bent.photos.float().std(1).mean()) > 2


def test_a_photo_and_its_control_are_cut_from_one_place(monkeypatch):
    monkeypatch.setattr(prior_views, "ENDING", 0.0)
    u = torch.arange(96.0).expand(72, 96)
    v = torch.arange(72.0)[:, None].expand(72, 96)
    depth = (1 + 0.01 * u + 0.025 * v)[None]
    views = Views((255 / depth).round().to(torch.uint8)[:, None].expand(-1, 3, -1, -1), depth)
    photos, controls = draw(views, 64, torch.Generator().manual_seed(0))
    assert photos.shape == (64, 3, 24, 32) and controls.shape == (64, 1, 24, 32)
    for photo, control in zip(photos, controls, strict=True):
        assert torch.corrcoef(torch.stack([photo[0].ravel(), control[0].ravel()]))[0, 1] > 0.97
    rising = (controls.diff(dim=3).mean((1, 2, 3)) > 0).double().mean()
    assert 0.3 < rising < 0.7  # mirrored, half of them


def test_in_half_of_the_views_the_cloud_ends_at_their_middle_or_further_out():
    share = covered(400, [24, 32], torch.Generator().manual_seed(0)).double().mean((1, 2))
    assert share.min() > 0.45
    assert 0.35 < (share < 0.98).double().mean() < 0.55


def test_a_cloud_of_another_place_is_refused(site):
    cloud, sequence = site
    T = np.eye(4)
    T[:3, 3] = 100
    with pytest.raises(ValueError, match="is it the map of that run"):
        site_views(cloud.transformed(T), sequence, SHAPE.width)


def test_views_of_a_site_far_from_zero_are_those_of_the_site(site, views):
    cloud, sequence = site
    origin = (500_000.0, 4_000_000.0, 0.0)
    far = site_views(
        dataclasses.replace(cloud, origin=origin), sequence.moved(np.array(origin)), SHAPE.width
    )
    assert torch.equal(far.photos, views.photos) and torch.allclose(far.depths, views.depths)


def test_images_without_poses_are_refused(site):
    cloud, sequence = site
    lost = dataclasses.replace(
        sequence,
        frames=tuple(dataclasses.replace(frame, T_map_camera=None) for frame in sequence.frames),
    )
    with pytest.raises(ValueError, match="no image of .* has a pose"):
        site_views(cloud, lost, SHAPE.width)


def test_a_sparse_cloud_covers_the_views_too(site, views):
    cloud, sequence = site
    sparse = site_views(cloud.voxel_downsample(0.12), sequence, SHAPE.width)
    assert (sparse.depths > 0).float().mean() > (views.depths > 0).float().mean() - 0.08


def test_with_a_site_most_of_the_batches_are_of_it(views, no_worlds, monkeypatch):
    monkeypatch.setattr(prior_views, "draw", lambda chosen, *_, **__: chosen)
    site = Views(views.photos[:5], views.depths[:5])
    data = iter(PriorViews(SHAPE.width, 2, site))
    share = np.mean([next(data) is site for _ in range(100)])
    assert 0.65 < share < 0.95


def test_an_interrupted_training_goes_on_and_its_pipeline_is_one_like_any_other(
    no_worlds, tmp_path
):
    out = tmp_path / "prior"
    train_prior(out, 0.005, SHAPE, batch_size=2, workers=0)
    begun = json.loads((out / "card.json").read_text())
    trained = train_prior(out, 0.02, SHAPE, batch_size=2, workers=0)
    card = json.loads((out / "card.json").read_text())
    assert 0 < begun["step"] < card["step"] and card["data"] == "synthetic offices"
    again = load_prior(out)
    weights = trained.unet.state_dict()
    assert all((value == weights[name]).all() for name, value in again.unet.state_dict().items())
    assert again.grid(480, 640) == (24, 32) and again.photo_scale == again.control_scale == 1
    with pytest.raises(ValueError, match="'channels': 8.*not .*'channels': 16"):
        train_prior(out, 1, PriorShape(32, 16), workers=0)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"something else"])
def test_a_damaged_checkpoint_is_refused(content, tmp_path):
    (tmp_path / "prior.ckpt").write_bytes(content)
    with pytest.raises(ValueError, match="prior.ckpt is no checkpoint"):
        train_prior(tmp_path / "prior", 1, SHAPE, workers=0)


def test_the_sample_sheet_shows_depth_photo_and_imagined_images(views, no_worlds, tmp_path):
    prior = train_prior(tmp_path / "prior", 0.001, SHAPE, batch_size=2, workers=0)
    photos, controls = draw(views, 3, torch.Generator().manual_seed(0))
    sample_sheet(prior, photos, controls, tmp_path / "docs" / "sheet.png", samples=2, enlarged=1)
    sheet = cv2.imread(str(tmp_path / "docs" / "sheet.png"))[..., ::-1] / 255
    assert sheet.shape == (3 * 24, 4 * 32, 3)
    assert np.abs(sheet[24:48, :32, 0] - controls[1, 0].numpy()).max() < 0.01
    assert np.abs(sheet[24:48, 32:64] - photos[1].permute(1, 2, 0).numpy()).max() < 0.01
    assert np.abs(sheet[:, 64:96] - sheet[:, 96:]).mean() > 0.01


@pytest.mark.parametrize("shape", [(40, 8), (32, 12), (0, 8)])
def test_a_shape_that_its_levels_cannot_halve_is_refused(shape):
    with pytest.raises(ValueError, match="multiple of 16 pixels wide"):
        PriorShape(*shape)


def test_the_command_learns_a_site_and_writes_the_sheet(site, no_worlds, tmp_path, monkeypatch):
    cloud, sequence = site
    write_cloud(tmp_path / "cloud.ply", cloud)
    folder = sequence.frames[0].image_path.parent.parent
    arguments = [
        "prior",
        "--out",
        str(tmp_path / "prior"),
        "--minutes",
        "0.001",
        "--width",
        "32",
        "--channels",
        "8",
        "--workers",
        "0",
    ]
    place = [
        "--cloud",
        str(tmp_path / "cloud.ply"),
        "--sequence",
        str(folder),
        "--sheet",
        str(tmp_path / "sheet.png"),
    ]
    result = CliRunner().invoke(app, [*arguments, *place])
    assert result.exit_code == 0, result.output
    assert "views of a site" in (tmp_path / "prior" / "card.json").read_text()
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (4 * 24 * 2, 5 * 32 * 2, 3)
    alone = CliRunner().invoke(app, [*arguments, *place[:2]])
    assert isinstance(alone.exception, ValueError) and "both --cloud and --sequence" in str(
        alone.exception
    )
