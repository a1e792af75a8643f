# SPDX-License-Identifier: Apache-2.0
"""Render and compare: the map as a pose sees it, beside the image, and tracks between them."""

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from diff2i2p.camera import Camera, View
from diff2i2p.config import PnpConfig
from diff2i2p.correspondences import Correspondences
from diff2i2p.geometry import at_pixels, lift, project, reprojection_errors
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.pose.pnp import Pose, solve_pnp
from diff2i2p.render import Surfaces, close_cracks

# corners of the rendered map that are looked for in the image, pixels between them
CORNERS, APART = 300, 5
CORNER_QUALITY = 0.005  # of the best one
# pixels, pixels, grey levels squared that count as noise
BLUR, CONTRAST_WINDOW, FLAT = 1.0, 12.0, 25.0
TRACKER = {
    "winSize": (21, 21),
    "maxLevel": 2,
    "criteria": (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 15, 0.03),
}
RETURN = 0.7  # pixels by which a track there and back may miss its start
# tracks are many, few are wrong, and those by little
OF_TRACKS = PnpConfig(max_error=3.0, max_iterations=200)
# metres: what is nearer is not looked at; depth by which a point may be behind a surface
NEAREST, SLACK = 0.05, 0.2
# pixels at 320 wide; a track that ends this close to where a pose puts it speaks for the pose
AGREES = 2.0
RANKS = 2048  # pixels that the strength of an image edge is ranked among
FEW, FEW_CORNERS = 40, 20  # pixels, and corners, that say nothing yet
# percentiles of the grey levels, between which the tone curve is straight
TONES = np.linspace(0, 100, 65)


@dataclass(frozen=True)
class Tracks:
    """Corners of one of two pictures, tracked into the other (Lucas-Kanade, there and back)."""

    tried: int  # corners looked for; 0 on a bare map
    found: Correspondences  # those found, in the image and on the map


NO_TRACKS = Tracks(0, Correspondences.none("tracks"))


@dataclass(frozen=True)
class ViewComparison:
    """What the map should look like from a pose, beside the image that is the query."""

    T_map_camera: np.ndarray  # (4, 4) that the map was rendered at
    view: View
    surfaces: Surfaces  # as grey as the exposure of the image would make them
    map_tracks: Tracks  # the map's corners
    # (H, W) uint8, grey of the map without light and exposure; None on a bare map
    map: np.ndarray | None = None
    query: np.ndarray | None = None  # (H, W) uint8, and that of the image

    @property
    def has_intensity(self) -> bool:
        """Whether the map has colour or intensity to compare."""
        return self.map is not None

    @cached_property
    def query_tracks(self) -> Tracks:
        """The image's corners, where the map is known."""
        if not self.has_intensity:
            return NO_TRACKS
        known = cv2.erode((self.surfaces.depth > 0).astype(np.uint8), np.ones((5, 5))) > 0
        corners, ends, mismatch, tried = _track(self.query, self.map, known)
        points = lift(
            ends, at_pixels(self.surfaces.depth, ends), self.view.camera, self.T_map_camera
        )
        return Tracks(tried, Correspondences(corners, points, 1 / (1 + mismatch), "tracks"))

    @cached_property
    def pose(self) -> Pose | None:
        """The pose that the tracks agree on among themselves."""
        return solve_pnp(self.map_tracks.found, self.view.camera, OF_TRACKS)

    @cached_property
    def edge_rank(self) -> float:
        """Mean rank of the image's edges where the map's depth jumps among all; 0.5 by chance."""
        x, y = (
            cv2.Sobel(cv2.GaussianBlur(self.view.grey, (0, 0), BLUR), cv2.CV_32F, *order)
            for order in ((1, 0), (0, 1))
        )
        strength = cv2.dilate(cv2.magnitude(x, y), np.ones((3, 3)))
        at_edges = strength[self.surfaces.edges & ~self.surfaces.holes]
        if len(at_edges) < FEW:
            return 0.5
        everywhere = np.sort(strength.ravel()[:: max(1, strength.size // RANKS)])
        below, upto = (np.searchsorted(everywhere, at_edges, side) for side in ("left", "right"))
        return float((below + upto).mean() / 2 / len(everywhere))


def compare(view: View, dense: DenseMap, T_map_camera: np.ndarray) -> ViewComparison:
    """Render the map at `T_map_camera` (4, 4) and track its corners into the image."""
    surfaces = close_cracks(dense.render(view.camera, T_map_camera))
    if not dense.has_intensity:
        return ViewComparison(T_map_camera, view, surfaces, NO_TRACKS)
    surfaces = replace(surfaces, image=_exposed(surfaces, view.grey))
    of_map, of_query = _normalised(surfaces.image), _normalised(view.grey)
    corners, ends, mismatch, tried = _track(of_map, of_query, ~surfaces.doubtful)
    points = lift(corners, at_pixels(surfaces.depth, corners), view.camera, T_map_camera)
    tracks = Tracks(tried, Correspondences(ends, points, 1 / (1 + mismatch), "tracks"))
    return ViewComparison(T_map_camera, view, surfaces, tracks, of_map, of_query)


def agreement(tracks: Tracks, camera: Camera, T_map_camera: np.ndarray) -> float:
    """Share of the corners that image and map both show where the pose puts them."""
    if tracks.tried < FEW_CORNERS or not len(tracks.found):
        return 0.0
    limit = AGREES * camera.width / 320
    errors = reprojection_errors(tracks.found.pixels, tracks.found.points, camera, T_map_camera)
    return float((errors < limit).sum() / tracks.tried)


def visible_share(
    comparison: ViewComparison, points: np.ndarray, T_map_camera: np.ndarray, slack: float
) -> float:
    """Share of map `points` (M, 3) that no surface hides, nearer by more than the share `slack`."""
    pixels, z = project(points, comparison.view.camera, T_map_camera)
    ahead = z > NEAREST
    if not ahead.any():
        return 0.0
    depth, z = at_pixels(comparison.surfaces.depth, pixels[ahead]), z[ahead]
    return float(((depth == 0) | (z <= (1 + slack) * depth + SLACK)).mean())


def _track(
    here: np.ndarray, there: np.ndarray, where: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Corners (M, 2) of one image, where (H, W) allows, found in another.

    Also their ends (M, 2), mismatch (M,), and how many were tried.
    """
    corners = cv2.goodFeaturesToTrack(
        here, CORNERS, CORNER_QUALITY, APART, mask=where.astype(np.uint8)
    )
    if corners is None:
        return np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, np.float32), 0
    ends, found, mismatch = cv2.calcOpticalFlowPyrLK(here, there, corners, None, **TRACKER)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(there, here, ends, None, **TRACKER)
    good = (
        (found[:, 0] > 0)
        & (returned[:, 0] > 0)
        & (np.linalg.norm((corners - back)[:, 0], axis=1) < RETURN)
    )
    return (
        corners[good, 0].astype(float),
        ends[good, 0].astype(float),
        mismatch[good, 0],
        len(corners),
    )


def _exposed(surfaces: Surfaces, grey: np.ndarray) -> np.ndarray:
    """Grey (H, W) of the map as bright and as dark as the image: what is white there for too much
    light is white here too.

    The tone curve is the one that gives both the same distribution of greys, which needs no pixel
    to be in its place.
    """
    known = _coarser(surfaces.depth) > 0
    if known.sum() < FEW:
        return surfaces.image
    of_map, of_image = (
        np.percentile(
            _coarser(cv2.GaussianBlur(image.astype(np.float32), (0, 0), BLUR))[known], TONES
        )
        for image in (surfaces.image, grey)
    )
    return np.interp(surfaces.image, of_map + np.linspace(0, 0.01, len(TONES)), of_image).astype(
        np.float32
    )


def _coarser(image: np.ndarray) -> np.ndarray:
    return image[1::3, 1::3]


def _normalised(image: np.ndarray) -> np.ndarray:
    """(H, W) uint8 without local mean and with even local contrast: independent of light."""
    image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), BLUR)
    # wide windows need no more
    small = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    size = image.shape[1], image.shape[0]
    mean, square = (
        cv2.resize(cv2.GaussianBlur(a, (0, 0), CONTRAST_WINDOW / 4), size)
        for a in (small, small * small)
    )
    return (
        ((image - mean) * (45 / np.sqrt(np.maximum(square - mean * mean, 0) + FLAT)) + 128)
        .clip(0, 255)
        .astype(np.uint8)
    )
