# SPDX-License-Identifier: Apache-2.0
"""Run the real node and a replay, each in its process, and hear over DDS what comes of every image."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.node import Node
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from diff2i2p.localization.result import Localization, Status
from diff2i2p_ros import convert

PATIENCE = 120.0  # seconds without any answer that are a standstill; the first answer waits for torch and the map


class DriveError(RuntimeError):
    """A process died, stood still, or said one thing on one topic and another on another."""


class Ear(Node):
    """Keeps pose, TF and status by the stamp of the image, and the reason why there will be none."""

    def __init__(self):
        super().__init__("ear")
        self.poses: dict[str, PoseWithCovarianceStamped] = {}
        self.transforms: dict[str, np.ndarray] = {}
        self.answers: dict[str, dict] = {}
        self.fault = ""
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.create_subscription(PoseWithCovarianceStamped, "pose", self._on_pose, 1000)
        self.create_subscription(TFMessage, "/tf", self._on_tf, 1000)
        self.create_subscription(String, "status", self._on_status, 1000)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.fault = status.message if status.level == DiagnosticStatus.ERROR else ""

    def _on_pose(self, message: PoseWithCovarianceStamped) -> None:
        self.poses[convert.text(message.header.stamp)] = message

    def _on_tf(self, message: TFMessage) -> None:
        in_map = [
            transform for transform in message.transforms if transform.header.frame_id == "map"
        ]
        self.transforms |= {
            convert.text(transform.header.stamp): convert.matrix(transform.transform)
            for transform in in_map
        }

    def _on_status(self, message: String) -> None:
        answer = json.loads(message.data)
        self.answers[answer["stamp"]] = answer

    @property
    def is_complete(self) -> bool:
        """Whether pose and transform of every good answer have arrived."""
        good = {stamp for stamp, answer in self.answers.items() if answer["status"] == "OK"}
        return good == self.poses.keys() == self.transforms.keys()

    def localization(self, stamp: str) -> tuple[Localization, float]:
        """What the node has answered to an image, the pose taken from /tf; and the latency in ms."""
        answer = self.answers[stamp]
        status = Status.__members__.get(answer["status"])
        if status is None:
            raise DriveError(f"the node could not use the image of {stamp}: {answer['reason']}")
        T_map_camera = covariance = None
        if status is Status.OK:
            T_map_camera, pose = self.transforms[stamp], self.poses[stamp].pose
            covariance = np.reshape(pose.covariance, (6, 6))
            if not np.allclose(convert.matrix(pose.pose), T_map_camera, atol=1e-6):
                raise DriveError(f"pose and /tf contradict each other at {stamp}")
        facts = Localization(
            status,
            T_map_camera,
            covariance,
            answer["confidence"],
            answer["matcher"],
            milliseconds=answer["milliseconds"],
        )
        return facts, answer["latency_ms"]


def drive(
    localizer: dict, replay: dict, frames: int, logs: Path, progress: Callable[[int], None]
) -> tuple[Ear, int]:
    """Play `frames` images in lockstep through the node; `localizer` and `replay` are the parameters of the two.

    Gives what was heard, and the node's peak RSS in MB. Raises DriveError with the end of the log of the process that failed.
    """
    processes = {}
    rclpy.init()
    ear = Ear()
    try:
        processes["localizer"] = start("localizer_node", localizer, logs / "localizer.log")
        processes["replay"] = start("replay_node", replay | {"lockstep": True}, logs / "replay.log")
        _listen(ear, processes, frames, logs, progress)
        return ear, _peak_rss_mb(processes["localizer"].pid)
    finally:
        for process in processes.values():
            end(process)
        ear.destroy_node()
        rclpy.try_shutdown()


def start(module: str, parameters: dict[str, object], log: Path) -> subprocess.Popen:
    """A node of this package in a process of its own; what it prints goes into `log`."""
    settings = [
        word
        for name, value in parameters.items()
        for word in ("-p", f"{name}:={json.dumps(value)}")
    ]
    command = [sys.executable, "-m", f"diff2i2p_ros.{module}", "--ros-args", *settings]
    return subprocess.Popen(command, stdout=log.open("w"), stderr=subprocess.STDOUT)


def end(process: subprocess.Popen) -> None:
    """Ask a process to end, and make it."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _listen(
    ear: Ear,
    processes: dict[str, subprocess.Popen],
    frames: int,
    logs: Path,
    progress: Callable[[int], None],
) -> None:
    known, changed = 0, time.monotonic()
    while len(ear.answers) < frames or not ear.is_complete:
        rclpy.spin_once(ear, timeout_sec=0.1)
        if len(ear.answers) != known:
            known, changed = len(ear.answers), time.monotonic()
            progress(known)
        if ear.fault:
            raise DriveError(f"the node cannot start: {ear.fault}")
        still = time.monotonic() - changed
        for name, process in processes.items():
            ended = process.poll() is not None and (
                name == "localizer" or process.returncode or still > 5
            )
            if ended or still > PATIENCE:
                tail = "\n".join((logs / f"{name}.log").read_text().splitlines()[-15:])
                raise DriveError(
                    f"{name} {'ended' if ended else 'stands still'} after {known} of {frames} images:\n{tail}"
                )


def _peak_rss_mb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def use_own_graph(profile: Path) -> None:
    """A ROS domain of this process and its children, and the DDS profile, unless the user has chosen."""
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 101))
    if profile.is_file():
        os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(profile))
