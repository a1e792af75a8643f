# SPDX-License-Identifier: Apache-2.0
"""Bitmaps of the fronts of things: doors, drawers, appliances, windows, lamps, papers, signs."""

import cv2
import numpy as np

from diff2i2p_sim.textures.painter import noise, painter, tint
from diff2i2p_sim.textures.pictures import WORDS, canvas, hue, text_block, word


def outline(image, low, high, colour, thick: int = 2) -> None:
    cv2.rectangle(
        image, tuple(map(int, low)), tuple(map(int, high)), np.asarray(colour).tolist(), thick
    )


@painter
def window(rng, colour):
    """Sky over a town or trees, half behind a blind; the frame is geometry."""
    image = (
        canvas(192, 256, (1, 1, 1))
        * np.linspace(1.0, 0.86, 192)[:, None, None]
        * np.array([0.8, 0.9, 1.0])
    )
    image += 0.06 * noise(rng, (192, 256), 1.9)[..., None]
    x = 0
    while x < 256:
        width, top = int(rng.integers(14, 50)), int(rng.integers(60, 150))
        image[top:, x : x + width] = hue(rng, 0.25, rng.uniform(0.35, 0.75))
        for y in range(top + 6, 190, 10):
            for pane in range(x + 4, min(x + width, 256) - 5, 9):
                image[y : y + 5, pane : pane + 5] *= rng.uniform(0.5, 1.35)
        x += width
    trees = np.arange(192)[:, None] > 160 + 9 * noise(rng, (2, 256), 1.0)[0]
    image[trees] = (
        np.array([0.25, 0.38, 0.2]) * (1 + 0.3 * noise(rng, (192, 256), 0.8)[..., None])
    )[trees]
    blind = int(rng.choice([0, 24, 60, 96]))
    image[:blind] = 0.9 - 0.28 * (np.arange(blind) % 8 < 2)[:, None, None]
    return image


@painter
def lamp(rng, colour):
    image = canvas(32, 64, colour)
    for line in range(0, 64, 16):
        image[:, line : line + 2] *= 0.8
    outline(image, (0, 0), (63, 31), (0.75, 0.75, 0.75))
    return image


@painter
def paper(rng, colour):
    image = canvas(64, 46, (0.93, 0.93, 0.9))
    word(image, str(rng.choice(WORDS))[:4], (4, 12), 0.4, hue(rng, 0.7, 0.4), 1)
    text_block(rng, image, (5, 20), (41, 60), (0.3, 0.3, 0.35), 5)
    if rng.random() < 0.5:
        outline(image, (8, 30), (34, 50), hue(rng), -1)
    return image


@painter
def keyboard(rng, colour):
    image = canvas(32, 96, colour)
    for y in range(3, 28, 5):
        for x in range(3, 92, 5):
            image[y : y + 4, x : x + 4] = colour * 0.5 + 0.25
    return image


@painter
def door(rng, colour):
    """A door leaf, 9:20, with a glass slit or a notice."""
    image = tint(colour, 0.05 * noise(rng, (256, 116), 1.3, (0.5, 8.0)))
    image[215:] *= 0.85
    if rng.random() < 0.5:
        outline(image, (78, 40), (96, 150), (0.35, 0.42, 0.45), -1)
        outline(image, (78, 40), (96, 150), (0.2, 0.2, 0.2), 2)
    if rng.random() < 0.8:
        low = rng.integers([20, 60], [40, 90])
        outline(image, low, low + [34, 44], hue(rng, 0.5, 0.9), -1)
        text_block(rng, image, low + [4, 8], low + [30, 42], (0.2, 0.2, 0.3), 6)
    cv2.circle(image, (107, 135), 4, (0.7, 0.7, 0.7), -1)
    return image


@painter
def sign(rng, colour):
    """A small door sign: number, name, pictogram, 4:3."""
    image = canvas(48, 64, hue(rng, 0.8, rng.choice([0.3, 0.5, 0.9])))
    word(image, f"{rng.integers(1, 4)}.{rng.integers(10, 40)}", (4, 22), 0.7, (0.98, 0.98, 0.98), 2)
    text_block(rng, image, (5, 30), (40, 46), (0.95, 0.95, 0.95), 6)
    cv2.circle(image, (54, 36), 6, hue(rng, 0.9, 0.9).tolist(), -1)
    return image


@painter
def exit_sign(rng, colour):
    image = canvas(32, 64, (0.05, 0.5, 0.22))
    word(image, "EXIT", (6, 22), 0.6, (1, 1, 1), 2)
    return image


@painter
def clock(rng, colour):
    image = canvas(64, 64, (0.94, 0.94, 0.92))
    cv2.circle(image, (32, 32), 30, hue(rng, 0.6, 0.3).tolist(), 4)
    for angle in np.arange(12) * np.pi / 6:
        tip = 32 + 25 * np.array([np.sin(angle), np.cos(angle)])
        cv2.circle(image, tip.astype(int).tolist(), 2, (0.1, 0.1, 0.1), -1)
    for length, angle in ((14, rng.uniform(0, 6.3)), (22, rng.uniform(0, 6.3))):
        tip = 32 + length * np.array([np.sin(angle), -np.cos(angle)])
        cv2.line(image, (32, 32), tip.astype(int).tolist(), (0.05, 0.05, 0.05), 2)
    return image


@painter
def radiator(rng, colour):
    image = canvas(64, 128, colour)
    image *= (0.86 + 0.14 * np.sin(np.arange(128) * 2 * np.pi / 8))[None, :, None]
    image[:5] *= 0.8
    return image


@painter
def drawers(rng, colour):
    """A front of two to four drawers."""
    image, count = tint(colour, 0.02 * noise(rng, (96, 64), 1.0)), int(rng.integers(2, 5))
    for row in range(count):
        low, high = 96 * row // count, 96 * (row + 1) // count
        outline(image, (1, low), (62, high - 1), colour * 0.45, 1)
        outline(image, (22, low + 6), (42, low + 9), (0.25, 0.25, 0.27), -1)
    return image


@painter
def cabinet(rng, colour):
    """A front of two doors with handles, some with labels."""
    image = tint(colour, 0.03 * noise(rng, (128, 96), 1.2, (0.6, 6.0)))
    image[:, 47:49] *= 0.4
    outline(image, (0, 0), (95, 127), colour * 0.5, 2)
    for x in (41, 52):
        outline(image, (x, 56), (x + 2, 72), (0.2, 0.2, 0.22), -1)
    for x in (10, 60):
        if rng.random() < 0.5:
            outline(image, (x, 16), (x + 24, 30), hue(rng, 0.3, 0.9), -1)
            text_block(rng, image, (x + 2, 20), (x + 22, 30), (0.2, 0.2, 0.2), 5)
    return image


@painter
def locker(rng, colour):
    """Three steel lockers with slots and numbers."""
    image = tint(colour, 0.02 * noise(rng, (128, 96), 1.0))
    for column in range(3):
        x = 32 * column
        image[:, x : x + 31] *= rng.uniform(0.75, 1.15) * rng.uniform(0.95, 1.05, 3)
        for slot in range(4):
            image[10 + 5 * slot : 12 + 5 * slot, x + 8 : x + 24] *= 0.4
        word(image, str(rng.integers(10, 99)), (x + 6, 56), 0.5, (0.95, 0.95, 0.9), 1)
        outline(image, (x, 0), (x + 31, 127), colour * 0.35, 1)
        if rng.random() < 0.4:
            outline(image, (x + 7, 66), (x + 25, 66 + int(rng.integers(12, 30))), hue(rng), -1)
    return image


@painter
def appliance(rng, colour):
    """The front of a machine: a dark door, a display, knobs."""
    image = tint(colour, 0.02 * noise(rng, (64, 96), 0.8))
    outline(image, (5, 8), (64, 56), (0.1, 0.1, 0.12), -1)
    outline(image, (12, 14), (57, 50), (0.2, 0.21, 0.24), -1)
    outline(image, (70, 8), (90, 18), (0.1, 0.35, 0.3), -1)
    for row in range(3):
        for column in range(2):
            cv2.circle(image, (74 + 11 * column, 28 + 10 * row), 3, hue(rng, 0.4, 0.4).tolist(), -1)
    return image


@painter
def fridge(rng, colour):
    """A fridge with notes and magnets."""
    image = tint(colour, 0.015 * noise(rng, (192, 64), 1.0))
    image[64:66] *= 0.4
    outline(image, (4, 40), (6, 60), (0.4, 0.4, 0.4), -1)
    outline(image, (4, 70), (6, 100), (0.4, 0.4, 0.4), -1)
    for _ in range(int(rng.integers(4, 9))):
        low = rng.integers([10, 70], [44, 140])
        outline(image, low, low + rng.integers(5, 18, 2), hue(rng, 0.6, 0.85), -1)
    return image


@painter
def cardboard(rng, colour):
    """The side of a removal box: tape, print, label."""
    image = tint(
        np.array([0.68, 0.52, 0.35]) * rng.uniform(0.8, 1.1), 0.04 * noise(rng, (64, 80), 0.8)
    )
    image[:, 34:46] = np.array([0.78, 0.68, 0.5])
    if rng.random() < 0.7:
        word(image, str(rng.choice(WORDS)), (4, 54), 0.6, hue(rng, 0.7, 0.3), 2)
    low = rng.integers([4, 6], [40, 20])
    outline(image, low, low + [26, 16], (0.94, 0.94, 0.92), -1)
    text_block(rng, image, low + [3, 5], low + [24, 16], (0.1, 0.1, 0.1), 5)
    return image


@painter
def rack(rng, colour):
    """A rack of electronics: units with lights, vents and cables."""
    image, y = canvas(192, 64, (0.07, 0.07, 0.08)), 2
    while y < 186:
        height = int(rng.choice([8, 16, 24]))
        image[y : y + height - 1, 4:60] = hue(rng, 0.2, rng.uniform(0.1, 0.5))
        for x in range(8, 56, 5):
            if rng.random() < 0.5:
                image[y + 2 : y + 5, x : x + 3] = hue(rng, 0.9, 0.9)
        y += height
    for _ in range(5):
        ends = rng.integers([6, 0], [58, 190], (2, 2))
        cv2.line(image, ends[0].tolist(), ends[1].tolist(), hue(rng).tolist(), 2, cv2.LINE_AA)
    return image


@painter
def rug(rng, colour):
    """A symmetric pattern of lozenges within borders, 4:3."""
    ground, accents = hue(rng, 0.7, 0.5), [hue(rng, 0.7) for _ in range(4)]
    quarter = canvas(96, 128, ground)
    for _ in range(10):
        centre, radius = rng.integers([10, 10], [128, 96]), int(rng.integers(6, 26))
        lozenge = centre + radius * np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
        cv2.fillConvexPoly(quarter, lozenge.astype(np.int32), accents[rng.integers(4)].tolist())
    half = np.concatenate([quarter, quarter[:, ::-1]], 1)
    image = np.ascontiguousarray(np.concatenate([half, half[::-1]], 0))
    for border in range(3):
        outline(
            image,
            (8 * border, 8 * border),
            (255 - 8 * border, 191 - 8 * border),
            accents[border],
            5,
        )
    return image * (1 + 0.08 * noise(rng, (192, 256), 0.4)[..., None])


@painter
def vent(rng, colour):
    image = canvas(32, 64, colour)
    image[4:28:4, 4:60] *= 0.4
    return image


@painter
def pegboard(rng, colour):
    """Tools on a perforated board, 3:2."""
    image = canvas(160, 240, hue(rng, 0.3, 0.75))
    image[4::8, 4::8] *= 0.5
    for _ in range(11):
        at, size = rng.integers([14, 14], [220, 130]), rng.integers(5, 30, 2)
        metal, grip = np.full(3, rng.uniform(0.3, 0.6)), hue(rng, 0.9, 0.7)
        outline(image, at, at + [5, size[1] + 10], metal, -1)
        outline(image, at - [3, 0], at + [8, -10], grip, -1)
        if rng.random() < 0.4:
            cv2.circle(
                image, (at + [2, size[1]]).tolist(), int(size[0] // 2 + 4), metal.tolist(), 4
            )
    return image
