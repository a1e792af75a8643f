# SPDX-License-Identifier: Apache-2.0
"""A place is matched again to the map drawn at the pose found there, until its pose stays."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.camera import View
from diff2i2p.config import Config
from diff2i2p.correspondences import Correspondences
from diff2i2p.geometry import motion_extent, pose_error
from diff2i2p.localization.hypotheses import propose
from diff2i2p.localization.settle import settle
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.matchers import MatchedPlace
from diff2i2p.parameters import override
from diff2i2p.render import Surfaces

CONFIG = Config()


@pytest.fixture(scope="module")
def dense(corner):
    return DenseMap.build(corner, colour=False)


@pytest.fixture(scope="module")
def truth(looking):
    return looking((1.1, 1.7, 1.2), 60)


@pytest.fixture(scope="module")
def view(eye):
    return View(np.zeros((240, 320), np.uint8), eye)


@dataclass(frozen=True)
class Redrawn(MatchedPlace):
    """A place that is matched again by calling `again` with the pose and what is drawn there."""

    can_rematch = True
    again: Callable[[np.ndarray, Surfaces], Correspondences]

    def rematch(self, T_map_camera, surfaces):
        return self.again(T_map_camera, surfaces)


def matches_at(T: np.ndarray, camera, count: int, seed: int = 0) -> Correspondences:
    """Matches that are right at T."""
    rng = np.random.default_rng(seed)
    pixels = rng.uniform((0, 0), (camera.width, camera.height), (count, 2))
    points = camera.rays(pixels) * rng.uniform(1, 4, (count, 1)) @ T[:3, :3].T + T[:3, 3]
    return Correspondences(
        pixels + rng.normal(0, 0.3, pixels.shape), points, np.ones(count, np.float32), "network"
    )


def beside(T: np.ndarray, metres, degrees: float = 0.0) -> np.ndarray:
    moved = T.copy()
    moved[:3, 3] += metres
    moved[:3, :3] = moved[:3, :3] @ Rotation.from_euler("y", degrees, degrees=True).as_matrix()
    return moved


def settled(places: list[MatchedPlace], view: View, dense: DenseMap, config: Config = CONFIG):
    return settle(propose(places, view.camera, config.pnp), view, dense, config)


def test_a_rough_pose_moves_to_where_matches_to_the_map_drawn_there_lead(view, dense, truth):
    drawn = []

    def nearer(T: np.ndarray, surfaces: Surfaces) -> Correspondences:
        """Matches that lead half of the way: what is drawn aslant is matched aslant."""
        drawn.append((T, surfaces))
        return matches_at(beside(truth, (T - truth)[:3, 3] / 4), view.camera, 200, len(drawn))

    rough = matches_at(beside(truth, (0.2, -0.1, 0), 3), view.camera, 40)
    found = settled([Redrawn(rough, nearer)], view, dense)
    assert len(found) == 1 and found[0].pose.inliers.sum() > 190
    errors = [pose_error(truth, T)[0] for T, _ in drawn] + [
        pose_error(truth, found[0].T_map_camera)[0]
    ]
    assert errors[0] > 0.15 > errors[1] > errors[-1] and errors[-1] < 0.015
    assert all((surfaces.depth > 0).any() for _, surfaces in drawn)


def test_drawing_ends_once_the_pose_stays_and_after_so_many_rounds_at_the_latest(
    view, dense, truth
):
    for step, rounds in ((0.0, 2), (0.1, 3)):  # metres further with every drawing
        drawn = []

        def again(T: np.ndarray, surfaces: Surfaces, drawn=drawn, step=step) -> Correspondences:
            drawn.append(T)
            return matches_at(beside(truth, (step * len(drawn), 0, 0)), view.camera, 200)

        settled(
            [Redrawn(matches_at(beside(truth, (-0.1, 0, 0)), view.camera, 40), again)], view, dense
        )
        assert len(drawn) == rounds <= CONFIG.geometry.rounds


def test_a_pose_at_which_nothing_of_the_image_is_found_is_dropped(view, dense, truth):
    nothing = Redrawn(
        matches_at(truth, view.camera, 40), lambda T, surfaces: Correspondences.none("network")
    )
    assert settled([nothing], view, dense) == []


def test_places_that_settle_on_one_are_one_and_the_most_inliers_come_first(
    view, dense, truth, looking
):
    elsewhere = looking((2.3, 1.4, 1.0), 20)

    def to(T: np.ndarray, count: int) -> Callable:
        return lambda _, surfaces: matches_at(T, view.camera, count)

    places = [
        Redrawn(matches_at(elsewhere, view.camera, 90), to(elsewhere, 50)),
        Redrawn(matches_at(beside(truth, (0.4, 0, 0)), view.camera, 80), to(truth, 200)),
        Redrawn(matches_at(beside(truth, (-0.4, 0, 0)), view.camera, 70), to(truth, 200)),
    ]
    found = settled(places, view, dense)
    assert [int(hypothesis.pose.inliers.sum()) for hypothesis in found] == [200, 50]
    first = np.linalg.inv(truth) @ found[0].T_map_camera
    assert (motion_extent(first) < (0.01, np.radians(0.5))).all()


def test_only_the_best_places_are_drawn_again(view, dense, looking):
    poses = [looking((1.0 + 0.8 * k, 1.0, 1.2), 40 * k) for k in range(3)]
    drawn = []

    def again(T: np.ndarray, surfaces: Surfaces) -> Correspondences:
        drawn.append(T)
        return matches_at(T, view.camera, 60)

    places = [
        Redrawn(matches_at(T, view.camera, count), again)
        for T, count in zip(poses, (400, 300, 200), strict=True)
    ]
    config = override(CONFIG, {"geometry": {"redrawn": 2, "rounds": 1}})
    assert len(settled(places, view, dense, config)) == len(drawn) == 2
    assert [min(pose_error(T, pose)[0] for pose in poses[:2]) < 0.05 for T in drawn] == [True, True]


def test_what_cannot_be_matched_again_stays_as_it_is(view, dense, truth):
    place = MatchedPlace(matches_at(truth, view.camera, 60))
    before = propose([place], view.camera, CONFIG.pnp)
    assert settle(before, view, dense, CONFIG) == before
    with pytest.raises(NotImplementedError, match="MatchedPlace cannot match again"):
        place.rematch(truth, None)


def test_only_the_best_goes_on_until_its_pose_stays(view, dense, truth, looking):
    drawn = {"best": 0, "other": 0}

    def moving(name: str, T: np.ndarray, count: int) -> Redrawn:
        def again(_, surfaces: Surfaces) -> Correspondences:
            drawn[name] += 1
            return matches_at(beside(T, (0.1 * drawn[name], 0, 0)), view.camera, count)

        return Redrawn(matches_at(beside(T, (-0.1, 0, 0)), view.camera, count), again)

    places = [moving("other", looking((2.3, 1.4, 1.0), 20), 60), moving("best", truth, 90)]
    config = override(CONFIG, {"geometry": {"settled": 1}})
    assert len(settled(places, view, dense, config)) == 2
    assert drawn == {"best": CONFIG.geometry.rounds, "other": 1}


@pytest.mark.parametrize(("share", "drawn_places"), [(0.02, 3), (0.2, 1)])
def test_no_other_place_is_drawn_once_one_convinces(view, dense, looking, share, drawn_places):
    drawn = []

    def again(T: np.ndarray, surfaces: Surfaces) -> Correspondences:
        """So many of the cells that were looked for speak for the pose."""
        drawn.append(T)
        return replace(matches_at(T, view.camera, 60), tried=round(60 / share))

    poses = [looking((1.0 + 0.8 * k, 1.0, 1.2), 40 * k) for k in range(3)]
    places = [Redrawn(matches_at(T, view.camera, 90 - k), again) for k, T in enumerate(poses)]
    settled(places, view, dense, override(CONFIG, {"geometry": {"rounds": 1}}))
    assert len(drawn) == drawn_places


def test_a_settled_pose_stays_where_drawing_it_once_more_shows_nothing(view, dense, truth):
    answers = [matches_at(truth, view.camera, 90), Correspondences.none("network")]
    rough = matches_at(beside(truth, (0.1, 0, 0)), view.camera, 60)
    place = Redrawn(rough, lambda *_: answers.pop(0))
    found = settled([place], view, dense)
    assert not answers and pose_error(truth, found[0].T_map_camera)[0] < 0.02
