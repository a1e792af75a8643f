# SPDX-License-Identifier: Apache-2.0
"""Drives a robot over the free floor: to goals one after another, or from place to place without end."""

from collections import deque

import numpy as np

from diff2i2p_sim.robot.drive import SPACING, SPEED, Floor, Router
from diff2i2p_sim.robot.simulation import Place

# metres: how far ahead on the path it steers to, how near to a goal it stops.
AHEAD, THERE = (0.4, 0.1)
STEER = 2.5  # turn rate per radian of heading error, 1/s


class Pilot:
    """Gives the speeds that follow the shortest free path to the next goal."""

    def __init__(self, floor: Floor, wander: bool, seed: int):
        self.goals: deque[tuple[float, float]] = deque()  # map coordinates
        self._wander = wander
        self._router = Router(floor, np.random.default_rng([seed, 5]))
        self._path: np.ndarray | None = None  # (M, 2) to the first goal
        self._at = 0  # point of the path that the robot is at

    def replan(self) -> None:
        """The robot is not where it was: find another path to the same goal."""
        self._path = None

    def command(self, place: Place) -> tuple[float, float]:
        """Forward m/s and turn rad/s at `place`; (0, 0) when there is nowhere to go."""
        position = np.array([place.x, place.y])
        if self._path is not None and np.linalg.norm(self._path[-1] - position) < THERE:
            self.goals.popleft()
            self._path = None
        if self._path is None and not self._plan(position):
            return 0.0, 0.0
        return self._steer(position, place.yaw)

    def _plan(self, position: np.ndarray) -> bool:
        """A path to the next goal, which ends at the floor nearest to it; False without a goal."""
        here = self._nearest(position)
        while self.goals or self._wander:
            if not self.goals:
                self.goals.append(tuple(self._router.floor.points[self._router.anywhere(here)]))
            goal = self._nearest(np.array(self.goals[0]))
            if goal != here:
                self._path, self._at = self._router.path(here, goal), 0
                return True
            self.goals.popleft()
        return False

    def _steer(self, position: np.ndarray, yaw: float) -> tuple[float, float]:
        """Towards the point of the path a little ahead; slow where it must turn, and before the goal."""
        near = self._path[self._at : self._at + round(2 * AHEAD / SPACING)]
        self._at += int(np.linalg.norm(near - position, axis=1).argmin())
        target = self._path[min(self._at + round(AHEAD / SPACING), len(self._path) - 1)] - position
        error = (np.arctan2(target[1], target[0]) - yaw + np.pi) % (2 * np.pi) - np.pi
        left = np.linalg.norm(self._path[-1] - position)
        return SPEED * max(0.0, np.cos(error)) ** 2 * min(1.0, left / AHEAD + 0.2), STEER * error

    def _nearest(self, position: np.ndarray) -> int:
        return int(np.linalg.norm(self._router.floor.points - position, axis=1).argmin())
