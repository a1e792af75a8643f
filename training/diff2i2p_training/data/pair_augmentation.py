# SPDX-License-Identifier: Apache-2.0
"""Another world, map, light and hand: what one pair of photo and drawing can be made into."""

from dataclasses import dataclass

import cv2
import numpy as np

from diff2i2p.mapping.drawn_geometry import GREY_RANGE
from diff2i2p.network.trunk import STRIDE
from diff2i2p_training.data.drawn_pairs import MARGIN, DrawnPair, unpacked
from diff2i2p_training.data.photometric import relight

NORMAL_X, GREY = 0, -1  # channels of a drawing
NO_GREY, OTHER_GREY = 0.5, 0.25  # share of the drawings without looks, and with those of a sensor
MIRRORED, WITH_HOLES = 0.5, 0.3  # share of the pairs
HOLES, HOLE_SIZE = 3, (0.04, 0.3)  # at most, and their sides as shares of the drawing's
TURN, STRONG_TURN, STRONG = 20.0, 45.0, 0.15  # degrees a photo is turned by, and how often by more
# logarithm of the scale; share of the width: by less, cells learn to match where they were drawn
ZOOM, SHIFT = 0.35, 0.25


@dataclass(frozen=True)
class Sample:
    """A pair as the network is shown it."""

    site: str
    photo: np.ndarray  # (H, W) float32, 0 to 255
    drawing: np.ndarray  # (CHANNELS, H, W) float32
    pixels: np.ndarray  # (h w, 2) float32 (u, v) in the photo of each cell, NaN = not to be seen


def augment(pair: DrawnPair, rng: np.random.Generator) -> Sample:
    """The pair as it might have been: labels move with what they label."""
    sample = Sample(pair.site, pair.photo, unpacked(pair.drawing), pair.pixels)
    sample.drawing[GREY] = another_grey(sample.drawing[GREY], rng)
    if rng.random() < MIRRORED:
        sample = mirrored(sample)
    if rng.random() < WITH_HOLES:
        sample = with_holes(sample, rng)
    photo = 255 * relight(np.ascontiguousarray(sample.photo), rng)
    return warped(Sample(sample.site, photo, sample.drawing, sample.pixels), rng)


def another_grey(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The looks (H, W) of a map that has none, its own, or a LiDAR's: no light of that day.

    A sensor's intensity is distorted grey: scaled, bent about its mean, noisy.
    """
    chance = rng.random()
    if chance < NO_GREY:
        return np.zeros_like(grey)
    if chance > NO_GREY + OTHER_GREY:
        return grey
    bend = rng.uniform(0, 0.5) * rng.choice([-1, 1])
    noise = rng.normal(0, rng.uniform(0, 0.3), grey.shape)
    other = grey * rng.uniform(0.5, 1.5) + bend * np.abs(grey) + noise
    return np.where(grey != 0, other.clip(-GREY_RANGE, GREY_RANGE), 0).astype(np.float32)


def mirrored(sample: Sample) -> Sample:
    """The world seen in a mirror: left is right, and normals point the other way along x."""
    height, width = sample.photo.shape
    drawing = sample.drawing[:, :, ::-1].copy()
    drawing[NORMAL_X] *= -1
    pixels = _grid(sample)[:, ::-1].reshape(-1, 2).copy()
    pixels[:, 0] = width - 1 - pixels[:, 0]
    return Sample(sample.site, sample.photo[:, ::-1], drawing, pixels)


def with_holes(sample: Sample, rng: np.random.Generator) -> Sample:
    """Rectangles of the drawing where the map knows nothing; the cells they touch show nothing."""
    drawing, pixels = sample.drawing.copy(), _grid(sample).copy()
    for _ in range(rng.integers(1, HOLES + 1)):
        size = np.array(drawing.shape[1:])
        sides = (rng.uniform(*HOLE_SIZE, 2) * size).astype(int) + 1
        top, left = rng.integers(0, size - sides + 1)
        bottom, right = top + sides[0], left + sides[1]
        drawing[:, top:bottom, left:right] = 0
        pixels[top // STRIDE : -(-bottom // STRIDE), left // STRIDE : -(-right // STRIDE)] = np.nan
    return Sample(sample.site, sample.photo, drawing, pixels.reshape(-1, 2))


def warped(sample: Sample, rng: np.random.Generator) -> Sample:
    """The photo turned, zoomed and shifted, by a camera held otherwise; what leaves it is lost."""
    height, width = sample.photo.shape
    most = STRONG_TURN if rng.random() < STRONG else TURN
    middle = (width - 1) / 2, (height - 1) / 2
    zoom = np.exp(rng.uniform(-ZOOM, ZOOM))
    A = cv2.getRotationMatrix2D(middle, rng.uniform(-most, most), zoom)
    A[:, 2] += rng.uniform(-1, 1, 2) * SHIFT * width
    blank = float(rng.integers(256))
    photo = cv2.warpAffine(sample.photo, A, (width, height), borderValue=blank)
    pixels = (sample.pixels @ A[:, :2].T + A[:, 2]).astype(np.float32)
    last = np.array([width, height]) - 1
    pixels[~((pixels >= MARGIN) & (pixels <= last - MARGIN)).all(1)] = np.nan
    return Sample(sample.site, photo, sample.drawing, pixels)


def _grid(sample: Sample) -> np.ndarray:
    """(h, w, 2) labels of the cells, row by row."""
    return sample.pixels.reshape(-1, -(-sample.drawing.shape[2] // STRIDE), 2)
