# SPDX-License-Identifier: Apache-2.0
"""A pose is held against what the map looks like from it: right ones become sharper, wrong ones show."""

from dataclasses import astuple, replace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera, CameraError, rectify
from diff2i2p.config import PnpConfig
from diff2i2p.geometry import pose_error
from diff2i2p.localization.aliasing import find_twin
from diff2i2p.localization.hypotheses import find_rival, propose, upright
from diff2i2p.localization.result import Correspondences, Status
from diff2i2p.localization.similarity import layout, likeness
from diff2i2p.localization.verify import BY_LOOKS, BY_MATCHES, confidence, evidence, resemblances
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.pose.pnp import Pose
from diff2i2p.pose.refine import rectify_depth, refine_by_depth
from diff2i2p.pose.render_compare import agreement, compare, refine, rematch
from diff2i2p.render import render_cloud

PNP = PnpConfig()
HERE = (1.1, 1.7, 1.2), 60  # place and heading
NO_MATCHES = Correspondences(np.zeros((0, 2)), np.zeros((0, 3)), np.zeros(0, np.float32), "appearance")


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
    sharp = refine(compare(view, dense, near), NO_MATCHES, PNP)
    metres, degrees = pose_error(truth, sharp.T_map_camera)
    assert metres < 0.01 and degrees < 0.2


def test_corners_are_found_where_a_right_pose_puts_them_in_any_light(view, dense, truth):
    dark = replace(view, grey=(60 * (view.grey / 255.0) ** 1.6).astype(np.uint8))
    for seen in (view, dark):
        comparison = compare(seen, dense, truth)
        assert agreement(comparison.tracks, seen.camera, truth) > 0.5
        assert agreement(comparison.tracks, seen.camera, shifted(truth, (0.3, 0, 0))) < 0.1


def test_in_too_much_or_too_little_light_the_map_is_exposed_as_the_image_is(view, dense, truth):
    """What is white or black in the image is no corner of the map to look for."""
    grey = view.grey.astype(float)
    for spoiled in (2.6 * grey, 3 * (grey - 150), 0.2 * grey):
        seen = replace(view, grey=spoiled.clip(0, 255).astype(np.uint8))
        comparison = compare(seen, dense, truth)
        assert agreement(comparison.tracks, seen.camera, truth) > 0.5
        assert np.abs(comparison.surfaces.image.mean() - seen.grey.mean()) < 12


def test_the_corners_of_a_right_view_are_the_map_s_and_those_of_a_foreign_one_are_not(view, dense, truth):
    comparison = compare(view, dense, truth)
    assert agreement(comparison.back, view.camera, truth) > 0.5
    assert agreement(comparison.back, view.camera, shifted(truth, (0.3, 0, 0))) < 0.1
    foreign = np.random.default_rng(0).integers(0, 255, (30, 40), np.uint8).repeat(8, 0).repeat(8, 1)
    half = replace(view, grey=np.where(np.arange(320) < 160, view.grey, foreign))
    assert agreement(compare(half, dense, truth).back, view.camera, truth) < 0.6


def test_a_wrong_pose_does_not_agree_with_the_image(view, dense, looking):
    for place, heading in (((2.3, 1.4, 1.0), 20), ((0.6, 0.6, 1.4), 45), ((1.1, 1.7, 1.2), 85)):
        wrong = looking(place, heading)
        assert agreement(compare(view, dense, wrong).tracks, view.camera, wrong) < 0.1


def test_the_image_has_edges_where_the_depth_of_a_right_pose_jumps(view, dense, truth, looking):
    right = compare(view, dense, truth).edge_rank
    wrong = [compare(view, dense, looking(HERE[0], HERE[1] + turn)).edge_rank for turn in (-15, 12)]
    assert right > 0.6 and right > max(wrong) + 0.05


def test_a_map_without_looks_is_compared_by_its_depth_alone(corner, view, truth):
    comparison = compare(view, DenseMap.build(corner, colour=False), truth)
    assert comparison.tracks.tried == 0 and agreement(comparison.tracks, view.camera, truth) == likeness(comparison, truth) == 0
    assert refine(comparison, NO_MATCHES, PNP) is None
    assert comparison.edge_rank > 0.6


def matches_at(T: np.ndarray, camera: Camera, count: int, rng, shift=(0, 0, 0)) -> Correspondences:
    """Matches that are right at T for a map moved by `shift`."""
    pixels = rng.uniform((0, 0), (camera.width, camera.height), (count, 2))
    local = camera.rays(pixels) * rng.uniform(1, 4, (count, 1))
    points = local @ T[:3, :3].T + T[:3, 3] + shift
    return Correspondences(pixels + rng.normal(0, 0.5, pixels.shape), points, np.ones(count, np.float32), "appearance")


def test_on_a_bare_map_matches_made_anew_move_a_pose_unless_they_lead_away(corner, view, truth):
    """Of the network: the first ones are few and err together, those around a pose are many."""
    rng, near = np.random.default_rng(0), shifted(truth, (0.02, 0.01, 0), (0.2, 0.2, 0))
    comparison = compare(view, DenseMap.build(corner, colour=False), near)
    first, anew = matches_at(near, view.camera, 40, rng), matches_at(truth, view.camera, 400, rng)
    pose = propose([first], view.camera, PNP)[0].pose
    moved = rematch(comparison, replace(first, around=lambda T, depth: anew), pose, PNP)
    assert pose_error(truth, pose.T_map_camera)[0] > 0.015 > 0.01 > pose_error(truth, moved.T_map_camera)[0]
    assert moved.inliers.sum() > 0.85 * pose.inliers.sum()
    away = matches_at(shifted(truth, (0.1, -0.05, 0)), view.camera, 400, rng)
    assert rematch(comparison, replace(first, around=lambda T, depth: away), pose, PNP) is None
    assert rematch(comparison, first, pose, PNP) is None


def joined(*parts: Correspondences) -> Correspondences:
    return Correspondences(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("pixels", "points", "scores")), "appearance")


def test_matches_that_a_second_place_explains_as_well_leave_no_margin(truth, eye, view, dense):
    rng = np.random.default_rng(0)
    once, again = matches_at(truth, eye, 60, rng), matches_at(truth, eye, 50, rng, (12, 0, 0))
    alone, twice = propose([once], eye, PNP)[0], propose([joined(once, again)], eye, PNP)[0]
    rival = find_rival(twice, [twice], eye, PNP)
    assert find_rival(alone, [alone], eye, PNP) is None and 45 <= rival.matches <= 60
    comparison = compare(view, dense, truth)
    as_much = resemblances(comparison)[0][0]
    known = ((alone, 0, None), (twice, as_much, rival), (twice, 0, rival))
    proofs = [evidence(place.pose, place, comparison, elsewhere, other) for place, elsewhere, other in known]
    assert proofs[0].alone == proofs[2].alone > 0.99 and 0.49 < proofs[1].alone < 0.6
    assert confidence(replace(proofs[0], agreement=1.0)) > 0.8
    assert confidence(replace(proofs[1], agreement=1.0)) == proofs[1].alone


def test_on_a_map_without_looks_a_rival_is_judged_by_its_matches(truth, eye, view, corner):
    rng = np.random.default_rng(0)
    twice = propose([joined(matches_at(truth, eye, 60, rng), matches_at(truth, eye, 50, rng, (12, 0, 0)))], eye, PNP)[0]
    bare = compare(view, DenseMap.build(corner, colour=False), truth)
    assert 0.5 <= evidence(twice.pose, twice, bare, rival=find_rival(twice, [twice], eye, PNP)).alone < 0.6


def test_a_place_that_the_map_holds_twice_has_a_twin_whose_pose_is_found(truth, eye):
    rng = np.random.default_rng(0)
    here, turned = matches_at(truth, eye, 14, rng), Rotation.from_euler("z", 180, degrees=True).as_matrix()
    echoes = matches_at(truth, eye, 70, rng)  # five of a pixel, and only one of ten is the twin
    pixels, points = np.repeat(here.pixels, 5, 0), rng.permutation(echoes.points) + (3, 0, 0)
    points[::10] = here.points[::2] @ turned.T + (9, 4, 0)
    T_twin, count = find_twin(propose([echoing(here, pixels, points)], eye, PNP)[0].pose, echoing(here, pixels, points))
    assert count == 7 and np.allclose(T_twin[:3, 3], turned @ truth[:3, 3] + (9, 4, 0), atol=0.1)
    points[::10] = rng.permutation(points)[::10]
    assert find_twin(propose([here], eye, PNP)[0].pose, echoing(here, pixels, points)) is None


def echoing(matches: Correspondences, pixels: np.ndarray, points: np.ndarray) -> Correspondences:
    """The matches, and at `pixels` what else in the map looks like them."""
    return replace(matches, echoes=lambda: Correspondences(pixels, points, np.ones(len(points), np.float32), "appearance"))


def test_the_map_is_like_the_image_where_the_pose_is_right_in_any_light_and_out_of_focus(view, dense, truth):
    dark = (60 * (view.grey / 255.0) ** 1.6).astype(np.uint8)
    for grey in (view.grey, dark, cv2.blur(view.grey, (9, 3))):
        seen = replace(view, grey=grey)
        comparison = compare(seen, dense, truth)
        assert likeness(comparison, truth) > 0.7
        assert likeness(comparison, shifted(truth, (0.3, 0.1, 0))) < 0.3


def test_the_map_is_compared_at_the_pose_and_not_where_it_was_rendered(view, dense, truth):
    near = compare(view, dense, shifted(truth, (0.05, -0.04, 0.03), (1, -1.5, 0.5)))
    assert likeness(near, truth) > likeness(near, near.T_map_camera) + 0.2


def test_a_room_refurnished_on_the_same_floor_is_less_like_the_map(view, dense, truth, eye):
    other = view.grey.copy()
    other[:120] = np.random.default_rng(0).integers(0, 255, (15, 40), np.uint8).repeat(8, 0).repeat(8, 1)
    whole, half = (likeness(compare(seen, dense, truth), truth) for seen in (view, replace(view, grey=other)))
    assert half < 0.75 * whole


def test_light_and_dark_lie_where_the_map_has_them_however_dark_blurred_and_sloping_the_light(view, dense, truth, looking):
    slope = np.linspace(0.4, 1.0, view.grey.shape[1])
    poor = cv2.blur((0.3 * slope * view.grey).astype(np.uint8), (15, 5))
    for grey in (view.grey, poor):
        seen = replace(view, grey=grey)
        assert layout(compare(seen, dense, truth), truth) > 0.8
        wrong = looking((1.1, 1.7, 1.2), 85)
        assert layout(compare(seen, dense, wrong), wrong) < 0.5


def test_white_parts_of_an_image_with_too_much_light_do_not_count_against_a_pose(view, dense, truth):
    glaring = view.grey.copy()
    glaring[:, :160] = 255
    seen = replace(view, grey=glaring)
    assert likeness(compare(seen, dense, truth), truth) > 0.6
    nothing = replace(view, grey=np.full_like(view.grey, 255))
    assert likeness(compare(nothing, dense, truth), truth) == 0


def test_each_matcher_names_a_place_once_and_two_places_are_rivals(truth, eye):
    rng = np.random.default_rng(0)
    here, near = matches_at(truth, eye, 60, rng), matches_at(truth, eye, 40, rng, (0.02, 0, 0))
    elsewhere = matches_at(truth, eye, 40, rng, (5, 0, 0))
    assert len(propose([here, near], eye, PNP)) == 1
    assert len(propose([here, replace(near, matcher="network")], eye, PNP)) == 2
    places = propose([elsewhere, here], eye, PNP)
    assert len(places) == 2 and {find_rival(place, places, eye, PNP).matches for place in places} == {40, 60}


def test_a_pose_that_contradicts_gravity_is_none(truth, eye):
    matches, up_map = matches_at(truth, eye, 60, np.random.default_rng(0)), np.array([0, 0, 1.0])
    up_camera = truth[:3, :3].T @ up_map
    tilted = Rotation.from_euler("z", 25, degrees=True).apply(up_camera)
    assert upright(truth, up_camera, up_map) and not upright(truth, tilted, up_map)
    assert len(propose([matches], eye, PNP, (up_camera, up_map))) == 1
    assert propose([matches], eye, PNP, (tilted, up_map)) == []


def test_no_evidence_counts_against_a_pose(view, dense, truth, eye):
    place = propose([matches_at(truth, eye, 60, np.random.default_rng(0))], eye, PNP)[0]
    proof = evidence(place.pose, place, compare(view, dense, truth))
    for weights, looks in ((BY_LOOKS, True), (BY_MATCHES, False)):
        assert len(weights) == len(astuple(proof)) and min(weights[:-1]) >= 0
        assert 0 < confidence(proof, looks) <= 1


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
        assert refine_by_depth(Pose(truth, np.ones(60, bool), np.eye(6)), fitted, dense, matches, PNP) is None


def test_a_depth_image_of_another_size_is_an_error(eye):
    with pytest.raises(CameraError, match="depth image is 160x120 but its camera_info says 320x240"):
        rectify_depth(np.zeros((120, 160)), eye, eye)


def test_depth_is_rectified_as_the_image_is():
    bent = Camera(640, 480, (460.0, 460.0, 319.5, 239.5), (-0.25, 0.08, 0.0, 0.0))
    straight = rectify(np.zeros((480, 640), np.uint8), bent, 320).camera
    rows = np.repeat(np.arange(480.0)[:, None], 640, 1)
    expected = rectify((rows / 2).astype(np.uint8), bent, 320).grey.astype(float) * 2
    assert np.abs(rectify_depth(rows, bent, straight) - expected)[20:-20, 20:-20].max() < 4


def test_an_answer_is_sharper_than_what_its_matches_alone_say(corner_localizer, corner, looking, photograph, eye):
    truth = looking((1.4, 1.5, 1.1), 50)
    answer = corner_localizer.localize(photograph(corner, truth), eye)
    metres, degrees = pose_error(truth, answer.T_map_camera)
    assert answer.status is Status.OK and metres < 0.02 and degrees < 0.3
    assert {"render", "verify"} <= set(answer.milliseconds)


def test_gravity_and_depth_may_be_given_with_an_image(corner_localizer, corner, looking, photograph, eye):
    truth = looking((1.4, 1.5, 1.1), 50)
    image, up = photograph(corner, truth), truth[:3, :3].T @ (0, 0, 1)
    assert corner_localizer.localize(image, eye, depth=depth_of(corner, eye, truth), up=up).ok
    assert not corner_localizer.localize(image, eye, up=cv2.Rodrigues(np.array([0, 0, 1.0]))[0] @ up).ok
