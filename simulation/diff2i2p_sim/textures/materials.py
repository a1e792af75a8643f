# SPDX-License-Identifier: Apache-2.0
"""Materials: seamless bitmaps of paint, wood, carpet and the like."""

import cv2
import numpy as np

from diff2i2p_sim.textures.painter import noise, painter, tint


@painter
def paint(rng, colour):
    shade = 0.018 * noise(rng, (256, 256), 1.6) + 0.012 * noise(rng, (256, 256), 0.4)
    return tint(colour, shade)


@painter
def plain(rng, colour):
    return tint(colour, 0.02 * noise(rng, (32, 32), 0.5))


@painter
def fabric(rng, colour):
    y, x = np.mgrid[:64, :64]
    weave = 0.05 * ((x + y) % 4 < 2)
    return tint(colour, weave + 0.06 * noise(rng, (64, 64), 0.8) - 0.03)


@painter
def metal(rng, colour):
    return tint(colour, 0.03 * noise(rng, (64, 64), 1.0, (0.05, 1.0)))


@painter
def wood(rng, colour):
    grain = noise(rng, (256, 256), 1.3, (12.0, 0.6))
    rings = np.sin(4 * noise(rng, (256, 256), 2.0, (8.0, 0.7)) + 1.5 * grain)
    return tint(colour, 0.07 * grain + 0.05 * rings)


@painter
def planks(rng, colour):
    """Floor boards of 12.5 cm by 1 m on a tile of 2 m."""
    image = tint(colour, 0.05 * noise(rng, (512, 512), 1.2, (14.0, 0.5)))
    for row in range(16):
        start = int(rng.integers(256))
        for column in (start, start + 256):
            board = np.arange(column, column + 256) % 512
            image[row * 32 : row * 32 + 32, board] *= rng.uniform(0.78, 1.12) * rng.uniform(
                0.97, 1.03, 3
            )
            image[row * 32 : row * 32 + 32, board[:2]] *= 0.55
        image[row * 32 : row * 32 + 2] *= 0.6
    return image


@painter
def carpet(rng, colour):
    """Carpet squares of 50 cm on a tile of 2 m."""
    squares = rng.uniform(-0.12, 0.1, (4, 4)).repeat(64, 0).repeat(64, 1)
    accent = (rng.random((4, 4)) < 0.15).repeat(64, 0).repeat(64, 1)
    fibre = 0.07 * noise(rng, (256, 256), 0.3) + 0.04 * noise(rng, (256, 256), 1.3)
    image = tint(colour, squares + fibre)
    image[accent] *= rng.uniform(0.7, 1.35, 3)
    return image


@painter
def terrazzo(rng, colour):
    image = tint(colour, 0.03 * noise(rng, (256, 256), 1.4))
    for _ in range(220):
        centre, axes = rng.integers(0, 256, 2), rng.integers(1, 7, 2)
        chip = colour * rng.uniform(0.45, 1.3) * rng.uniform(0.85, 1.15, 3)
        for dx in (-256, 0, 256):  # drawn thrice each way so that the tile closes
            for dy in (-256, 0, 256):
                cv2.ellipse(
                    image,
                    (int(centre[0]) + dx, int(centre[1]) + dy),
                    axes.tolist(),
                    float(rng.integers(180)),
                    0,
                    360,
                    chip.tolist(),
                    -1,
                )
    return image


@painter
def tiles(rng, colour):
    """Ceramic tiles of 20 cm on a tile of 1.6 m."""
    shade = rng.uniform(-0.07, 0.05, (8, 8)).repeat(32, 0).repeat(32, 1) + 0.02 * noise(
        rng, (256, 256), 1.2
    )
    image = tint(colour, shade)
    image[::32] *= 0.7
    image[:, ::32] *= 0.7
    return image


@painter
def acoustic(rng, colour):
    """Ceiling panels of 60 cm on a tile of 2.4 m."""
    dots = noise(rng, (256, 256), 0.2)
    image = tint(
        colour, rng.uniform(-0.02, 0.02, (4, 4)).repeat(64, 0).repeat(64, 1) - 0.1 * (dots > 1.6)
    )
    for line in (0, 1):
        image[line::64] *= 0.82
        image[:, line::64] *= 0.82
    return image


@painter
def brick(rng, colour):
    image = np.full((256, 256, 3), 0.72, np.float32)
    for row in range(16):
        for column in range(8):
            x = np.arange(column * 32 + 16 * (row % 2) + 1, column * 32 + 16 * (row % 2) + 31) % 256
            image[row * 16 + 1 : row * 16 + 15, x] = (
                colour * rng.uniform(0.7, 1.2) * rng.uniform(0.95, 1.05, 3)
            )
    return image * (1 + 0.07 * noise(rng, (256, 256), 0.7)[..., None])


@painter
def wallpaper(rng, colour):
    """A printed pattern: stripes, rings or leaves on a tile of 1.2 m."""
    image = tint(colour, 0.02 * noise(rng, (256, 256), 1.0))
    accent = np.clip(colour * rng.uniform(0.7, 1.15, 3), 0, 1)
    if rng.random() < 0.4:
        widths = np.cumsum(rng.integers(8, 40, 16))
        image[:, np.searchsorted(widths, np.arange(256)) % 2 == 1] = accent
        return image
    for y in range(32, 256, 64):
        for x in range(32, 256, 64):
            shift = 32 * (y // 64 % 2)
            cv2.ellipse(
                image,
                ((x + shift) % 256, y),
                (22, 10),
                45.0 * ((x + y) // 64 % 4),
                0,
                360,
                accent.tolist(),
                3,
            )
            cv2.circle(image, (x - shift, y), 7, accent.tolist(), -1)
    return image


@painter
def panelling(rng, colour):
    """Vertical wooden boards of 15 cm on a tile of 1.2 m."""
    image = tint(colour, 0.06 * noise(rng, (256, 256), 1.3, (0.6, 12.0)))
    for column in range(0, 256, 32):
        image[:, column : column + 32] *= rng.uniform(0.85, 1.1)
        image[:, column : column + 2] *= 0.5
    return image


@painter
def foliage(rng, colour):
    leaf = noise(rng, (64, 64), 1.0, (0.4, 2.0))
    image = tint(colour, 0.22 * leaf)
    image[:, 31:33] *= 1.25
    return image
