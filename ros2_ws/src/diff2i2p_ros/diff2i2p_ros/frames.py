# SPDX-License-Identifier: Apache-2.0
"""The arithmetic between map, odom, base and camera frames (REP-105), target first: T_a_b takes points of b to a."""

import numpy as np

from diff2i2p.geometry import T_BODY_OPTICAL as T_BODY_OPTICAL


def inverse(T: np.ndarray) -> np.ndarray:
    """The inverse of a rigid transform (4, 4)."""
    R, t = T[:3, :3], T[:3, 3]
    result = np.eye(4)
    result[:3, :3] = R.T
    result[:3, 3] = -R.T @ t
    return result


def map_to_odom(T_map_camera: np.ndarray, T_odom_camera: np.ndarray) -> np.ndarray:
    """T_map_odom (4, 4) such that map -> odom -> base -> camera ends at the pose found.

    T_odom_camera = T_odom_base @ T_base_camera must be the odometry at the stamp of the image, not the latest: at
    1 m/s and 0.2 s of computing the latest would put the robot 0.2 m off (cra-ros-pkg/robot_localization PR 719).
    """
    return T_map_camera @ inverse(T_odom_camera)


def odom_lean(T_map_camera: np.ndarray, T_odom_camera: np.ndarray, up: np.ndarray) -> float:
    """Degrees between the z axis of odom, where a pose puts it, and `up` (3,) of the map.

    None of any size is odometry's: its z axis is vertical (REP 103, REP 105). One of a right angle
    or more tells that T_odom_camera is not of the optical frame.
    """
    vertical = T_map_camera[:3, :3] @ T_odom_camera[2, :3]
    return float(np.degrees(np.arccos(np.clip(vertical @ up, -1, 1))))


def on_floor(x: float, y: float, z: float, yaw: float) -> np.ndarray:
    """The pose (4, 4) of a robot that stands upright: metres, radians."""
    T = np.eye(4)
    T[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    T[:3, 3] = x, y, z
    return T
