# SPDX-License-Identifier: Apache-2.0
"""The photographs of the mapping run show a view of the map sharper than its cloud does, and nothing that is not there."""

from dataclasses import replace

import numpy as np
import pytest

from diff2i2p.camera import View, rectify
from diff2i2p.localization.compare import agreement, compare
from diff2i2p.localization.likeness import likeness
from diff2i2p.mapping.album import Album, Page, bind
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.render import close_cracks

PLACES = ((1.0, 1.2, 1.0), 60), ((2.0, 1.0, 1.3), 45), ((1.6, 2.2, 1.2), 80)  # and headings


@pytest.fixture(scope="module")
def dense(corner):
    """The corner as a poor scanner has it: one point in 12 cm."""
    return DenseMap.build(corner.voxel_downsample(0.12))


@pytest.fixture(scope="module")
def poses(looking):
    return [looking(*place) for place in PLACES]


@pytest.fixture(scope="module")
def album(corner, dense, poses, photograph, eye):
    return album_of([rectify(photograph(corner, T), eye, 320) for T in poses], dense, poses)


def album_of(views: list[View], dense: DenseMap, poses) -> Album:
    shown = (close_cracks(dense.render(view.camera, T)) for view, T in zip(views, poses, strict=True))
    return Album(**bind([Page.of(view, surfaces, T) for view, surfaces, T in zip(views, shown, poses, strict=True)]))


def painted(album: Album, dense: DenseMap, eye, T: np.ndarray):
    """What the map looks like with and without the album."""
    surfaces = close_cracks(dense.render(eye, T))
    return album.paint(surfaces, eye, T), surfaces


def test_where_a_photograph_was_taken_the_map_looks_like_it(album, dense, poses, eye):
    after, before = painted(album, dense, eye, poses[0])
    sure = ~before.doubtful
    assert np.abs(after.image - album.images[0])[sure].mean() < 3 < 2 * 3 < np.abs(before.image - album.images[0])[sure].mean()


def test_between_the_photographs_the_map_is_more_like_an_image_than_its_cloud(corner, album, dense, looking, photograph, eye):
    T = looking((1.4, 1.5, 1.1), 62)
    view = rectify(photograph(corner, T), eye, 320)
    with_photographs, cloud_alone = compare(view, dense, T, album), compare(view, dense, T)
    assert agreement(with_photographs.tracks, eye, T) > agreement(cloud_alone.tracks, eye, T) + 0.3
    assert agreement(with_photographs.back, eye, T) > agreement(cloud_alone.back, eye, T) + 0.3
    assert likeness(with_photographs, view, T) > likeness(cloud_alone, view, T) + 0.1


def test_no_surface_takes_the_shades_of_what_hid_it_from_the_photographs(looking, eye, dense):
    taken, beside = looking((2.8, 1.0, 1.0), 90), looking((1.0, 3.2, 1.0), 20)  # the pillar hides the wall from the first
    white = View(np.full((eye.height, eye.width), 255, np.uint8), eye)
    after, before = painted(album_of([white], dense, [taken]), dense, eye, beside)
    changed = np.abs(after.image - before.image) > 20
    points = (eye.rays(np.argwhere(changed)[:, ::-1]) * before.depth[changed][:, None]) @ beside[:3, :3].T + beside[:3, 3]
    local = (points - taken[:3, 3]) @ taken[:3, :3]
    u, v = eye.project(local).round().astype(int).T
    nearest = close_cracks(dense.render(eye, taken)).depth[v.clip(0, 239), u.clip(0, 319)]
    assert changed.mean() > 0.02 and (local[:, 2] > nearest + 0.4).mean() < 0.02


def test_photographs_of_another_exposure_leave_the_map_as_bright_as_it_was(album, dense, looking, eye):
    dim = replace(album, images=(0.4 * album.images).astype(np.uint8))
    T = looking((1.4, 1.5, 1.1), 62)
    after, before = painted(dim, dense, eye, T)
    assert abs(np.median(after.image) - np.median(before.image)) < 8


def test_far_from_every_photograph_the_map_keeps_the_looks_of_its_cloud(album, dense, looking, eye):
    after, before = painted(replace(album, poses=album.poses + 100 * np.eye(4, k=3)), dense, eye, looking((1.4, 1.5, 1.1), 62))
    assert np.array_equal(after.image, before.image)


def test_photographs_of_several_heights_lie_in_one_album(corner, dense, poses, photograph, eye):
    whole = rectify(photograph(corner, poses[0]), eye, 320)
    low = View(whole.grey[:150], replace(eye, height=150))
    both = album_of([whole, low], dense, poses[:2])
    assert both.images.shape == (2, 240, 320) and both.depths.shape == (2, 60, 80)
    assert not both.images[1, 150:].any() and not both.depths[1, 38:].any()
