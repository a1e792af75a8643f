# SPDX-License-Identifier: Apache-2.0
"""First guesses, `initialpose` and the pose kept from the last run: where to look first. What is found is verified like any other."""

from collections.abc import Callable

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.node import Node

from diff2i2p_ros import convert
from diff2i2p_ros.frames import T_BODY_OPTICAL, on_floor
from diff2i2p_ros.localizer.causes import Cause, Say
from diff2i2p_ros.localizer.last_pose import LastPose
from diff2i2p_ros.parameters import NodeConfig

TRIES = 10  # images, after which a guess that did not help is dropped


class Guesses:
    """Holds one guess until it is confirmed or has failed often enough.

    `mount(camera_frame)` gives T_base_camera (4, 4) or None: then the camera's own body, which
    looks along x, stands for the base. `restart()` is called when somebody says where the robot is.
    """

    def __init__(
        self, node: Node, settings: NodeConfig, mount: Callable,
        restart: Callable[[], None], say: Say,
    ):  # fmt: skip
        self._node, self._settings, self._mount = node, settings, mount
        self._restart, self._say = restart, say
        self._last_pose: LastPose | None = None
        self._is_new = True
        self.drop()
        self._subscription = node.create_subscription(
            PoseWithCovarianceStamped, "initialpose", self._on_initialpose, 1
        )

    def enter(self, site: str, map_frame: str) -> None:
        """Another map is served: the last pose is of use where it was kept in the same one."""
        self.close_file()
        self._map_frame = map_frame
        self.drop()
        if self._settings.last_pose_file:
            self._last_pose = LastPose(self._settings.last_pose_file, site, self._say)
            T_map_camera = self._last_pose.read()
            if T_map_camera is not None:
                self._take(T_map_camera, "the last pose", of_base=False)
        if self._is_new and self._settings.set_initial_pose and self._pose is None:
            self.take_initial_pose()
        self._is_new = False

    def reconfigure(self, settings: NodeConfig) -> None:
        """Use these settings from now on."""
        self._settings = settings

    def take_initial_pose(self) -> None:
        """Look first where the parameters `initial_pose` say that the base is."""
        where = self._settings.initial_pose
        self._restart()
        T_map_base = on_floor(where.x, where.y, where.z, where.yaw)
        self._take(T_map_base, "initial_pose", of_base=True)

    def drop(self) -> None:
        """Search the whole map."""
        self._pose, self._of_base, self._tries = None, False, 0

    def close(self) -> None:
        self._node.destroy_subscription(self._subscription)
        self.close_file()

    def close_file(self) -> None:
        """Write the last pose now."""
        if self._last_pose:
            self._last_pose.write()
            self._last_pose = None

    def guess(self, camera_frame: str) -> np.ndarray | None:
        """T_map_camera (4, 4) to look at first, if there is one."""
        if self._pose is None or not self._of_base:
            return self._pose
        T_base_camera = self._mount(camera_frame)
        if T_base_camera is None:
            self._node.get_logger().warning(
                f"TF does not tell where {camera_frame} is mounted: it is looked for as if it were"
                f" {self._settings.base_frame} itself, looking along x", once=True,
            )  # fmt: skip
            T_base_camera = T_BODY_OPTICAL
        return self._pose @ T_base_camera

    def settle(self, T_map_camera: np.ndarray | None) -> None:
        """An image has been answered with this pose, or with none."""
        self._tries -= 1
        if T_map_camera is not None or self._tries <= 0:
            self.drop()
        if T_map_camera is not None and self._last_pose:
            self._last_pose.keep(T_map_camera)

    def _take(self, T: np.ndarray, source: str, of_base: bool) -> None:
        self._pose, self._of_base, self._tries = T, of_base, TRIES
        self._node.get_logger().info(f"looking first where {source} says, {convert.place(T)}")

    def _on_initialpose(self, message: PoseWithCovarianceStamped) -> None:
        frame = message.header.frame_id.lstrip("/") or self._map_frame
        try:
            T_map_base = convert.matrix(message.pose.pose)
        except ValueError as error:  # a quaternion of length 0
            return self._refuse(f"initialpose is no pose: {error}")
        if frame != self._map_frame:
            remedy = "set RViz's fixed frame to that"
            return self._refuse(f"initialpose is in {frame}, not in {self._map_frame}: {remedy}")
        if not np.isfinite(T_map_base).all():
            return self._refuse("initialpose is no pose: it is not finite")
        self._refuse("")
        self._restart()
        self._take(T_map_base, "initialpose", of_base=True)

    def _refuse(self, reason: str) -> None:
        self._say(Cause.POSE_REFUSED, reason)
