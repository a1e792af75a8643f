# SPDX-License-Identifier: Apache-2.0
"""A robot with a camera in a world: how it moves, what its wheels believe, what its camera sees. Knows nothing of ROS."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diff2i2p.camera import Camera
from diff2i2p.parameters import parameter
from diff2i2p_sim.lighting import LIGHTINGS
from diff2i2p_sim.robot.drive import Floor, survey
from diff2i2p_sim.robot.model import Robot
from diff2i2p_sim.world import World

BODY = 0.2  # metres, radius of the robot
AS_IT_IS, OUT = "world", "out"  # lightings beyond the library's: the world's own, and none
CHOICES = (AS_IT_IS, *LIGHTINGS, OUT)


class SimulationError(ValueError):
    """Something that cannot be simulated: says what to change."""


@dataclass(frozen=True)
class OdometryConfig:
    drift: float = parameter(
        0.02, "Share by which odometry overestimates every distance.", "", -0.5, 0.5
    )
    turn_drift: float = parameter(
        0.02, "Share by which odometry overestimates every turn.", "", -0.5, 0.5
    )
    noise: float = parameter(
        0.005, "Standard deviation of its error over one metre, and over one radian.", "m", 0, 1
    )
    tf: bool = parameter(True, "Publish odometry in TF as well as on the topic odometry.")
    lag: float = parameter(0.0, "How much later than measured odometry comes to TF.", "s", 0, 60)


@dataclass(frozen=True)
class Place:
    """Where a robot stands on the floor, and where it looks."""

    x: float  # metres
    y: float
    yaw: float  # radians

    def moved(self, distance: float, angle: float) -> "Place":
        """After `distance` along an arc that turns by `angle`."""
        heading = self.yaw + angle / 2
        return Place(
            self.x + distance * np.cos(heading),
            self.y + distance * np.sin(heading),
            self.yaw + angle,
        )

    @property
    def matrix(self) -> np.ndarray:
        """(4, 4) T_parent_base."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[c, -s, 0, self.x], [s, c, 0, self.y], [0, 0, 1, 0], [0, 0, 0, 1.0]])


class Simulation:
    """The truth: a robot at `place` in the map, and the odometry that it believes."""

    def __init__(self, world: World, robot: Robot, place: Place, seed: int = 0):
        self.world, self.robot, self.place = world, robot, place
        self.floor = survey(world.items, world.rooms)
        self.odometry = Place(0.0, 0.0, 0.0)
        self._rng = np.random.default_rng(seed)

    @property
    def T_map_camera(self) -> np.ndarray:
        """(4, 4) of the optical frame."""
        return self.place.matrix @ self.robot.T_base_camera

    def step(self, seconds: float, forward: float, turn: float, error: OdometryConfig) -> None:
        """Drive at `forward` m/s and `turn` rad/s, as far as the robot can and obstacles let it."""
        distance = seconds * float(np.clip(forward, -self.robot.max_speed, self.robot.max_speed))
        angle = seconds * float(np.clip(turn, -self.robot.max_turn_rate, self.robot.max_turn_rate))
        if self._is_blocked(self.place.moved(distance, angle)):
            distance = 0.0
        self.place = self.place.moved(distance, angle)
        noise = error.noise * np.sqrt(np.abs([distance, angle])) * self._rng.standard_normal(2)
        self.odometry = self.odometry.moved(
            distance * (1 + error.drift) + noise[0], angle * (1 + error.turn_drift) + noise[1]
        )

    def _is_blocked(self, place: Place) -> bool:
        """Whether the body would touch something there; out of a place that is too narrow there is always a way."""
        here, there = self.floor.clearance_at(
            np.array([[self.place.x, self.place.y], [place.x, place.y]])
        )
        return there < min(BODY, here)

    def shoot(self, camera: Camera, lighting: str, noise: float) -> tuple[np.ndarray, np.ndarray]:
        """What the camera sees, (H, W, 3) uint8 RGB, and how far away that is, (H, W) float32 metres, 0: nothing there.

        `noise` is the standard deviation of the colour's, grey values; depth is exact, and there in the dark, too.
        """
        images, depths = self.world.render(
            camera, self.T_map_camera, None if lighting in (AS_IT_IS, OUT) else lighting
        )
        clean = images[0] * np.float32(lighting != OUT)
        grain = noise * self._rng.standard_normal(clean.shape, np.float32)
        return (clean + grain).round().clip(0, 255).astype(np.uint8), depths[0]


def place_of(text: str, world: World) -> Place:
    """The place that `text` gives as "x y yaw"; empty: where the floor is freest. Raises SimulationError."""
    if text.strip():
        return Place(*numbers(text, 3, "start"))
    floor = survey(world.items, world.rooms)
    return Place(*map(float, floor.points[_clearance(floor).argmax()]), 0.0)


def numbers(text: str, count: int, name: str) -> tuple[float, ...]:
    """`count` numbers out of a text. Raises SimulationError naming the parameter."""
    try:
        found = tuple(map(float, text.split()))
    except ValueError:
        found = ()
    if len(found) != count or not np.isfinite(found).all():
        raise SimulationError(
            f"the parameter {name} takes {count} numbers apart by spaces, not '{text}'"
        )
    return found


def _clearance(floor: Floor) -> np.ndarray:
    return floor.clearance[tuple(floor.cells.T)]


def open_simulation(
    open_world, world: str, robot: str, day: int, start: str, seed: int
) -> Simulation:
    """The simulation of an SDF world and an SDF robot, as the parameters name them. Raises SimulationError, WorldError, RobotError."""
    if not world or not robot:
        raise SimulationError(
            "name what to simulate: the parameters `world` and `robot` are SDF files, of launch/worlds for a start"
        )
    place = open_world(Path(world))
    place = place.changed(day) if day else place
    return Simulation(place, Robot.from_sdf(robot), place_of(start, place), seed)
