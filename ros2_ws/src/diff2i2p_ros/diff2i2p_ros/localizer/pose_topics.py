# SPDX-License-Identifier: Apache-2.0
"""The topics that carry verified poses: of camera and robot, and where the camera has been."""

import time
from collections import deque

import numpy as np
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from nav_msgs.msg import Path
from rclpy.node import Node
from std_msgs.msg import Header

from diff2i2p.localization.result import Localization
from diff2i2p_ros import convert
from diff2i2p_ros.frames import inverse
from diff2i2p_ros.localizer.map_server import LATCHED

SPACING = 0.1  # metres between two poses of the path
LONGEST = 1000  # poses that the path keeps
PERIOD = 1.0  # seconds between two messages of the path, which take rclpy 15 ms each


class PoseTopics:
    """Publishers of `pose`, `base_pose` and `path`."""

    def __init__(self, node: Node):
        self._node = node
        self._pose = node.create_publisher(PoseWithCovarianceStamped, "pose", 10)
        self._base = node.create_publisher(PoseWithCovarianceStamped, "base_pose", 10)
        self._path = node.create_publisher(Path, "path", LATCHED)
        self._way: deque[PoseStamped] = deque(maxlen=LONGEST)
        self._is_told, self._told = True, -PERIOD  # whether all of it is, and when it was

    def close(self) -> None:
        for publisher in (self._pose, self._base, self._path):
            self._node.destroy_publisher(publisher)

    def clear(self) -> None:
        """Another map: where the camera was in the last one is no way in this one."""
        self._way.clear()

    def publish(self, found: Localization, header: Header, T_base_camera) -> None:
        """A verified pose; that of the base where `T_base_camera` (4, 4) is known, not None."""
        T_map_camera, covariance = found.T_map_camera, found.covariance
        self._pose.publish(convert.pose_with_covariance(T_map_camera, covariance, header))
        if T_base_camera is not None:
            at_base = moved(T_map_camera, covariance, inverse(T_base_camera))
            self._base.publish(convert.pose_with_covariance(*at_base, header))
        self._extend(PoseStamped(header=header, pose=convert.pose(T_map_camera)))

    def _extend(self, pose: PoseStamped) -> None:
        if not self._way or _apart(self._way[-1], pose) >= SPACING:
            self._way.append(pose)
            self._is_told = False
        if not self._is_told and time.monotonic() - self._told >= PERIOD:
            self._path.publish(Path(header=pose.header, poses=list(self._way)))
            self._is_told, self._told = True, time.monotonic()


def moved(
    T_map_a: np.ndarray, covariance: np.ndarray, T_a_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pose (4, 4) and covariance (6, 6) of b, which is fixed to a; x y z rx ry rz, map axes.

    Where a turns by a small w (map axes), b moves by w x r, with r from a to b.
    """
    T_map_b = T_map_a @ T_a_b
    x, y, z = T_map_b[:3, 3] - T_map_a[:3, 3]
    J = np.eye(6)
    J[:3, 3:] = [[0, z, -y], [-z, 0, x], [y, -x, 0]]
    return T_map_b, J @ covariance @ J.T


def _apart(a: PoseStamped, b: PoseStamped) -> float:
    p, q = a.pose.position, b.pose.position
    return float(np.linalg.norm([p.x - q.x, p.y - q.y, p.z - q.z]))
