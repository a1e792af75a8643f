# SPDX-License-Identifier: Apache-2.0
"""Sequence folders of every layout give frames, camera and truth, or say what is wrong with them."""

import json
import shutil

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera, CameraError
from diff2i2p.datasets.sequences import SequenceError, read_image, read_sequence, write_sequence

CAMERA = Camera(64, 48, (60.0, 61.0, 31.5, 23.5), (0.1, -0.2, 0.001, 0.002, 0.05))
STAMPS = 100.0 + np.arange(4) / 10


def pose(x: float, degrees: float) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3], T[0, 3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix(), x
    return T


@pytest.fixture
def tum(tmp_path):
    rng = np.random.default_rng(0)
    images = [cv2.resize(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8), (64, 48)) for _ in STAMPS]
    depths = [np.full((48, 64), 1.5 + i, np.float32) for i in range(4)]
    write_sequence(
        tmp_path / "run", CAMERA, images, STAMPS, [pose(i, 10 * i) for i in range(4)], depths
    )
    return tmp_path / "run", images


def test_what_is_written_is_read_back(tum):
    folder, images = tum
    sequence = read_sequence(folder)
    assert sequence.camera == CAMERA
    assert [frame.index for frame in sequence] == [0, 1, 2, 3]
    np.testing.assert_allclose([frame.stamp for frame in sequence], STAMPS)
    np.testing.assert_allclose(
        [frame.T_map_camera for frame in sequence], [pose(i, 10 * i) for i in range(4)], atol=1e-6
    )
    np.testing.assert_allclose(sequence.frames[2].depth(), 3.5, atol=1e-4)
    assert np.abs(sequence.frames[2].image().astype(int) - images[2]).mean() < 5


def test_only_the_frames_asked_for_are_read(tum):
    assert [frame.index for frame in read_sequence(tum[0], start=1, stop=3)] == [1, 2]
    with pytest.raises(SequenceError, match="frames 0 to 3"):
        read_sequence(tum[0], start=9)


def test_truth_between_two_stamps_is_interpolated(tum):
    rows = ["# t tx ty tz qx qy qz qw"]
    for time, x, degrees in [(99.99, 0, 0), (100.01, 2, 20), (100.185, 5, 50), (100.3, 7, 70)]:
        rows.append(
            f"{time} {x} 0 0 "
            + " ".join(map(str, Rotation.from_euler("z", degrees, degrees=True).as_quat()))
        )
    (tum[0] / "groundtruth.txt").write_text("\n".join(rows))
    truth = [frame.T_map_camera for frame in read_sequence(tum[0])]
    np.testing.assert_allclose(truth[0], pose(1, 10), atol=1e-6)
    np.testing.assert_allclose(truth[1], pose(2 + 3 * 90 / 175, 20 + 30 * 90 / 175), atol=1e-6)
    np.testing.assert_allclose(truth[2], pose(5 + 2 * 15 / 115, 50 + 20 * 15 / 115), atol=1e-6)
    np.testing.assert_allclose(truth[3], pose(7, 70), atol=1e-6)


def write_poses(folder, stamps, unit: float = 1.0) -> None:
    """The truth of `tum`, x = 10 m/s and 100 deg/s, at other times."""
    poses = [pose(10 * (stamp - 100), 100 * (stamp - 100)) for stamp in stamps]
    rows = [
        f"{stamp / unit:.6f} {T[0, 3]} 0 0 "
        + " ".join(map(str, Rotation.from_matrix(T[:3, :3]).as_quat()))
        for stamp, T in zip(stamps, poses, strict=True)
    ]
    (folder / "groundtruth.txt").write_text("\n".join(rows))


@pytest.mark.parametrize("apart", [0.0167, 0.102, 0.19])
def test_poses_slower_than_the_camera_are_interpolated(tum, apart):
    write_poses(tum[0], np.arange(99.87, 100.6, apart))
    truth = [frame.T_map_camera for frame in read_sequence(tum[0])]
    np.testing.assert_allclose(truth, [pose(i, 10 * i) for i in range(4)], atol=1e-3)


def test_a_hole_in_the_poses_is_not_bridged(tum):
    write_poses(tum[0], [*np.arange(99.0, 100.05, 0.05), *np.arange(100.28, 101.0, 0.05)])
    known = [frame.T_map_camera is not None for frame in read_sequence(tum[0])]
    assert known == [True, False, False, True]


@pytest.mark.parametrize("unit", [1e-3, 1e-6, 1e-9])
def test_times_in_other_units_since_1970_are_understood(tum, unit):
    began = 1_700_000_000
    for stamp in STAMPS:
        name = f"{round((stamp - 100 + began) / unit)}.jpg"
        (tum[0] / "rgb" / f"{stamp:.6f}.jpg").rename(tum[0] / "rgb" / name)
    write_poses(tum[0], np.arange(99.9, 100.5, 0.1))
    rows = [line.split() for line in (tum[0] / "groundtruth.txt").read_text().splitlines()]
    for kind in (1.0, unit):  # of the file, which may differ from that of the names
        times = [round((float(row[0]) - 100 + began) / kind, 3) for row in rows]
        lines = [" ".join([f"{t:.3f}", *row[1:]]) for t, row in zip(times, rows, strict=True)]
        (tum[0] / "groundtruth.txt").write_text("\n".join(lines))
        frames = read_sequence(tum[0]).frames
        np.testing.assert_allclose([f.stamp - began for f in frames], STAMPS - 100, atol=1e-6)
        truth = [frame.T_map_camera for frame in frames]
        np.testing.assert_allclose(truth, [pose(i, 10 * i) for i in range(4)], atol=1e-3)


def test_poses_of_another_time_are_named_with_the_file_and_both_times(tum):
    write_poses(tum[0], np.arange(7.0, 9.0, 0.1))
    said = (
        "no image of .*rgb has a pose in .*groundtruth.txt: the images are named 100.000 to 100.300"
    )
    with pytest.raises(SequenceError, match=f"{said} s, the poses are of 7.000 to 8.900 s"):
        read_sequence(tum[0])


def test_lost_tracking_is_no_truth(tum):
    (tum[0] / "groundtruth.txt").write_text(
        "100.0 0 0 0 0 0 0 0\n100.1 nan 0 0 0 0 0 1\n100.2 1 0 0 0 0 0 1\n"
    )
    assert [frame.T_map_camera is None for frame in read_sequence(tum[0])] == [
        True,
        True,
        False,
        True,
    ]


@pytest.fixture
def seven_scenes(tmp_path):
    folder = tmp_path / "seq-03"
    folder.mkdir()
    for i in range(3):
        cv2.imwrite(
            str(folder / f"frame-{i:06d}.color.png"), np.full((480, 640, 3), 50 * i, np.uint8)
        )
        cv2.imwrite(str(folder / f"frame-{i:06d}.depth.png"), np.full((480, 640), 65535, np.uint16))
        np.savetxt(folder / f"frame-{i:06d}.pose.txt", pose(i, 5))
    return folder


def test_official_seven_scenes_folders_are_read(seven_scenes):
    (seven_scenes / "frame-000001.pose.txt").write_text("nan " * 16)
    for folder in (seven_scenes, seven_scenes.parent):
        sequence = read_sequence(folder)
        assert (sequence.camera.width, sequence.camera.K[0]) == (640, 585.0)
        assert [frame.name for frame in sequence] == [
            "frame-000000",
            "frame-000001",
            "frame-000002",
        ]
        assert [frame.T_map_camera is None for frame in sequence] == [False, True, False]
        np.testing.assert_allclose(sequence.frames[2].T_map_camera, pose(2, 5))
        assert sequence.frames[2].stamp == pytest.approx(2 / 30)
        assert (
            sequence.frames[2].depth() is None
        )  # the data set's depth is not registered to its colour


def test_the_folders_own_calibration_wins(seven_scenes):
    (seven_scenes / "calibration.json").write_text(
        json.dumps({"width": 640, "height": 480, "fx": 500, "fy": 500, "cx": 320, "cy": 240})
    )
    assert read_sequence(seven_scenes).camera.K[0] == 500
    Camera(640, 480, (510.0, 510.0, 320.0, 240.0)).to_yaml(seven_scenes / "camera.yaml")
    assert read_sequence(seven_scenes).camera.K[0] == 510


def test_the_real_kitchen_is_read(shared_data):
    sequence = read_sequence(shared_data / "kitchen", 530, 700)
    assert (len(sequence), sequence.frames[0].index, sequence.frames[-1].name) == (
        170,
        530,
        "frame-000699",
    )
    assert sequence.camera.K == (525.505, 525.505, 320.0, 240.0)
    frame = sequence.frames[0]
    assert frame.image().shape == (480, 640, 3)
    assert 0.4 < np.median(frame.depth()[frame.depth() > 0]) < 4
    assert np.linalg.det(frame.T_map_camera[:3, :3]) == pytest.approx(1)


def test_the_real_tum_sequence_is_read(shared_data):
    sequence = read_sequence(shared_data / "tum_fr1_rpy")
    assert len(sequence) == 400 and sequence.camera.D[0] == 0.262383
    assert all(
        frame.T_map_camera is not None and frame.depth_path is not None for frame in sequence
    )
    assert np.all(np.diff([frame.stamp for frame in sequence]) > 0)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_truncated_image_is_refused_not_filled_with_grey(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8))
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 3, 0):
        path.write_bytes(whole[:length])
        with pytest.raises(SequenceError, match="is cut off|is damaged|is neither JPEG nor PNG"):
            read_image(path)
    path.write_bytes(whole)
    assert read_image(path).shape == (48, 64, 3)


def test_damaged_images_never_do_worse_than_a_sequence_error(tmp_path):
    rng = np.random.default_rng(0)
    for suffix in ("jpg", "png"):
        cv2.imwrite(
            str(tmp_path / f"a.{suffix}"), rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        )
        whole = np.frombuffer((tmp_path / f"a.{suffix}").read_bytes(), np.uint8)
        for _ in range(100):
            damaged = whole.copy()
            damaged[rng.integers(0, len(whole), 5)] = rng.integers(0, 256, 5)
            (tmp_path / "b").write_bytes(damaged.tobytes())
            try:
                assert read_image(tmp_path / "b").dtype == np.uint8
            except SequenceError:
                pass


def damage(name, content):
    return lambda folder: (folder / name).write_text(content)


@pytest.mark.parametrize(
    "spoil, said",
    [
        (shutil.rmtree, "there is no sequence folder"),
        (lambda folder: shutil.rmtree(folder / "rgb"), "is no sequence: expected"),
        (lambda folder: [image.unlink() for image in (folder / "rgb").iterdir()], "has no images"),
        (lambda folder: (folder / "camera.yaml").unlink(), "has no camera.yaml"),
        (damage("groundtruth.txt", "1 2 3\n"), "expected 8 numbers"),
        (damage("groundtruth.txt", "a b c\n"), "no table of poses"),
        (damage("groundtruth.txt", "1 2 3\n1 2\n"), "no table of poses"),
        (damage("rgb/photo.jpg", ""), "not named by its time"),
        (damage("calibration.json", "{"), "cannot be read as JSON"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(tum, spoil, said):
    spoil(tum[0])
    with pytest.raises(SequenceError, match=said):
        read_sequence(tum[0])


def test_a_camera_yaml_that_is_none_is_refused(tum):
    (tum[0] / "camera.yaml").write_text("- nothing")
    with pytest.raises(CameraError, match="camera_info YAML"):
        read_sequence(tum[0])


def test_a_missing_image_is_named(tum):
    sequence = read_sequence(tum[0])
    sequence.frames[1].image_path.unlink()
    with pytest.raises(SequenceError, match="100.100000.jpg"):
        sequence.frames[1].image()
