# SPDX-License-Identifier: Apache-2.0
"""The node `replay`: publishes a sequence folder or a ROS 2 bag as the topics of a camera."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import rclpy
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from diff2i2p.datasets.sequences import read_sequence
from diff2i2p_ros import convert, parameters
from diff2i2p_ros.node_main import run
from diff2i2p_ros.parameters import ReplayConfig
from diff2i2p_ros.replay_sources import BagSource, Event, OdometryPublisher, SequenceSource

RESEND, GIVE_UP = 2.0, 20.0  # seconds without an answer, in lockstep
GRACE = 0.3  # seconds: a publisher knows its subscriber a moment before the subscriber knows it, and what is sent in between is lost


class ReplayError(ValueError):
    """Nothing to replay: says why and what to do."""


class ReplayNode(Node):
    """Plays once or in a loop, in real time or in lockstep with the localizer. Raises ReplayError, BagError, SequenceError, CameraError."""

    def __init__(self, **options):
        super().__init__("replay", **options)
        parameters.declare(self, ReplayConfig())
        self._config = parameters.read(self, ReplayConfig())
        self._source = self._open(self._config)
        self._clock = self.create_publisher(Clock, "/clock", 10) if self._config.clock else None
        self._answered = ""
        if self._config.lockstep:
            self.create_subscription(String, "status", self._on_status, 10)

    def _open(self, config: ReplayConfig) -> SequenceSource | BagSource:
        if bool(config.sequence) == bool(config.bag):
            raise ReplayError(
                "name what to replay: either the parameter `sequence` or the parameter `bag`"
            )
        if config.bag:
            return BagSource(self, Path(config.bag))
        sequence = read_sequence(
            config.sequence, config.start, None if config.stop < 0 else config.stop
        )
        odometry = (
            OdometryPublisher(self, config.drift, config.frame_id) if config.odometry else None
        )
        return SequenceSource(
            self, sequence, config.image_transport == "compressed", config.frame_id, odometry
        )

    def _on_status(self, message: String) -> None:
        self._answered = json.loads(message.data)["stamp"]

    def play(self) -> None:
        """Publish everything, in its time."""
        if self._config.wait:
            self.get_logger().info("waiting for somebody who listens to the camera")
            self._spin_until(lambda: self._source.is_heard)
            self._spin_until(lambda: False, GRACE)
        while True:
            self._play_once()
            if not self._config.loop:
                break
        self._spin_until(lambda: False, GRACE)  # what was sent last is still on its way

    def _play_once(self) -> None:
        began, first = time.monotonic(), None
        for event in self._source:
            first = event.stamp if first is None else first
            due = began + (event.stamp - first) / self._config.rate
            self._spin_until(lambda due=due: time.monotonic() >= due)
            if self._config.lockstep and event.image:
                self._source.flush()
            self._publish(event)
            if self._config.lockstep and event.image:
                self._await_answer(event)

    def _publish(self, event: Event) -> None:
        if self._clock:
            self._clock.publish(Clock(clock=convert.stamp(event.stamp)))
        for publisher, message in event.messages:
            publisher.publish(message)

    def _await_answer(self, event: Event) -> None:
        for _ in range(round(GIVE_UP / RESEND)):
            if self._spin_until(lambda: self._answered == event.image, RESEND):
                return
            self._publish(event)  # the subscriber is best effort: it may have been lost
        self.get_logger().warning(f"no answer to the image of {event.image}")

    def _spin_until(self, condition: Callable[[], bool], seconds: float = float("inf")) -> bool:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            rclpy.spin_once(self, timeout_sec=0.005)
        return condition()


def main(args: list[str] | None = None) -> int:
    """Play, then end."""
    return run(ReplayNode, args, ReplayNode.play)


if __name__ == "__main__":
    sys.exit(main())
