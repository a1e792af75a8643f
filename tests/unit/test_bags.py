# SPDX-License-Identifier: Apache-2.0
"""Bags of either kind give images, camera, odometry and truth without ROS, or say what is wrong with them."""

import shutil

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera
from diff2i2p.evaluation.bag import Bag, BagError
from diff2i2p.evaluation.bag_record import record_bag
from diff2i2p.evaluation.bag_sequence import BagChoice, read_bag
from diff2i2p.evaluation.odometry import T_BODY_OPTICAL
from diff2i2p.evaluation.sequences import SequenceError, read_sequence, write_sequence, write_trajectory
from diff2i2p.evaluation.trajectory import Trajectory
from diff2i2p.image_messages import ImageError

STORE = get_typestore(Stores.ROS2_JAZZY)
CAMERA = Camera(64, 48, (60.0, 60.0, 31.5, 23.5))
STAMPS = 100.0 + 0.1 * np.arange(6)
POSES = np.tile(np.eye(4), (6, 1, 1))
POSES[:, 0, 3], POSES[:, 2, 3] = 2.0, 0.1 * np.arange(6)
MIDDLE = 0.05  # of the way between two poses, metres


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """A sequence of six images, each brighter and 0.1 m further on."""
    folder = tmp_path_factory.mktemp("sequences") / "walk"
    write_sequence(folder, CAMERA, [np.full((48, 64, 3), 40 * n, np.uint8) for n in range(6)], STAMPS, POSES)
    return read_sequence(folder)


@pytest.fixture(scope="module")
def bag(walk, tmp_path_factory):
    path = tmp_path_factory.mktemp("bags") / "walk_bag"
    record_bag(path, walk)
    return path


# --- bags of any content


def new(kind: str, **fields):
    """A message with the fields given and zeros elsewhere."""
    kinds = STORE.fielddefs[kind][1]
    return STORE.types[kind](**{name: fields.get(name, _zero(name, desc)) for name, desc in kinds})


def _zero(name, desc):
    node, what = desc
    if node.name == "NAME":
        return new(what) if what != "geometry_msgs/msg/Quaternion" else new(what, w=1.0)
    if node.name == "BASE":
        return "" if what[0] == "string" else 0
    return np.zeros(what[1]) if node.name == "ARRAY" else np.zeros(0)


def header(stamp: float, frame: str):
    nanoseconds = round(stamp * 1e9)
    return new(
        "std_msgs/msg/Header",
        frame_id=frame,
        stamp=new("builtin_interfaces/msg/Time", sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9),
    )


def pose(T):
    q = Rotation.from_matrix(T[:3, :3]).as_quat()
    point = new("geometry_msgs/msg/Point", **dict(zip("xyz", T[:3, 3].tolist(), strict=True)))
    return new(
        "geometry_msgs/msg/Pose",
        position=point,
        orientation=new("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", q.tolist(), strict=True))),
    )


def image(stamp, n, encoding="mono8"):
    data = np.full(48 * 64 * (2 if encoding == "16UC1" else 1), n, np.uint8)
    step = 128 if encoding == "16UC1" else 64
    return new("sensor_msgs/msg/Image", header=header(stamp, "eye"), height=48, width=64, encoding=encoding, step=step, data=data)


def jpeg(stamp, n):
    data = cv2.imencode(".jpg", np.full((48, 64), n, np.uint8))[1].ravel()
    return new("sensor_msgs/msg/CompressedImage", header=header(stamp, "eye"), format="jpeg", data=data)


def info(stamp, focal=60.0):
    k = np.array([focal, 0, 31.5, 0, focal, 23.5, 0, 0, 1])
    return new("sensor_msgs/msg/CameraInfo", header=header(stamp, "eye"), width=64, height=48, distortion_model="plumb_bob", k=k)


def transform(stamp, parent, child, T):
    body = pose(T)
    moved = new("geometry_msgs/msg/Transform", translation=body.position, rotation=body.orientation)
    moved.translation = new("geometry_msgs/msg/Vector3", x=T[0, 3], y=T[1, 3], z=T[2, 3])
    one = new("geometry_msgs/msg/TransformStamped", header=header(stamp, parent), child_frame_id=child, transform=moved)
    return new("tf2_msgs/msg/TFMessage", transforms=[one])


def odometry(stamp, T, parent="odom", child="base_link"):
    inside = new("geometry_msgs/msg/PoseWithCovariance", pose=pose(T))
    return new("nav_msgs/msg/Odometry", header=header(stamp, parent), child_frame_id=child, pose=inside)


def posed(stamp, T, frame="map"):
    return new("geometry_msgs/msg/PoseStamped", header=header(stamp, frame), pose=pose(T))


def write(path, topics: dict, storage=StoragePlugin.MCAP):
    """A bag with these messages, each received at the stamp that it is given with."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        for topic, messages in topics.items():
            connection = writer.add_connection(topic, messages[0][1].__msgtype__, typestore=STORE)
            for stamp, message in messages:
                writer.write(connection, round(stamp * 1e9), STORE.serialize_cdr(message, connection.msgtype))
    return path


def film(stamps=STAMPS, **more) -> dict:
    """The topics of one camera."""
    shots = [(stamp, image(stamp, 40 * n)) for n, stamp in enumerate(stamps)]
    return {"/cam/image_raw": shots, "/cam/camera_info": [(stamps[0], info(stamps[0]))]} | more


STATIC = {"/tf_static": [(99.0, transform(99.0, "base_link", "eye", T_BODY_OPTICAL))]}


# --- what is read


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compressed", [False, True], ids=["raw", "compressed"])
def test_what_is_recorded_is_read_back(walk, tmp_path, storage, compressed):
    record_bag(tmp_path / "bag", walk, storage, compressed)
    sequence = read_bag(tmp_path / "bag")
    assert sequence.camera == CAMERA and [frame.index for frame in sequence] == list(range(6))
    np.testing.assert_allclose([frame.stamp for frame in sequence], STAMPS)
    np.testing.assert_allclose([frame.T_map_camera for frame in sequence], POSES, atol=1e-9)
    np.testing.assert_allclose([frame.image().mean() for frame in sequence], [40 * n for n in range(6)], atol=2)
    assert sequence.sources["images"] == ("/image/compressed" if compressed else "/image")


def test_odometry_drifts_by_the_share_asked_for(walk, tmp_path):
    record_bag(tmp_path / "bag", walk, drift=0.1)
    sequence = read_bag(tmp_path / "bag")
    moved = np.linalg.inv(sequence.odometry(STAMPS[0])) @ sequence.odometry(STAMPS[5])
    np.testing.assert_allclose(moved[:3, 3], (0, 0, 0.55), atol=1e-6)


def test_a_sequence_that_begins_at_zero_is_shifted_for_ros_takes_zero_for_no_stamp(tmp_path):
    write_sequence(tmp_path / "run", CAMERA, [np.zeros((48, 64, 3), np.uint8)] * 2, [0.0, 0.1], POSES[:2])
    record_bag(tmp_path / "bag", read_sequence(tmp_path / "run"))
    assert [frame.stamp for frame in read_bag(tmp_path / "bag")] == pytest.approx([1.0, 1.1])


def test_images_are_there_in_any_order(bag):
    frames = read_bag(bag).frames
    assert [round(frames[n].image().mean() / 40) for n in (4, 1, 2, 5, 5, 0)] == [4, 1, 2, 5, 5, 0]


def test_only_the_images_asked_for_are_used(bag):
    assert [frame.index for frame in read_bag(bag, BagChoice(start=1, stop=6, every=2))] == [1, 3, 5]


def test_a_bag_whose_recording_was_cut_short_is_read_from_its_file(bag, tmp_path):
    shutil.copytree(bag, tmp_path / "bag")
    (tmp_path / "bag/metadata.yaml").unlink()
    assert len(read_bag(tmp_path / "bag")) == 6 == len(read_bag(next(tmp_path.glob("bag/*.mcap"))))


def test_depth_and_the_compressed_twin_of_a_camera_are_no_other_cameras(tmp_path):
    depth = {"/cam/depth": [(100.0, image(100.0, 7, "16UC1"))], "/cam/image_raw/compressed": [(100.0, jpeg(100.0, 9))]}
    assert read_bag(write(tmp_path / "bag", film() | depth)).sources["images"] == "/cam/image_raw"
    chosen = read_bag(tmp_path / "bag", BagChoice("/cam/image_raw/compressed"))
    assert chosen.sources["camera"] == "/cam/camera_info" and round(chosen.frames[0].image().mean()) == 9


def test_every_image_has_the_calibration_of_its_time(tmp_path):
    changed = film() | {"/cam/camera_info": [(99.0, info(99.0, 60.0)), (100.25, info(100.25, 80.0))]}
    assert [frame.camera.K[0] for frame in read_bag(write(tmp_path / "bag", changed))] == [60, 60, 60, 80, 80, 80]


def test_a_calibration_that_is_given_needs_no_topic(tmp_path):
    path = write(tmp_path / "bag", {"/cam/image_raw": film()["/cam/image_raw"]})
    assert read_bag(path, BagChoice(camera=CAMERA)).camera == CAMERA


def test_images_without_a_stamp_have_the_time_they_were_received_at(tmp_path):
    path = write(tmp_path / "bag", film() | {"/cam/image_raw": [(stamp, image(0.0, 0)) for stamp in STAMPS]})
    np.testing.assert_allclose([frame.stamp for frame in read_bag(path)], STAMPS)


# --- truth and odometry


def between(message=posed):
    """Truth 50 ms before and after each image."""
    times = np.arange(99.95, 100.6, 0.1)
    poses = np.tile(POSES[0], (len(times), 1, 1))
    poses[:, 2, 3] = 0.1 * np.arange(len(times)) - MIDDLE
    return [(stamp, message(stamp, T)) for stamp, T in zip(times, poses, strict=True)]


def test_truth_is_found_by_its_name_and_interpolated(tmp_path):
    path = write(tmp_path / "bag", film() | {"/ground_truth/pose": between(), "/ekf/pose": between(lambda t, T: posed(t, np.eye(4)))})
    sequence = read_bag(path)
    assert sequence.sources["truth"] == "/ground_truth/pose"
    np.testing.assert_allclose([frame.T_map_camera for frame in sequence], POSES, atol=1e-6)


def test_poses_whose_name_promises_nothing_are_no_truth_unless_they_are_chosen(tmp_path):
    path = write(tmp_path / "bag", film() | {"/ekf/pose": between()})
    assert all(frame.T_map_camera is None for frame in read_bag(path))
    np.testing.assert_allclose([f.T_map_camera for f in read_bag(path, BagChoice(truth="/ekf/pose"))], POSES, atol=1e-6)


def test_true_odometry_is_of_the_robot_and_tf_leads_to_the_camera(tmp_path):
    robot = between(lambda t, T: odometry(t, T @ np.linalg.inv(T_BODY_OPTICAL), parent="map"))
    sequence = read_bag(write(tmp_path / "bag", film() | STATIC | {"/robot/truth": robot}))
    np.testing.assert_allclose([frame.T_map_camera for frame in sequence], POSES, atol=1e-6)


def test_the_frame_that_a_pose_is_of_can_be_named(tmp_path):
    robot = between(lambda t, T: posed(t, T @ np.linalg.inv(T_BODY_OPTICAL)))
    path = write(tmp_path / "bag", film() | STATIC | {"/robot/truth": robot})
    sequence = read_bag(path, BagChoice(truth_frame="base_link"))
    np.testing.assert_allclose([frame.T_map_camera for frame in sequence], POSES, atol=1e-6)


def test_truth_in_another_frame_goes_through_tf_or_is_said_to_be_taken_for_the_map(tmp_path):
    lift = np.eye(4)
    lift[:3, 3] = 5, 6, 7
    link = {"/tf_static": [(99.0, transform(99.0, "map", "hall", lift))]}
    hall = {"/truth": between(lambda t, T: posed(t, np.linalg.inv(lift) @ T, "hall"))}
    np.testing.assert_allclose(read_bag(write(tmp_path / "a", film() | hall | link)).frames[2].T_map_camera, POSES[2], atol=1e-6)
    alone = read_bag(write(tmp_path / "b", film() | hall))
    assert "'hall' taken for the map's 'map'" in alone.sources["truth"]
    np.testing.assert_allclose(alone.frames[2].T_map_camera, np.linalg.inv(lift) @ POSES[2], atol=1e-6)


def test_truth_comes_from_tf(tmp_path):
    path = write(
        tmp_path / "bag",
        film() | STATIC | {"/tf": between(lambda t, T: transform(t, "map", "base_link", T @ np.linalg.inv(T_BODY_OPTICAL)))},
    )
    for choice in ("tf", "tf:map:eye"):
        np.testing.assert_allclose([f.T_map_camera for f in read_bag(path, BagChoice(truth=choice))], POSES, atol=1e-6)


def test_truth_comes_from_a_tum_file(bag, tmp_path):
    raised = POSES.copy()
    raised[:, 1, 3] = 9
    write_trajectory(tmp_path / "mocap.tum", Trajectory(STAMPS, raised))
    assert read_bag(bag, BagChoice(truth=str(tmp_path / "mocap.tum"))).frames[3].T_map_camera[1, 3] == 9


def test_frames_far_from_any_truth_have_none(tmp_path):
    path = write(tmp_path / "bag", film() | {"/truth": between()[:3]})
    assert [frame.T_map_camera is None for frame in read_bag(path)] == [False, False, True, True, True, True]


def test_odometry_messages_count_where_tf_has_none(tmp_path):
    wheels = between(lambda t, T: odometry(t, T @ np.linalg.inv(T_BODY_OPTICAL)))
    sequence = read_bag(write(tmp_path / "bag", film() | STATIC | {"/odom": wheels}))
    np.testing.assert_allclose(sequence.odometry(STAMPS[3]), POSES[3], atol=1e-6)
    assert sequence.odometry(300.0) is None and sequence.sources["odometry"] == "odom -> eye"
    other = read_bag(tmp_path / "bag", BagChoice(odom_frame="vio"))
    assert other.odometry(STAMPS[3]) is None and other.sources["odometry"] == "none"


def test_an_odom_frame_that_never_moves_is_no_odometry(tmp_path):
    still = {"/tf_static": [*STATIC["/tf_static"], (99.0, transform(99.0, "odom", "base_link", np.eye(4)))]}
    sequence = read_bag(write(tmp_path / "bag", film() | still))
    assert sequence.odometry(STAMPS[3]) is None and sequence.sources["odometry"] == "none"


# --- what is wrong


def two_cameras() -> dict:
    return film() | {"/rear/image_raw": [(100.0, image(100.0, 1))]}


@pytest.mark.parametrize(
    "topics, choice, said",
    [
        ({"/scan": [(100.0, odometry(100.0, np.eye(4)))]}, {}, "has no images; its topics: /scan"),
        (two_cameras(), {}, "several image topics, choose one with --image-topic: /cam/image_raw, /rear/image_raw"),
        (film(), {"image_topic": "/eye"}, "no images on /eye; image topics: /cam/image_raw"),
        ({"/cam/image_raw": film()["/cam/image_raw"]}, {}, "no camera_info for /cam/image_raw: give the calibration with --camera"),
        (film() | {"/a/camera_info": [(1.0, info(1.0))]}, {"camera_info_topic": "/b"}, "no camera_info on /b, choose one"),
        (film(), {"start": 50}, "has 6 images on /cam/image_raw, none in the range"),
        (film(), {"truth": "/nowhere"}, "there is no truth '/nowhere': no such file, and .* has poses on none"),
        (film(), {"truth": "tf"}, "the truth TF map -> eye says nothing about the time of the images"),
        (film(), {"truth": "tf:map"}, "expected tf, or tf:PARENT:CHILD"),
        (film() | {"/truth": [(7.0, posed(7.0, np.eye(4)))]}, {}, "it lasts from 7.000 s to 7.000 s; were both stamped by the same clock"),
        (film() | {"/truth": between()}, {"truth_frame": "hand"}, "pose of 'hand', and TF does not connect it .* --truth-frame"),
        (film() | {"/truth": between(), "/gt": between()}, {}, "several truth topics, choose one with --truth, or none: /gt, /truth"),
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
    [("nowhere", "there is no bag"), ("old.bag", "bag of ROS 1: `rosbags-convert"), ("a.txt", "is no bag"), ("empty", "is no bag")],
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
