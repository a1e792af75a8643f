# SPDX-License-Identifier: Apache-2.0
"""The whole loop over real DDS: a simulated robot in the shipped office, the real node with the real localizer, and a witness.

Time runs in lockstep with the answers, so that nothing depends on how fast the machine is.
"""

import json
import time
from functools import lru_cache

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, Twist
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from diff2i2p.config import Config
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.parameters import override
from diff2i2p_ros import convert
from diff2i2p_ros.localizer_node import LocalizerNode
from diff2i2p_ros.sim_camera_node import SimCameraNode
from diff2i2p_sim.rendering.lidar_scan import scan_positions
from diff2i2p_sim.robot.simulation import Place
from diff2i2p_sim.world import World

COARSE = override(Config(matcher="appearance"), {"appearance": {"spacing": 1.5, "headings": 6}})
RATE = 4.0  # images per second of simulated time
WRONG_METRES, WRONG_DEGREES = 0.5, 10.0  # as the metrics define a false pose
KEPT = QoSProfile(depth=1000)


class Witness(Node):
    """Hears what the node says and what is true, by stamp."""

    def __init__(self, T_base_camera: np.ndarray):
        super().__init__("witness")
        self._T_base_camera = T_base_camera
        self.answers: list[dict] = []
        self.poses: dict[str, np.ndarray] = {}  # T_map_camera
        self.truth: dict[str, np.ndarray] = {}  # T_map_base
        self.odometry: dict[str, np.ndarray] = {}  # T_odom_base
        self.T_map_odom: np.ndarray | None = None
        self.transforms = 0  # map -> odom so far
        self.T_maps = [np.eye(4)]  # T_map_truth of every map in use
        self.problems: list[str] = []  # of the node's diagnostics, in order
        self.figures: dict[str, str] = {}  # of the newest diagnostics
        self.create_subscription(
            String, "status", lambda message: self.answers.append(json.loads(message.data)), KEPT
        )
        self.create_subscription(
            PoseWithCovarianceStamped, "pose", lambda message: self._keep(self.poses, message), KEPT
        )
        self.create_subscription(TFMessage, "/tf", self._on_tf, KEPT)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, KEPT)
        for topic, store in (("ground_truth", self.truth), ("odometry", self.odometry)):
            self.create_subscription(
                Odometry, topic, lambda message, store=store: self._keep(store, message), KEPT
            )
        self.kidnap = self.create_publisher(PoseStamped, "kidnap", 10)
        self.cmd_vel = self.create_publisher(Twist, "cmd_vel", 10)

    @staticmethod
    def _keep(store: dict, message) -> None:
        store[convert.text(message.header.stamp)] = convert.matrix(message.pose.pose)

    def _on_tf(self, message: TFMessage) -> None:
        for transform in message.transforms:
            if transform.header.frame_id == "map":
                self.transforms += 1
                self.T_map_odom = convert.matrix(transform.transform)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.problems += [status.message for status in message.status]
        self.figures = {value.key: value.value for value in message.status[0].values}

    def said(self, text: str) -> bool:
        """Whether the diagnostics contained `text`."""
        return any(text in problem for problem in self.problems)

    def error(self, stamp: str) -> tuple[float, float]:
        """Metres and degrees that the pose of a stamp is off, in the map that it fits best."""
        return min(
            _distance(T_map @ self.truth[stamp] @ self._T_base_camera, self.poses[stamp])
            for T_map in self.T_maps
        )

    def wrong_poses(self) -> list[str]:
        """Every false pose published so far, in words."""
        errors = {stamp: self.error(stamp) for stamp in self.poses}
        return [
            f"{stamp}: {m:.2f} m, {deg:.0f} deg"
            for stamp, (m, deg) in errors.items()
            if m > WRONG_METRES or deg > WRONG_DEGREES
        ]

    def basis(self) -> str | None:
        """The stamp of the image whose pose and odometry the newest map -> odom was made of, exactly; None: of no image."""
        for stamp, T_map_camera in reversed(self.poses.items()):
            T_odom_camera = self.odometry[stamp] @ self._T_base_camera
            if max(_distance(T_map_camera, self.T_map_odom @ T_odom_camera)) < 1e-3:
                return stamp
        return None

    def tf_error(self, stamp: str) -> tuple[float, float]:
        """Metres and degrees that map -> odom -> base_link, of the newest map -> odom, is off at a stamp."""
        return _distance(self.truth[stamp], self.T_map_odom @ self.odometry[stamp])

    def drift(self, stamp: str) -> float:
        """Metres that odometry alone is off since it started."""
        first = next(iter(self.truth))
        moved = np.linalg.inv(self.truth[first]) @ self.truth[stamp]
        return _distance(moved, np.linalg.inv(self.odometry[first]) @ self.odometry[stamp])[0]


def _distance(A: np.ndarray, B: np.ndarray) -> tuple[float, float]:
    difference = np.linalg.inv(A) @ B
    angle = np.arccos(np.clip((np.trace(difference[:3, :3]) - 1) / 2, -1, 1))
    return float(np.linalg.norm(difference[:3, 3])), float(np.degrees(angle))


class Loop:
    """Simulation, localizer and witness in one executor."""

    def __init__(self, site):
        self._site = site
        self.executor = SingleThreadedExecutor()
        self.nodes: list[Node] = []

    def start(self, node: dict | None = None, **simulation) -> None:
        """Start all with parameters of the node and of the simulation, and wait until they hear each other."""
        settings = (
            {"lockstep": True, "rate": RATE, "start": "2.0 3.9 0.0"} | self._site.files | simulation
        )
        self.sim = self._add(
            SimCameraNode(
                self._site.open_world, parameter_overrides=_parameters(settings | {"paused": True})
            )
        )
        self.witness = self._add(Witness(self.sim.simulation.robot.T_base_camera))
        settings = {
            "map_file": str(self._site.map_file),
            "use_sim_time": True,
            "matcher": "appearance",
        } | (node or {})
        self.localizer = self._add(
            LocalizerNode(self._site.open_localizer, parameter_overrides=_parameters(settings))
        )
        heard = ("status", "pose", "ground_truth", "odometry", "/clock", "kidnap", "cmd_vel")
        assert self.until(
            lambda: all(
                self.witness.count_publishers(t) and self.witness.count_subscribers(t)
                for t in heard
            )
        )
        assert self.until(
            lambda: (
                self.witness.count_subscribers("image")
                and self.sim.count_subscribers("camera_info")
            )
        )
        self.set(paused=False)

    def _add(self, node: Node) -> Node:
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def set(self, **parameters) -> None:
        """Change parameters of the simulation."""
        names = {name.replace("__", "."): value for name, value in parameters.items()}
        assert all(result.successful for result in self.sim.set_parameters(_parameters(names)))

    def kidnap(self, x: float, y: float, yaw: float) -> None:
        """Put the robot elsewhere."""
        self.witness.kidnap.publish(PoseStamped(pose=convert.pose(Place(x, y, yaw).matrix)))
        assert self.until(
            lambda: np.hypot(self.sim.simulation.place.x - x, self.sim.simulation.place.y - y) < 0.3
        )

    def turn(self, rate: float, images: int) -> None:
        """Turn by cmd_vel, radians per second, while `images` more are answered: an order for each, as an order holds for two."""
        order = Twist()
        order.angular.z = rate
        for _ in range(images):
            self.witness.cmd_vel.publish(order)
            self.answers(1)

    def until(self, condition, seconds: float = 30.0) -> bool:
        """Spin until a condition holds, at most `seconds`; whether it does."""
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)
        return bool(condition())

    def answers(self, count: int) -> list[dict]:
        """The next `count` answers, when all that was said of them has arrived."""
        first = len(self.witness.answers)
        for number in range(first, first + count):
            assert self.until(lambda number=number: len(self.witness.answers) > number), (
                "the node does not answer"
            )
        answers = self.witness.answers[first : first + count]
        good = {answer["stamp"] for answer in answers if answer["status"] == "OK"}
        assert self.until(lambda: good <= self.witness.poses.keys() & self.witness.truth.keys())
        return answers

    def localized(self, within: int = 25) -> dict:
        """The first good answer among the next `within`."""
        for _ in range(within):
            answer = self.answers(1)[0]
            if answer["status"] == "OK":
                return answer
        raise AssertionError(f"not localized after {within} images: {answer}")

    def close(self) -> None:
        self.executor.shutdown()
        for node in self.nodes:
            node.destroy_node()


def _parameters(values: dict) -> list[Parameter]:
    return [Parameter(name, value=value) for name, value in values.items()]


class Site:
    """The shipped office, the shipped robot, a compiled map, and localizers that are opened once."""

    def __init__(self, worlds, folder, config: Config = COARSE):
        self.open_world = lru_cache(World.from_sdf)
        self.map_file = folder / "office.i2pmap"
        self._open = lru_cache(Localizer.open)
        robot = (
            (worlds / "robot.sdf")
            .read_text()
            .replace("<odom_publish_frequency>50", "<odom_publish_frequency>20")
        )  # fewer messages
        (folder / "robot.sdf").write_text(robot)
        self.files = {"world": str(worlds / "office.sdf"), "robot": str(folder / "robot.sdf")}
        _compile(self.open_world(worlds / "office.sdf"), self.map_file, config)

    def open_localizer(self, map_file, weights, config) -> Localizer:
        return self._open(str(map_file), weights, config)


def _compile(world: World, map_file, config: Config) -> None:
    _, poses = world.drive(0, 60, cover=True)
    compile_map(world.scan(np.random.default_rng(0), scan_positions(poses)), map_file, None, config)
