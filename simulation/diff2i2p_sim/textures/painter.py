# SPDX-License-Identifier: Apache-2.0
"""Procedural bitmaps: painters by name (materials.py, pictures.py, fixtures.py), and what they paint with."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from diff2i2p_sim.description import Texture

Painter = Callable[[np.random.Generator, np.ndarray], np.ndarray]
PAINTERS: dict[str, Painter] = {}


def painter(function: Painter) -> Painter:
    """Register a function (rng, colour (3,)) -> (H, W, 3) float RGB in [0, 1] under its name."""
    PAINTERS[function.__name__] = function
    return function


@lru_cache(maxsize=2048)
def bitmap(texture: Texture) -> np.ndarray:
    """(H, W, 3) uint8 RGB pixels of a texture, row 0 on top."""
    rng = np.random.default_rng([texture.seed, *texture.kind.encode()])
    pixels = PAINTERS[texture.kind](rng, np.array(texture.colour, np.float32))
    pixels = np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    pixels.flags.writeable = False
    return pixels


def noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    roughness: float = 1.0,
    stretch: tuple[float, float] = (1.0, 1.0),
) -> np.ndarray:
    """(H, W) seamless noise with spectrum 1/f^roughness, zero mean, unit deviation; `stretch` draws it out along rows, columns."""
    fy = np.fft.fftfreq(shape[0])[:, None] * stretch[0]
    fx = np.fft.rfftfreq(shape[1])[None] * stretch[1]
    spectrum = (
        np.fft.rfft2(rng.standard_normal(shape))
        / (np.hypot(fx, fy) + 1.0 / max(shape)) ** roughness
    )
    field = np.fft.irfft2(spectrum, shape)
    field -= field.mean()
    return (field / field.std()).astype(np.float32)


def tint(colour: np.ndarray, shade: np.ndarray) -> np.ndarray:
    """A colour (3,) made lighter or darker by `shade` (H, W), 0 = unchanged."""
    return colour * (1 + shade[..., None])
