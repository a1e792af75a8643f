# SPDX-License-Identifier: Apache-2.0
"""Pairs say truly where in the photo each cell of the drawing is seen, and do when augmented."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from diff2i2p.camera import Camera
from diff2i2p.cloud import PointCloud
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.drawn_geometry import draw_geometry
from diff2i2p.network.geometry_network import cell_middles
from diff2i2p.network.trunk import STRIDE
from diff2i2p.render import Surfaces, close_cracks
from diff2i2p_training.data.drawn_pairs import (
    FULL,
    UNIT,
    displaced,
    draw_pair,
    draw_pairs,
    fitted,
    packed,
    seen_pixels,
    unpacked,
)
from diff2i2p_training.data.pair_augmentation import (
    GREY,
    Sample,
    another_grey,
    augment,
    mirrored,
    warped,
    with_holes,
)
from diff2i2p_training.data.synthesis import SiteView

EYE = Camera(96, 64, (72.0, 72.0, 47.5, 31.5))
FAR, NEAR = 3.0, 1.5  # metres to the wall, and to the board before it
HALF = 0.25  # metres from the middle of the board to its sides
MIDDLES = cell_middles(EYE.height, EYE.width).numpy()


def square(half: float, z: float) -> np.ndarray:
    """(N, 3) float32 points, 1 cm apart, that face the camera."""
    x, y = np.meshgrid(*2 * [np.arange(-half, half, 0.01)])
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, z)], 1).astype(np.float32)


@pytest.fixture(scope="module")
def dense() -> DenseMap:
    points = np.concatenate([square(3.0, FAR), square(HALF, NEAR)])
    grey = (points[:, 0] / 6 + 0.5).astype(np.float32)
    return DenseMap.build(PointCloud(points, intensity=grey))


@pytest.fixture
def view() -> SiteView:
    """A photo from the origin, of noise."""
    x, y = np.meshgrid(np.arange(EYE.width) - EYE.K[2], np.arange(EYE.height) - EYE.K[3])
    depth = np.where(np.maximum(abs(x), abs(y)) < HALF / NEAR * EYE.K[0], NEAR, FAR)
    grey = np.random.default_rng(0).integers(0, 255, depth.shape).astype(np.uint8)
    return SiteView(grey, depth.astype(np.float32), EYE, np.eye(4))


@pytest.fixture
def sample(dense, view) -> Sample:
    """The drawing from 0.3 m to the right beside that photo."""
    surfaces = drawn_from(dense, 0.3)
    pixels = seen_pixels(view, surfaces, EYE, at(0.3))
    return Sample("wall", view.grey, draw_geometry(surfaces, EYE), pixels)


def at(x: float) -> np.ndarray:
    T = np.eye(4)
    T[0, 3] = x
    return T


def drawn_from(dense: DenseMap, x: float) -> Surfaces:
    return close_cracks(dense.render(EYE, at(x)))


def test_a_cell_is_seen_where_the_parallax_of_its_depth_puts_it(sample):
    known = np.isfinite(sample.pixels[:, 0])
    shift = (sample.pixels - MIDDLES)[known]
    on_wall, on_board = (np.abs(shift[:, 0] - 0.3 * EYE.K[0] / z) < 0.2 for z in (FAR, NEAR))
    assert (on_wall ^ on_board).all() and on_wall.sum() > 20 and on_board.sum() >= 2
    assert np.abs(shift[:, 1]).max() < 0.2


def test_what_the_board_hides_from_the_photo_has_no_place_in_it(dense, view):
    transparent = replace(view, depth=np.full_like(view.depth, FAR))
    surfaces = drawn_from(dense, 0.3)
    hidden, shown = (seen_pixels(v, surfaces, EYE, at(0.3)) for v in (view, transparent))
    lost = np.isnan(hidden[:, 0]) & np.isfinite(shown[:, 0])
    behind = np.abs(shown[lost] - EYE.K[2:]).max(1) < HALF / NEAR * EYE.K[0] + 1
    assert lost.sum() >= 2 and behind.all()


def test_a_photo_without_depth_shows_nothing(dense, view):
    blind = replace(view, depth=np.zeros_like(view.depth))
    assert np.isnan(seen_pixels(blind, drawn_from(dense, 0.3), EYE, at(0.3))).all()


def test_drawings_are_near_their_photo_and_see_it(dense, view):
    rng = np.random.default_rng(0)
    pairs = list(draw_pairs(dense, [view] * 3, rng, "wall", each=2, reach=0.5, eye=EYE))
    assert len(pairs) == 6 and {pair.site for pair in pairs} == {"wall"}
    assert all((pair.photo == view.grey).all() for pair in pairs)
    poses = [displaced(np.eye(4), rng, 0.5) for _ in range(100)]
    away = np.abs([T[:3, 3] for T in poses]).max(1)
    assert 0.3 < away.max() <= 0.45 and np.median(away) < 0.25


def test_a_photo_beside_the_map_makes_no_pair(dense, view):
    away = replace(view, T_map_camera=at(50.0))
    assert draw_pair(dense, away, np.random.default_rng(0), "wall", eye=EYE) is None


def test_a_stored_drawing_is_the_drawing_up_to_a_rounding(sample):
    again = unpacked(packed(sample.drawing))
    assert again.dtype == np.float32
    error = np.abs(again - sample.drawing).max((1, 2))
    assert (error <= FULL / UNIT / 2 + 1e-6).all()


@pytest.mark.parametrize("rows", [40, 63, 97])
def test_a_photo_of_another_shape_keeps_where_its_pixels_look(rows):
    camera = Camera(96, rows, (72.0, 72.0, 47.5, 20.0))
    grey = np.arange(rows * 96).reshape(rows, 96).astype(np.uint8)
    view = SiteView(grey, np.ones(grey.shape, np.float32), camera, np.eye(4))
    made = fitted(view, EYE)
    row = int(made.camera.K[3])  # of the optical axis
    assert made.grey.shape == made.depth.shape == (EYE.height, EYE.width)
    assert (made.grey[row] == grey[20]).all() and (made.depth[row] == 1).all()
    assert (made.depth > 0).mean() == pytest.approx(min(rows, EYE.height) / EYE.height)


def test_the_drawing_of_a_mirrored_world_is_the_mirrored_drawing(dense, sample):
    surfaces = drawn_from(dense, 0.3)
    parts = (surfaces.image, surfaces.depth, surfaces.edges, surfaces.holes)
    other_side = draw_geometry(Surfaces(*(part[:, ::-1].copy() for part in parts)), EYE)
    inner = (slice(None), slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(mirrored(sample).drawing[inner], other_side[inner], atol=1e-3)
    assert np.abs(other_side - sample.drawing).max() > 0.5


def test_a_mirrored_label_shows_the_pixel_that_it_showed(sample):
    other = mirrored(sample)
    before = values(sample.photo, sample.pixels).reshape(EYE.height // STRIDE, -1)
    after = values(other.photo, other.pixels).reshape(before.shape)
    np.testing.assert_array_equal(after[:, ::-1], before)


@pytest.mark.parametrize("seed", range(8))
def test_labels_turn_and_zoom_with_the_photo(sample, seed):
    known = np.flatnonzero(np.isfinite(sample.pixels[:, 0]))
    photo = np.zeros(sample.photo.shape, np.float32)
    marked = sample.pixels[known[len(known) // 2]]
    cv2.circle(photo, tuple(int(round(16 * x)) for x in marked), 16 * 5, 255.0, -1, shift=4)
    spots = np.full_like(sample.pixels, np.nan)
    spots[0] = marked
    other = warped(replace(sample, photo=photo, pixels=spots), np.random.default_rng(seed))
    if np.isfinite(other.pixels[0]).all():
        at_label = cv2.getRectSubPix(other.photo, (1, 1), tuple(map(float, other.pixels[0])))
        assert at_label[0, 0] > 250


def test_no_label_is_left_outside_of_a_photo(sample):
    labels = [warped(sample, np.random.default_rng(seed)).pixels for seed in range(20)]
    found = np.concatenate([pixels[np.isfinite(pixels[:, 0])] for pixels in labels])
    assert len(found) > 200 and (found >= 2).all()
    assert (found <= [EYE.width - 3, EYE.height - 3]).all()


def test_a_cell_that_a_hole_touches_shows_nothing(sample):
    everywhere = replace(sample, pixels=np.ones_like(sample.pixels))
    everywhere.drawing[:] = 1
    other = with_holes(everywhere, np.random.default_rng(3))
    cut = (other.drawing[0] == 0).reshape(EYE.height // STRIDE, STRIDE, -1, STRIDE).any((1, 3))
    assert 0 < cut.mean() < 1
    np.testing.assert_array_equal(np.isnan(other.pixels[:, 0]), cut.ravel())


def test_looks_are_left_out_or_those_of_another_sensor_or_as_they_are():
    grey = np.random.default_rng(0).uniform(-2, 2, (30, 40)).astype(np.float32)
    grey[:5] = 0
    drawn = [another_grey(grey, np.random.default_rng(seed)) for seed in range(200)]
    none = np.mean([not looks.any() for looks in drawn])
    same = np.mean([(looks == grey).all() for looks in drawn])
    assert 0.4 < none < 0.6 and 0.15 < same < 0.35
    assert all((g[:5] == 0).all() and g.dtype == np.float32 for g in drawn)


def test_a_seed_makes_the_same_sample_again(dense, view):
    pair = draw_pair(dense, view, np.random.default_rng(1), "wall", 0.3, EYE)
    a, b, other = (augment(pair, np.random.default_rng(seed)) for seed in (5, 5, 6))
    for part in ("photo", "drawing", "pixels"):
        np.testing.assert_array_equal(getattr(a, part), getattr(b, part))
    assert (a.photo != other.photo).any() and 0 <= a.photo.min() and a.photo.max() <= 255
    assert not np.shares_memory(a.drawing, pair.drawing) and a.drawing[GREY].dtype == np.float32


def values(photo: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """The photo at labels, -1 where there is none, by the nearest pixel towards its middle."""
    middle = (np.array(photo.shape[::-1]) - 1) / 2
    inward = np.where(pixels < middle, np.ceil(pixels), np.floor(pixels))
    u, v = np.nan_to_num(inward).astype(int).T
    return np.where(np.isfinite(pixels[:, 0]), photo[v, u].astype(int), -1)
