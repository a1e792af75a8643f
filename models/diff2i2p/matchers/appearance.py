# SPDX-License-Identifier: Apache-2.0
"""The classical matcher: SIFT between the image and views of the map, rendered or photographed."""

from dataclasses import dataclass

import cv2
import numpy as np

from diff2i2p.camera import View
from diff2i2p.config import AppearanceConfig
from diff2i2p.correspondences import Correspondences
from diff2i2p.mapping.descriptor_index import FAINT, keypoint_arrays, root_sift
from diff2i2p.matchers.base import MatchedPlace, StageTimer

# descriptors compared; metres from which another one is another place
NEIGHBOURS, ELSEWHERE = 5, 0.3
CHECKS = 48  # leaves that the index looks into per query
DOUBLED = 300  # matches, the best, whose alternatives in the map are looked up
# bins of the turn (a full one) and of the zoom (octaves) between image and rendered view
ANGLES, SCALES = 16, 5
# views that are matched in earnest; metres between what they show, up to which they are one place
VIEWS, PLACE = 12, 4.0
# 1/256 turns and octaves from its view's bin, within which a match is consistent
TURN, ZOOM = 32, 1.2
# blurs of the image, in spacings of the map as its views show them: the second for an image taken
# close up
SMOOTHING = (0.5, 1.0)


class AppearanceMatcher:
    """Correspondences between an image and the map.

    Nearest descriptors vote for rendered views together with a turn and a zoom of the image (weak
    geometric consistency: Jegou et al., ECCV 2008); the views with most votes are then matched one
    by one and their matches pooled.
    """

    def __init__(
        self, descriptors, points, angles, octaves, starts, grain, config: AppearanceConfig
    ):
        """The arrays of `build_appearance`."""
        self.descriptors, self.points, self.angles, self.octaves = (
            descriptors,
            points,
            angles,
            octaves.astype(np.float32),
        )
        self.starts, self.grain, self.config = starts, float(grain[0]), config
        self.view_of = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        self.centres = _centres(points, starts)
        self.sift = cv2.SIFT_create(config.features, contrastThreshold=FAINT)
        self.searched = descriptors.astype(np.float32)  # the index keeps no copy of its own
        # the trees split at random: the same map is to give the same answers in every process
        cv2.setRNGSeed(0)
        self.index = (
            cv2.flann_Index(self.searched, {"algorithm": 1, "trees": 4}) if len(points) else None
        )

    def match(self, view: View, prior: np.ndarray | None, timer: StageTimer) -> list[MatchedPlace]:
        """The places of the whole map; by the image as it is, and as coarse as the map."""
        found = []
        for sigma in sorted({smoothing * self.grain * view.camera.K[0] for smoothing in SMOOTHING}):
            with timer("sift"):
                pixels, *query = self._detect(view, sigma)
            if len(pixels) < 2 or len(self.points) < NEIGHBOURS:
                continue
            with timer("appearance"):
                found += self._match(pixels, *query)
        return found

    def _detect(self, view: View, sigma: float):
        """Features of the blurred image: pixels (M, 2), descriptors (M, 128) float32, angles (M,)
        uint8, octaves (M,).
        """
        grey = cv2.GaussianBlur(view.grey, (0, 0), sigma) if sigma > 0.5 else view.grey
        keypoints, descriptors = self.sift.detectAndCompute(grey, None)
        pixels, angles, octaves, _ = keypoint_arrays(keypoints, view.camera)
        return (
            pixels,
            None if descriptors is None else root_sift(descriptors).astype(np.float32),
            angles,
            octaves,
        )

    def _match(self, pixels, descriptors, angles, octaves) -> list[MatchedPlace]:
        near, weight = self._neighbours(descriptors)
        elected = self._elect(
            near, self.angles[near] - angles[:, None], self.octaves[near] - octaves[:, None], weight
        )
        places = []
        for views in self._by_place(elected):
            matches = [self._match_view(*view, descriptors, angles, octaves) for view in views]
            rows, features, ratios = _pooled(
                pixels, self.points, *map(np.concatenate, zip(*matches, strict=True))
            )
            points, scores = (
                self.points[features].astype(float),
                (1 - ratios).clip(0).astype(np.float32),
            )
            found = Correspondences(pixels[rows], points, scores, "appearance")
            places.append(
                AppearancePlace(found, self, pixels, near, rows[:DOUBLED], features[:DOUBLED])
            )
        return places

    def similar(self, features: np.ndarray) -> np.ndarray:
        """(M, NEIGHBOURS) features most like `features` (M,), which are among them."""
        if not len(features):
            return np.zeros((0, NEIGHBOURS), int)
        return self.index.knnSearch(
            self.searched[features], NEIGHBOURS, params={"checks": CHECKS // 3}
        )[0]

    def _by_place(self, elected: list[tuple]) -> list[list[tuple]]:
        """The elected views in groups that show one place each, the most voted one first."""
        groups: list[list[tuple]] = []
        for view in elected:
            near = next(
                (
                    g
                    for g in groups
                    if np.linalg.norm(self.centres[view[0]] - self.centres[g[0][0]]) < PLACE
                ),
                None,
            )
            if near is None:
                groups.append([view])
            else:
                near.append(view)
        return groups

    def _neighbours(self, descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest features (M, k) and what each match is worth (M, k): nothing when another place
        looks as much alike.
        """
        index, squared = self.index.knnSearch(descriptors, NEIGHBOURS, params={"checks": CHECKS})
        distance = np.sqrt(squared)
        places = self.points[index]
        elsewhere = np.linalg.norm(places - places[:, :1], axis=2) > ELSEWHERE
        other = np.where(elsewhere, distance, distance[:, -1:]).min(1, keepdims=True)
        return index, (1.02 - distance / np.maximum(other, 1e-6)).clip(0)

    def _elect(self, near, turn, zoom, weight) -> list[tuple[int, np.uint8, int]]:
        """The views most voted for, each with the turn (1/256) and the zoom (octaves) that its
        votes agree on.
        """
        votes = np.zeros((len(self.starts) - 1) * ANGLES * SCALES)
        for da, ds in ((0, 0), (0, 1), (1, 0), (1, 1)):  # into both neighbouring bins
            angle, scale = (
                (turn // (256 // ANGLES) + da) % ANGLES,
                np.floor(zoom).astype(int) + ds + SCALES // 2,
            )
            valid = (scale >= 0) & (scale < SCALES)
            bins = (self.view_of[near] * ANGLES + angle) * SCALES + scale
            votes += np.bincount(bins[valid], weight[valid], len(votes))
        votes = votes.reshape(-1, ANGLES * SCALES)
        best, filled = votes.argmax(1), np.flatnonzero(np.diff(self.starts))
        chosen = filled[np.argsort(-votes[filled, best[filled]])[:VIEWS]]
        return [
            (
                view,
                np.uint8(best[view] // SCALES * (256 // ANGLES)),
                best[view] % SCALES - SCALES // 2,
            )
            for view in chosen
        ]

    def _match_view(self, view: int, turn: np.uint8, zoom: int, descriptors, angles, octaves):
        """Mutual consistent neighbours of a view: query index, feature index, ratio to the next."""
        members = slice(self.starts[view], self.starts[view + 1])
        of_view = self.descriptors[members].astype(np.float32)
        squared = (
            (descriptors**2).sum(1, keepdims=True)
            + (of_view**2).sum(1)
            - 2 * descriptors @ of_view.T
        )
        # uint8 wraps around as angles do
        turned = (self.angles[members] - (angles + turn)[:, None]).view(np.int8)
        zoomed = self.octaves[members] - (octaves + zoom)[:, None]
        squared[(turned > TURN) | (turned < -TURN) | (np.abs(zoomed) > ZOOM)] = np.inf
        nearest = squared.argmin(1)
        rows = np.arange(len(nearest))
        mutual = (squared.argmin(0)[nearest] == rows) & np.isfinite(squared[rows, nearest])
        rows, nearest = rows[mutual], nearest[mutual]
        best = squared[rows, nearest]
        squared[rows, nearest] = np.inf
        second = squared[rows].min(1, initial=4 * best.max(initial=1))
        return rows, members.start + nearest, np.sqrt(best.clip(0) / second.clip(1e-6))


@dataclass(frozen=True)
class AppearancePlace(MatchedPlace):
    """A place by its features, with what the image shows and what of the map looks like that."""

    matcher: AppearanceMatcher
    pixels: np.ndarray  # (Q, 2) of all features of the image
    near: np.ndarray  # (Q, NEIGHBOURS) features of the map nearest to each
    rows: np.ndarray  # (M,) features of the image that match best here
    features: np.ndarray  # (M,) and the features of the map that they match

    def alternatives(self) -> Correspondences:
        """What else is like the pixels, and like their matches: these tell in a poor image."""
        near = np.concatenate([self.near, self.matcher.similar(self.features)])
        pixels = np.repeat(np.concatenate([self.pixels, self.pixels[self.rows]]), NEIGHBOURS, 0)
        points = self.matcher.points[near].reshape(-1, 3).astype(float)
        return Correspondences(pixels, points, np.ones(len(points), np.float32), "appearance")


def _centres(points: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(V, 3) the middle of the features of each view; the origin for a view without."""
    sums = np.vstack([np.zeros(3), np.cumsum(points, 0, dtype=float)])
    return np.diff(sums[starts], axis=0) / np.maximum(np.diff(starts), 1)[:, None]


def _pooled(pixels, points, rows, features, ratios) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matches of several views as one set, best first; what two views say alike is said once."""
    order = np.argsort(ratios)
    rows, features, ratios = rows[order], features[order], ratios[order]
    said = np.column_stack([pixels[rows].round(), np.floor(points[features] / (ELSEWHERE / 6))])
    first = np.sort(np.unique(said, axis=0, return_index=True)[1])
    return rows[first], features[first], ratios[first]
