# SPDX-License-Identifier: Apache-2.0
"""Hypotheses beside what the map shows there: those most like the image are verified first."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from diff2i2p.camera import View
from diff2i2p.config import PnpConfig
from diff2i2p.geometry import same_place
from diff2i2p.localization.aliasing import RunnerUp
from diff2i2p.localization.hypotheses import Hypothesis
from diff2i2p.localization.repetition import find_line, slide
from diff2i2p.localization.similarity import Similarity, similarities, similarity
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.pose.render_compare import ViewComparison, compare

RENDERED = 6  # hypotheses of a matcher that are compared with the image


@dataclass(frozen=True)
class RenderedHypothesis:
    """A hypothesis beside what the map shows there."""

    hypothesis: Hypothesis
    comparison: ViewComparison

    @property
    def T_map_camera(self) -> np.ndarray:
        return self.hypothesis.T_map_camera

    @cached_property
    def similarities(self) -> list[Similarity]:
        """At the pose itself, and where the tracks lead to from there."""
        return similarities(self.comparison)

    @property
    def similarity(self) -> float:
        """The best of them."""
        return max(found.value for found in self.similarities)

    def similarity_at(self, T_map_camera: np.ndarray) -> Similarity:
        """At a pose (4, 4) near this one."""
        known = (
            found for found in self.similarities if np.array_equal(found.T_map_camera, T_map_camera)
        )
        return next(known, None) or similarity(self.comparison, T_map_camera)

    def beats(self, other: "RenderedHypothesis") -> bool:
        """Whether this is another place than that, and more alike."""
        is_better = self.similarity > other.similarity
        return is_better and not same_place(self.T_map_camera, other.T_map_camera)


@dataclass(frozen=True)
class Competition:
    """What speaks for other places than a hypothesis."""

    runner_up: RunnerUp | None
    similarities: list[Similarity]  # of all places that were rendered

    def similarity_elsewhere(self, T_map_camera: np.ndarray) -> float:
        """The best of a place that is not that of a pose (4, 4)."""
        others = (
            s.value for s in self.similarities if not same_place(s.T_map_camera, T_map_camera)
        )
        return max(others, default=0.0)


def render_hypotheses(
    hypotheses: list[Hypothesis], view: View, dense: DenseMap
) -> list[RenderedHypothesis]:
    """The best hypotheses rendered; of a line of places that repeat, those most like the image."""

    def rendered(some: Iterable[Hypothesis]) -> list[RenderedHypothesis]:
        return [RenderedHypothesis(h, compare(view, dense, h.T_map_camera)) for h in some]

    line = find_line(hypotheses) if dense.has_intensity else None
    if line is None:
        return rendered(hypotheses[:RENDERED])
    first = rendered([line.place])
    along = slide(line, first[0].comparison, dense)
    others = [hypothesis for hypothesis in hypotheses if not line.holds(hypothesis)]
    return first + rendered((along + others)[: RENDERED - 1])


def rank(rendered: list[RenderedHypothesis]) -> list[RenderedHypothesis]:
    """Those most like the image first.

    A place less alike than another is left out: that one leaves it less than half of the
    confidence.
    """
    best_first = sorted(rendered, key=lambda place: -place.similarity)
    return [place for place in best_first if not any(other.beats(place) for other in rendered)]


def find_competition(
    place: RenderedHypothesis,
    rendered: list[RenderedHypothesis],
    dense: DenseMap,
    config: PnpConfig,
) -> Competition:
    """What speaks for other places: those `rendered`, and the runner-up by the matches."""
    view = place.comparison.view
    found = (other.hypothesis for other in rendered)
    runner_up = place.hypothesis.runner_up(found, view.camera, config)
    known = [alike for other in rendered for alike in other.similarities]
    if runner_up and dense.has_intensity:  # on a bare map nothing is alike
        known += similarities(compare(view, dense, runner_up.T_map_camera))
    return Competition(runner_up, known)
