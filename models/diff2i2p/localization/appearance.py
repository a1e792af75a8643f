# SPDX-License-Identifier: Apache-2.0
"""The classical matcher: SIFT between the image and views rendered from the coloured cloud. Nothing to train."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from scipy.spatial import cKDTree

from diff2i2p.camera import Camera, View
from diff2i2p.cloud import PointCloud
from diff2i2p.config import AppearanceConfig
from diff2i2p.localization.result import Correspondences
from diff2i2p.render import render_cloud

EYE = Camera(320, 240, (240.0, 240.0, 159.5, 119.5))  # takes the rendered views
HEIGHTS = (0.8, 1.5)  # metres above the lowest points of the map
PITCHES = (0.0, -30.0)  # degrees, upwards
CLEARANCE = 0.35  # metres without map points around a viewpoint
MARGIN = 1.2  # metres around the map in which viewpoints may lie
SEEN = 0.4  # share of a rendered view that must show the map
EDGE = 0.08  # relative depth step that no feature may touch
CONTRAST = 0.02  # SIFT's contrast threshold
NEIGHBOURS, RIVAL = 5, 0.3  # descriptors compared; metres from which another one is another place
CHECKS = 64  # leaves that the index looks into per query


def build_appearance(cloud: PointCloud, up: np.ndarray, config: AppearanceConfig, progress=None) -> dict[str, np.ndarray]:
    """Index of how the cloud looks: descriptors (M, 128) uint8 RootSIFT, points (M, 3) float32 in the map frame.

    up: (3,) unit vector against gravity. Viewpoints are sampled in the free space of the map. Empty arrays when the cloud
    has neither colour nor intensity. progress: called as progress(done, total, what).
    """
    descriptors, points = [np.zeros((0, 128), np.uint8)], [np.zeros((0, 3), np.float32)]
    if cloud.grey is not None:
        shades = (cloud.grey * 255).astype(np.uint8)
        spacing = _spacing(cloud.points)
        poses = list(_viewpoints(cloud.points, up, config))

        def look(T_map_camera: np.ndarray):
            rendering = render_cloud(cloud.points, shades, EYE, T_map_camera, spacing)
            return _features(rendering.image, rendering.depth, T_map_camera, config.features)

        with ThreadPoolExecutor() as pool:  # numpy and OpenCV leave the interpreter free
            for number, found in enumerate(pool.map(look, poses)):
                descriptors.append(found[0])
                points.append(found[1])
                if progress:
                    progress(number + 1, len(poses), "rendered views")
    return {"descriptors": np.concatenate(descriptors), "points": np.concatenate(points)}


class AppearanceMatcher:
    """Correspondences between a view and the map by nearest descriptors."""

    def __init__(self, descriptors: np.ndarray, points: np.ndarray, config: AppearanceConfig):
        self.points, self.config = points, config
        self.sift = cv2.SIFT_create(config.features, contrastThreshold=CONTRAST)
        self.index = cv2.FlannBasedMatcher({"algorithm": 1, "trees": 4}, {"checks": CHECKS})
        self.index.add([descriptors.astype(np.float32)])
        self.index.train()

    def match(self, view: View, prior, timer) -> list[Correspondences]:
        """The whole map is one candidate, with or without a prior."""
        with timer("sift"):
            keypoints, descriptors = self.sift.detectAndCompute(view.grey, None)
        if len(keypoints) < 2 or len(self.points) < NEIGHBOURS:
            return [Correspondences(np.zeros((0, 2)), np.zeros((0, 3)), np.zeros(0, np.float32), "appearance")]
        with timer("appearance"):
            return [self._match(np.array([k.pt for k in keypoints]), _root(descriptors).astype(np.float32))]

    def _match(self, pixels: np.ndarray, descriptors: np.ndarray) -> Correspondences:
        near = self.index.knnMatch(descriptors, k=NEIGHBOURS)
        index = np.array([[match.trainIdx for match in row] for row in near])
        distance = np.array([[match.distance for match in row] for row in near])
        places = self.points[index]  # (M, k, 3)
        elsewhere = np.linalg.norm(places - places[:, :1], axis=2) > RIVAL
        rival = np.where(elsewhere, distance, np.inf).min(1)
        ratio = distance[:, 0] / np.where(np.isfinite(rival), rival, distance[:, -1] + 1e-6)
        order = np.argsort(ratio)
        order = order[ratio[order] < self.config.ratio]
        return Correspondences(pixels[order], places[order, 0].astype(float), (1 - ratio[order]).astype(np.float32), "appearance")


def _viewpoints(points: np.ndarray, up: np.ndarray, config: AppearanceConfig) -> Iterator[np.ndarray]:
    """Poses (4, 4) on a grid in the free space of the map, looking around."""
    level = _level_axes(up)
    local = points @ level.T
    floor = np.percentile(local[:, 2], 1)
    low, high = local[:, :2].min(0) - MARGIN, local[:, :2].max(0) + MARGIN
    grid = np.meshgrid(*(np.arange(a, b, config.spacing) for a, b in zip(low, high, strict=True)), floor + np.array(HEIGHTS), indexing="ij")
    places = np.stack(grid, -1).reshape(-1, 3)
    free = np.isinf(cKDTree(local).query(places, distance_upper_bound=CLEARANCE)[0])
    for number, place in enumerate(places[free]):
        for step in range(config.headings):
            heading = 2 * np.pi * (step + 0.5 * (number % 2)) / config.headings
            for pitch in np.radians(PITCHES):
                T = np.eye(4)
                T[:3, :3] = level.T @ _looking(heading, pitch)
                T[:3, 3] = level.T @ place
                yield T


def _level_axes(up: np.ndarray) -> np.ndarray:
    """(3, 3) rows: two level axes and up, map frame."""
    level = np.eye(3)[np.argmin(np.abs(up))]
    level = level - level @ up * up
    level /= np.linalg.norm(level)
    return np.stack([level, np.cross(up, level), up])


def _looking(heading: float, pitch: float) -> np.ndarray:
    """Rotation (3, 3) from the optical frame to level axes."""
    forward = np.array([np.cos(pitch) * np.cos(heading), np.cos(pitch) * np.sin(heading), np.sin(pitch)])
    right = np.array([np.sin(heading), -np.cos(heading), 0.0])
    return np.stack([right, np.cross(forward, right), forward], 1)


def _spacing(points: np.ndarray) -> float:
    """Typical distance between neighbouring points, metres."""
    some = points[:: max(1, len(points) // 2000)]
    return 1.2 * float(np.median(cKDTree(points).query(some, 2)[0][:, 1]))


def _features(image: np.ndarray, depth: np.ndarray, T_map_camera: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors (M, 128) and map points (M, 3) of a rendered view, away from holes and depth edges."""
    known = depth > 0
    if known.mean() < SEEN:
        return np.zeros((0, 128), np.uint8), np.zeros((0, 3), np.float32)
    weight = cv2.blur(known.astype(np.float32), (5, 5)) + 1e-6
    image = np.where(known, image, cv2.blur(image.astype(np.float32), (5, 5)) / weight).astype(np.float32)
    image = cv2.GaussianBlur(image, (0, 0), 0.8).clip(0, 255).astype(np.uint8)
    near, far = (filter_(np.where(known, depth, blank), np.ones((5, 5))) for filter_, blank in ((cv2.erode, np.inf), (cv2.dilate, 0)))
    holes = cv2.morphologyEx((~known).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3)))
    forbidden = cv2.dilate(((far - near > EDGE * far + 0.03) | (holes > 0)).astype(np.uint8), np.ones((5, 5)))
    sift = cv2.SIFT_create(limit, contrastThreshold=CONTRAST)
    keypoints, descriptors = sift.detectAndCompute(image, 255 * (1 - forbidden))
    if not keypoints:
        return np.zeros((0, 128), np.uint8), np.zeros((0, 3), np.float32)
    pixels = np.array([k.pt for k in keypoints])
    z = depth[tuple(pixels[:, ::-1].round().astype(int).clip(0, (EYE.height - 1, EYE.width - 1)).T)]
    lifted = (EYE.rays(pixels) * z[:, None]) @ T_map_camera[:3, :3].T + T_map_camera[:3, 3]
    return _root(descriptors[z > 0]), lifted[z > 0].astype(np.float32)


def _root(descriptors: np.ndarray) -> np.ndarray:
    """RootSIFT as uint8: Euclidean distance becomes the Hellinger distance."""
    unit = np.sqrt(descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-6))
    return np.rint(512 * unit).clip(0, 255).astype(np.uint8)
