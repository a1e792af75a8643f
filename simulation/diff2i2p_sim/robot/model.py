# SPDX-License-Identifier: Apache-2.0
"""The robot of a simulation, read from the SDF model that Gazebo drives too: its camera, its frames, how fast it goes."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera
from diff2i2p.geometry import T_BODY_OPTICAL

DRIVE = "gz::sim::systems::DiffDrive"


class RobotError(ValueError):
    """A file that holds no robot that can be simulated: says what is missing."""


@dataclass(frozen=True)
class Robot:
    """A differential drive with one camera."""

    camera: Camera
    T_base_camera: np.ndarray  # (4, 4) of the optical frame
    rate: float  # images per second
    odometry_rate: float  # per second
    max_speed: float  # m/s
    max_turn_rate: float  # rad/s
    odom_frame: str
    base_frame: str
    camera_frame: str  # optical

    @classmethod
    def from_sdf(cls, path: Path | str) -> "Robot":
        """Read a model like launch/worlds/robot.sdf. Raises RobotError naming the file."""
        try:
            model = ET.parse(path).getroot().find("model")
            link, sensor = next(
                (link, sensor)
                for link in model.iterfind("link")
                for sensor in link.iterfind("sensor[@type='camera']")
            )
            drive = next(
                plugin for plugin in model.iterfind("plugin") if plugin.get("name") == DRIVE
            )
            return cls(
                _camera(sensor.find("camera")),
                _pose(link) @ _pose(sensor) @ T_BODY_OPTICAL,
                *(_number(*place) for place in (
                    (sensor, "update_rate"), (drive, "odom_publish_frequency"),
                    (drive, "max_linear_velocity"), (drive, "max_angular_velocity"),
                )),
                *(_text(*place) for place in ((drive, "frame_id"), (drive, "child_frame_id"), (sensor, "gz_frame_id"))),
            )  # fmt: skip
        except StopIteration:
            raise RobotError(
                f"{path}: a robot needs a link with a camera sensor, and the plugin {DRIVE}"
            ) from None
        except (OSError, ET.ParseError, AttributeError, ValueError) as error:
            raise RobotError(
                f"{path} is not the SDF model of a robot with a camera: {error}"
            ) from error

    @property
    def mount(self) -> dict[str, float]:
        """The camera in the base as tf2_ros' static_transform_publisher takes it: x y z, qx qy qz qw."""
        quaternion = Rotation.from_matrix(self.T_base_camera[:3, :3]).as_quat()
        return dict(
            zip(
                ("x", "y", "z", "qx", "qy", "qz", "qw"),
                map(float, (*self.T_base_camera[:3, 3], *quaternion)),
                strict=True,
            )
        )


def _camera(element) -> Camera:
    """Gazebo's pinhole: the principal point is the middle of the image."""
    width, height = int(_number(element, "image/width")), int(_number(element, "image/height"))
    focal = float(width / 2 / np.tan(_number(element, "horizontal_fov") / 2))
    return Camera(width, height, (focal, focal, (width - 1) / 2, (height - 1) / 2))


def _pose(element) -> np.ndarray:
    """(4, 4) of the element in its parent."""
    x, y, z, *angles = map(float, element.findtext("pose", "0 0 0 0 0 0").split())
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.from_euler("xyz", angles).as_matrix(), (x, y, z)
    return T


def _text(element, tag: str) -> str:
    text = element.findtext(tag)
    if not text:
        raise RobotError(f"<{element.tag}> has no <{tag}>")
    return text


def _number(element, tag: str) -> float:
    return float(_text(element, tag))
