# SPDX-License-Identifier: Apache-2.0
"""Image + map -> pose, with the appearance matcher: right poses, honest failures."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera, CameraError
from diff2i2p.cloud import read_cloud
from diff2i2p.config import Config
from diff2i2p.correspondences import Correspondences
from diff2i2p.datasets.sequences import read_sequence
from diff2i2p.geometry import in_map, pose_error
from diff2i2p.localization.localizer import Localizer
from diff2i2p.localization.result import Status
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.mapping.descriptor_index import build_appearance
from diff2i2p.matchers import MatchedPlace
from diff2i2p.parameters import override
from diff2i2p_sim.world import World
from diff2i2p_sim.write import scan_positions

CAMERA = Camera(640, 480, (460.0, 460.0, 319.5, 239.5))


@pytest.fixture(scope="module")
def room():
    return World.office(1, rooms=1)


@pytest.fixture(scope="module")
def cloud(room):
    return room.scan(
        np.random.default_rng(0), scan_positions(room.drive(0, 60, 2.0, cover=True)[1])
    )


@pytest.fixture(scope="module")
def localizer(cloud, tmp_path_factory):
    path = tmp_path_factory.mktemp("map") / "room.i2pmap"
    compile_map(cloud, path)
    return Localizer.open(path)


@pytest.fixture(scope="module")
def drive(room):
    """Images and true poses of a drive that is not the mapping run."""
    poses = room.drive(6, 100, 10.0)[1][::10]
    return room.render(CAMERA, poses)[0], poses


def test_most_frames_of_another_drive_are_found_and_none_is_wrong(localizer, drive):
    answers = [localizer.localize(image, CAMERA) for image in drive[0]]
    errors = [
        pose_error(truth, a.T_map_camera)
        for a, truth in zip(answers, drive[1], strict=True)
        if a.ok
    ]
    assert len(errors) >= 6
    assert max(error[0] for error in errors) < 0.25 and max(error[1] for error in errors) < 5


def test_an_answer_tells_its_evidence_and_the_time_it_took(localizer, drive):
    answer = next(a for a in map(lambda image: localizer.localize(image, CAMERA), drive[0]) if a.ok)
    assert (
        answer.confidence >= localizer.config.verify.min_confidence
        and answer.matcher == "appearance"
    )
    assert answer.inliers.sum() >= 12 and len(answer.inliers) == len(answer.correspondences)
    assert np.linalg.eigvalsh(answer.covariance).min() > 0
    assert {"rectify", "sift", "appearance", "pnp", "verify"} <= set(answer.milliseconds)


def test_an_answer_carries_the_verified_places_with_their_evidence_best_first(localizer, drive):
    for image in drive[0][:4]:
        answer = localizer.localize(image, CAMERA)
        assert 0 < len(answer.hypotheses) <= 3
        confidences = [place.best.confidence for place in answer.hypotheses]
        assert (
            confidences == sorted(confidences, reverse=True) and answer.confidence == confidences[0]
        )
        found = answer if answer.ok else answer.rejected
        assert found.T_map_camera is answer.hypotheses[0].best.pose.T_map_camera
        for place in answer.hypotheses:
            assert place.matcher == "appearance" and 1 <= len(place.poses) <= 2
            assert all(
                verified.confidence <= verified.evidence.uniqueness for verified in place.poses
            )
            assert place.best.confidence == max(verified.confidence for verified in place.poses)


class Says:
    """A matcher that says the same of every image."""

    def __init__(self, *places: MatchedPlace):
        self.places = places

    def match(self, view, prior, timer):
        return list(self.places)


def test_what_was_computed_for_an_image_does_not_live_on_in_its_answer(localizer, drive):
    """A drive of answers would fill the memory."""
    matcher, held = localizer.matchers[0], []

    class Watched:
        def match(self, view, prior, timer):
            places = matcher.match(view, prior, timer)
            held.extend(map(weakref.ref, places))
            return places

    watched = Localizer(localizer.map, [Watched()], localizer.config)
    answers = [watched.localize(image, CAMERA) for image in drive[0][:3]]
    gc.collect()
    assert len(answers) == 3 and held and all(place() is None for place in held)


def test_what_one_matcher_cannot_prove_another_proves(localizer, drive):
    image, truth, found = next(
        (i, T, a) for i, T in zip(*drive, strict=True) if (a := localizer.localize(i, CAMERA)).ok
    )
    matches, good = found.correspondences, found.inliers
    right = Correspondences(matches.pixels, matches.points, matches.scores, "network")
    wrong = Correspondences(
        matches.pixels[good],
        matches.points[good] + [0, 0.45, 0],
        matches.scores[good],
        "appearance",
    )
    matchers = [Says(MatchedPlace(wrong)), Says(MatchedPlace(right))]
    answer = Localizer(localizer.map, matchers, localizer.config).localize(image, CAMERA)
    assert (
        answer.ok
        and answer.matcher == "network"
        and pose_error(truth, answer.T_map_camera)[0] < 0.25
    )


@dataclasses.dataclass(frozen=True)
class Rough(MatchedPlace):
    """A place whose first matches are rough, and which are better once it is matched again."""

    better: Correspondences
    can_rematch = True

    def rematch(self, T_map_camera, surfaces):
        return self.better


def test_a_rough_pose_is_matched_again_made_precise_and_proven_where_it_leads(localizer, drive):
    rough = np.eye(4)  # 15 cm to the side of the true pose, turned by 12 degrees
    rough[:3, :3], rough[0, 3] = Rotation.from_euler("y", 12, degrees=True).as_matrix(), 0.15
    proven = []
    for image, truth in zip(*drive, strict=True):
        if not (found := localizer.localize(image, CAMERA)).ok:
            continue
        matches = found.correspondences
        pixels, points, scores = (
            array[found.inliers] for array in (matches.pixels, matches.points, matches.scores)
        )
        first = Correspondences(
            pixels, in_map(points, truth @ rough @ np.linalg.inv(truth)), scores, "network"
        )
        once, again = (
            Localizer(localizer.map, [Says(place)], localizer.config)
            for place in (
                MatchedPlace(first),
                Rough(first, Correspondences(pixels, points, scores, "network")),
            )
        )
        answer = again.localize(image, CAMERA)
        if not once.localize(image, CAMERA).ok and answer.ok:
            proven.append(pose_error(truth, answer.T_map_camera)[0])
    assert len(proven) >= 2 and max(proven) < 0.05


def test_where_one_matcher_is_sure_the_next_is_not_asked(localizer, drive):
    image, found = next(
        (i, a)
        for i in drive[0]
        if (a := localizer.localize(i, CAMERA)).confidence >= localizer.config.track.sure
    )
    second = Says()
    second.match = lambda view, prior, timer: pytest.fail("asked for nothing")
    answer = Localizer(localizer.map, [*localizer.matchers, second], localizer.config).localize(
        image, CAMERA
    )
    assert answer.ok and np.array_equal(answer.T_map_camera, found.T_map_camera)


def test_an_answer_too_weak_to_publish_ends_no_search(localizer, drive):
    strict = override(localizer.config, {"verify": {"min_confidence": 1.0}, "track": {"sure": 0.0}})
    second, asked = Says(), []
    second.match = lambda view, prior, timer: asked.append(view) or []
    answer = Localizer(localizer.map, [*localizer.matchers, second], strict).localize(
        drive[0][0], CAMERA
    )
    assert not answer.ok and len(asked) == 1


def test_images_of_another_place_get_no_pose(localizer):
    elsewhere = World.office(77, rooms=1)
    images, _ = elsewhere.render(CAMERA, elsewhere.drive(0, 100, 10.0)[1][::10])
    answers = [localizer.localize(image, CAMERA) for image in images]
    assert [a.status for a in answers if a.ok] == []
    assert all(a.T_map_camera is None and a.covariance is None for a in answers)


@pytest.mark.parametrize("shade", [0, 255])
def test_a_covered_or_dazzled_lens_gets_no_pose(localizer, shade):
    answer = localizer.localize(np.full((480, 640, 3), shade, np.uint8), CAMERA)
    assert (
        answer.status in (Status.NO_CANDIDATES, Status.NO_MATCHES) and answer.T_map_camera is None
    )


def test_an_image_that_its_camera_cannot_have_taken_is_an_error(localizer):
    with pytest.raises(CameraError, match="320x240 but its camera_info says 640x480"):
        localizer.localize(np.zeros((240, 320, 3), np.uint8), CAMERA)


def test_grey_and_colour_images_give_the_same_pose(localizer, drive):
    index, found = next(
        (i, a)
        for i, a in enumerate(localizer.localize(image, CAMERA) for image in drive[0])
        if a.ok
    )
    grey = np.rint(drive[0][index] @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    metres, degrees = pose_error(found.T_map_camera, localizer.localize(grey, CAMERA).T_map_camera)
    assert metres < 0.05 and degrees < 1


def test_a_bare_cloud_has_no_appearance(cloud):
    index = build_appearance(
        DenseMap.build(dataclasses.replace(cloud, colours=None, intensity=None)),
        np.array([0, 0, 1.0]),
        Config().appearance,
    )
    assert len(index["points"]) == len(index["descriptors"]) == 0


def test_a_cloud_with_intensity_alone_has_an_appearance(cloud):
    index = build_appearance(
        DenseMap.build(dataclasses.replace(cloud, colours=None)),
        np.array([0, 0, 1.0]),
        Config().appearance,
    )
    assert len(index["points"]) > 1000


def test_real_images_are_found_in_the_real_kitchen(shared_data, tmp_path):
    compile_map(
        read_cloud(shared_data / "kitchen" / "map_0000-0499.ply"), tmp_path / "kitchen.i2pmap"
    )
    kitchen = Localizer.open(tmp_path / "kitchen.i2pmap")
    queries = read_sequence(shared_data / "kitchen", 530, 700)
    for frame in queries.frames[::34]:
        answer = kitchen.localize(frame.image(), queries.camera)
        metres, degrees = pose_error(frame.T_map_camera, answer.T_map_camera)
        assert metres < 0.25 and degrees < 5, frame.name


def test_real_images_of_another_place_are_refused_in_the_real_kitchen(shared_data, tmp_path):
    compile_map(
        read_cloud(shared_data / "kitchen" / "map_0000-0499.ply"), tmp_path / "kitchen.i2pmap"
    )
    kitchen = Localizer.open(tmp_path / "kitchen.i2pmap")
    strangers = read_sequence(shared_data / "tum_fr1_rpy", 0, 360)
    assert [
        f.name for f in strangers.frames[::24] if kitchen.localize(f.image(), strangers.camera).ok
    ] == []
