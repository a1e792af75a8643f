# SPDX-License-Identifier: Apache-2.0
"""What the wheels of a robot would have said of a known drive."""

import numpy as np
from scipy.spatial.transform import Rotation

from diff2i2p.datasets.trajectory import Trajectory
from diff2i2p.geometry import T_BODY_OPTICAL

UPRIGHT = np.cos(np.radians(30))
NO_OPTICAL_FRAME = (
    "whose z axis points up as a body's does, not ahead as that of an optical frame: unless the camera"
    " looks at the ceiling, name the optical frame (x right, y down, z ahead)"
)


def is_body_frame(T_level_frame: np.ndarray) -> bool:
    """Whether a frame stands as a body does (REP 103), z up. T_level_frame (4, 4): the z axis of

    `level` is vertical, as that of odom is. An optical frame does so only at the ceiling.
    """
    return bool(T_level_frame[2, 2] > UPRIGHT)


class DriftingOdometry:
    """Every step too long and every turn too far by a share `drift`; the camera sits in the robot's base."""

    def __init__(self, drift: float):
        self._scale = 1 + drift
        self._T_map_camera: np.ndarray | None = None
        self._T_odom_camera = T_BODY_OPTICAL

    def step(self, T_map_camera: np.ndarray | None) -> np.ndarray:
        """T_odom_base (4, 4) after the next step; without truth there is no step."""
        if T_map_camera is not None:
            if self._T_map_camera is not None:
                step = np.linalg.inv(self._T_map_camera) @ T_map_camera
                turn = Rotation.from_matrix(step[:3, :3]).as_rotvec()
                step[:3, :3], step[:3, 3] = (
                    Rotation.from_rotvec(self._scale * turn).as_matrix(),
                    self._scale * step[:3, 3],
                )
                self._T_odom_camera = self._T_odom_camera @ step
            self._T_map_camera = T_map_camera
        return self._T_odom_camera @ np.linalg.inv(T_BODY_OPTICAL)


def drifting_odometry(truth: Trajectory, drift: float, rate: float) -> Trajectory:
    """T_odom_base along a true trajectory T_map_camera, `rate` times a second."""
    stamps = np.arange(truth.stamps[0], truth.stamps[-1] + 1 / rate, 1 / rate)
    stamps[-1] = truth.stamps[-1]
    odometry = DriftingOdometry(drift)
    return Trajectory(stamps, np.array([odometry.step(truth.at(stamp)) for stamp in stamps]))
