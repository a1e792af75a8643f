# SPDX-License-Identifier: Apache-2.0
"""Image + map -> pose: the spine of the project."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from diff2i2p.camera import Camera, View, rectify
from diff2i2p.config import Config
from diff2i2p.geometry import same_place, translated
from diff2i2p.localization.hypotheses import propose
from diff2i2p.localization.ranking import (
    RenderedHypothesis,
    find_competition,
    rank,
    render_hypotheses,
)
from diff2i2p.localization.result import Localization, Status, VerifiedHypothesis
from diff2i2p.localization.settle import settle
from diff2i2p.localization.verify import refine, verify
from diff2i2p.mapping.compiled_map import CompiledMap
from diff2i2p.matchers import MatchedPlace, Matcher, StageTimer, open_matchers
from diff2i2p.matchers.klt import KltMatcher

VERIFIED = 3  # hypotheses, the best ranked, that are verified


class Localizer:
    """Where a camera is in a compiled map, image by image, with no initial guess."""

    def __init__(self, site: CompiledMap, matchers: list[Matcher], config: Config):
        self.map, self.matchers, self.config = site, matchers, config
        self.klt = KltMatcher(site.dense)

    @classmethod
    def open(
        cls, map_path: Path | str, weights: str | None = None, config: Config = Config()
    ) -> "Localizer":
        """Load a map and what its matchers need. Raises MapError, WeightsError."""
        site = CompiledMap.open(map_path)
        return cls(site, open_matchers(site, weights, config), config)

    def localize(
        self, image: np.ndarray, camera: Camera, prior: np.ndarray | None = None,
        depth: np.ndarray | None = None, up: np.ndarray | None = None,
    ) -> Localization:  # fmt: skip
        """Register `image`, (H, W) or (H, W, 3) RGB uint8 taken by `camera`, in the map.

        prior: (4, 4) T_map_camera that narrows the search; verified like any other. depth: (H, W)
        metres as the camera sees them, 0 where unknown. up: (3,) unit vector against gravity,
        camera frame, where an IMU knows it. Raises CameraError when image and camera do not fit;
        every other failure is a status of the result.
        """
        timer, dense, config = StageTimer(), self.map.dense, self.config
        prior = None if prior is None else translated(prior, -self.map.origin)
        with timer("rectify"):
            view = rectify(image, camera, config.image.width, config.image.max_fov, depth)
        gravity = None if up is None else (up, self.map.up)
        matched: list[MatchedPlace] = []
        rendered: list[RenderedHypothesis] = []  # of all matchers: they compete
        verified: list[VerifiedHypothesis] = []
        for matcher in (self.klt, *self.matchers):
            matched += (places := matcher.match(view, prior, timer))
            with timer("pnp"):
                hypotheses = propose(places, view.camera, config.pnp, gravity)
            with timer("settle"):
                hypotheses = settle(hypotheses, view, dense, config)
            if not hypotheses:
                continue
            with timer("render"):
                rendered += render_hypotheses(hypotheses, view, dense)
                ranked = rank(rendered)
            verified = []
            for place in ranked:
                if len(verified) == VERIFIED or self._is_verified(place, verified):
                    continue
                with timer("verify"):
                    competition = find_competition(place, rendered, dense, config.pnp)
                    as_matched = verify(place.hypothesis.pose, place, competition)
                with timer("refine"):
                    verified.append(refine(as_matched, place, competition, dense, config.pnp))
            best = max(verified, key=lambda found: found.merit).best.confidence
            if self._is_proof(best) and (matcher is self.klt or best >= config.track.sure):
                break  # what verifies where it is expected, or is sure, needs no second opinion
        answer = self._answer(verified, view) if verified else self._no_answer(matched, view)
        return replace(answer, milliseconds=timer.milliseconds).moved(self.map.origin)

    def _is_proof(self, confidence: float) -> bool:
        return confidence >= self.config.verify.min_confidence

    def _is_verified(self, place: RenderedHypothesis, verified: list[VerifiedHypothesis]) -> bool:
        """Whether a place is known already: one that did not convince is heard once more."""
        proven = (found.best for found in verified if self._is_proof(found.best.confidence))
        return any(same_place(found.pose.T_map_camera, place.T_map_camera) for found in proven)

    def _answer(self, verified: list[VerifiedHypothesis], view: View) -> Localization:
        """The best of what was verified, withheld where it is too doubtful."""
        hypotheses = sorted(verified, key=lambda found: found.merit, reverse=True)
        first, best = hypotheses[0], hypotheses[0].best
        answer = Localization(
            Status.OK, best.pose.T_map_camera, best.pose.covariance, best.confidence, first.matcher,
            first.correspondences, best.pose.inliers, view, hypotheses=tuple(hypotheses),
        )  # fmt: skip
        if self._is_proof(best.confidence):
            return answer
        return answer.withheld(Status.REJECTED_LOW_CONFIDENCE)

    def _no_answer(self, matched: list[MatchedPlace], view: View) -> Localization:
        """Why there was no place to verify."""
        if not matched:
            return Localization(Status.NO_CANDIDATES, view=view)
        most = max((place.correspondences for place in matched), key=len)
        too_few = len(most) < self.config.pnp.min_inliers
        status = Status.NO_MATCHES if too_few else Status.PNP_FAILED
        return Localization(status, matcher=most.matcher, correspondences=most, view=view)
