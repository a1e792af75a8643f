# SPDX-License-Identifier: Apache-2.0
"""The node `sim_camera`: a robot with a camera in an SDF world, rendered here: the same files and topics as Gazebo, without Gazebo.

It drives by itself, to `goal_pose`, or by `cmd_vel`; a pose on `kidnap` puts it elsewhere while its odometry does not notice.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from geometry_msgs.msg import Pose, PoseStamped, Twist
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import String

from diff2i2p.camera import Camera
from diff2i2p.parameters import ConfigError, parameter
from diff2i2p_ros import convert, parameters
from diff2i2p_ros.node_main import run
from diff2i2p_ros.sim_topics import SimTopics
from diff2i2p_sim.robot.pilot import Pilot
from diff2i2p_sim.robot.simulation import (
    AS_IT_IS,
    CHOICES,
    OdometryConfig,
    Place,
    SimulationError,
    numbers,
    open_simulation,
)
from diff2i2p_sim.world import World

RESEND = 0.5  # seconds without an answer, in lockstep: the image may have been lost
OBEY = 0.5  # seconds that a cmd_vel holds
FIXED = {
    "world",
    "robot",
    "day",
    "start",
    "wander",
    "seed",
    "rate",
    "lockstep",
    "clock",
    "depth",
}  # read once, at the start


@dataclass(frozen=True)
class SimConfig:
    """Parameters of the node."""

    world: str = parameter(
        "", "SDF world to stand in, written by `diff2i2p world` or shipped in launch/worlds."
    )
    robot: str = parameter("", "SDF model of the robot, such as launch/worlds/robot.sdf.")
    day: int = parameter(
        0, "Another day than the world's: furniture moved, other light; 0: as it is.", "", 0, 10**9
    )
    start: str = parameter(
        "", "Where to start, 'x y yaw' in metres and radians; empty: where the floor is freest."
    )
    waypoints: str = parameter(
        "", "Where to drive, 'x y, x y, ...' in metres; a pose on goal_pose replaces them."
    )
    wander: bool = parameter(False, "Drive from place to place without end.")
    seed: int = parameter(0, "Another seed is another drive and other noise.", "", 0, 10**9)
    rate: float = parameter(0.0, "Images per second; 0: as the robot's camera.", "Hz", 0, 200)
    image_width: int = parameter(0, "Width of the images; 0: as the robot's camera.", "px", 0, 4096)
    image_noise: float = parameter(
        1.8, "Standard deviation of the camera's noise, grey values.", "", 0, 255
    )
    depth: bool = parameter(
        False,
        "Be an RGB-D camera: publish the depth of each image on `depth`, 32FC1 in metres, registered into it.",
    )
    camera_on: bool = parameter(True, "Whether the camera gives images.")
    lighting: str = parameter(
        AS_IT_IS, "How the lights burn; world: as the world says, out: not at all.", choices=CHOICES
    )
    paused: bool = parameter(False, "Time stands still.")
    speed: float = parameter(
        1.0,
        "Seconds of simulation per second of waiting; 2 runs twice as fast, if the machine can.",
        "",
        0.01,
        1000,
    )
    lockstep: bool = parameter(
        False, "Time goes on only when the last image has been answered on `status`."
    )
    clock: bool = parameter(
        True, "Be the clock: publish /clock, from zero on. Else stamps start at the time of day."
    )
    odometry: OdometryConfig = OdometryConfig()


class Shot(NamedTuple):
    """An image taken."""

    seconds: float  # simulated time
    camera: Camera
    pixels: np.ndarray  # (H, W, 3) uint8 RGB
    depth: np.ndarray  # (H, W) float32 metres


class SimCameraNode(Node):
    """Simulates as long as it is spun. `open_world(path)` gives the world. Raises SimulationError, WorldError, RobotError, ConfigError."""

    def __init__(self, open_world: Callable = World.from_sdf, **options):
        super().__init__("sim_camera", **options)
        parameters.declare(self, SimConfig())
        self._config = config = parameters.read(self, SimConfig())
        self.simulation = open_simulation(
            open_world, config.world, config.robot, config.day, config.start, config.seed
        )
        self._pilot = Pilot(self.simulation.floor, config.wander, config.seed)
        self._pilot.goals.extend(_waypoints(config.waypoints))
        robot = self.simulation.robot
        rate = config.rate or robot.rate
        self._per_image = max(1, round(robot.odometry_rate / rate))
        self._step = 1 / (rate * self._per_image)  # seconds
        self._epoch = 0.0 if config.clock else time.time()
        self._steps = 0
        self._order: tuple[float, Twist] = (
            -np.inf,
            Twist(),
        )  # the last cmd_vel and when it came, by the simulated time
        self._unanswered: Shot | None = None  # the image that lockstep waits for
        self._sent = 0.0  # when, time.monotonic
        self._topics = SimTopics(self, robot, config.clock, config.depth)
        self._listen(config)

    def _listen(self, config: SimConfig) -> None:
        self.create_subscription(Twist, "cmd_vel", self._on_cmd_vel, 10)
        self.create_subscription(PoseStamped, "goal_pose", self._on_goal, 10)
        self.create_subscription(PoseStamped, "kidnap", self._on_kidnap, 10)
        if config.lockstep:
            self.create_subscription(String, "status", self._on_status, 10)
        self.add_on_set_parameters_callback(self._on_parameters)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # we are the clock
        self._timer = self.create_timer(self._step / config.speed, self._tick, clock=steady)

    @property
    def now(self) -> float:
        """Seconds of simulated time."""
        return self._epoch + self._steps * self._step

    # --- time goes on

    def _tick(self) -> None:
        if self._config.paused:
            return
        if self._unanswered is None:
            self._advance()
        elif time.monotonic() - self._sent > RESEND:
            self._send(self._unanswered)

    def _on_status(self, message: String) -> None:
        shot = self._unanswered
        if shot is None or json.loads(message.data)["stamp"] != convert.text(
            convert.stamp(shot.seconds)
        ):
            return
        self._unanswered = None
        while not self._config.paused and self._advance():
            pass

    def _advance(self) -> bool:
        """One step of motion, and an image where one is due; False where it is."""
        self._steps += 1
        self.simulation.step(self._step, *self._speeds(), self._config.odometry)
        self._topics.tell_motion(
            self.now, self.simulation.place, self.simulation.odometry, self._config.odometry
        )
        due = self._steps % self._per_image == 0
        if due and self._config.camera_on and self._topics.is_watched:
            self._shoot()
        return not due

    def _speeds(self) -> tuple[float, float]:
        given, order = self._order
        if self.now - given < OBEY:
            return order.linear.x, order.angular.z
        return self._pilot.command(self.simulation.place)

    def _shoot(self) -> None:
        camera = self.simulation.robot.camera
        if self._config.image_width:
            camera = camera.resized(self._config.image_width)
        self._send(
            Shot(
                self.now,
                camera,
                *self.simulation.shoot(camera, self._config.lighting, self._config.image_noise),
            )
        )

    def _send(self, shot: Shot) -> None:
        self._topics.show(*shot)
        if self._config.lockstep:
            self._unanswered, self._sent = shot, time.monotonic()

    # --- what others want of it

    def _on_cmd_vel(self, message: Twist) -> None:
        self._order = self.now, message

    def _on_goal(self, message: PoseStamped) -> None:
        self._drive_to([(message.pose.position.x, message.pose.position.y)])

    def _drive_to(self, goals: list[tuple[float, float]]) -> None:
        self._pilot.goals.clear()
        self._pilot.goals.extend(goals)
        self._pilot.replan()

    def _on_kidnap(self, message: PoseStamped) -> None:
        self.simulation.place = _place(message.pose)
        self._pilot.replan()
        self.get_logger().info(f"kidnapped to {self.simulation.place}")

    def _on_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        """Take in what may change while time goes on, or say why not."""
        if fixed := sorted(FIXED & {change.name for change in changes}):
            return SetParametersResult(
                successful=False, reason=f"{', '.join(fixed)}: read once, when the node starts"
            )
        try:
            config = parameters.read(self, SimConfig(), changes)
            goals = _waypoints(config.waypoints)
        except (ConfigError, SimulationError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        if config.waypoints != self._config.waypoints:
            self._drive_to(goals)
        self._config = config
        self._timer.timer_period_ns = round(1e9 * self._step / config.speed)
        return SetParametersResult(successful=True)


def _waypoints(text: str) -> list[tuple[float, float]]:
    return [numbers(pair, 2, "waypoints") for pair in text.split(",") if pair.strip()]


def _place(message: Pose) -> Place:
    """Where a pose stands on the floor."""
    T = convert.matrix(message)
    return Place(float(T[0, 3]), float(T[1, 3]), float(np.arctan2(T[1, 0], T[0, 0])))


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run(SimCameraNode, args)


if __name__ == "__main__":
    sys.exit(main())
