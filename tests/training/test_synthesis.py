# SPDX-License-Identifier: Apache-2.0
"""Synthesised views look like what the world really shows from there."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from diff2i2p.camera import rectify
from diff2i2p_training.data.photometric import relight
from diff2i2p_training.data.synthesis import ViewSynthesizer, turned


@pytest.fixture(scope="module")
def synthesizer(site):
    cloud, sequence = site
    return ViewSynthesizer(cloud, 0.03, sequence, 160, 100.0)


@pytest.mark.parametrize("way", [turned, ViewSynthesizer._elsewhere], ids=["turned", "elsewhere"])
def test_a_new_view_agrees_with_the_world_seen_from_there(room, synthesizer, way):
    rng = np.random.default_rng(0)
    differences, depths = [], []
    for anchor in synthesizer.views[::8]:
        view = way(anchor, rng) if way is turned else way(synthesizer, anchor, rng)
        images, truth = room.render(view.camera, view.T_map_camera[None])
        grey = images[0] @ np.array([0.299, 0.587, 0.114])
        known = (view.depth > 0) & (truth[0] > 0)
        differences.append(np.median(np.abs(view.grey[known] - grey[known])))
        depths.append(np.median(np.abs(view.depth[known] - truth[0][known])))
    assert np.median(differences) < 12
    assert np.median(depths) < 0.05


def test_places_that_few_images_see_are_looked_at(site, synthesizer):
    cloud, sequence = site
    one = ViewSynthesizer(cloud, 0.03, replace(sequence, frames=sequence.frames[:1]), 160, 100.0)
    anchor, rng = one.views[0], np.random.default_rng(0)
    seen = cKDTree(anchor.points(*np.nonzero(anchor.depth))).query(cloud.points)[0] < 0.05
    rarity = one._rarity()
    assert 0 < seen.mean() < 1 and rarity[seen].mean() < 0.6 < 0.9 < rarity[~seen].mean()
    looks = []
    for _ in range(20):
        axis = anchor.T_map_camera[:3, :3] @ one._aim(anchor.T_map_camera, rng)[:, 2]
        looks.append(np.degrees(np.arccos(axis @ anchor.T_map_camera[:3, 2])))
    assert max(looks) > 45
    assert max(looks) < 67  # a turn of 60 with a tilt of 35


def test_an_image_with_a_camera_of_its_own_is_seen_by_that(site):
    cloud, sequence = site
    wide = replace(sequence.camera, K=(80.0, 80.0, *sequence.camera.K[2:]))
    two = (sequence.frames[0], replace(sequence.frames[1], camera=wide))
    views = ViewSynthesizer(cloud, 0.03, replace(sequence, frames=two), 160, 100.0).views
    assert [view.camera.K[0] for view in views] == [sequence.camera.K[0], 80.0]


def test_what_lies_beyond_the_edge_of_a_distorted_image_is_not_taken_for_black(site):
    cloud, sequence = site
    bulging = replace(
        sequence,
        frames=sequence.frames[:1],
        camera=replace(sequence.camera, D=(0.25, 0.0, 0.0, 0.0)),
    )
    view = ViewSynthesizer(cloud, 0.03, bulging, 160, 100.0).views[0]
    white = rectify(
        np.full((bulging.camera.height, bulging.camera.width), 255, np.uint8),
        bulging.camera,
        160,
        100.0,
    ).grey
    beyond = white < 255
    assert 0.01 < beyond.mean() < 0.5
    assert (view.depth[beyond] == 0).all() and (view.depth[~beyond] > 0).mean() > 0.7


def test_points_behind_pixels_are_on_the_map(site, synthesizer):
    view = synthesizer.draw(np.random.default_rng(1))
    points = view.points(*np.nonzero(view.depth))
    low, high = site[0].points.min(0) - 0.1, site[0].points.max(0) + 0.1
    assert ((points >= low) & (points <= high)).all(1).mean() > 0.99


def test_another_light_keeps_shape_range_and_is_reproducible():
    grey = np.random.default_rng(0).integers(0, 255, (120, 160)).astype(np.uint8)
    first, second = (relight(grey, np.random.default_rng(3)) for _ in range(2))
    assert first.shape == grey.shape and first.dtype == np.float32
    assert 0 <= first.min() and first.max() <= 1
    assert (first == second).all()


def test_another_light_is_now_and_then_too_much():
    bright = np.full((60, 80), 150, np.uint8)
    white = [(relight(bright, np.random.default_rng(seed)) > 0.9).mean() for seed in range(300)]
    assert 0.03 < np.mean(np.array(white) > 0.5) < 0.2
