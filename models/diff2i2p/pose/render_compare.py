# SPDX-License-Identifier: Apache-2.0
"""Render and compare: the map as a pose sees it, beside the image, and what of it is found there."""

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from diff2i2p.camera import Camera, View
from diff2i2p.config import PnpConfig
from diff2i2p.localization.result import Correspondences
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.pose.pnp import Pose, reprojection_errors, solve_pnp
from diff2i2p.render import Surfaces, close_cracks

CORNERS, APART = 300, 5  # corners of the rendered map that are looked for in the image, pixels between them
CORNER_QUALITY = 0.005  # of the best one
BLUR, CONTRAST_WINDOW, FLAT = 1.0, 12.0, 25.0  # pixels, pixels, grey levels squared that count as noise
TRACKER = {"winSize": (21, 21), "maxLevel": 2, "criteria": (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 15, 0.03)}
RETURN = 0.7  # pixels by which a track followed there and back may miss its start
OF_TRACKS = PnpConfig(max_error=3.0, max_iterations=200)  # tracks are many, few are wrong, and those by little
# What makes tracks err together: variance of a pose over that by independent ones, and the errors of the map itself, m^2 and rad^2, that
# no number of tracks averages away (bench_uncertainty.py).
TRACKS_SHARED, FLOOR = 8.0, np.diag([0.005**2] * 3 + [0.002**2] * 3)
AGREES = 2.0  # pixels at 320 wide; a track that ends this close to where a pose puts it speaks for the pose
RANKS = 2048  # pixels that the strength of an image edge is ranked among
FEW, FEW_CORNERS = 40, 20  # pixels, and corners, that say nothing yet
TONES = np.linspace(0, 100, 65)  # percentiles of the shades, between which the tone curve is straight


@dataclass(frozen=True)
class Tracks:
    """Corners of one of two pictures, followed into the other (Lucas-Kanade, there and back)."""

    tried: int  # corners looked for; 0 where the map has no looks
    found: Correspondences  # those found, in the image and on the map


NO_TRACKS = Tracks(0, Correspondences(np.zeros((0, 2)), np.zeros((0, 3)), np.zeros(0, np.float32), "tracks"))


@dataclass(frozen=True)
class Comparison:
    """What the map should look like from a pose, beside the image."""

    T_map_camera: np.ndarray  # (4, 4) that the map was rendered at
    view: View
    surfaces: Surfaces  # in the shades that the exposure of the image would give them
    tracks: Tracks  # the map's corners
    ours: np.ndarray | None = None  # (H, W) uint8, shades of the map without light and exposure; None where it has no looks
    theirs: np.ndarray | None = None  # (H, W) uint8, and those of the image

    @cached_property
    def back(self) -> Tracks:
        """The image's corners, where the map is known."""
        if self.ours is None:
            return NO_TRACKS
        known = cv2.erode((self.surfaces.depth > 0).astype(np.uint8), np.ones((5, 5))) > 0
        corners, ends, mismatch, tried = _follow(self.theirs, self.ours, known)
        points = _lifted(ends, self.surfaces.depth, self.view.camera, self.T_map_camera)
        return Tracks(tried, Correspondences(corners, points, 1 / (1 + mismatch), "tracks"))

    @cached_property
    def pose(self) -> Pose | None:
        """The pose that the tracks agree on among themselves."""
        return solve_pnp(self.tracks.found, self.view.camera, OF_TRACKS)

    @cached_property
    def edge_rank(self) -> float:
        """How much stronger the image's edges are where the map's depth jumps than elsewhere: a mean rank, 0.5 by chance."""
        x, y = (cv2.Sobel(cv2.GaussianBlur(self.view.grey, (0, 0), BLUR), cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
        strength = cv2.dilate(cv2.magnitude(x, y), np.ones((3, 3)))
        at_edges = strength[self.surfaces.edges & ~self.surfaces.holes]
        if len(at_edges) < FEW:
            return 0.5
        everywhere = np.sort(strength.ravel()[:: max(1, strength.size // RANKS)])
        below, upto = (np.searchsorted(everywhere, at_edges, side) for side in ("left", "right"))
        return float((below + upto).mean() / 2 / len(everywhere))


def compare(view: View, dense: DenseMap, T_map_camera: np.ndarray) -> Comparison:
    """Render the map at `T_map_camera` (4, 4), exposed as the image is, and follow its corners into the image."""
    surfaces = close_cracks(dense.render(view.camera, T_map_camera))
    if dense.shades is None:
        return Comparison(T_map_camera, view, surfaces, NO_TRACKS)
    surfaces = replace(surfaces, image=_exposed(surfaces, view.grey))
    ours, theirs = _normalised(surfaces.image), _normalised(view.grey)
    corners, ends, mismatch, tried = _follow(ours, theirs, ~surfaces.doubtful)
    points = _lifted(corners, surfaces.depth, view.camera, T_map_camera)
    tracks = Tracks(tried, Correspondences(ends, points, 1 / (1 + mismatch), "tracks"))
    return Comparison(T_map_camera, view, surfaces, tracks, ours, theirs)


def refine(comparison: Comparison, matches: Correspondences, config: PnpConfig) -> Pose | None:
    """The pose that the tracks agree on, with the inliers it has among `matches`; None without agreement."""
    found = comparison.pose
    if found is None:
        return None
    inliers = _errors(matches, comparison.view.camera, found.T_map_camera) <= config.max_error
    return replace(found, inliers=inliers, covariance=TRACKS_SHARED * found.covariance + FLOOR)


def agreement(tracks: Tracks, camera: Camera, T_map_camera: np.ndarray) -> float:
    """Share of the corners that image and map both show where the pose puts them."""
    if tracks.tried < FEW_CORNERS or not len(tracks.found):
        return 0.0
    limit = AGREES * camera.width / 320
    return float((_errors(tracks.found, camera, T_map_camera) < limit).sum() / tracks.tried)


def visible_share(comparison: Comparison, points: np.ndarray, T_map_camera: np.ndarray, slack: float) -> float:
    """Share of `points` (M, 3), map frame, that no surface hides which is nearer by more than the share `slack`."""
    local = (points - T_map_camera[:3, 3]) @ T_map_camera[:3, :3]
    local = local[local[:, 2] > 0.05]
    if not len(local):
        return 0.0
    camera = comparison.view.camera
    u, v = (local[:, :2] / local[:, 2:] * camera.K[:2] + camera.K[2:]).round().astype(int).T
    depth = comparison.surfaces.depth[v.clip(0, camera.height - 1), u.clip(0, camera.width - 1)]
    return float(((depth == 0) | (local[:, 2] <= (1 + slack) * depth + 0.2)).mean())


def _follow(ours: np.ndarray, theirs: np.ndarray, where: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Corners (M, 2) of `ours`, where (H, W) allows, found in `theirs`: also their ends (M, 2), mismatch (M,), and how many were tried."""
    corners = cv2.goodFeaturesToTrack(ours, CORNERS, CORNER_QUALITY, APART, mask=where.astype(np.uint8))
    if corners is None:
        return np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, np.float32), 0
    ends, found, mismatch = cv2.calcOpticalFlowPyrLK(ours, theirs, corners, None, **TRACKER)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(theirs, ours, ends, None, **TRACKER)
    good = (found[:, 0] > 0) & (returned[:, 0] > 0) & (np.linalg.norm((corners - back)[:, 0], axis=1) < RETURN)
    return corners[good, 0].astype(float), ends[good, 0].astype(float), mismatch[good, 0], len(corners)


def _exposed(surfaces: Surfaces, grey: np.ndarray) -> np.ndarray:
    """The shades (H, W) of the map as bright and as dark as the image: what is white there for too much light is white here too.

    The tone curve is the one that gives both the same distribution of greys, which needs no pixel to be in its place.
    """
    known = _coarser(surfaces.depth) > 0
    if known.sum() < FEW:
        return surfaces.image
    ours, theirs = (
        np.percentile(_coarser(cv2.GaussianBlur(image.astype(np.float32), (0, 0), BLUR))[known], TONES) for image in (surfaces.image, grey)
    )
    return np.interp(surfaces.image, ours + np.linspace(0, 0.01, len(TONES)), theirs).astype(np.float32)


def _coarser(image: np.ndarray) -> np.ndarray:
    return image[1::3, 1::3]


def _normalised(image: np.ndarray) -> np.ndarray:
    """(H, W) uint8 with its local mean taken away and its local contrast made equal: light and exposure leave it alone."""
    image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), BLUR)
    small = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)  # wide windows need no more
    size = image.shape[1], image.shape[0]
    mean, square = (cv2.resize(cv2.GaussianBlur(a, (0, 0), CONTRAST_WINDOW / 4), size) for a in (small, small * small))
    return ((image - mean) * (45 / np.sqrt(np.maximum(square - mean * mean, 0) + FLAT)) + 128).clip(0, 255).astype(np.uint8)


def _lifted(pixels: np.ndarray, depth: np.ndarray, camera: Camera, T_map_camera: np.ndarray) -> np.ndarray:
    """(M, 3) map points that a rendering shows at `pixels` (M, 2)."""
    u, v = pixels.round().astype(int).T
    z = depth[v.clip(0, camera.height - 1), u.clip(0, camera.width - 1)]
    return (camera.rays(pixels) * z[:, None]) @ T_map_camera[:3, :3].T + T_map_camera[:3, 3]


def _errors(matches: Correspondences, camera: Camera, T_map_camera: np.ndarray) -> np.ndarray:
    return reprojection_errors(matches.pixels, matches.points, camera, T_map_camera[:3, :3].T, T_map_camera[:3, 3])
