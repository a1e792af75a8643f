# SPDX-License-Identifier: Apache-2.0
"""The active node: from the camera's topics through the worker thread to pose, status and TF."""

import time
from collections import deque
from collections.abc import Callable

from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header, String

from diff2i2p.config import TrackConfig
from diff2i2p.localization.track import Tracker
from diff2i2p_ros import convert
from diff2i2p_ros.parameters import NodeConfig
from diff2i2p_ros.pipeline import Answer, Job, look
from diff2i2p_ros.transforms import MODES, Fix
from diff2i2p_ros.worker import NewestOnly

# best effort hears every camera; a reliable subscriber would hear nothing of a best-effort one (image_pipeline issue 828)
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
JUMP = 0.5  # seconds back in time that are a new start, not a late image


class Session:
    """Everything that lives from activate to deactivate. `say(part, problem)` reports what is wrong with a part, or that it is well."""

    def __init__(self, node: Node, localizer, settings: NodeConfig, track: TrackConfig, say: Callable[[str, str], None]):
        self._node, self._localizer, self._settings, self._track, self._say = node, localizer, settings, track, say
        self._map_frame = settings.map_frame or localizer.map.frame_id
        self.counts = {"received": 0, "answered": 0, "published": 0}
        self.last: Answer | None = None
        self._last_image = time.monotonic()
        self._info: CameraInfo | None = None
        self._early: Image | CompressedImage | None = None
        self._answers: deque[Answer] = deque()
        self.transforms = MODES[settings.tf_mode](node, settings, self._map_frame)
        self.restart()
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-JUMP), on_clock_change=False)
        self._clock_jump = node.get_clock().create_jump_callback(threshold, post_callback=lambda jump: self.restart())
        self._open_topics()
        self._worker = NewestOnly(self._look)

    def _open_topics(self) -> None:
        node, compressed = self._node, self._settings.image_transport == "compressed"
        self.topic = node.resolve_topic_name("image") + ("/compressed" if compressed else "")  # as image_transport names it
        self._pose = node.create_publisher(PoseWithCovarianceStamped, "pose", 10)
        self._status = node.create_publisher(String, "status", 10)
        self._wake = node.create_guard_condition(self._publish_answers)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still, or jump
        self._repeater = node.create_timer(1 / self._settings.broadcast_rate, self.transforms.tick, clock=steady)
        self._infos = node.create_subscription(CameraInfo, "camera_info", self._on_info, NEWEST)
        self._images = node.create_subscription(CompressedImage if compressed else Image, self.topic, self._on_image, NEWEST)

    def close(self) -> None:
        """Listen no more; the image at hand is finished, its answer dropped."""
        self._clock_jump.unregister()
        self._node.destroy_subscription(self._images)
        self._node.destroy_subscription(self._infos)
        self._worker.stop()
        self._node.destroy_timer(self._repeater)
        self._node.destroy_guard_condition(self._wake)
        self._node.destroy_publisher(self._status)
        self._node.destroy_publisher(self._pose)
        self.transforms.close()

    def restart(self) -> None:
        """Forget where the camera was: the next image is searched in the whole map, and no TF leaves before it is found."""
        self._newest = -1.0
        self._tracker = Tracker(self._track)
        self.transforms.reset()

    @property
    def silence(self) -> float:
        """Seconds since the last image."""
        return time.monotonic() - self._last_image

    @property
    def skipped(self) -> int:
        """Images that a newer one replaced before they were looked at."""
        return self._worker.skipped

    # --- images in

    def _on_info(self, info: CameraInfo) -> None:
        self._info = info
        if self._early:
            self._on_image(self._early)

    def _on_image(self, message: Image | CompressedImage) -> None:
        arrived, now = time.perf_counter(), self._node.get_clock().now()
        self._last_image = time.monotonic()
        self._early = None if self._info else message
        self._say("camera_info", "" if self._info else f"images come, but nobody publishes {self._node.resolve_topic_name('camera_info')}")
        if self._early:
            return
        self.counts["received"] += 1
        stamp = Time.from_msg(message.header.stamp, clock_type=now.clock_type)
        if self._is_overtaken(stamp.nanoseconds * 1e-9):
            return
        frame = self._settings.camera_frame or message.header.frame_id.lstrip("/")
        self._worker.put(Job(message, self._info, frame, self._tracker, (now - stamp).nanoseconds, arrived))

    def _is_overtaken(self, stamp: float) -> bool:
        """Whether this image or a newer one has come before. A stamp far back is the clock's or the bag's new start."""
        if stamp < self._newest - JUMP:
            self._node.get_logger().warning("the stamps of the images jumped back: starting again")
            self.restart()
        overtaken = 0 < stamp <= self._newest
        self._newest = max(self._newest, stamp)
        return overtaken

    def _look(self, job: Job) -> None:
        """In the worker thread; what comes of it is published by the executor's."""
        self._answers.append(look(job, self._localizer, self.transforms.odometry))
        self._wake.trigger()

    # --- answers out

    def _publish_answers(self) -> None:
        while self._answers:
            answer = self._answers.popleft()
            if answer.job.tracker is self._tracker:  # else the world has started again since
                self._publish(answer)

    def _publish(self, answer: Answer) -> None:
        self.last = answer
        self.counts["answered"] += 1
        if answer.ok:
            self.counts["published"] += 1
            job, found, stamp = answer.job, answer.found, answer.job.message.header.stamp
            header = Header(stamp=stamp, frame_id=self._map_frame)
            self._pose.publish(convert.pose_with_covariance(found.T_map_camera, found.covariance, header))
            self.transforms.add(Fix(found.T_map_camera, stamp, job.camera_frame, job.age, time.monotonic()))
        self._status.publish(String(data=answer.line))
        self._say("image", answer.problem)
