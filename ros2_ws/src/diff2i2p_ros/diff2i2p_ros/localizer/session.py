# SPDX-License-Identifier: Apache-2.0
"""The active node: from the camera's topics through the worker thread to pose, status and TF."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack

from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header, String

from diff2i2p.config import Config
from diff2i2p.localization.track import JUMP, Tracker
from diff2i2p_ros import convert
from diff2i2p_ros.localizer.camera_topics import CameraTopics
from diff2i2p_ros.localizer.pipeline import Answer, Job, look
from diff2i2p_ros.localizer.pose_priors import Guesses
from diff2i2p_ros.localizer.transforms import MODES, Fix
from diff2i2p_ros.localizer.worker import NewestOnly
from diff2i2p_ros.parameters import NodeConfig


class Session:
    """Everything that lives from activate to deactivate. `say(part, problem)` reports what is wrong with a part, or that it is well."""

    def __init__(self, node: Node, localizer, settings: NodeConfig, config: Config, say: Callable[[str, str], None]):
        self._node, self._say, self._settings, self._config = node, say, settings, config
        self.counts = {"received": 0, "answered": 0, "published": 0}
        self.latencies: deque[float] = deque(maxlen=100)  # milliseconds
        self.last: Answer | None = None
        self._last_image = time.monotonic()
        self._answers: deque[Answer] = deque()
        with ExitStack() as stack:  # what has been opened is closed again when something fails
            self._open(localizer, stack)
            self._opened = stack.pop_all()

    def _open(self, localizer, stack: ExitStack) -> None:
        node, settings = self._node, self._settings
        self.transforms = MODES[settings.tf_mode](node)
        stack.callback(self.transforms.close)
        self._pose = node.create_publisher(PoseWithCovarianceStamped, "pose", 10)
        self._status = node.create_publisher(String, "status", 10)
        self._picture = node.create_publisher(Image, "debug/matches", 1)
        for publisher in (self._pose, self._status, self._picture):
            stack.callback(node.destroy_publisher, publisher)
        self._guesses = Guesses(node, settings, self.transforms.mount, self.restart, self._say)
        stack.callback(self._guesses.close)
        self.enter(localizer)
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-JUMP), on_clock_change=False)
        stack.callback(node.get_clock().create_jump_callback(threshold, post_callback=lambda jump: self._begin_again()).unregister)
        self._wake = node.create_guard_condition(self._publish_answers)
        stack.callback(node.destroy_guard_condition, self._wake)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still, or jump
        self._repeater = node.create_timer(1 / settings.broadcast_rate, self.transforms.tick, clock=steady)
        stack.callback(node.destroy_timer, self._repeater)
        self._worker = NewestOnly(self._look)
        stack.callback(self._worker.stop)
        self._camera = CameraTopics(node, settings, self._on_image, self._say)
        stack.callback(self._camera.close)

    def close(self) -> None:
        """Listen no more; the image at hand is finished, its answer dropped."""
        self._opened.close()

    # --- starting, and starting again

    def enter(self, localizer) -> None:
        """Localize in this map from now on."""
        self._localizer = localizer
        self._map_frame = self._settings.map_frame or localizer.map.frame_id
        self.transforms.enter(self._settings, self._map_frame, localizer.map.up)
        self.restart()
        self._guesses.enter(localizer.map.header.get("cloud_sha256", ""), self._map_frame)

    def restart(self) -> None:
        """Forget where the camera was: the next image is searched in the whole map, and no TF leaves before it is found."""
        self._newest = -1.0
        self._tracker = Tracker(self._config)
        self._guesses.drop()
        self.transforms.reset()

    def _begin_again(self) -> None:
        """Time jumped back: a bag has started again, or the clock was set."""
        self.transforms.forget_time()
        self.restart()

    def reconfigure(self, settings: NodeConfig, config: Config) -> None:
        """Go on with these parameters. Another idea of what the camera can do makes the next image be searched in the whole map."""
        if config.track != self._config.track:
            self._tracker = Tracker(config)
        self._tracker.min_confidence = config.verify.min_confidence
        self._settings, self._config = settings, config
        self.transforms.enter(settings, self._map_frame, self._localizer.map.up)
        self._repeater.timer_period_ns = round(1e9 / settings.broadcast_rate)

    # --- what it tells of itself

    @property
    def topic(self) -> str:
        """Of the images."""
        return self._camera.topic

    @property
    def silence_cause(self) -> str:
        """What there is in place of the images, in words; empty: nothing."""
        return self._camera.other_images

    @property
    def silence(self) -> float:
        """Seconds since the last image."""
        return time.monotonic() - self._last_image

    @property
    def skipped(self) -> int:
        """Images that a newer one replaced before they were looked at."""
        return self._worker.skipped

    # --- images in

    def _on_image(self, message: Image | CompressedImage, info: CameraInfo | None, depth: Image | None) -> None:
        """An image, and the calibration and depth it is to be seen with; None while there are none."""
        arrived, now = time.perf_counter(), self._node.get_clock().now()
        self._last_image = time.monotonic()
        if info is None:
            return
        self.counts["received"] += 1
        stamp = self._stamp_of(message, now)
        if self._is_overtaken(stamp.nanoseconds * 1e-9):
            return
        frame = self._settings.camera_frame or message.header.frame_id.lstrip("/")
        guess, wants_picture = self._guesses.guess(frame), self._picture.get_subscription_count() > 0
        level, age = self._settings.odom_is_level, (now - stamp).nanoseconds
        job = Job(
            message, info, depth, stamp.to_msg(), frame, self._tracker, guess, level, self._camera.rectified,
            wants_picture, age, arrived,
        )  # fmt: skip
        self._worker.put(job)

    def _stamp_of(self, message: Image | CompressedImage, now: Time) -> Time:
        """Of an image; one that has none was taken when it came, as far as anybody can tell."""
        stamp = Time.from_msg(message.header.stamp, clock_type=now.clock_type)
        told = "the images have no stamp: they are taken for images of the time when they arrive"
        self._say("stamps", "" if stamp.nanoseconds else told)
        return stamp if stamp.nanoseconds else now

    def _is_overtaken(self, stamp: float) -> bool:
        """Whether this image or a newer one has come before. A stamp far back is the clock's or the bag's new start."""
        if stamp < self._newest - JUMP:
            self._node.get_logger().warning("the stamps of the images jumped back: starting again")
            self._begin_again()
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
        self.latencies.append(answer.latency_ms)
        if answer.ok:
            self.counts["published"] += 1
            self._publish_pose(answer)
        self._guesses.settle(answer.found.T_map_camera if answer.ok else None)
        self._status.publish(String(data=answer.line))
        if answer.picture is not None:
            self._picture.publish(convert.image_message(answer.picture, answer.job.message.header))
        self._say("image", answer.problem)

    def _publish_pose(self, answer: Answer) -> None:
        job, found, stamp = answer.job, answer.found, answer.job.stamp
        header = Header(stamp=stamp, frame_id=self._map_frame)
        self._pose.publish(convert.pose_with_covariance(found.T_map_camera, found.covariance, header))
        self.transforms.add(Fix(found.T_map_camera, stamp, job.camera_frame, job.age, self._node.get_clock().now().nanoseconds))
