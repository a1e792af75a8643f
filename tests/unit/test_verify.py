# SPDX-License-Identifier: Apache-2.0
"""A pose is held against what the map looks like from it: right ones become sharper, wrong ones show."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera, CameraError, rectify, rectify_depth
from diff2i2p.config import PnpConfig
from diff2i2p.correspondences import Correspondences
from diff2i2p.geometry import pose_error
from diff2i2p.localization.calibration import calibration
from diff2i2p.localization.hypotheses import Hypothesis, propose, upright
from diff2i2p.localization.ranking import Competition, RenderedHypothesis, find_competition
from diff2i2p.localization.result import Status
from diff2i2p.localization.similarity import ncc_coarse, ncc_fine, similarities
from diff2i2p.localization.verify import confidence, evidence
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.matchers import MatchedPlace
from diff2i2p.pose.pnp import Pose
from diff2i2p.pose.refine import refine_by_depth, refine_by_tracks
from diff2i2p.pose.render_compare import agreement, compare
from diff2i2p.render import render_cloud

PNP = PnpConfig()
HERE = (1.1, 1.7, 1.2), 60  # place and heading
NO_MATCHES = Correspondences.none("appearance")
ALONE = Competition(None, [])


@pytest.fixture(scope="module")
def dense(corner):
    return DenseMap.build(corner)


@pytest.fixture(scope="module")
def truth(looking):
    return looking(*HERE)


@pytest.fixture(scope="module")
def view(corner, truth, photograph, eye):
    return rectify(photograph(corner, truth), eye, 320)


def shifted(T: np.ndarray, metres, degrees=(0, 0, 0)) -> np.ndarray:
    moved = T.copy()
    moved[:3, 3] += metres
    moved[:3, :3] = moved[:3, :3] @ Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    return moved


def test_comparing_the_map_with_the_image_sharpens_a_pose(view, dense, truth):
    near = shifted(truth, (0.05, -0.04, 0.03), (1, -1.5, 0.5))
    sharp = refine_by_tracks(compare(view, dense, near), NO_MATCHES, PNP)
    metres, degrees = pose_error(truth, sharp.T_map_camera)
    assert metres < 0.01 and degrees < 0.2


def test_corners_are_found_where_a_right_pose_puts_them_in_any_light(view, dense, truth):
    dark = replace(view, grey=(60 * (view.grey / 255.0) ** 1.6).astype(np.uint8))
    for seen in (view, dark):
        comparison = compare(seen, dense, truth)
        assert agreement(comparison.map_tracks, seen.camera, truth) > 0.5
        assert agreement(comparison.map_tracks, seen.camera, shifted(truth, (0.3, 0, 0))) < 0.1


def test_in_too_much_or_too_little_light_the_map_is_exposed_as_the_image_is(view, dense, truth):
    """What is white or black in the image is no corner of the map to look for."""
    grey = view.grey.astype(float)
    for spoiled in (2.6 * grey, 3 * (grey - 150), 0.2 * grey):
        seen = replace(view, grey=spoiled.clip(0, 255).astype(np.uint8))
        comparison = compare(seen, dense, truth)
        assert agreement(comparison.map_tracks, seen.camera, truth) > 0.5
        assert np.abs(comparison.surfaces.image.mean() - seen.grey.mean()) < 12


def test_the_corners_of_a_right_view_are_the_map_s_and_those_of_a_foreign_one_are_not(
    view, dense, truth
):
    comparison = compare(view, dense, truth)
    assert agreement(comparison.query_tracks, view.camera, truth) > 0.5
    assert agreement(comparison.query_tracks, view.camera, shifted(truth, (0.3, 0, 0))) < 0.1
    foreign = (
        np.random.default_rng(0).integers(0, 255, (30, 40), np.uint8).repeat(8, 0).repeat(8, 1)
    )
    half = replace(view, grey=np.where(np.arange(320) < 160, view.grey, foreign))
    assert agreement(compare(half, dense, truth).query_tracks, view.camera, truth) < 0.6


def test_a_wrong_pose_does_not_agree_with_the_image(view, dense, looking):
    for place, heading in (((2.3, 1.4, 1.0), 20), ((0.6, 0.6, 1.4), 45), ((1.1, 1.7, 1.2), 85)):
        wrong = looking(place, heading)
        assert agreement(compare(view, dense, wrong).map_tracks, view.camera, wrong) < 0.1


def test_the_image_has_edges_where_the_depth_of_a_right_pose_jumps(view, dense, truth, looking):
    right = compare(view, dense, truth).edge_rank
    wrong = [compare(view, dense, looking(HERE[0], HERE[1] + turn)).edge_rank for turn in (-15, 12)]
    assert right > 0.6 and right > max(wrong) + 0.05


def test_a_bare_map_is_compared_by_its_depth_alone(corner, view, truth):
    comparison = compare(view, DenseMap.build(corner, colour=False), truth)
    assert (
        comparison.map_tracks.tried == 0
        and agreement(comparison.map_tracks, view.camera, truth) == ncc_fine(comparison, truth) == 0
    )
    assert refine_by_tracks(comparison, NO_MATCHES, PNP) is None
    assert comparison.edge_rank > 0.6


def matches_at(T: np.ndarray, camera: Camera, count: int, rng, shift=(0, 0, 0)) -> Correspondences:
    """Matches that are right at T for a map moved by `shift`."""
    pixels = rng.uniform((0, 0), (camera.width, camera.height), (count, 2))
    local = camera.rays(pixels) * rng.uniform(1, 4, (count, 1))
    points = local @ T[:3, :3].T + T[:3, 3] + shift
    return Correspondences(
        pixels + rng.normal(0, 0.5, pixels.shape), points, np.ones(count, np.float32), "appearance"
    )


def proposed(*matches: Correspondences, camera: Camera, **options) -> list[Hypothesis]:
    return propose([MatchedPlace(some) for some in matches], camera, PNP, **options)


def joined(*parts: Correspondences) -> Correspondences:
    return Correspondences(
        *(
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("pixels", "points", "scores")
        ),
        "appearance",
    )


def test_matches_that_a_second_place_explains_as_well_leave_no_margin(truth, eye, view, dense):
    rng = np.random.default_rng(0)
    once, again = matches_at(truth, eye, 60, rng), matches_at(truth, eye, 50, rng, (12, 0, 0))
    alone, twice = proposed(once, camera=eye)[0], proposed(joined(once, again), camera=eye)[0]
    other = twice.runner_up([twice], eye, PNP)
    assert alone.runner_up([alone], eye, PNP) is None and 45 <= other.matches <= 60
    comparison = compare(view, dense, truth)
    as_much = replace(similarities(comparison)[0], T_map_camera=other.T_map_camera)
    known = (
        (alone, Competition(None, [])),
        (twice, Competition(other, [as_much])),
        (twice, Competition(other, [])),
    )
    proofs = [
        evidence(h.pose, RenderedHypothesis(h, comparison), competition) for h, competition in known
    ]
    assert proofs[0].uniqueness == proofs[2].uniqueness > 0.99 and 0.49 < proofs[1].uniqueness < 0.6
    assert confidence(replace(proofs[0], agreement=1.0)) > 0.8
    assert confidence(replace(proofs[1], agreement=1.0)) == proofs[1].uniqueness


def test_on_a_bare_map_a_runner_up_is_judged_by_its_matches(truth, eye, view, corner):
    rng = np.random.default_rng(0)
    matches = joined(matches_at(truth, eye, 60, rng), matches_at(truth, eye, 50, rng, (12, 0, 0)))
    twice, bare = proposed(matches, camera=eye)[0], DenseMap.build(corner, colour=False)
    place = RenderedHypothesis(twice, compare(view, bare, truth))
    proof = evidence(twice.pose, place, find_competition(place, [place], bare, PNP))
    assert 0.5 <= proof.uniqueness < 0.6


def test_where_matches_are_counted_the_share_found_is_evidence(truth, eye, view, dense):
    matches = matches_at(truth, eye, 60, np.random.default_rng(0))
    for tried, found in ((120, 0.5), (0, 0.0)):
        place = proposed(replace(matches, tried=tried), camera=eye)[0]
        proof = evidence(place.pose, RenderedHypothesis(place, compare(view, dense, truth)), ALONE)
        assert proof.found == pytest.approx(found, abs=0.03)


def test_a_place_that_the_map_holds_twice_has_an_alias_whose_pose_is_found(truth, eye):
    rng = np.random.default_rng(0)
    here, turned = (
        matches_at(truth, eye, 14, rng),
        Rotation.from_euler("z", 180, degrees=True).as_matrix(),
    )
    alternatives = matches_at(
        truth, eye, 70, rng
    )  # five of a pixel, and only one of ten is the alias
    pixels, points = np.repeat(here.pixels, 5, 0), rng.permutation(alternatives.points) + (3, 0, 0)
    points[::10] = here.points[::2] @ turned.T + (9, 4, 0)
    alias = propose([Ambiguous(here, pixels, points)], eye, PNP)[0].alias
    assert alias.matches == 7 and np.allclose(
        alias.T_map_camera[:3, 3], turned @ truth[:3, 3] + (9, 4, 0), atol=0.1
    )
    points[::10] = rng.permutation(points)[::10]
    assert propose([Ambiguous(here, pixels, points)], eye, PNP)[0].alias is None
    assert proposed(here, camera=eye)[0].alias is None


@dataclass(frozen=True)
class Ambiguous(MatchedPlace):
    """A place, and at `pixels` what else in the map looks like them."""

    pixels: np.ndarray
    points: np.ndarray

    def alternatives(self) -> Correspondences:
        return Correspondences(
            self.pixels, self.points, np.ones(len(self.points), np.float32), "appearance"
        )


def test_the_map_is_like_the_image_where_the_pose_is_right_in_any_light_and_out_of_focus(
    view, dense, truth
):
    dark = (60 * (view.grey / 255.0) ** 1.6).astype(np.uint8)
    for grey in (view.grey, dark, cv2.blur(view.grey, (9, 3))):
        seen = replace(view, grey=grey)
        comparison = compare(seen, dense, truth)
        assert ncc_fine(comparison, truth) > 0.7
        assert ncc_fine(comparison, shifted(truth, (0.3, 0.1, 0))) < 0.3


def test_the_map_is_compared_at_the_pose_and_not_where_it_was_rendered(view, dense, truth):
    near = compare(view, dense, shifted(truth, (0.05, -0.04, 0.03), (1, -1.5, 0.5)))
    assert ncc_fine(near, truth) > ncc_fine(near, near.T_map_camera) + 0.2


def test_a_room_refurnished_on_the_same_floor_is_less_like_the_map(view, dense, truth, eye):
    other = view.grey.copy()
    other[:120] = (
        np.random.default_rng(0).integers(0, 255, (15, 40), np.uint8).repeat(8, 0).repeat(8, 1)
    )
    whole, half = (
        ncc_fine(compare(seen, dense, truth), truth) for seen in (view, replace(view, grey=other))
    )
    assert half < 0.75 * whole


def test_light_and_dark_lie_where_the_map_has_them_however_dark_blurred_and_sloping_the_light(
    view, dense, truth, looking
):
    slope = np.linspace(0.4, 1.0, view.grey.shape[1])
    poor = cv2.blur((0.3 * slope * view.grey).astype(np.uint8), (15, 5))
    for grey in (view.grey, poor):
        seen = replace(view, grey=grey)
        assert ncc_coarse(compare(seen, dense, truth), truth) > 0.8
        wrong = looking((1.1, 1.7, 1.2), 85)
        assert ncc_coarse(compare(seen, dense, wrong), wrong) < 0.5


def test_white_parts_of_an_image_with_too_much_light_do_not_count_against_a_pose(
    view, dense, truth
):
    glaring = view.grey.copy()
    glaring[:, :160] = 255
    seen = replace(view, grey=glaring)
    assert ncc_fine(compare(seen, dense, truth), truth) > 0.6
    nothing = replace(view, grey=np.full_like(view.grey, 255))
    assert ncc_fine(compare(nothing, dense, truth), truth) == 0


def test_each_matcher_names_a_place_once_and_two_places_are_runners_up_of_each_other(truth, eye):
    rng = np.random.default_rng(0)
    here, near = matches_at(truth, eye, 60, rng), matches_at(truth, eye, 40, rng, (0.02, 0, 0))
    elsewhere = matches_at(truth, eye, 40, rng, (5, 0, 0))
    assert len(proposed(here, near, camera=eye)) == 1
    assert len(proposed(here, replace(near, matcher="network"), camera=eye)) == 2
    places = proposed(elsewhere, here, camera=eye)
    assert len(places) == 2 and {place.runner_up(places, eye, PNP).matches for place in places} == {
        40,
        60,
    }


def test_a_pose_that_contradicts_gravity_is_none(truth, eye):
    matches, up_map = matches_at(truth, eye, 60, np.random.default_rng(0)), np.array([0, 0, 1.0])
    up_camera = truth[:3, :3].T @ up_map
    tilted = Rotation.from_euler("z", 25, degrees=True).apply(up_camera)
    assert upright(truth, up_camera, up_map) and not upright(truth, tilted, up_map)
    assert len(proposed(matches, camera=eye, gravity=(up_camera, up_map))) == 1
    assert proposed(matches, camera=eye, gravity=(tilted, up_map)) == []


def test_no_evidence_counts_against_a_pose(view, dense, truth, eye):
    place = RenderedHypothesis(
        proposed(matches_at(truth, eye, 60, np.random.default_rng(0)), camera=eye)[0],
        compare(view, dense, truth),
    )
    proof = evidence(place.hypothesis.pose, place, ALONE)
    for regression, has_intensity in (
        (calibration().with_intensity, True),
        (calibration().bare, False),
    ):
        assert min(regression.coefficients.values()) >= 0
        assert 0 < confidence(proof, has_intensity) <= 1


def depth_of(corner, eye, T: np.ndarray) -> np.ndarray:
    return render_cloud(corner.points, np.zeros(len(corner), np.uint8), eye, T, 0.025).depth


def test_a_depth_image_draws_a_pose_onto_the_map(corner, dense, view, truth, eye):
    seen = replace(view, depth=rectify_depth(depth_of(corner, eye, truth), eye, view.camera))
    matches = matches_at(truth, eye, 60, np.random.default_rng(0))
    near = Pose(shifted(truth, (0.06, 0.05, -0.05), (1, 1, 0)), np.ones(60, bool), np.eye(6))
    sharp = refine_by_depth(near, seen, dense, matches, PNP)
    metres, degrees = pose_error(truth, sharp.T_map_camera)
    assert metres < 0.02 and degrees < 0.5 and sharp.inliers.all()


def test_a_depth_image_that_fits_no_better_leaves_the_pose_alone(corner, dense, view, truth, eye):
    depth = depth_of(corner, eye, truth)
    matches = matches_at(truth, eye, 60, np.random.default_rng(0))
    for seen in (depth, np.zeros_like(depth), np.full_like(depth, np.nan)):
        fitted = replace(view, depth=rectify_depth(seen, eye, view.camera))
        assert (
            refine_by_depth(Pose(truth, np.ones(60, bool), np.eye(6)), fitted, dense, matches, PNP)
            is None
        )


def test_a_depth_image_of_another_size_is_an_error(eye):
    with pytest.raises(
        CameraError, match="depth image is 160x120 but its camera_info says 320x240"
    ):
        rectify_depth(np.zeros((120, 160)), eye, eye)


def test_depth_is_rectified_as_the_image_is():
    bent = Camera(640, 480, (460.0, 460.0, 319.5, 239.5), (-0.25, 0.08, 0.0, 0.0))
    straight = rectify(np.zeros((480, 640), np.uint8), bent, 320).camera
    rows = np.repeat(np.arange(480.0)[:, None], 640, 1)
    expected = rectify((rows / 2).astype(np.uint8), bent, 320).grey.astype(float) * 2
    assert np.abs(rectify_depth(rows, bent, straight) - expected)[20:-20, 20:-20].max() < 4


def test_an_answer_is_sharper_than_what_its_matches_alone_say(
    corner_localizer, corner, looking, photograph, eye
):
    truth = looking((1.4, 1.5, 1.1), 50)
    answer = corner_localizer.localize(photograph(corner, truth), eye)
    metres, degrees = pose_error(truth, answer.T_map_camera)
    assert answer.status is Status.OK and metres < 0.02 and degrees < 0.3
    assert {"render", "verify"} <= set(answer.milliseconds)


def test_gravity_and_depth_may_be_given_with_an_image(
    corner_localizer, corner, looking, photograph, eye
):
    truth = looking((1.4, 1.5, 1.1), 50)
    image, up = photograph(corner, truth), truth[:3, :3].T @ (0, 0, 1)
    assert corner_localizer.localize(image, eye, depth=depth_of(corner, eye, truth), up=up).ok
    assert not corner_localizer.localize(
        image, eye, up=cv2.Rodrigues(np.array([0, 0, 1.0]))[0] @ up
    ).ok
