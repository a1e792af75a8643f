# SPDX-License-Identifier: Apache-2.0
"""Image + map -> pose: the spine of the project."""

import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from diff2i2p.camera import Camera, View, rectify
from diff2i2p.config import Config
from diff2i2p.geometry import translated
from diff2i2p.localization.hypotheses import Hypothesis, Rival, find_rival, propose, same_place
from diff2i2p.localization.repetition import find_line, slide
from diff2i2p.localization.result import Correspondences, Localization, Status
from diff2i2p.localization.verify import confidence, evidence, resemblances
from diff2i2p.mapping.compiled_map import CompiledMap, MapError
from diff2i2p.matchers.appearance import AppearanceMatcher
from diff2i2p.matchers.klt import Follower
from diff2i2p.matchers.network import NetworkMatcher
from diff2i2p.pose.pnp import Pose
from diff2i2p.pose.refine import rectify_depth, refine_by_depth
from diff2i2p.pose.render_compare import Comparison, compare, refine, rematch
from diff2i2p.weights import load_weights

RENDERED, VERIFIED = 6, 3  # hypotheses whose looks are compared, and of those the ones that are verified


class Localizer:
    """Where a camera is in a compiled map, image by image, with no initial guess."""

    def __init__(self, site: CompiledMap, matchers: list, config: Config):
        self.map, self.matchers, self.config = site, matchers, config
        self.follower = Follower(site.dense)

    @classmethod
    def open(cls, map_path: Path | str, weights: str | None = None, config: Config = Config()) -> "Localizer":
        """Load a map and what its matchers need. Raises MapError, WeightsError."""
        site = CompiledMap.open(map_path)
        matchers = []
        if config.matcher != "appearance" and (weights or config.matcher == "network"):
            matchers.append(_network_matcher(site, weights, config))
        if config.matcher != "network":
            matchers += appearance_matchers(site, config)
        if not matchers:
            raise MapError(
                f"nothing can match images to {site.path}: {site.no_looks}, and no weights are given"
            )
        return cls(site, matchers, config)

    def localize(
        self, image: np.ndarray, camera: Camera, prior: np.ndarray | None = None,
        depth: np.ndarray | None = None, up: np.ndarray | None = None,
    ) -> Localization:  # fmt: skip
        """Register `image`, (H, W) or (H, W, 3) RGB uint8 taken by `camera`, in the map.

        prior: (4, 4) T_map_camera that narrows the search; verified like any other. depth: (H, W) metres as the camera
        sees them, 0 where unknown. up: (3,) unit vector against gravity, camera frame, where an IMU knows it. Raises
        CameraError when image and camera do not fit; every other failure is a status of the result.
        """
        timer, origin = StageTimer(), self.map.origin
        prior = None if prior is None else translated(prior, -origin)
        with timer("rectify"):
            view = rectify(image, camera, self.config.image.width, self.config.image.max_fov)
            view = view if depth is None else replace(view, depth=rectify_depth(depth, camera, view.camera))
        search = Search(view, None if up is None else (up, self.map.up), timer)
        for matcher in (self.follower, *self.matchers):
            best = self._look(matcher, prior, search)
            if best.doubted and best.matcher == "network":  # matches of cells give a rough pose, at which little of the map fits the image
                best = self._look(self.follower, best.doubted.T_map_camera, search)
            if best.ok and (matcher is self.follower or best.confidence >= self.config.track.sure):
                break  # what verifies where it is expected, or is sure, needs no second opinion
        return replace(best, milliseconds=timer.milliseconds).moved(origin)

    def _look(self, matcher, near: np.ndarray | None, search: "Search") -> Localization:
        """The best answer so far, after `matcher` has been asked, for poses near T_map_camera (4, 4) where that is known."""
        search.matched += (found := matcher.match(search.view, near, search.timer))
        with search.timer("pnp"):
            places = propose(found, search.view.camera, self.config.pnp, search.level)
        if places:
            with search.timer("render"):
                search.scenes += self._scenes(places, search.view)
            search.answers = self._answers(search.scenes, search.view, search.timer)
        return max(search.answers, key=_merit, default=_unanswered(search.matched, search.view, self.config.pnp.min_inliers))

    def _scenes(self, places: list[Hypothesis], view: View) -> list["Scene"]:
        """The best hypotheses beside what the map shows there; of a line along which places repeat, those most like the image."""
        line = find_line(places)
        if line is None or self.map.dense.shades is None:
            return [self._scene(place, view) for place in places[:RENDERED]]
        first = self._scene(line.place, view)
        along = slide(line, first.comparison, self.map.dense)
        others = [place for place in places if not line.holds(place)]
        return [first, *(self._scene(place, view) for place in (along + others)[: RENDERED - 1])]

    def _scene(self, place: Hypothesis, view: View) -> "Scene":
        comparison = compare(view, self.map.dense, place.pose.T_map_camera)
        return Scene(place, comparison, resemblances(comparison))

    def _answers(self, scenes: list["Scene"], view: View, timer: "StageTimer") -> list[Localization]:
        """The scenes most alike verified; a second one of the same place is heard where the first did not convince.

        A place less alike than another one is not: that one leaves it less than half of the confidence.
        """
        answers: list[Localization] = []
        for scene in sorted(scenes, key=lambda scene: -scene.alike):
            known = any(answer.ok and same_place(answer.T_map_camera, scene.T_map_camera) for answer in answers)
            if not known and not any(other.beats(scene) for other in scenes) and len(answers) < VERIFIED:
                answers.append(self._verified(scene, scenes, view, timer))
        return answers

    def _verified(self, scene: "Scene", scenes: list["Scene"], view: View, timer: "StageTimer") -> Localization:
        """The pose of a scene or its refinement, whichever verifies better, with what is believed of it."""
        with timer("pnp"):
            rival = find_rival(scene.place, [other.place for other in scenes], view.camera, self.config.pnp)
        with timer("render"):
            looks = self._resemblances(scenes, rival, view)
        with timer("verify"):
            pose, belief = self._sharpest(scene, view, rival, looks)
        matches = scene.place.correspondences
        answer = Localization(Status.OK, pose.T_map_camera, pose.covariance, belief, matches.matcher, matches.alone(), pose.inliers, view)
        return answer if belief >= self.config.verify.min_confidence else answer.withheld(Status.REJECTED_LOW_CONFIDENCE)

    def _resemblances(self, scenes: list["Scene"], rival: Rival | None, view: View) -> list[tuple[float, np.ndarray]]:
        """How much the image resembles the map at all poses that were found, and at a rival, with each pose."""
        found = [pair for scene in scenes for pair in scene.resemblances]
        if rival:
            found += resemblances(compare(view, self.map.dense, rival.T_map_camera))
        return found

    def _sharpest(self, scene: "Scene", view: View, rival: Rival | None, looks: list[tuple[float, np.ndarray]]) -> tuple[Pose, float]:
        """The pose of a scene after every refinement that verifies no worse, on a bare map after a second matching, and its confidence."""
        place, comparison, pnp = scene.place, scene.comparison, self.config.pnp
        matches = place.correspondences

        def believe(pose: Pose) -> float:
            elsewhere = max((value for value, T in looks if not same_place(T, pose.T_map_camera)), default=0.0)
            proof = evidence(pose, place, comparison, elsewhere, rival)
            return confidence(proof, self.map.dense.shades is not None)

        refinements = [lambda pose: refine(comparison, matches, pnp)]
        if view.depth is not None:
            refinements.append(lambda pose: refine_by_depth(pose, view, self.map.dense, matches, pnp))
        pose, belief = place.pose, believe(place.pose)
        if self.map.dense.shades is None:  # no tracks can sharpen it; what spoke for it speaks for it still
            pose = rematch(comparison, matches, pose, pnp) or pose
        for sharpen in refinements:
            sharper = sharpen(pose)
            if sharper is not None and (better := believe(sharper)) >= belief:
                pose, belief = sharper, better
        return pose, belief


@dataclass(frozen=True)
class Scene:
    """A hypothesis beside what the map shows there."""

    place: Hypothesis
    comparison: Comparison
    resemblances: list[tuple[float, np.ndarray]]  # with the pose (4, 4) of each

    @property
    def T_map_camera(self) -> np.ndarray:
        return self.place.pose.T_map_camera

    @property
    def alike(self) -> float:
        return max(value for value, _ in self.resemblances)

    def beats(self, other: "Scene") -> bool:
        """Whether this is another place than that, and more alike."""
        return self.alike > other.alike and not same_place(self.T_map_camera, other.T_map_camera)


@dataclass
class Search:
    """What has been found in one image so far."""

    view: View
    level: tuple[np.ndarray, np.ndarray] | None  # up, (3,) unit vectors in the camera's frame and in the map's
    timer: "StageTimer"
    matched: list[Correspondences] = field(default_factory=list)
    scenes: list[Scene] = field(default_factory=list)  # all compete
    answers: list[Localization] = field(default_factory=list)


class StageTimer:
    """Milliseconds spent in each named stage, by a clock that counts seconds."""

    def __init__(self, clock=time.perf_counter):
        self.clock, self.milliseconds = clock, defaultdict(float)

    @contextmanager
    def __call__(self, stage: str):
        started = self.clock()
        yield
        self.milliseconds[stage] += 1e3 * (self.clock() - started)


def appearance_matchers(site: CompiledMap, config: Config) -> list[AppearanceMatcher]:
    """By the photographs of the mapping run and by views rendered from the cloud, as far as the map has them."""
    indices = (looks for looks in (site.photographs, site.appearance) if len(looks.get("points", ())))
    return [AppearanceMatcher(**looks, config=config.appearance) for looks in indices]


def _network_matcher(site: CompiledMap, weights: str | None, config: Config) -> NetworkMatcher:
    if weights is None:
        raise MapError("the network matcher needs weights: give --weights, or use the appearance matcher")
    device = "cuda" if config.device == "auto" and torch.cuda.is_available() else config.device.replace("auto", "cpu")
    network, digest = load_weights(weights, config, device)
    site.require_weights(digest)
    return NetworkMatcher(network, site, config)


def _unanswered(matched: list[Correspondences], view: View, min_inliers: int) -> Localization:
    """Why there is no place to verify."""
    if not matched:
        return Localization(Status.NO_CANDIDATES, view=view)
    most = max(matched, key=len)
    status = Status.NO_MATCHES if len(most) < min_inliers else Status.PNP_FAILED
    return Localization(status, matcher=most.matcher, correspondences=most.alone(), view=view)


def _merit(answer: Localization) -> tuple:
    return answer.ok, answer.confidence, 0 if answer.inliers is None else int(answer.inliers.sum())
