# SPDX-License-Identifier: Apache-2.0
"""Another light, another lens, another hand: photometric augmentation of grey images."""

import cv2
import numpy as np

TOO_MUCH = 0.15  # share of the images in other light that are overexposed


def relight(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """grey (H, W) uint8 -> (H, W) float32 in [0, 1] as another camera might have seen it at another hour."""
    image = grey.astype(np.float32) / 255
    if rng.random() < 0.35:
        image = one_lamp(image, rng)
    if rng.random() < 0.8:
        gain = rng.uniform(0.3, 1.3) if rng.random() < TOO_MUCH else rng.uniform(-1.4, 0.3)
        image = image ** rng.uniform(0.5, 2.0) * np.exp(gain) + rng.uniform(-0.08, 0.08)
    if rng.random() < 0.3:
        image = motion_blur(image, rng)
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < 0.3:
        erase(image, rng)
    noise = rng.standard_normal(image.shape, np.float32) * rng.uniform(0, 0.04)
    return np.clip(image + noise, 0, 1, dtype=np.float32)


def one_lamp(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A bright spot somewhere, darkness elsewhere."""
    height, width = image.shape
    v, u = np.mgrid[:height, :width].astype(np.float32)
    cu, cv = rng.uniform(-0.2, 1.2) * width, rng.uniform(-0.2, 1.2) * height
    reach = rng.uniform(0.15, 0.7) * width
    spot = np.exp(-((u - cu) ** 2 + (v - cv) ** 2) / (2 * reach**2))
    return image * (rng.uniform(0.03, 0.4) + rng.uniform(0.6, 1.5) * spot)


def motion_blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A straight smear of 2 to 8 pixels in any direction."""
    length, angle = rng.uniform(1, 4), rng.uniform(0, np.pi)
    kernel = np.zeros((9, 9), np.float32)
    tip = np.array([np.cos(angle), np.sin(angle)]) * length
    ends = [tuple(int(round(16 * (4 + sign * x))) for x in tip) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, 4)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def erase(image: np.ndarray, rng: np.random.Generator) -> None:
    """Someone stands in the way: a few flat rectangles, in place."""
    height, width = image.shape
    for _ in range(rng.integers(1, 4)):
        h, w = (rng.uniform(0.08, 0.35, 2) * (height, width)).astype(int)
        r, c = rng.integers(0, height - h), rng.integers(0, width - w)
        image[r : r + h, c : c + w] = rng.random()
