# SPDX-License-Identifier: Apache-2.0
"""Bags of either kind give images, camera and calibration without ROS, or say what is wrong with them."""

import shutil

import numpy as np
import pytest
from bags import CAMERA, POSES, STAMPS, between, film, image, info, jpeg, odometry, posed, write

from diff2i2p.camera import Camera
from diff2i2p.datasets.bag import Bag, BagError
from diff2i2p.datasets.bag_record import record_bag
from diff2i2p.datasets.bag_sequence import BagChoice, read_bag
from diff2i2p.datasets.image_messages import ImageError
from diff2i2p.datasets.sequences import SequenceError, read_sequence, write_sequence


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compressed", [False, True], ids=["raw", "compressed"])
def test_what_is_recorded_is_read_back(walk, tmp_path, storage, compressed):
    record_bag(tmp_path / "bag", walk, storage, compressed)
    sequence = read_bag(tmp_path / "bag")
    assert sequence.camera == CAMERA and [frame.index for frame in sequence] == list(range(6))
    np.testing.assert_allclose([frame.stamp for frame in sequence], STAMPS)
    np.testing.assert_allclose([frame.T_map_camera for frame in sequence], POSES, atol=1e-9)
    np.testing.assert_allclose(
        [frame.image().mean() for frame in sequence], [40 * n for n in range(6)], atol=2
    )
    assert sequence.sources["images"] == ("/image/compressed" if compressed else "/image")


def test_odometry_drifts_by_the_share_asked_for(walk, tmp_path):
    record_bag(tmp_path / "bag", walk, drift=0.1)
    sequence = read_bag(tmp_path / "bag")
    moved = np.linalg.inv(sequence.odometry(STAMPS[0])) @ sequence.odometry(STAMPS[5])
    np.testing.assert_allclose(moved[:3, 3], (0, 0, 0.55), atol=1e-6)


def test_a_sequence_that_begins_at_zero_is_shifted_for_ros_takes_zero_for_no_stamp(tmp_path):
    write_sequence(
        tmp_path / "run", CAMERA, [np.zeros((48, 64, 3), np.uint8)] * 2, [0.0, 0.1], POSES[:2]
    )
    record_bag(tmp_path / "bag", read_sequence(tmp_path / "run"))
    assert [frame.stamp for frame in read_bag(tmp_path / "bag")] == pytest.approx([1.0, 1.1])


def test_images_are_there_in_any_order(bag):
    frames = read_bag(bag).frames
    assert [round(frames[n].image().mean() / 40) for n in (4, 1, 2, 5, 5, 0)] == [4, 1, 2, 5, 5, 0]


def test_only_the_images_asked_for_are_used(bag):
    assert [frame.index for frame in read_bag(bag, BagChoice(start=1, stop=6, every=2))] == [
        1,
        3,
        5,
    ]


def test_a_bag_whose_recording_was_cut_short_is_read_from_its_file(bag, tmp_path):
    shutil.copytree(bag, tmp_path / "bag")
    (tmp_path / "bag/metadata.yaml").unlink()
    assert len(read_bag(tmp_path / "bag")) == 6 == len(read_bag(next(tmp_path.glob("bag/*.mcap"))))


def test_depth_and_the_compressed_twin_of_a_camera_are_no_other_cameras(tmp_path):
    depth = {
        "/cam/depth": [(100.0, image(100.0, 7, "16UC1"))],
        "/cam/image_raw/compressed": [(100.0, jpeg(100.0, 9))],
    }
    assert read_bag(write(tmp_path / "bag", film() | depth)).sources["images"] == "/cam/image_raw"
    chosen = read_bag(tmp_path / "bag", BagChoice("/cam/image_raw/compressed"))
    assert (
        chosen.sources["camera"] == "/cam/camera_info"
        and round(chosen.frames[0].image().mean()) == 9
    )


def test_every_image_has_the_calibration_of_its_time(tmp_path):
    changed = film() | {
        "/cam/camera_info": [(99.0, info(99.0, 60.0)), (100.25, info(100.25, 80.0))]
    }
    assert [frame.camera.K[0] for frame in read_bag(write(tmp_path / "bag", changed))] == [
        60,
        60,
        60,
        80,
        80,
        80,
    ]


def test_images_that_are_rectified_by_name_are_seen_with_the_projection_matrix(tmp_path):
    raw = info(100.0)
    raw.d, raw.p = (
        np.array([-0.3, 0.1, 0, 0, 0]),
        np.array([55.0, 0, 31, 0, 0, 56, 24, 0, 0, 0, 1, 0]),
    )
    shots, infos = film()["/cam/image_raw"], {"/cam/camera_info": [(100.0, raw)]}
    rectified = read_bag(write(tmp_path / "a", infos | {"/cam/image_rect": shots}))
    assert rectified.camera == Camera(64, 48, (55.0, 56.0, 31.0, 24.0))
    assert rectified.sources["camera"] == (
        "/cam/camera_info, P of it: /cam/image_rect says that its images are rectified"
    )
    distorted = read_bag(write(tmp_path / "b", infos | {"/cam/image_raw": shots}))
    assert distorted.camera.D == tuple(raw.d) and distorted.sources["camera"] == "/cam/camera_info"


def test_a_calibration_that_is_given_needs_no_topic(tmp_path):
    path = write(tmp_path / "bag", {"/cam/image_raw": film()["/cam/image_raw"]})
    assert read_bag(path, BagChoice(camera=CAMERA)).camera == CAMERA


def test_images_without_a_stamp_have_the_time_they_were_received_at(tmp_path):
    path = write(
        tmp_path / "bag", film() | {"/cam/image_raw": [(stamp, image(0.0, 0)) for stamp in STAMPS]}
    )
    np.testing.assert_allclose([frame.stamp for frame in read_bag(path)], STAMPS)


# --- what is wrong


def two_cameras() -> dict:
    return film() | {"/rear/image_raw": [(100.0, image(100.0, 1))]}


@pytest.mark.parametrize(
    "topics, choice, said",
    [
        ({"/scan": [(100.0, odometry(100.0, np.eye(4)))]}, {}, "has no images; its topics: /scan"),
        (
            two_cameras(),
            {},
            "several image topics, choose one with --image-topic: /cam/image_raw, /rear/image_raw",
        ),
        (film(), {"image_topic": "/eye"}, "no images on /eye; image topics: /cam/image_raw"),
        (
            {"/cam/image_raw": film()["/cam/image_raw"]},
            {},
            "no camera_info for /cam/image_raw: give the calibration with --camera",
        ),
        (
            film() | {"/a/camera_info": [(1.0, info(1.0))]},
            {"camera_info_topic": "/b"},
            "no camera_info on /b, choose one",
        ),
        (film(), {"start": 50}, "has 6 images on /cam/image_raw, none in the range"),
        (
            film(),
            {"truth": "/nowhere"},
            "there is no truth '/nowhere': no such file, and .* has poses on none",
        ),
        (
            film(),
            {"truth": "tf"},
            "the truth TF map -> eye says nothing about the time of the images",
        ),
        (film(), {"truth": "tf:map"}, "expected tf, or tf:PARENT:CHILD"),
        (
            film() | {"/truth": [(7.0, posed(7.0, np.eye(4)))]},
            {},
            "it lasts from 7.000 s to 7.000 s; were both stamped by the same clock",
        ),
        (
            film() | {"/truth": between()},
            {"truth_frame": "hand"},
            "pose of 'hand', and TF does not connect it .* --truth-frame",
        ),
        (
            film() | {"/truth": between(), "/gt": between()},
            {},
            "several truth topics, choose one with --truth, or none: /gt, /truth",
        ),
    ],
)
def test_what_is_missing_or_ambiguous_is_said(tmp_path, topics, choice, said):
    with pytest.raises(BagError, match=said):
        read_bag(write(tmp_path / "bag", topics), BagChoice(**choice))


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_truncated_bag_is_refused_with_what_repairs_it(walk, tmp_path, storage):
    record_bag(tmp_path / "bag", walk, storage)
    file = next(path for path in (tmp_path / "bag").iterdir() if path.suffix in (".mcap", ".db3"))
    whole = file.read_bytes()
    for length in (len(whole) - 40, len(whole) // 2, 100, 0):
        file.write_bytes(whole[:length])
        with pytest.raises(BagError, match="truncated or damaged .*repair it"):
            for frame in read_bag(tmp_path / "bag"):
                frame.image()


@pytest.mark.parametrize(
    "path, said",
    [
        ("nowhere", "there is no bag"),
        ("old.bag", "bag of ROS 1: `rosbags-convert"),
        ("a.txt", "is no bag"),
        ("empty", "is no bag"),
    ],
)
def test_what_is_no_bag_is_refused(tmp_path, path, said):
    (tmp_path / "empty").mkdir()
    for name in ("old.bag", "a.txt"):
        (tmp_path / name).write_text("x")
    with pytest.raises(BagError, match=said):
        Bag(tmp_path / path)


def test_a_damaged_metadata_file_is_refused(bag, tmp_path):
    shutil.copytree(bag, tmp_path / "bag")
    for text in ("", "[", "rosbag2_bagfile_information: {version: 5}"):
        (tmp_path / "bag/metadata.yaml").write_text(text)
        with pytest.raises(BagError, match="truncated or damaged"):
            Bag(tmp_path / "bag")


def test_an_image_that_cannot_be_decoded_says_why(tmp_path):
    broken = jpeg(100.0, 3)
    broken.data = broken.data[:-30]
    path = write(tmp_path / "bag", {"/eye/compressed": [(100.0, broken)]})
    with pytest.raises(ImageError, match="cut off"):
        read_bag(path, BagChoice(camera=CAMERA)).frames[0].image()


def test_a_bag_is_not_recorded_over(walk, bag):
    with pytest.raises(BagError, match="cannot record the bag"):
        record_bag(bag, walk)


def test_a_tum_file_that_is_none_is_refused(bag, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(SequenceError, match="no table of poses"):
        read_bag(bag, BagChoice(truth=str(tmp_path / "notes.txt")))
