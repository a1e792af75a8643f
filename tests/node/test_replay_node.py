# SPDX-License-Identifier: Apache-2.0
"""The replay publishes what is on disk, in its time, to those who listen."""

import subprocess
import sys
import time

import numpy as np
import pytest
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from diff2i2p.camera import Camera
from diff2i2p.datasets.sequences import write_sequence
from diff2i2p_ros import convert, replay_node
from diff2i2p_ros.interface import REPLAY_PUBLISHED
from diff2i2p_ros.replay_sources import ARRIVAL, BagSource

STAMPS = 100.0 + 0.1 * np.arange(6)


def shade(n: int) -> np.ndarray:
    return np.full((48, 64, 3), 30 * n, np.uint8)


@pytest.fixture
def play(graph):
    """A function that starts the real replay in a process of its own."""
    processes = []

    def start(**parameters) -> subprocess.Popen:
        settings = [
            word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")
        ]
        command = [sys.executable, "-m", "diff2i2p_ros.replay_node", "--ros-args", *settings]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        print(process.communicate()[1])


@pytest.fixture
def heard(graph, robot):
    """What arrives on the camera's topics."""
    heard = {"image": [], "image/compressed": [], "camera_info": [], "/clock": []}
    for topic, kind in zip(heard, (Image, CompressedImage, CameraInfo, Clock), strict=True):
        robot.create_subscription(kind, topic, heard[topic].append, 10)
    return heard


def test_an_image_of_time_zero_is_not_one_without_a_stamp(graph, play, heard, tmp_path):
    images = [shade(n) for n in range(3)]
    poses = np.tile(np.eye(4), (3, 1, 1))
    write_sequence(
        tmp_path / "from_zero",
        Camera(64, 48, (60.0, 60.0, 31.5, 23.5)),
        images,
        0.1 * np.arange(3),
        poses,
    )
    play(sequence=tmp_path / "from_zero", rate=10.0)
    assert graph.until(lambda: len(heard["image"]) == 3)
    stamps = [m.header.stamp for m in heard["image"]]
    assert all(convert.nanoseconds(stamp) > 0 for stamp in stamps)
    np.testing.assert_allclose(
        [convert.seconds(stamp) for stamp in stamps], [0, 0.1, 0.2], atol=1e-5
    )


def test_every_frame_of_a_sequence_arrives_with_its_stamp_and_its_camera(
    graph, play, heard, sequence
):
    play(sequence=sequence, start=1, stop=5, rate=10.0)
    assert graph.until(lambda: len(heard["image"]) == 4 == len(heard["camera_info"]))
    np.testing.assert_allclose(
        [convert.seconds(m.header.stamp) for m in heard["image"]], STAMPS[1:5]
    )
    np.testing.assert_allclose(
        [convert.image(m).mean() for m in heard["image"]], [30, 60, 90, 120], atol=2
    )
    assert convert.camera(heard["camera_info"][0]) == graph.robot.camera


def test_compressed_images_are_the_files_bytes(graph, play, heard, sequence):
    play(sequence=sequence, image_transport="compressed", rate=10.0)
    assert graph.until(lambda: len(heard["image/compressed"]) == 6)
    files = sorted((sequence / "rgb").iterdir())
    assert [bytes(m.data) for m in heard["image/compressed"]] == [
        path.read_bytes() for path in files
    ]


def test_a_loop_jumps_back_and_the_clock_with_it(graph, play, heard, sequence):
    process = play(sequence=sequence, loop=True, clock=True, rate=10.0)
    assert graph.until(lambda: len(heard["image"]) > 8 and len(heard["/clock"]) > 8)
    stamps = [convert.seconds(m.header.stamp) for m in heard["image"]]
    assert stamps[6] == pytest.approx(stamps[0]) and min(np.diff(stamps[:6])) > 0
    assert convert.seconds(heard["/clock"][0].clock) == pytest.approx(STAMPS[0])
    process.terminate()
    assert process.wait(10) == 0


def test_in_lockstep_a_slow_node_answers_every_image_and_the_replay_ends(
    graph, play, robot, sequence
):
    graph.localizer.seconds = 0.2
    graph.start(wait=False)
    process = play(sequence=sequence, lockstep=True, rate=100.0)
    assert graph.until(lambda: len(robot.answers) == 6)
    assert [answer["stamp"] for answer in robot.answers] == [f"{stamp:.9f}" for stamp in STAMPS]
    assert graph.until(lambda: process.poll() is not None) and process.returncode == 0


def test_odometry_drifts_by_the_share_asked_for_and_gives_map_to_odom(graph, play, robot, sequence):
    graph.start(wait=False, tf_mode="map_odom")
    play(sequence=sequence, lockstep=True, odometry=True, drift=0.1, rate=100.0)
    assert graph.until(lambda: len(robot.answers) == 6 and robot.transforms)

    def odom_moved() -> float:
        return np.linalg.norm(
            convert.matrix(robot.transforms[-1].transform)[:3, 3]
            - graph.localizer.T_map_camera[:3, 3]
        )

    assert graph.until(
        lambda: odom_moved() == pytest.approx(0.5 * 1.1)
    )  # the camera is found at one place, odometry went 10 % too far


def test_raw_images_of_a_usual_size_and_rate_get_through_the_shipped_dds_profile(
    graph, play, robot, tmp_path
):
    camera = Camera(640, 480, (500.0, 500.0, 319.5, 239.5))
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    write_sequence(
        tmp_path / "vga",
        camera,
        [noise] * 30,
        np.arange(1, 31) / 30,
        np.tile(np.eye(4), (30, 1, 1)),
    )
    images = []
    robot.create_subscription(
        Image,
        "image",
        images.append,
        QoSProfile(depth=30, reliability=ReliabilityPolicy.BEST_EFFORT),
    )
    robot.create_subscription(CameraInfo, "camera_info", lambda message: None, 10)
    process = play(sequence=tmp_path / "vga")
    assert graph.until(lambda: process.poll() is not None) and process.returncode == 0
    assert len(images) >= 20  # the built-in settings lose two thirds


@pytest.mark.parametrize("storage", [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
def test_a_bag_is_replayed_byte_by_byte_at_the_speed_asked_for(
    graph, play, heard, tmp_path, storage
):
    write_bag(tmp_path / "bag", storage, graph.robot.camera)
    play(bag=tmp_path / "bag", rate=0.25)
    assert graph.until(lambda: heard["image"])
    began = time.monotonic()
    assert graph.until(lambda: len(heard["image"]) == 5 == len(heard["camera_info"]))
    assert (
        time.monotonic() - began > 0.8
    )  # 1.6 s at this rate, 0.4 s as recorded: a busy machine takes longer, never less
    np.testing.assert_allclose(
        [convert.seconds(m.header.stamp) for m in heard["image"]], STAMPS[:5]
    )
    np.testing.assert_array_equal(convert.image(heard["image"][2]), shade(2))


def write_bag(path, storage, camera: Camera, is_info_late: bool = False) -> None:
    """Five images and their camera_info as recorders store them; a static transform without QoS."""
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=storage) as bag:
        images = bag.add_connection("/image", "sensor_msgs/msg/Image", typestore=store)
        infos = bag.add_connection("/camera_info", "sensor_msgs/msg/CameraInfo", typestore=store)
        static = bag.add_connection("/tf_static", "tf2_msgs/msg/TFMessage", typestore=store)
        mount = convert.transform(np.eye(4), convert.stamp(0.0), "base_link", "camera")
        began = round(STAMPS[0] * 1e9)
        bag.write(static, began, serialize_message(TFMessage(transforms=[mount])))
        for n, stamp in enumerate(STAMPS[:5]):
            header = Header(stamp=convert.stamp(stamp), frame_id="camera")
            info = serialize_message(convert.camera_info(camera, header))
            image = serialize_message(convert.image_message(shade(n), header))
            messages = [(infos, info), (images, image)]
            for connection, message in messages[:: -1 if is_info_late else 1]:
                bag.write(connection, round(stamp * 1e9), message)


def test_in_lockstep_an_image_before_its_calibration_is_not_waited_for(
    graph, play, robot, tmp_path
):
    write_bag(tmp_path / "bag", StoragePlugin.MCAP, robot.camera, is_info_late=True)
    graph.start(wait=False)
    process = play(bag=tmp_path / "bag", lockstep=True, rate=100.0)
    assert graph.until(lambda: process.poll() is not None)
    assert "no answer to the image" not in process.stderr.read()
    assert {answer["stamp"] for answer in robot.answers} >= {f"{at:.9f}" for at in STAMPS[1:5]}


def test_static_transforms_of_a_bag_are_latched_whatever_it_tells_of_qos(
    graph, play, robot, heard, tmp_path
):
    write_bag(tmp_path / "bag", StoragePlugin.MCAP, robot.camera)
    mounts = []
    robot.create_subscription(TFMessage, "/tf_static", mounts.append, graph.LATCHED)
    play(bag=tmp_path / "bag", rate=0.1)
    assert graph.until(lambda: mounts)
    assert mounts[0].transforms[0].child_frame_id == "camera"


LISTENER = """
import rclpy
from tf2_msgs.msg import TFMessage
rclpy.init()
node = rclpy.create_node("listener")
node.create_subscription(TFMessage, "/tf", print, 100)
rclpy.spin(node)
"""


def test_with_the_shipped_dds_profile_transforms_are_acknowledged_at_once(graph, robot):
    listener = subprocess.Popen([sys.executable, "-c", LISTENER], stdout=subprocess.DEVNULL)
    try:
        assert graph.until(lambda: robot.tf.get_subscription_count() == 2)  # and the robot's own
        for second in range(5):
            robot.send_odometry(float(second), np.eye(4))
        assert robot.tf.wait_for_all_acked(ARRIVAL)
    finally:
        listener.kill()
        listener.wait()


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_its_topics_are_those_that_the_interface_page_tells(graph, sequence, transport):
    parameters = {"sequence": str(sequence), "odometry": True, "clock": True}
    parameters |= {"image_transport": transport}
    overrides = [Parameter(name, value=value) for name, value in parameters.items()]
    node = replay_node.ReplayNode(parameter_overrides=overrides)
    absent = "image/compressed" if transport == "raw" else "image"
    told = {f"/{t.name.lstrip('/')}": t.kind for t in REPLAY_PUBLISHED if t.name != absent}

    def found() -> dict:
        topics = node.get_publisher_names_and_types_by_node("replay", "/")
        of_rclpy = ("/rosout", "/parameter_events")
        return {name: kinds[0] for name, kinds in topics if name not in of_rclpy}

    assert graph.until(lambda: told.keys() <= found().keys())
    assert found() == told
    node.destroy_node()


def test_tf_static_of_a_bag_without_qos_profiles_is_latched_as_tf2_wants_it(graph, robot, tmp_path):
    store = get_typestore(Stores.ROS2_JAZZY)
    mount = TFMessage(
        transforms=[convert.transform(np.eye(4), convert.stamp(0.0), "base_link", "eye")]
    )
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        for topic in ("/tf", "/tf_static", "/robot1/tf_static"):
            connection = bag.add_connection(topic, "tf2_msgs/msg/TFMessage", typestore=store)
            bag.write(connection, 10**11, serialize_message(mount))
    source = BagSource(robot, tmp_path / "bag")

    def durability(topic: str) -> set[str]:
        return {
            info.qos_profile.durability.name for info in robot.get_publishers_info_by_topic(topic)
        }

    assert durability("/tf_static") == durability("/robot1/tf_static") == {"TRANSIENT_LOCAL"}
    assert "VOLATILE" in durability("/tf") and source.is_heard


@pytest.mark.parametrize(
    "parameters, sentence",
    [
        ({}, "either the parameter `sequence` or the parameter `bag`"),
        ({"sequence": "/no/such/folder"}, "there is no sequence folder /no/such/folder"),
        ({"bag": "/no/such/bag"}, "there is no bag /no/such/bag"),
        ({"rate": -1.0, "sequence": "x"}, "rate"),
    ],
)
def test_what_cannot_be_replayed_ends_in_one_sentence(parameters, sentence, capfd):
    settings = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    assert replay_node.main(["--ros-args", *settings]) == 2
    assert sentence in capfd.readouterr().err
