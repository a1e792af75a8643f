# SPDX-License-Identifier: Apache-2.0
"""How a coloured cloud looks from everywhere a camera could be: SIFT features of rendered views, lifted to the map."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from diff2i2p.camera import Camera
from diff2i2p.config import AppearanceConfig
from diff2i2p.geometry import at_pixels, lift
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.viewpoints import EYE, level_axes, look_around, viewpoints
from diff2i2p.render import Rendering, Surfaces, close_cracks

MAX_FEATURES = 1_000_000  # 145 MB
SEEN = 0.4  # share of a rendered view that must show the map
CONTRAST, FAINT = 0.02, 0.01  # SIFT's contrast thresholds: of renderings, of real images
BLUR, FINEST = 0.3, 0.6  # blur of a rendering and its smallest features, in sizes of its splats
LEVELS = 5  # octaves of blur, from half a pixel


@dataclass(frozen=True)
class Features:
    """SIFT features of one view, strongest first."""

    descriptors: np.ndarray  # (M, 128) uint8 RootSIFT
    points: np.ndarray  # (M, 3) float32, map frame, metres
    angles: np.ndarray  # (M,) uint8, orientation in the view, 1/256 turns
    octaves: np.ndarray  # (M,) float16, log2 of the diameter in radians
    grains: (
        np.ndarray
    )  # (M,) float32, spacing of the map as a rendered view shows it, radians; 0 in a photograph


def build_appearance(
    dense: DenseMap, up: np.ndarray, config: AppearanceConfig, progress=None
) -> dict[str, np.ndarray]:
    """Index of how the map looks: the arrays of `Features` over all views; view v owns rows starts[v]:starts[v + 1].

    up: (3,) unit vector against gravity. Viewpoints are sampled in the free space of the map. grain (1,) is the median of
    the grains. Empty when the map has neither colour nor intensity. progress: called as progress(done, total, what).
    """
    views = []
    if dense.shades is not None and len(dense.points) > 1:
        level = level_axes(up)
        places = viewpoints(dense.points @ level.T.astype(np.float32), config.spacing) @ level

        def features(number: int) -> list[Features]:
            poses = look_around(places[number], level, config.headings, number)
            renderings = ((dense.render(EYE, T), T) for T in poses)
            return [
                _rendered(*seen, dense.spacing, config.features)
                for seen in renderings
                if (seen[0].depth > 0).mean() > SEEN
            ]

        with ThreadPoolExecutor() as pool:  # numpy and OpenCV leave the interpreter free
            for number, found in enumerate(pool.map(features, range(len(places)))):
                views += found
                if progress:
                    progress(number + 1, len(places), "viewpoints")
    return index(views)


def root_sift(descriptors: np.ndarray) -> np.ndarray:
    """RootSIFT (M, 128) as uint8: Euclidean distance becomes the Hellinger distance."""
    unit = np.sqrt(descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-6))
    return np.rint(512 * unit).clip(0, 255).astype(np.uint8)


def keypoint_arrays(keypoints, camera: Camera):
    """Pixels (M, 2), angles (M,) uint8 in 1/256 turns, octaves (M,) float32 as log2 of radians, strengths (M,)."""
    pixels = np.array([k.pt for k in keypoints]).reshape(-1, 2)
    rest = np.array([(k.angle, k.size, k.response) for k in keypoints], np.float32).reshape(-1, 3)
    return (
        pixels,
        (rest[:, 0] * (256 / 360)).astype(int).astype(np.uint8),
        np.log2(rest[:, 1] / camera.K[0]),
        rest[:, 2],
    )


def index(views: list[Features]) -> dict[str, np.ndarray]:
    """All views in one, at most MAX_FEATURES rows, the strongest of each view."""
    counts = np.array([len(view.points) for view in views], int)
    limit = next(
        limit
        for limit in range(counts.max(initial=0), -1, -1)
        if counts.clip(max=limit).sum() <= MAX_FEATURES
    )
    empty = Features(
        np.zeros((0, 128), np.uint8), np.zeros((0, 3), np.float32), *(np.zeros(0, kind) for kind in (np.uint8, np.float16, np.float32))
    )  # fmt: skip
    joined = {
        name: np.concatenate([getattr(view, name)[:limit] for view in (empty, *views)])
        for name in vars(empty)
    }
    grains = joined.pop("grains")
    starts = np.concatenate([[0], np.cumsum(counts.clip(max=limit))])
    return {
        **joined,
        "starts": starts,
        "grain": np.array([np.median(grains) if len(grains) else 0], np.float32),
    }


def _rendered(
    rendering: Rendering, T_map_camera: np.ndarray, spacing: float, limit: int
) -> Features:
    """Features of a rendered view, none finer than its splats."""
    surfaces = close_cracks(rendering)
    image = _smooth(surfaces.image, BLUR * EYE.K[0] * spacing / np.maximum(surfaces.depth, 0.1))
    return describe(image, surfaces, EYE, T_map_camera, limit, CONTRAST, spacing)


def describe(
    image: np.ndarray, surfaces: Surfaces, camera: Camera, T_map_camera: np.ndarray, limit: int, contrast: float, spacing: float = 0.0
) -> Features:  # fmt: skip
    """Features of an image (H, W) uint8 where it shows `surfaces`, away from holes and depth edges, at most `limit`.

    spacing: metres between the points that the image is made of, where it is a rendering: what is finer is left out.
    """
    trusted = np.where(surfaces.doubtful, 0, 255).astype(np.uint8)
    keypoints, descriptors = cv2.SIFT_create(contrastThreshold=contrast).detectAndCompute(
        image, trusted
    )
    pixels, angles, octaves, strengths = keypoint_arrays(keypoints, camera)
    z = at_pixels(surfaces.depth, pixels)
    strongest = np.argsort(-strengths)  # OpenCV's own limit would count what the mask leaves out
    chosen = strongest[
        (z[strongest] > 0) & (2 ** octaves[strongest] > FINEST * spacing / z[strongest].clip(1e-6))
    ][:limit]
    descriptors = np.zeros((0, 128), np.float32) if descriptors is None else descriptors
    lifted = lift(pixels[chosen], z[chosen], camera, T_map_camera)
    return Features(
        root_sift(descriptors[chosen]), lifted.astype(np.float32), angles[chosen], octaves[chosen].astype(np.float16),
        (spacing / z[chosen]).astype(np.float32),
    )  # fmt: skip


def _smooth(image: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Blur each pixel with its own sigma (H, W): between octaves of blur, uint8."""
    octave = np.log2(sigma.clip(0.5, 2.0 ** (LEVELS - 2)) / 0.5)
    blurred = np.zeros(image.shape, np.float32)
    for level in range(int(np.ceil(octave.max())) + 1):
        share = (1 - np.abs(octave - level)).clip(0).astype(np.float32)
        blurred += share * cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.5 * 2.0**level)
    return blurred.clip(0, 255).astype(np.uint8)
