# SPDX-License-Identifier: Apache-2.0
"""A mapping bag is a sequence, wherever --sequence is taken: images chosen, poses in time."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from bags import STATIC, film, header, info, new, odometry, posed, transform, write
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera
from diff2i2p.datasets.bag_sequence import BagChoice
from diff2i2p.datasets.lag import estimate_lag
from diff2i2p.datasets.mapping_run import is_bag, open_mapping_run, open_sequence
from diff2i2p.datasets.odometry import T_BODY_OPTICAL
from diff2i2p.datasets.sequences import SequenceError, write_trajectory
from diff2i2p.datasets.trajectory import Trajectory
from diff2i2p.mapping.compiled_map import MapError

EYE = Camera(128, 96, (110.0, 110.0, 63.5, 47.5))
RATE = 15.0  # Hz
STAMPS = 100.0 + np.arange(120) / RATE
SKY = cv2.GaussianBlur(
    np.random.default_rng(0).normal(size=(512, 1024)).astype(np.float32), (0, 0), 3
)
SKY = np.rint(128 + 110 * SKY / np.abs(SKY).max()).astype(np.uint8)


def pose(stamp: float) -> np.ndarray:
    """T_map_camera of a level camera that looks about and walks ahead, at a time."""
    t = stamp - 100.0
    T = np.eye(4)
    turn = (0.7 * np.sin(1.3 * t) + 0.3 * np.sin(3.1 * t), 0.15 * np.sin(2.3 * t), 0)
    T[:3, :3] = Rotation.from_euler("YXZ", turn).as_matrix()
    T[:3, 3] = 0.02 * t, 0, 0.1 * t
    return T


def picture(T: np.ndarray) -> np.ndarray:
    """(96, 128) grey: a painted sky, far away, as the camera sees it."""
    v, u = np.mgrid[: EYE.height, : EYE.width]
    rays = EYE.rays(np.stack([u.ravel(), v.ravel()], 1)) @ T[:3, :3].T
    x, y, z = (rays / np.linalg.norm(rays, axis=1, keepdims=True)).T.astype(np.float32)
    across, down = np.arctan2(x, z) / np.pi * 512 + 512, np.arcsin(y) / np.pi * 512 + 256
    maps = (part.reshape(v.shape).astype(np.float32) for part in (across, down))
    return cv2.remap(SKY, *maps, cv2.INTER_LINEAR)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [picture(pose(stamp)) for stamp in STAMPS]


def shots(pictures, blurred=()) -> dict:
    """The topics of the camera; some images are blurred."""
    sent = []
    for number, (stamp, pixels) in enumerate(zip(STAMPS, pictures, strict=True)):
        if number in blurred:
            pixels = cv2.GaussianBlur(pixels, (0, 0), 4)
        fields = {"height": 96, "width": 128, "encoding": "mono8", "step": 128}
        data, head = pixels.ravel(), header(stamp, "eye")
        sent.append((stamp, new("sensor_msgs/msg/Image", header=head, data=data, **fields)))
    lens = info(STAMPS[0])
    lens.width, lens.height, lens.k = 128, 96, EYE.matrix.ravel()
    return {"/cam/image_raw": sent, "/cam/camera_info": [(STAMPS[0], lens)]}


def trajectory(late: float = 0.0, message=posed, times=None) -> list:
    """Poses at 20 Hz, whose stamps are late."""
    times = np.arange(99.5, STAMPS[-1] + 0.5, 0.05) if times is None else times
    return [(stamp + late, message(stamp + late, pose(stamp))) for stamp in times]


# --- how late the poses are


@pytest.mark.parametrize("late", [-0.12, 0.0, 0.043, 0.2])
def test_the_lag_of_a_trajectory_is_found_by_when_both_turn(pictures, late):
    views = [(stamp, pixels, EYE) for stamp, pixels in zip(STAMPS, pictures, strict=True)]
    assert estimate_lag(views, lambda stamp: pose(stamp - late)) == pytest.approx(late, abs=0.008)


def test_a_camera_that_does_not_turn_tells_no_lag(pictures):
    still = [(stamp, pictures[0], EYE) for stamp in STAMPS]
    assert estimate_lag(still, lambda stamp: np.eye(4)) is None
    other = np.random.default_rng(1)
    jumping = Rotation.random(4000, other).as_matrix()

    def unrelated(stamp: float) -> np.ndarray:
        T = np.eye(4)
        T[:3, :3] = jumping[int(stamp * 20) % 4000]
        return T

    views = [(stamp, pixels, EYE) for stamp, pixels in zip(STAMPS, pictures, strict=True)]
    assert estimate_lag(views, unrelated) is None


# --- bags


@pytest.mark.parametrize("late", [0.0, 0.1])
def test_the_images_of_a_mapping_bag_have_the_poses_of_when_they_were_taken(
    pictures, tmp_path, late
):
    topics = shots(pictures) | {"/slam/pose": trajectory(late)}
    run = open_mapping_run(write(tmp_path / "bag", topics), BagChoice(truth="/slam/pose"))
    off = [np.abs(f.T_map_camera - pose(f.stamp)).max() for f in run]
    assert max(off) < 0.03 and len(run) > 20
    assert f"poses are {1000 * late:.0f} ms late" in run.sources["lag"] or late == 0


def test_an_evaluation_is_told_the_lag_and_keeps_the_poses_and_all_images(pictures, tmp_path):
    topics = shots(pictures) | {"/truth": trajectory(0.1)}
    run = open_sequence(write(tmp_path / "bag", topics))
    assert len(run) == len(STAMPS) and "left as they are" in run.sources["lag"]
    at = run.frames[30]
    np.testing.assert_allclose(at.T_map_camera, pose(at.stamp - 0.1), atol=0.01)


def test_sharp_images_apart_from_each_other_are_chosen(pictures, tmp_path):
    blurred = set(range(0, len(STAMPS), 2))
    topics = shots(pictures, blurred) | {"/truth": trajectory()}
    run = open_mapping_run(write(tmp_path / "bag", topics))
    assert 15 < len(run) < len(STAMPS)
    assert sum(frame.index in blurred for frame in run) < 0.35 * len(run)
    for a, b in zip(run.frames, run.frames[2:], strict=False):
        A, B = a.T_map_camera, b.T_map_camera
        assert np.linalg.norm(A[:3, 3] - B[:3, 3]) > 0.05 or A[:3, 2] @ B[:3, 2] < 0.9999


def test_the_poses_come_from_tf_with_the_mount_where_no_topic_is_named_so(pictures, tmp_path):
    def base(stamp, T):
        return transform(stamp, "map", "base_link", T @ np.linalg.inv(T_BODY_OPTICAL))

    run = open_mapping_run(
        write(tmp_path / "bag", shots(pictures) | STATIC | {"/tf": trajectory(0, base)})
    )
    assert run.sources["truth"] == "TF map -> eye"
    np.testing.assert_allclose(run.frames[5].T_map_camera, pose(run.frames[5].stamp), atol=0.01)


def test_a_tum_file_of_the_robot_goes_through_the_mount_to_the_camera(pictures, tmp_path):
    times = np.arange(99.5, STAMPS[-1] + 0.5, 0.05)
    bodies = np.array([pose(stamp) @ np.linalg.inv(T_BODY_OPTICAL) for stamp in times])
    write_trajectory(tmp_path / "slam.tum", Trajectory(times, bodies))
    path = write(tmp_path / "bag", shots(pictures) | STATIC)
    choice = BagChoice(truth=str(tmp_path / "slam.tum"), truth_frame="base_link")
    run = open_mapping_run(path, choice)
    np.testing.assert_allclose(run.frames[5].T_map_camera, pose(run.frames[5].stamp), atol=0.01)


def test_a_mapping_run_without_poses_is_refused_with_what_to_give(tmp_path):
    path = write(tmp_path / "bag", film())
    for truth in ("", "none"):
        with pytest.raises(SequenceError, match="has a pose: give .* with --truth: a topic"):
            open_mapping_run(path, BagChoice(truth=truth))


def test_a_folder_is_a_sequence_and_has_its_poses_in_it(walk, tmp_path):
    folder = walk.frames[0].image_path.parents[1]
    assert len(open_mapping_run(folder)) == len(open_sequence(folder)) == 6
    with pytest.raises(SequenceError, match="is a folder, .* --truth is for bags"):
        open_sequence(folder, BagChoice(truth="tf"))


def test_what_is_a_bag_is_told_by_its_files(walk, bag, tmp_path):
    assert is_bag(bag) and is_bag(next(bag.glob("*.mcap")))
    assert not is_bag(walk.frames[0].image_path.parents[1]) and not is_bag(tmp_path / "nowhere")


# --- commands


def test_evaluate_and_adapt_take_a_bag_for_their_sequence(bag, tmp_path, diff2i2p, monkeypatch):
    seen = []
    monkeypatch.setattr("diff2i2p.evaluation.run.Evaluation.open", lambda *arguments: None)
    site = SimpleNamespace(frame_id="map")
    monkeypatch.setattr("diff2i2p.mapping.compiled_map.CompiledMap.open", lambda path: site)
    monkeypatch.setattr(
        "diff2i2p.cli.evaluate._run", lambda nothing, frames, *rest: seen.append(frames)
    )
    code, _, err = diff2i2p(
        "evaluate", "--map", "x", "--sequence", bag, "--out", tmp_path, "--truth", "/truth"
    )
    assert code == 0 and len(seen[0]) == 6 and "truth: /truth" in err
    from diff2i2p_training import cli as training

    cloud = tmp_path / "a.xyz"
    np.savetxt(cloud, np.random.default_rng(0).uniform(0, 1, (50, 3)))
    monkeypatch.setattr(
        "diff2i2p_training.adapt.adapt", lambda points, run, *rest: seen.append(run)
    )
    words = ["adapt", "--cloud", cloud, "--sequence", bag, "--out", tmp_path / "w", "--stop", "4"]
    monkeypatch.setattr("sys.argv", ["diff2i2p-train", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        training.main()
    assert not ended.value.code and 1 <= len(seen[1]) <= 4
    assert all(frame.T_map_camera is not None for frame in seen[1])


def test_compile_map_takes_a_bag_for_its_photographs(bag, tmp_path, diff2i2p, monkeypatch):
    seen = []

    def compiled(*arguments):
        seen.append(arguments[7])
        raise MapError("far enough")

    monkeypatch.setattr("diff2i2p.mapping.compile_map.compile_map", compiled)
    np.savetxt(tmp_path / "a.xyz", np.random.default_rng(0).uniform(0, 1, (50, 3)))
    command = ("compile-map", tmp_path / "a.xyz", "-o", tmp_path / "a.i2pmap", "--up", "z")
    code, _, err = diff2i2p(*command, "--sequence", bag)
    assert code == 2 and "far enough" in err and "images used" in err
    assert 1 <= len(seen[0]) <= 6 and seen[0][0].T_map_camera.shape == (4, 4)


def test_odometry_of_the_bag_is_no_truth_of_a_mapping_run(pictures, tmp_path):
    wheels = trajectory(0, lambda t, T: odometry(t, T @ np.linalg.inv(T_BODY_OPTICAL)))
    path = write(tmp_path / "bag", shots(pictures) | STATIC | {"/odom": wheels})
    with pytest.raises(SequenceError, match="has a pose: give"):
        open_mapping_run(path)
