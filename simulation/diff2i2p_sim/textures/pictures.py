# SPDX-License-Identifier: Apache-2.0
"""Pictures: bitmaps that are stretched over one face, most of them unique: posters, books, screens, doors, windows."""

import cv2
import numpy as np

from diff2i2p_sim.textures.painter import noise, painter, tint

WORDS = "ROBOT MAP DATA LAB WORK TEAM OPEN NORTH PLAN IDEA SAFETY COFFEE TRAIN LIGHT FIELD SONAR PHASE DELTA ORBIT QUIET".split()


def hue(rng: np.random.Generator, strength: float = 0.8, value: float | None = None) -> np.ndarray:
    """A random RGB colour (3,), saturated by `strength`."""
    angle = rng.uniform(0, 2 * np.pi) + np.array([0, 2.1, 4.2])
    value = rng.uniform(0.35, 0.95) if value is None else value
    return (value * (1 - strength * (0.5 + 0.5 * np.cos(angle)))).astype(np.float32)


def canvas(height: int, width: int, colour) -> np.ndarray:
    """(H, W, 3) float32 of one colour."""
    return np.broadcast_to(np.asarray(colour, np.float32), (height, width, 3)).copy()


def word(
    image: np.ndarray, text: str, at: tuple[int, int], size: float, colour, thick: int = 2
) -> None:
    cv2.putText(
        image,
        text,
        at,
        cv2.FONT_HERSHEY_DUPLEX,
        size,
        np.asarray(colour).tolist(),
        thick,
        cv2.LINE_AA,
    )


def text_block(rng, image, low, high, colour, step: int = 8) -> None:
    """Lines that read as small print."""
    for y in range(low[1], high[1], step):
        x = low[0]
        while x < high[0] - 6 and rng.random() < 0.95:
            end = min(x + int(rng.integers(5, 30)), high[0])
            cv2.line(image, (x, y), (end, y), np.asarray(colour).tolist(), max(1, step // 4))
            x = end + 4


@painter
def poster(rng, colour):
    """One of four kinds of poster, 3:4."""
    draw = (_landscape, _geometry, _typography, _chart)[rng.integers(4)]
    image = draw(rng, canvas(256, 192, hue(rng, 0.4, rng.uniform(0.75, 1.0))))
    if rng.random() < 0.6:
        cv2.rectangle(
            image,
            (0, 0),
            (191, 255),
            (hue(rng, 0.3, rng.choice([0.15, 0.9]))).tolist(),
            int(rng.integers(3, 10)),
        )
    return image


def _landscape(rng, image):
    image[:] = np.linspace(0, 1, 256)[:, None, None] * hue(rng, 0.6, 0.9) + np.linspace(1, 0, 256)[
        :, None, None
    ] * hue(rng, 0.7, 0.8)
    cv2.circle(
        image,
        rng.integers(30, 160, 2).tolist(),
        int(rng.integers(12, 36)),
        hue(rng, 0.5, 1.0).tolist(),
        -1,
        cv2.LINE_AA,
    )
    for layer in range(4):
        ridge = 90 + 38 * layer + rng.uniform(8, 22) * noise(rng, (2, 192), 1.7)[0]
        below = np.arange(256)[:, None] > ridge
        image[below] = (
            hue(rng, 0.6, 0.75 - 0.16 * layer) * (1 + 0.12 * noise(rng, (256, 192), 0.9)[..., None])
        )[below]
    return image


def _geometry(rng, image):
    for _ in range(int(rng.integers(6, 14))):
        colour, centre, radius = (
            hue(rng).tolist(),
            rng.integers([0, 0], [192, 256]),
            int(rng.integers(14, 70)),
        )
        kind = rng.integers(3)
        if kind == 0:
            cv2.circle(
                image, centre.tolist(), radius, colour, -1 if rng.random() < 0.6 else 8, cv2.LINE_AA
            )
        elif kind == 1:
            corners = cv2.boxPoints(
                (
                    centre.astype(float).tolist(),
                    (1.6 * radius, float(rng.uniform(0.3, 1.6) * radius)),
                    float(rng.uniform(0, 90)),
                )
            )
            cv2.fillConvexPoly(image, corners.astype(np.int32), colour, cv2.LINE_AA)
        else:
            cv2.fillConvexPoly(
                image,
                (centre + rng.integers(-radius, radius, (3, 2))).astype(np.int32),
                colour,
                cv2.LINE_AA,
            )
    return image


def _typography(rng, image):
    image[:] = hue(rng, 0.8, rng.uniform(0.3, 0.95))
    y = int(rng.integers(40, 70))
    while y < 250:
        size = rng.uniform(0.9, 2.3)
        word(
            image,
            str(rng.choice(WORDS)),
            (int(rng.integers(4, 24)), y),
            size,
            hue(rng, 0.6, rng.choice([0.1, 1.0])),
            int(2 + 2 * size),
        )
        y += int(26 * size) + 14
    text_block(rng, image, (12, 226), (150, 250), hue(rng, 0.2, rng.choice([0.1, 0.95])))
    return image


def _chart(rng, image):
    word(image, str(rng.choice(WORDS)), (10, 34), 1.1, hue(rng, 0.7, 0.4), 3)
    for row in range(2):
        top = 50 + 100 * row
        cv2.rectangle(image, (10, top), (100, top + 84), hue(rng, 0.5, 0.9).tolist(), -1)
        if rng.random() < 0.5:
            for bar in range(6):
                height = int(rng.integers(10, 76))
                cv2.rectangle(
                    image,
                    (16 + 14 * bar, top + 82 - height),
                    (26 + 14 * bar, top + 82),
                    hue(rng).tolist(),
                    -1,
                )
        else:
            for _ in range(3):
                curve = np.stack(
                    [np.linspace(14, 96, 20), top + 42 + 16 * noise(rng, (2, 20), 1.5)[0]], 1
                )
                cv2.polylines(
                    image,
                    [curve.astype(np.int32)],
                    False,
                    hue(rng, 0.9, 0.6).tolist(),
                    3,
                    cv2.LINE_AA,
                )
        text_block(rng, image, (108, top + 4), (184, top + 84), (0.2, 0.2, 0.2))
    return image


@painter
def books(rng, colour):
    """A row of book spines, about 80 cm."""
    image, x = canvas(96, 256, (0.08, 0.07, 0.06)), 0
    while x < 256:
        width, top = int(rng.integers(6, 20)), int(rng.integers(0, 26))
        spine = hue(rng, rng.uniform(0.1, 0.9))
        image[top:, x : x + width] = (
            spine * np.linspace(1.05, 0.85, min(width, 256 - x))[None, :, None]
        )
        if rng.random() < 0.7:
            mark = int(rng.integers(top + 6, 80))
            image[mark : mark + int(rng.integers(3, 14)), x + 1 : x + width - 1] = hue(rng, 0.4)
        image[:, x : x + 1] *= 0.4
        x += width
    return image


@painter
def binders(rng, colour):
    """A row of ring binders, about 80 cm."""
    image, x, family = canvas(96, 256, (0.08, 0.08, 0.08)), 0, [hue(rng) for _ in range(3)]
    while x < 256:
        width = int(rng.integers(16, 26))
        image[4:, x : x + width - 1] = family[rng.integers(3)] if rng.random() < 0.92 else 0.05
        cv2.rectangle(image, (x + 3, 16), (x + width - 5, 48), (0.9, 0.9, 0.87), -1)
        text_block(rng, image, (x + 4, 22), (x + width - 5, 46), (0.2, 0.2, 0.3), 6)
        cv2.circle(image, (x + width // 2 - 1, 76), 5, (0.1, 0.1, 0.1), -1)
        x += width
    return image


@painter
def screen(rng, colour):
    """A computer screen, 16:9: wallpaper, windows, text."""
    image = canvas(108, 192, hue(rng, 0.7, 0.5)) * (
        1 + 0.25 * noise(rng, (108, 192), 1.8)[..., None]
    )
    for _ in range(int(rng.integers(1, 4))):
        low = rng.integers([2, 2], [80, 40])
        high = np.minimum(low + rng.integers([60, 40], [120, 80]), [188, 98])
        dark = rng.random() < 0.5
        cv2.rectangle(
            image,
            low.tolist(),
            high.tolist(),
            (hue(rng, 0.2, 0.12) if dark else hue(rng, 0.1, 0.95)).tolist(),
            -1,
        )
        cv2.rectangle(
            image, low.tolist(), (int(high[0]), int(low[1]) + 6), hue(rng, 0.8, 0.6).tolist(), -1
        )
        text_block(rng, image, low + [4, 12], high - [4, 2], hue(rng, 0.6, 0.9 if dark else 0.3), 5)
    image[102:] = 0.1
    return image


@painter
def whiteboard(rng, colour):
    """Handwriting, boxes, arrows and a smear on white, 3:2."""
    image = canvas(192, 288, (0.93, 0.94, 0.95)) * (
        1 - 0.02 * np.abs(noise(rng, (192, 288), 1.8))[..., None]
    )
    pens = [(0.1, 0.15, 0.6), (0.75, 0.12, 0.12), (0.1, 0.45, 0.2), (0.1, 0.1, 0.12)]
    for _ in range(int(rng.integers(6, 12))):
        pen, at, kind = pens[rng.integers(4)], rng.integers([8, 12], [220, 150]), rng.integers(4)
        if kind == 0:
            cv2.rectangle(image, at.tolist(), (at + rng.integers(24, 60, 2)).tolist(), pen, 2)
        elif kind == 1:
            cv2.arrowedLine(
                image, at.tolist(), (at + rng.integers(-50, 60, 2)).tolist(), pen, 2, cv2.LINE_AA
            )
        elif kind == 2:
            cv2.ellipse(
                image, at.tolist(), rng.integers(10, 34, 2).tolist(), 0, 0, 360, pen, 2, cv2.LINE_AA
            )
        else:
            for line in range(int(rng.integers(2, 6))):
                stroke = np.stack(
                    [
                        at[0] + np.arange(0, 70, 2),
                        at[1] + 12 * line + 3 * noise(rng, (2, 35), 0.3)[0],
                    ],
                    1,
                )
                cv2.polylines(image, [stroke.astype(np.int32)], False, pen, 2, cv2.LINE_AA)
    return image


@painter
def corkboard(rng, colour):
    """Cork with pinned notes, 3:2."""
    image = tint(np.array([0.66, 0.47, 0.3]), 0.1 * noise(rng, (160, 240), 0.4)).astype(np.float32)
    for _ in range(int(rng.integers(7, 13))):
        centre, size = (
            rng.integers([20, 20], [220, 140]).astype(float),
            rng.uniform([18, 18], [50, 60]),
        )
        corners = cv2.boxPoints((centre.tolist(), size.tolist(), float(rng.uniform(-9, 9)))).astype(
            np.int32
        )
        cv2.fillConvexPoly(
            image, corners, (hue(rng, rng.choice([0.05, 0.6]), 0.95)).tolist(), cv2.LINE_AA
        )
        low = (centre - 0.35 * size).astype(int)
        text_block(rng, image, low, (centre + 0.35 * size).astype(int), hue(rng, 0.5, 0.3), 6)
        cv2.circle(
            image,
            (int(centre[0]), int(centre[1] - 0.42 * size[1])),
            3,
            hue(rng, 0.9, 0.8).tolist(),
            -1,
            cv2.LINE_AA,
        )
    return image
