# SPDX-License-Identifier: Apache-2.0
"""What is up on a robot: its cameras, what comes from them, and where TF says they are."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rclpy
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_ros import Buffer, TransformException, TransformListener

from diff2i2p_ros import convert

CHECKOUT = Path(__file__).parents[5] / "launch"
KINDS = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
COMPRESSED = "/compressed"  # the ending that image_transport gives such topics
# Words in the names of image topics that carry no camera image.
NO_CAMERA = ("depth", "disparity", "matches", "mask")
SETTLED = 1.5  # seconds without news of a camera, after which all of them are known
HEAR_ALL = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


class ProbeError(ValueError):
    """What was asked for is not there: says what is."""


@dataclass(frozen=True)
class CameraTopic:
    """An image topic with a publisher."""

    base: str  # without /compressed
    transport: str  # raw or compressed
    info: str  # topic of the calibration

    @property
    def name(self) -> str:
        return self.base + (COMPRESSED if self.transport == "compressed" else "")

    @classmethod
    def of(cls, base: str, transport: str) -> "CameraTopic":
        """With the calibration beside the images, where image_transport expects it."""
        return cls(base, transport, base.rpartition("/")[0] + "/camera_info")


@dataclass
class Heard:
    """What came on the topics of one camera in `seconds`."""

    camera: CameraTopic
    seconds: float
    reliability: str = ""  # that the publisher of the images offers
    images: int = 0
    infos: int = 0
    image: Image | CompressedImage | None = None
    info: CameraInfo | None = None
    age: float = 0.0  # seconds between the last image's stamp and its arrival
    clock: str = "the clock of this computer"  # that age is measured by, in words
    diagnostics: dict[str, DiagnosticStatus] = field(default_factory=dict)  # of localizers

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.images / self.seconds

    @property
    def frame(self) -> str:
        """Of the camera."""
        return self.image.header.frame_id.lstrip("/") if self.image else ""


class Probe(Node):
    """Looks and listens; publishes nothing."""

    def __init__(self, **options):
        super().__init__(f"probe_{os.getpid()}", **options)
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, self)

    def wait(self, condition: Callable[[], object], seconds: float) -> bool:
        """Spin until a condition holds, at most `seconds`; whether it does."""
        end = time.monotonic() + seconds
        while not (holds := bool(condition())) and time.monotonic() < end:
            rclpy.spin_once(self, timeout_sec=0.05)
        return holds

    def cameras(self) -> list[CameraTopic]:
        """Image topics that somebody publishes; raw ones first, each camera once."""
        found: dict[str, CameraTopic] = {}
        for name, kinds in self.get_topic_names_and_types():
            kind = KINDS.get(kinds[0])
            base = name.removesuffix(COMPRESSED)
            if (
                not kind
                or not self.count_publishers(name)
                or any(word in base.lower() for word in NO_CAMERA)
            ):
                continue
            if kind is Image:
                found[base] = CameraTopic.of(base, "raw")
            elif (
                base != name
            ):  # a compressed topic under another name cannot be told from one of another kind
                found.setdefault(base, CameraTopic.of(base, "compressed"))
        return list(found.values())

    def choose(self, wanted: str, patience: float) -> CameraTopic:
        """The camera asked for, or the only one, or the one that has a calibration. Raises ProbeError with what there is."""
        self.wait(lambda: self._fitting(wanted), patience)
        self._settle(patience)
        cameras, fitting = self.cameras(), self._fitting(wanted)
        if not cameras:
            domain = os.environ.get("ROS_DOMAIN_ID", "0")
            raise ProbeError(
                f"nobody publishes a camera image: start the camera's driver, in ROS domain {domain} as this was"
            )
        names = ", ".join(camera.name for camera in cameras)
        if not fitting:
            raise ProbeError(f"nobody publishes {wanted}; there are: {names}")
        calibrated = [camera for camera in fitting if self.count_publishers(camera.info)] or fitting
        if len(calibrated) > 1:
            raise ProbeError(
                f"there are several cameras: name one of {', '.join(camera.name for camera in calibrated)} with --image"
            )
        return calibrated[0]

    def _settle(self, patience: float) -> None:
        """Go on looking: the first camera to be discovered need not be the only one."""
        known, since = self.cameras(), time.monotonic()

        def is_settled() -> bool:
            nonlocal known, since
            if (found := self.cameras()) != known:
                known, since = found, time.monotonic()
            return time.monotonic() - since > SETTLED

        self.wait(is_settled, max(patience, SETTLED))

    def follow_clock(self) -> bool:
        """Take the time from /clock where somebody publishes it; False: none comes."""
        if not self.count_publishers("/clock"):
            return True
        self.set_parameters([Parameter("use_sim_time", value=True)])
        return self.wait(lambda: self.get_clock().now().nanoseconds, 2 * SETTLED)

    @property
    def is_simulated(self) -> bool:
        """Whether the time is that of /clock."""
        return self.get_clock().ros_time_is_active

    def _fitting(self, wanted: str) -> list[CameraTopic]:
        cameras = self.cameras()
        if wanted.endswith(COMPRESSED) and self.count_publishers(wanted):
            return [CameraTopic.of(wanted.removesuffix(COMPRESSED), "compressed")]
        return [camera for camera in cameras if wanted in ("", camera.base)]

    def listen(self, camera: CameraTopic, seconds: float) -> Heard:
        """Count what comes for `seconds` from the first image on, which is waited for as long; and so is a calibration then."""
        heard = Heard(camera, seconds, self._offered(camera))
        heard.clock = "/clock" if self.is_simulated else heard.clock
        kind = CompressedImage if camera.transport == "compressed" else Image

        def on_image(message: Image | CompressedImage) -> None:
            heard.images, heard.image = heard.images + 1, message
            now = self.get_clock().now().nanoseconds
            heard.age = (now - convert.nanoseconds(message.header.stamp)) * 1e-9

        def on_info(message: CameraInfo) -> None:
            heard.infos, heard.info = heard.infos + 1, message

        subscriptions = [
            self.create_subscription(kind, camera.name, on_image, HEAR_ALL),
            self.create_subscription(CameraInfo, camera.info, on_info, HEAR_ALL),
            self.create_subscription(
                DiagnosticArray, "/diagnostics", lambda message: self._note(message, heard), 10
            ),
        ]
        if self.wait(lambda: heard.images, seconds):
            self.wait(lambda: False, seconds)
            counted = heard.images
            self.wait(
                lambda: heard.infos, seconds
            )  # its publisher may be discovered later than that of the images
            heard.images = counted
        for subscription in subscriptions:
            self.destroy_subscription(subscription)
        return heard

    def _offered(self, camera: CameraTopic) -> str:
        """The reliability of the publishers; the weakest of several."""
        offers = {
            info.qos_profile.reliability for info in self.get_publishers_info_by_topic(camera.name)
        }
        return "best_effort" if ReliabilityPolicy.BEST_EFFORT in offers else "reliable"

    @staticmethod
    def _note(message: DiagnosticArray, heard: Heard) -> None:
        heard.diagnostics |= {
            status.name: status
            for status in message.status
            if status.name.endswith(": localization")
        }

    def transform(self, target: str, source: str) -> np.ndarray | None:
        """T_target_source (4, 4), the latest that TF knows; None where it knows none."""
        try:
            found = self._buffer.lookup_transform(target, source, Time()).transform
        except TransformException:
            return None
        return convert.matrix(found)

    def transform_problem(self, target: str, source: str) -> str:
        """Why TF does not know where `source` is in `target`; empty when it does."""
        try:
            self._buffer.lookup_transform(target, source, Time())
            return ""
        except TransformException as error:
            return str(error).strip()


def use_dds_profile() -> None:
    """Take the shipped Fast DDS profile into use unless the user has one: without it raw images are lost."""
    try:
        share = Path(get_package_share_directory("diff2i2p_bringup"))
    except (PackageNotFoundError, OSError):  # not installed, or no ROS workspace sourced
        share = CHECKOUT
    profile = share / "dds" / "fastdds.xml"
    if profile.is_file():
        os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(profile))
