# SPDX-License-Identifier: Apache-2.0
"""Image + map -> pose: the spine of the project."""

import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from diff2i2p.camera import Camera, View, rectify
from diff2i2p.config import Config
from diff2i2p.localization.appearance import AppearanceMatcher
from diff2i2p.localization.pnp import solve_pnp
from diff2i2p.localization.result import Correspondences, Localization, Status
from diff2i2p.localization.verify import confidence, evidence
from diff2i2p.mapping.compiled_map import CompiledMap, MapError
from diff2i2p.network.runtime import NetworkMatcher
from diff2i2p.weights import load_weights


class Localizer:
    """Where a camera is in a compiled map, image by image, with no initial guess."""

    def __init__(self, site: CompiledMap, matchers: list, config: Config):
        self.map, self.matchers, self.config = site, matchers, config

    @classmethod
    def open(cls, map_path: Path | str, weights: str | None = None, config: Config = Config()) -> "Localizer":
        """Load a map and what its matchers need. Raises MapError, WeightsError."""
        site = CompiledMap.open(map_path)
        matchers = []
        if config.matcher != "appearance" and (weights or config.matcher == "network"):
            matchers.append(_network_matcher(site, weights, config))
        if config.matcher != "network" and len(site.appearance.get("points", ())):
            matchers.append(AppearanceMatcher(**site.appearance, config=config.appearance))
        if not matchers:
            raise MapError(f"nothing can match images to {site.path}: the map has no colour for appearance, and no weights are given")
        return cls(site, matchers, config)

    def localize(self, image: np.ndarray, camera: Camera, prior: np.ndarray | None = None) -> Localization:
        """Register `image`, (H, W) or (H, W, 3) RGB uint8 taken by `camera`, in the map.

        prior: (4, 4) T_map_camera that narrows the search; verified like any other. Raises CameraError when image and
        camera do not fit; every other failure is a status of the result.
        """
        timer = StageTimer()
        with timer("rectify"):
            view = rectify(image, camera, self.config.image.width, self.config.image.max_fov)
        candidates = [found for matcher in self.matchers for found in matcher.match(view, prior, timer)]
        answers = [self._verified_pose(correspondences, view, timer) for correspondences in candidates]
        best = max(answers, key=_merit, default=Localization(Status.NO_CANDIDATES, view=view))
        return replace(best, milliseconds=timer.milliseconds)

    def _verified_pose(self, correspondences: Correspondences, view: View, timer: "StageTimer") -> Localization:
        answer = Localization(Status.NO_MATCHES, matcher=correspondences.matcher, correspondences=correspondences, view=view)
        if len(correspondences) < self.config.pnp.min_inliers:
            return answer
        with timer("pnp"):
            pose = solve_pnp(correspondences, view.camera, self.config.pnp)
        if pose is None:
            return replace(answer, status=Status.PNP_FAILED)
        with timer("verify"):
            proof = evidence(pose, correspondences, view, self.map.points, self.map.up)
            belief = confidence(proof, correspondences.matcher)
        answer = replace(answer, confidence=belief, inliers=pose.inliers)
        if belief < self.config.verify.min_confidence:
            return replace(answer, status=Status.REJECTED_LOW_CONFIDENCE)
        return replace(answer, status=Status.OK, T_map_camera=pose.T_map_camera, covariance=pose.covariance)


class StageTimer:
    """Milliseconds spent in each named stage."""

    def __init__(self):
        self.milliseconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str):
        started = time.perf_counter()
        yield
        self.milliseconds[stage] += 1e3 * (time.perf_counter() - started)


def _network_matcher(site: CompiledMap, weights: str | None, config: Config) -> NetworkMatcher:
    if weights is None:
        raise MapError("the network matcher needs weights: give --weights, or use the appearance matcher")
    device = "cuda" if config.device == "auto" and torch.cuda.is_available() else config.device.replace("auto", "cpu")
    network, digest = load_weights(weights, config, device)
    site.require_weights(digest)
    return NetworkMatcher(network, site, config)


def _merit(answer: Localization) -> tuple:
    return answer.ok, answer.confidence, 0 if answer.inliers is None else int(answer.inliers.sum())
