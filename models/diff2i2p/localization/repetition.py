# SPDX-License-Identifier: Apache-2.0
"""Places alike one behind the other (corridors, shelves): the image slides along the map."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy import fft

from diff2i2p.geometry import SAME_PLACE, lift, turn_cosine
from diff2i2p.localization.hypotheses import Hypothesis
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.pose.render_compare import ViewComparison

SAME_WAY = np.cos(np.radians(4))  # cosine; poses turned by less look the same way
REACH = 40.0  # metres that the image is moved, each way
SEEN = 16.0  # metres along the line that an image shows, before the camera or behind
AROUND = 4.0  # metres from the line, up to which surfaces count
# of the unrolled surfaces: metres along the line, parts of a turn around it
CELL, SECTORS = 0.08, 120
THIN = 3  # of so many points of the map, or pixels each way, one is unrolled
DETAIL = 5.0  # cells; what is smoother is light, not the surface
FLAT = 3.0  # grey levels that count as noise
OVERLAP = 0.5  # share of what the image shows that the map must know
# places that are looked at, metres between them, and how high they must be beside the highest
PEAKS, APART, WORTH = 4, 0.5, 0.8


@dataclass(frozen=True)
class Line:
    """Where a place may repeat."""

    place: Hypothesis
    direction: np.ndarray  # (3,) unit vector, map frame

    def holds(self, place: Hypothesis) -> bool:
        """Whether another place is this one, moved along the line."""
        moved = place.T_map_camera[:3, 3] - self.place.T_map_camera[:3, 3]
        same_way = turn_cosine(self.place.T_map_camera, place.T_map_camera) > SAME_WAY
        return bool(same_way and np.linalg.norm(np.cross(moved, self.direction)) < SAME_PLACE)


def find_line(places: list[Hypothesis]) -> Line | None:
    """The line through the two places with most inliers that look the same way, or else through the
    first place and its alias.
    """
    pairs = [
        (place, o.T_map_camera, o.pose.inliers.sum())
        for number, place in enumerate(places)
        for o in places[number + 1 :]
    ]
    return _best_line(pairs) or _best_line(
        [(p, p.alias.T_map_camera, p.alias.matches) for p in places[:1] if p.alias]
    )


def _best_line(pairs: list[tuple[Hypothesis, np.ndarray, int]]) -> Line | None:
    """The line with most support through a place and a pose (4, 4) that so many matches speak for,
    and that looks the same way.
    """
    lines = []
    for place, T, matches in pairs:
        moved = T[:3, 3] - place.T_map_camera[:3, 3]
        same_way = turn_cosine(place.T_map_camera, T) > SAME_WAY
        if same_way and SAME_PLACE < (metres := np.linalg.norm(moved)) < REACH:
            lines.append((min(place.pose.inliers.sum(), matches), Line(place, moved / metres)))
    return max(lines, key=lambda line: line[0])[1] if lines else None


def slide(line: Line, comparison: ViewComparison, dense: DenseMap) -> list[Hypothesis]:
    """The places along a line where the map looks most like the image: that of the line, moved.
    comparison: made there.
    """
    T, view = line.place.T_map_camera, comparison.view
    depth = (
        comparison.surfaces.depth[::THIN, ::THIN] * ~comparison.surfaces.doubtful[::THIN, ::THIN]
    )
    v, u = np.nonzero(depth > 0)
    seen = lift(np.stack([u, v], 1) * float(THIN), depth[v, u], view.camera, T).astype(np.float32)
    of_image = _unrolled(seen, view.grey[::THIN, ::THIN][v, u], line, SEEN)
    near = dense.near_line(T[:3, 3], line.direction, AROUND, REACH + SEEN)[::THIN]
    of_map = _unrolled(dense.points[near], dense.shades[near], line, REACH + SEEN)
    alike = _correlation(of_map, of_image)
    moves = CELL * (np.arange(len(alike)) - (len(alike) - 1) / 2)
    return [_moved(line, move) for move in _peaks(moves, alike) if abs(move) > SAME_PLACE]


def _unrolled(
    points: np.ndarray, grey: np.ndarray, line: Line, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Surfaces around a line as a picture (2 reach / CELL, SECTORS): detail of their grey (n,), and
    where it is known (float32).
    """
    T, along = line.place.T_map_camera, line.direction
    aside = np.cross(along, T[:3, np.abs(along @ T[:3, :3]).argmin()])
    aside /= np.linalg.norm(aside)
    x, y, z = (
        np.stack([along, aside, np.cross(along, aside)]).astype(np.float32)
        @ (points - T[:3, 3].astype(np.float32)).T
    )
    inside = (np.hypot(y, z) < AROUND) & (np.abs(x) < reach)
    row = ((x[inside] + reach) / CELL).astype(int)
    sector = (
        ((np.arctan2(z[inside], y[inside]) / (2 * np.pi) + 0.5) * SECTORS)
        .astype(int)
        .clip(0, SECTORS - 1)
    )
    shape = round(2 * reach / CELL), SECTORS
    cell = (row.clip(0, shape[0] - 1) * SECTORS + sector).astype(int)
    count = np.bincount(cell, minlength=shape[0] * SECTORS).reshape(shape).astype(np.float32)
    total = (
        np.bincount(cell, grey[inside], minlength=shape[0] * SECTORS)
        .reshape(shape)
        .astype(np.float32)
    )
    weight = cv2.blur(count, (3, 3))  # closes the cracks
    known = (weight > 0).astype(np.float32)
    return _detail(cv2.blur(total, (3, 3)) / np.maximum(weight, 1e-6), known), known


def _detail(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """A picture without its local mean, of even contrast, 0 where nothing is known."""

    def smooth(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values * known, (0, 0), DETAIL) / np.maximum(share, 1e-3)

    share = cv2.GaussianBlur(known, (0, 0), DETAIL)
    detail = (picture - smooth(picture)) * known
    return detail / np.sqrt(smooth(detail * detail) + FLAT**2)


def _correlation(
    of_map: tuple[np.ndarray, np.ndarray], of_image: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """(moves,) how much the image resembles the map when it is moved by whole cells: -1 to 1 where
    both are known, -1 elsewhere.
    """
    (a, known_a), (b, known_b) = of_map, of_image
    moves = len(a) - len(b) + 1
    size = fft.next_fast_len(len(a), real=True)
    spectra = [fft.rfft(values, size, axis=0) for values in (a, a * a, known_a)]
    pattern, square, known = (
        np.conj(fft.rfft(values, size, axis=0)) for values in (b, b * b, known_b)
    )

    def slid(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return fft.irfft((one * other).sum(1), size)[:moves]

    together, map_square, image_square = (
        slid(spectra[0], pattern),
        slid(spectra[1], known),
        slid(spectra[2], square),
    )
    enough = slid(spectra[2], known) > OVERLAP * known_b.sum()
    return np.where(enough, together / np.sqrt(np.maximum(map_square * image_square, 1.0)), -1)


def _peaks(moves: np.ndarray, alike: np.ndarray) -> list[float]:
    """The moves, metres, at the highest peaks, between cells by a parabola."""
    left, found = alike.copy(), []
    for _ in range(PEAKS):
        k = int(left.argmax())
        if left[k] <= max(WORTH * alike.max(), 0):
            break
        below, top, above = alike[max(k - 1, 0)], alike[k], alike[min(k + 1, len(alike) - 1)]
        found.append(moves[k] + CELL * 0.5 * (below - above) / min(below - 2 * top + above, -1e-9))
        left[np.abs(moves - moves[k]) < APART] = -1
    return found


def _moved(line: Line, move: float) -> Hypothesis:
    """The place of a line at another point of it: what looks alike there are the matches."""
    place, shift = line.place, move * line.direction
    T = place.T_map_camera.copy()
    T[:3, 3] += shift
    matches = replace(place.correspondences, points=place.correspondences.points + shift)
    return Hypothesis(
        replace(place.pose, T_map_camera=T), replace(place.matched, correspondences=matches)
    )
