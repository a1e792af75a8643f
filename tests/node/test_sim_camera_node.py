# SPDX-License-Identifier: Apache-2.0
"""The simulated robot over real DDS: its topics, what it obeys, and its clock."""

import ast
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import rclpy
import yaml
from geometry_msgs.msg import PoseStamped, Twist
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from diff2i2p.parameters import parameters as config_parameters
from diff2i2p_ros import convert, sim_camera_node
from diff2i2p_ros.interface import SIM_PUBLISHED, SIM_SUBSCRIBED
from diff2i2p_ros.sim_camera_node import SimCameraNode, SimConfig
from diff2i2p_sim.robot.simulation import Place
from diff2i2p_sim.world import World

WORLDS = Path(__file__).parents[2] / "launch" / "worlds"
TOPICS = {
    "image": Image, "camera_info": CameraInfo, "odometry": Odometry, "ground_truth": Odometry, "/tf": TFMessage, "/clock": Clock,
}  # fmt: skip
open_world = lru_cache(World.from_sdf)  # its light is computed once


class Scene:
    """The node, and one who listens and commands."""

    def __init__(self):
        self.executor, self.node = SingleThreadedExecutor(), None
        self.user = Node("user")
        self.executor.add_node(self.user)
        self.heard: dict[str, list] = {name: [] for name in TOPICS}
        for name, kind in TOPICS.items():
            self.user.create_subscription(kind, name, self.heard[name].append, 100)

    def start(self, **parameters) -> SimCameraNode:
        """Start small and fast, and wait until the two hear each other."""
        settings = {
            "world": str(WORLDS / "office.sdf"),
            "robot": str(WORLDS / "robot.sdf"),
            "start": "2.0 3.9 0.0",
        }
        settings |= {
            "image_width": 64,
            "speed": 5.0,
            "rate": 5.0,
            "odometry.noise": 0.0,
        } | parameters
        self.node = SimCameraNode(
            open_world,
            parameter_overrides=[Parameter(name, value=value) for name, value in settings.items()],
        )
        self.executor.add_node(self.node)
        assert self.until(
            lambda: all(
                self.node.count_subscribers(name) and self.user.count_publishers(name)
                for name in TOPICS
            )
        )
        return self.node

    def publish(self, topic: str, message, until) -> None:
        """Publish until it has had its effect."""
        publisher = self.user.create_publisher(type(message), topic, 10)
        assert self.until(lambda: publisher.publish(message) or until())

    def until(self, condition, seconds: float = 30.0) -> bool:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)
        return bool(condition())

    def set(self, **parameters) -> str:
        """Change parameters; why that was refused, or nothing."""
        return self.node.set_parameters(
            [Parameter(name, value=value) for name, value in parameters.items()]
        )[0].reason


@pytest.fixture
def scene():
    rclpy.init()
    scene = Scene()
    yield scene
    scene.executor.shutdown()
    scene.user.destroy_node()
    if scene.node:
        scene.node.destroy_node()
    rclpy.try_shutdown()


def test_image_calibration_odometry_truth_tf_and_clock_belong_together(scene):
    node = scene.start()
    assert scene.until(lambda: scene.heard["image"])
    image = scene.heard["image"][0]
    stamp = image.header.stamp
    assert scene.until(
        lambda: node.now > convert.seconds(stamp) + 0.1
    )  # what belongs to it has come
    info = next(info for info in scene.heard["camera_info"] if info.header.stamp == stamp)
    assert (
        (image.width, image.height, image.header.frame_id)
        == (64, 48, "camera")
        == (info.width, info.height, info.header.frame_id)
    )
    assert info.k[0] == pytest.approx(46, abs=0.1) and convert.image(image).std() > 20
    for topic, frame in (("odometry", "odom"), ("ground_truth", "map")):
        (message,) = [message for message in scene.heard[topic] if message.header.stamp == stamp]
        assert (message.header.frame_id, message.child_frame_id) == (frame, "base_link")
    assert any(clock.clock == stamp for clock in scene.heard["/clock"])
    assert any(
        t.header.stamp == stamp and t.child_frame_id == "base_link"
        for m in scene.heard["/tf"]
        for t in m.transforms
    )
    assert convert.matrix(scene.heard["ground_truth"][0].pose.pose)[:2, 3] == pytest.approx(
        (2.0, 3.9)
    )


def test_who_comes_late_hears_where_the_camera_is_mounted(scene):
    scene.start()
    heard = []
    scene.user.create_subscription(
        TFMessage,
        "/tf_static",
        heard.append,
        QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
    )
    assert scene.until(lambda: heard)
    (mount,) = heard[0].transforms
    assert (mount.header.frame_id, mount.child_frame_id, mount.transform.translation.z) == (
        "base_link",
        "camera",
        1.0,
    )


def test_a_compressed_image_is_made_for_who_wants_one(scene):
    scene.start()
    heard = []
    scene.user.create_subscription(CompressedImage, "image/compressed", heard.append, 10)
    assert scene.until(lambda: heard and scene.heard["image"])
    assert convert.image(heard[0]).shape == (48, 64, 3)


def test_an_rgbd_camera_tells_the_depth_of_each_image(scene):
    node = scene.start(depth=True)
    heard = []
    scene.user.create_subscription(Image, "depth", heard.append, 10)
    assert scene.until(
        lambda: (
            {str(depth.header) for depth in heard}
            & {str(image.header) for image in scene.heard["image"]}
        )
    )
    depth = next(
        depth
        for depth in heard
        if any(depth.header == image.header for image in scene.heard["image"])
    )
    assert (depth.width, depth.height, depth.encoding) == (64, 48, "32FC1")
    camera, simulation = (
        node.simulation.robot.camera.resized(64),
        node.simulation,
    )  # which stands still
    np.testing.assert_array_equal(
        convert.depth(depth), simulation.world.render(camera, simulation.T_map_camera)[1][0]
    )


def test_a_camera_without_depth_offers_none(scene):
    assert "/depth" not in dict(scene.start().get_topic_names_and_types())


def test_cmd_vel_drives_it_and_silence_stops_it(scene):
    node = scene.start()
    order = Twist()
    order.linear.x = 0.4
    scene.publish("cmd_vel", order, until=lambda: node.simulation.place.x > 2.1)
    stopped = node.now + 1.0
    assert scene.until(lambda: node.now > stopped)
    place = node.simulation.place
    assert scene.until(lambda: node.now > stopped + 1.0)
    assert node.simulation.place == place and place.x < 2.6


def test_a_goal_is_driven_to(scene):
    node = scene.start(speed=20.0)
    goal = PoseStamped(pose=convert.pose(Place(2.2, 2.6, 0.0).matrix))
    scene.publish("goal_pose", goal, until=lambda: abs(node.simulation.place.y - 2.6) < 0.3)


def test_a_kidnapping_moves_the_robot_and_leaves_its_odometry(scene):
    node = scene.start()
    scene.publish(
        "kidnap",
        PoseStamped(pose=convert.pose(Place(2.8, 0.9, 1.0).matrix)),
        until=lambda: node.simulation.place.y == 0.9,
    )
    assert node.simulation.place.yaw == pytest.approx(1.0)
    assert node.simulation.odometry == Place(0.0, 0.0, 0.0)


def test_time_stands_still_while_paused(scene):
    node = scene.start()
    assert not scene.set(paused=True)
    then, places = node.now, len(scene.heard["ground_truth"])
    assert not scene.until(
        lambda: node.now > then or len(scene.heard["ground_truth"]) > places + 1, seconds=0.5
    )
    assert not scene.set(paused=False)
    assert scene.until(lambda: node.now > then)


def test_in_lockstep_time_waits_for_the_answer_and_a_lost_image_is_sent_again(scene):
    node = scene.start(lockstep=True)
    assert scene.until(lambda: len(scene.heard["image"]) >= 2)
    first, again = scene.heard["image"][:2]
    assert first.header.stamp == again.header.stamp and first.data == again.data
    stamp = convert.text(first.header.stamp)
    answer = String(data=f'{{"stamp": "{stamp}"}}')
    scene.publish(
        "status", answer, until=lambda: node.now > convert.seconds(first.header.stamp) + 0.1
    )
    assert scene.until(lambda: scene.heard["image"][-1].header.stamp != first.header.stamp)
    assert convert.seconds(scene.heard["image"][-1].header.stamp) == pytest.approx(
        convert.seconds(first.header.stamp) + 0.2
    )


def test_odometry_may_come_late_to_tf_or_never(scene):
    node = scene.start(**{"odometry.lag": 1.0})
    assert scene.until(lambda: scene.heard["/tf"] and node.now > 1.5)
    newest = convert.seconds(scene.heard["/tf"][-1].transforms[0].header.stamp)
    assert 0.95 < convert.seconds(scene.heard["odometry"][-1].header.stamp) - newest < 1.3
    assert not scene.set(**{"odometry.tf": False, "odometry.lag": 0.0})
    end = node.now + 1.0
    assert scene.until(lambda: node.now > end + 1.0)
    assert convert.seconds(scene.heard["/tf"][-1].transforms[0].header.stamp) <= end


def test_light_resolution_and_camera_can_change_on_the_way(scene):
    scene.start()
    assert not scene.set(lighting="out", image_width=32)
    assert scene.until(lambda: scene.heard["image"] and scene.heard["image"][-1].width == 32)
    assert convert.image(scene.heard["image"][-1]).max() < 20
    assert not scene.set(camera_on=False)
    count, end = len(scene.heard["image"]), scene.node.now + 1.0
    assert scene.until(lambda: scene.node.now > end)
    assert len(scene.heard["image"]) <= count + 1


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"world": "other.sdf"}, "world: read once"),
        ({"waypoints": "1 2, somewhere"}, "waypoints takes 2 numbers"),
        ({"lighting": "disco"}, "'lighting' is one of"),
    ],
)
def test_a_change_that_cannot_be_is_refused_with_the_reason(scene, change, reason):
    scene.start()
    assert reason in scene.set(**change)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ([], "name what to simulate"),
        (
            ["-p", "world:=absent.sdf", "-p", f"robot:={WORLDS / 'robot.sdf'}"],
            "cannot read the world absent.sdf",
        ),
    ],
)
def test_a_node_that_cannot_start_says_why_in_one_sentence(arguments, sentence, capfd):
    assert sim_camera_node.main(["--ros-args", *arguments]) == 2
    error = capfd.readouterr().err
    assert sentence in error and "Traceback" not in error


def test_the_launch_file_sets_parameters_that_there_are():
    tree = ast.parse((WORLDS.parent / "simulation.launch.py").read_text())
    lists = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    words, switches = ast.literal_eval(lists["WORDS"]), ast.literal_eval(lists["SWITCHES"])
    assert {*words, *switches, "speed"} <= {name for name, _, _ in config_parameters(SimConfig())}
    assert {*words, *switches, "speed"} <= {key.value for key in lists["ARGUMENTS"].keys}


def test_gazebo_is_bridged_to_the_same_topics(scene):
    scene.start()
    bridge = yaml.safe_load((WORLDS.parent / "params" / "gz_bridge.yaml").read_text())
    types = dict(scene.node.get_topic_names_and_types())
    for topic in bridge:
        name = "/" + topic["ros_topic_name"].lstrip("/")
        assert topic["ros_type_name"] in types[name]
    robot = (WORLDS / "robot.sdf").read_text()
    assert [
        t["gz_topic_name"]
        for t in bridge
        if t["gz_topic_name"] != "/clock" and f">{t['gz_topic_name'][1:]}<" not in robot
    ] == []


def test_its_topics_are_those_that_the_interface_page_tells(scene):
    node = scene.start(lockstep=True, depth=True)
    of_rclpy = {"/rosout", "/parameter_events"}
    for topics, find in (
        (SIM_SUBSCRIBED, node.get_subscriber_names_and_types_by_node),
        (SIM_PUBLISHED, node.get_publisher_names_and_types_by_node),
    ):
        told = {f"/{topic.name.lstrip('/')}": topic.kind for topic in topics}

        def found(find=find) -> dict:
            topics = find("sim_camera", "/")
            return {name: kinds[0] for name, kinds in topics if name not in of_rclpy}

        assert scene.until(lambda found=found, told=told: told.keys() <= found().keys())
        assert found() == told


def test_truth_and_odometry_part_by_the_drift(scene):
    node = scene.start(
        speed=20.0, waypoints="2.2 2.6", **{"odometry.drift": 0.2, "odometry.turn_drift": 0.0}
    )
    assert scene.until(lambda: node.simulation.place.y < 2.9)
    driven = np.hypot(node.simulation.odometry.x, node.simulation.odometry.y)
    assert driven == pytest.approx(
        1.2 * np.hypot(node.simulation.place.x - 2.0, node.simulation.place.y - 3.9), rel=1e-6
    )
