# SPDX-License-Identifier: Apache-2.0
"""More materials, plain and busy: stone, plaster, cloth, print, ground and sky."""

import cv2
import numpy as np

from diff2i2p_sim.textures.painter import noise, painter, tint
from diff2i2p_sim.textures.pictures import WORDS, canvas, hue, text_block, word

SIZE = (256, 256)


@painter
def plaster(rng, colour):
    """Rough render, with stains that run down."""
    stains = np.maximum(noise(rng, SIZE, 1.6, (0.3, 2.0)), 0)
    return tint(colour, 0.06 * noise(rng, SIZE, 0.5) - 0.04 * stains)


@painter
def concrete(rng, colour):
    """Poured slabs with joints and anchor holes on a tile of 2.4 m."""
    image = tint(colour, 0.07 * noise(rng, SIZE, 1.5) + 0.03 * noise(rng, SIZE, 0.3))
    for at in (0, 128):
        image[at : at + 2] *= 0.72
        image[:, at : at + 1] *= 0.8
        for other in (32, 96, 160, 224):
            cv2.circle(image, (at + 20, other), 2, (colour * 0.5).tolist(), -1)
    return image


@painter
def marble(rng, colour):
    veins = np.exp(-np.abs(noise(rng, SIZE, 1.7)) / 0.06)
    return tint(colour, 0.05 * noise(rng, SIZE, 1.5) - rng.uniform(0.15, 0.45) * veins)


@painter
def granite(rng, colour):
    grain = noise(rng, SIZE, 0.15)
    return tint(colour, 0.16 * grain + 0.25 * (grain > 1.8) - 0.3 * (grain < -1.9))


@painter
def herringbone(rng, colour):
    """Parquet laid in a zigzag on a tile of 1.2 m."""
    image = tint(colour, 0.04 * noise(rng, SIZE, 1.0))
    y, x = np.mgrid[:256, :256]
    zigzag = np.abs(x % 64 - 32) + y
    board = (zigzag // 16) % 16 + 16 * (x // 32)
    image *= rng.uniform(0.78, 1.15, 16 * 8)[board][..., None]
    image[(zigzag % 16 < 1) | (x % 32 < 1)] *= 0.6
    return image


@painter
def checker(rng, colour):
    """Squares of two colours, eight a tile."""
    other = np.clip(hue(rng, rng.uniform(0, 0.8)), 0, 1)
    y, x = np.mgrid[:256, :256] // 32
    image = np.where(((x + y) % 2)[..., None] == 1, colour, other).astype(np.float32)
    return image * (1 + 0.03 * noise(rng, SIZE, 1.0)[..., None])


@painter
def mosaic(rng, colour):
    """Small wall tiles in many shades, 16 a tile."""
    shade = rng.uniform(0.65, 1.15, (16, 16, 1)) * rng.uniform(0.92, 1.08, (16, 16, 3))
    image = (colour * shade).repeat(16, 0).repeat(16, 1).astype(np.float32)
    image[::16] = image[:, ::16] = rng.uniform(0.3, 0.9)
    return image


@painter
def stripes(rng, colour):
    """Upright stripes of three colours, as on curtains."""
    colours = np.stack([colour, hue(rng, 0.7), np.clip(colour * rng.uniform(0.5, 1.3), 0, 1)])
    edges = np.cumsum(rng.integers(4, 40, 40))
    row = colours[np.searchsorted(edges, np.arange(256)) % 3]
    return np.repeat(row[None], 256, 0).astype(np.float32) * (
        1 + 0.04 * noise(rng, SIZE, 0.6)[..., None]
    )


@painter
def plaid(rng, colour):
    """Crossing bands, as on blankets and shirts."""
    image = tint(colour, 0.05 * noise(rng, SIZE, 0.4))
    for _ in range(int(rng.integers(3, 8))):
        at, wide, ink = int(rng.integers(240)), int(rng.integers(4, 36)), hue(rng, 0.8)
        image[at : at + wide] = 0.5 * image[at : at + wide] + 0.5 * ink
        image[:, at : at + wide] = 0.5 * image[:, at : at + wide] + 0.5 * ink
    return image


@painter
def blotches(rng, colour):
    """Two or three colours that run into each other."""
    image = tint(colour, 0.04 * noise(rng, SIZE, 0.6))
    for _ in range(int(rng.integers(1, 4))):
        field = noise(rng, SIZE, rng.uniform(1.0, 1.9))
        image[field > rng.uniform(0.2, 1.2)] = hue(rng, rng.uniform(0.1, 0.9))
    return image


@painter
def mural(rng, colour):
    """A wall painting: large shapes, letters and splashes."""
    image = tint(colour, 0.05 * noise(rng, SIZE, 1.4))
    for _ in range(int(rng.integers(8, 20))):
        at, ink = rng.integers(0, 256, 2), hue(rng, 0.9).tolist()
        kind = rng.integers(4)
        if kind == 0:
            axes = rng.integers(6, 50, 2).tolist()
            cv2.ellipse(image, at.tolist(), axes, float(rng.integers(180)), 0, 360, ink, -1)
        elif kind == 1:
            cv2.fillPoly(image, [(at + rng.integers(-60, 60, (5, 2))).astype(np.int32)], ink)
        elif kind == 2:
            word(
                image, str(rng.choice(WORDS)), (at - [40, 0]).tolist(), rng.uniform(0.8, 2), ink, 4
            )
        else:
            line = at + np.cumsum(rng.integers(-30, 31, (8, 2)), 0)
            cv2.polylines(image, [line.astype(np.int32)], False, ink, int(rng.integers(2, 9)))
    return image


@painter
def label(rng, colour):
    """The print around a bottle, carton or bag: bands, a name, a picture, small print."""
    image = canvas(96, 128, colour)
    for _ in range(int(rng.integers(1, 4))):
        top = int(rng.integers(0, 80))
        image[top : top + int(rng.integers(4, 40))] = hue(rng, 0.9)
    at = rng.integers([20, 20], [108, 76])
    cv2.circle(
        image, at.tolist(), int(rng.integers(8, 24)), hue(rng, 0.9).tolist(), -1, cv2.LINE_AA
    )
    name, ink = str(rng.choice(WORDS)), hue(rng, 0.5, rng.choice([0.1, 0.98]))
    word(image, name, (int(rng.integers(2, 40)), int(rng.integers(24, 70))), 0.8, ink, 2)
    text_block(rng, image, (6, 74), (70, 94), hue(rng, 0.2, rng.choice([0.15, 0.9])), 5)
    return image * (1 + 0.03 * noise(rng, (96, 128), 0.8)[..., None])


@painter
def corrugated(rng, colour):
    """Sheet metal in waves of 8 cm on a tile of 1.3 m, with rust."""
    wave = 0.18 * np.sin(np.arange(256) * 2 * np.pi / 16)[None]
    image = tint(colour, wave + 0.03 * noise(rng, SIZE, 0.8))
    image[noise(rng, SIZE, 1.7) > rng.uniform(1.0, 3.0)] *= np.array([0.75, 0.5, 0.38])
    return image


@painter
def chipboard(rng, colour):
    """Pressed flakes of wood."""
    image = tint(colour, 0.05 * noise(rng, SIZE, 0.8))
    for _ in range(350):
        at, long = rng.integers(0, 256, 2), rng.integers(4, 16)
        turn = rng.uniform(0, np.pi)
        tip = at + (long * np.array([np.cos(turn), np.sin(turn)])).astype(int)
        cv2.line(image, at.tolist(), tip.tolist(), (colour * rng.uniform(0.6, 1.3)).tolist(), 3)
    return image


@painter
def planking(rng, colour):
    """Rough boards, horizontal, on a tile of 1.2 m, each of its own shade."""
    image = tint(colour, 0.09 * noise(rng, SIZE, 1.2, (14.0, 0.5)))
    for top in range(0, 256, 32):
        image[top : top + 32] *= rng.uniform(0.7, 1.15)
        image[top : top + 2] *= 0.4
    return image


@painter
def rubble(rng, colour):
    """Irregular natural stones in mortar."""
    seeds = rng.integers(0, 256, (70, 2))
    y, x = np.mgrid[:256, :256]
    gaps = [
        np.abs((axis[..., None] - seeds[:, k] + 128) % 256 - 128) for k, axis in enumerate((x, y))
    ]
    distance = np.hypot(*gaps).astype(np.float32)
    order = np.partition(distance, 1, axis=2)
    image = colour * rng.uniform(0.6, 1.2, (70, 1))[distance.argmin(2)]
    image = image * (1 + 0.06 * noise(rng, SIZE, 0.9)[..., None])
    image[order[..., 1] - order[..., 0] < 3] = rng.uniform(0.5, 0.8)
    return image.astype(np.float32)


@painter
def asphalt(rng, colour):
    image = tint(colour, 0.1 * noise(rng, SIZE, 0.25) + 0.06 * noise(rng, SIZE, 1.6))
    for _ in range(int(rng.integers(0, 4))):
        crack = rng.integers(0, 256, 2) + np.cumsum(rng.integers(-14, 15, (12, 2)), 0)
        cv2.polylines(image, [crack.astype(np.int32)], False, (colour * 0.5).tolist(), 1)
    return image


@painter
def paving(rng, colour):
    """Pavement slabs of 40 cm on a tile of 1.6 m."""
    shade = rng.uniform(-0.12, 0.08, (4, 4)).repeat(64, 0).repeat(64, 1)
    image = tint(colour, shade + 0.05 * noise(rng, SIZE, 0.5))
    for row in range(4):
        shift = 32 * (row % 2)
        image[64 * row : 64 * row + 2] *= 0.6
        image[64 * row : 64 * row + 64, shift::64] *= 0.6
    return image


@painter
def grass(rng, colour):
    blades = 0.2 * noise(rng, SIZE, 0.4, (0.5, 2.0)) + 0.12 * noise(rng, SIZE, 1.5)
    return tint(colour, blades)


@painter
def bark(rng, colour):
    return tint(colour, 0.2 * noise(rng, (128, 64), 0.9, (0.5, 5.0)))


@painter
def crown(rng, colour):
    """The leaves of a tree or a hedge: light and shade in clumps."""
    clumps = 0.28 * noise(rng, (128, 128), 1.0) + 0.2 * noise(rng, (128, 128), 0.3)
    return tint(colour, clumps)


@painter
def sky(rng, colour):
    """From the horizon up: clear, with clouds, or grey."""
    high = np.linspace(1, 0, 128)[:, None, None]
    image = high * np.array([0.35, 0.56, 0.9]) + (1 - high) * np.array([0.8, 0.88, 0.97])
    clouds = np.clip(noise(rng, (128, 512), 1.8, (2.0, 1.0)) + rng.uniform(-1.5, 1.5), 0, 1)
    white = np.array([0.97, 0.97, 0.98]) * rng.uniform(0.8, 1.0)
    return image * (1 - clouds[..., None]) + clouds[..., None] * white


@painter
def pane(rng, colour):
    """A window seen from outside: dark rooms, curtains, the sky mirrored."""
    image = canvas(96, 64, hue(rng, 0.2, rng.uniform(0.08, 0.3)))
    if rng.random() < 0.7:
        image[: int(rng.integers(10, 96)), : int(rng.integers(4, 30))] = hue(rng, 0.3, 0.85)
        image[: int(rng.integers(10, 96)), -int(rng.integers(4, 30)) :] = hue(rng, 0.3, 0.85)
    if rng.random() < 0.4:
        image[: int(rng.integers(8, 60))] = hue(rng, 0.2, 0.8)
    mirrored = np.clip(noise(rng, (96, 64), 1.9), 0, 1)[..., None] * rng.uniform(0, 0.6)
    return image * (1 - mirrored) + mirrored * np.array([0.75, 0.85, 0.97])


@painter
def shopfront(rng, colour):
    """Goods behind glass, a name above."""
    image = canvas(128, 192, hue(rng, 0.3, 0.25))
    for _ in range(26):
        at = rng.integers([4, 40], [180, 110])
        low, high = at.tolist(), (at + rng.integers(6, 26, 2)).tolist()
        cv2.rectangle(image, low, high, hue(rng).tolist(), -1)
    image[:30] = hue(rng, 0.9)
    ink = hue(rng, 0.3, rng.choice([0.1, 0.98]))
    word(image, str(rng.choice(WORDS)), (int(rng.integers(4, 70)), 24), 1.0, ink, 3)
    image[30:34] = image[:, :4] = image[:, -4:] = image[124:] = colour * 0.4
    return image


@painter
def facade(rng, colour):
    """A distant house: rows of windows."""
    image = tint(colour, 0.04 * noise(rng, (192, 192), 1.2))
    rows, columns = rng.integers(2, 7, 2)
    h, w = 192 // rows, 192 // columns
    for y in range(rows):
        for x in range(columns):
            low, high = (x * w + w // 4, y * h + h // 4), (x * w + 3 * w // 4, y * h + 4 * h // 5)
            cv2.rectangle(image, low, high, hue(rng, 0.2, rng.uniform(0.1, 0.6)).tolist(), -1)
            cv2.rectangle(image, low, high, (colour * 0.6).tolist(), 1)
    return image


@painter
def outside(rng, colour):
    """What is behind a window: glare, a garden, a wall, or dusk; the frame is geometry."""
    light = hue(rng, rng.uniform(0, 0.35), rng.choice([0.98, 0.98, 0.7, 0.25]))
    image = tint(light, 0.03 * noise(rng, (128, 192), 1.8))
    if rng.random() < 0.6:
        trees = noise(rng, (128, 192), rng.uniform(0.9, 1.6)) > rng.uniform(-0.8, 0.8)
        green = np.array([0.3, 0.42, 0.22]) * rng.uniform(0.4, 2.0)
        image[trees] = (green * (1 + 0.25 * noise(rng, (128, 192), 0.6)[..., None]))[trees]
    if rng.random() < 0.4:
        image[int(rng.integers(30, 120)) :] = hue(rng, 0.3, rng.uniform(0.3, 0.9))
    return image
