# SPDX-License-Identifier: Apache-2.0
"""The active node: from the camera's topics through the worker thread to pose, status and TF."""

from collections import deque
from contextlib import ExitStack

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header, String

from diff2i2p.config import Config
from diff2i2p.localization.track import JUMP, State, Tracker
from diff2i2p_ros import convert
from diff2i2p_ros.localizer.camera_topics import CameraTopics
from diff2i2p_ros.localizer.causes import Cause, Say
from diff2i2p_ros.localizer.pipeline import Answer, Job, look
from diff2i2p_ros.localizer.pose_priors import Guesses
from diff2i2p_ros.localizer.pose_topics import PoseTopics
from diff2i2p_ros.localizer.stopwatch import LEAP, Moment, Stopwatch
from diff2i2p_ros.localizer.traffic import Traffic
from diff2i2p_ros.localizer.transforms import MODES, Fix
from diff2i2p_ros.localizer.worker import NewestOnly
from diff2i2p_ros.parameters import NodeConfig

CLOCK_PATIENCE = 2.0  # seconds that /clock is given to begin


class Session:
    """Everything that lives from activate to deactivate."""

    def __init__(self, node: Node, localizer, settings: NodeConfig, config: Config, say: Say):
        self._node, self._say, self._settings, self._config = node, say, settings, config
        self.traffic = Traffic()
        self._answers: deque[Answer] = deque()
        with ExitStack() as stack:  # what has been opened is closed again when something fails
            self._open(localizer, stack)
            self._opened = stack.pop_all()

    def _open(self, localizer, stack: ExitStack) -> None:
        node, settings = self._node, self._settings
        self._stopwatch = Stopwatch(node)
        stack.callback(self._stopwatch.close)
        self._opened_at = self._stopwatch.now()
        self.transforms = MODES[settings.tf_mode](node, self._stopwatch)
        stack.callback(self.transforms.close)
        self._poses = PoseTopics(node)
        stack.callback(self._poses.close)
        self._status = node.create_publisher(String, "status", 10)
        self._picture = node.create_publisher(Image, "debug/matches", 1)
        for publisher in (self._status, self._picture):
            stack.callback(node.destroy_publisher, publisher)
        self._guesses = Guesses(node, settings, self.transforms.mount, self.restart, self._say)
        stack.callback(self._guesses.close)
        self.enter(localizer)
        threshold = JumpThreshold(
            min_forward=None, min_backward=Duration(seconds=-JUMP), on_clock_change=False
        )
        stack.callback(
            node.get_clock()
            .create_jump_callback(threshold, post_callback=lambda jump: self._begin_again())
            .unregister
        )
        self._wake = node.create_guard_condition(self._publish_answers)
        stack.callback(node.destroy_guard_condition, self._wake)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still, or jump
        self._repeater = node.create_timer(
            1 / settings.broadcast_rate, self.transforms.tick, clock=steady
        )
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
        self._poses.clear()
        self.restart()
        self._guesses.enter(localizer.map.header.get("cloud_sha256", ""), self._map_frame)

    def restart(self) -> None:
        """Forget where the camera was: the next image is searched in the whole map, and no TF leaves before it is found."""
        self._newest: int | None = None  # nanoseconds, stamp
        self.traffic.restart()
        self._tracker, self._is_found = Tracker(self._config), False
        self._guesses.drop()
        self.transforms.reset()

    def take_initial_pose(self) -> None:
        """Look first where the parameters `initial_pose` say."""
        self._guesses.take_initial_pose()

    def _begin_again(self) -> None:
        """Time jumped back: a bag has started again, or the clock was set."""
        self.transforms.forget_time()
        self.restart()

    def reconfigure(self, settings: NodeConfig, config: Config) -> None:
        """Go on with these parameters. Another idea of what the camera can do makes the next image be searched in the whole map."""
        if config.track != self._config.track:
            self._tracker, self._is_found = Tracker(config), False
            self.traffic.restart()
        self._tracker.min_confidence = config.verify.min_confidence
        self._settings, self._config = settings, config
        self.transforms.enter(settings, self._map_frame, self._localizer.map.up)
        self._guesses.reconfigure(settings)
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
    def skipped(self) -> int:
        """Images that a newer one replaced before they were looked at."""
        return self._worker.skipped

    def problems(self) -> dict[Cause, str]:
        """What only time tells; empty texts of what is well."""
        return {
            Cause.SEVERAL_CAMERAS: self._camera.problem(),
            Cause.NO_CLOCK: self._clock_problem(),
            Cause.NO_ODOMETRY: self.transforms.problem,
            Cause.BODY_FRAME: self.transforms.contradiction,
            Cause.NOT_LOCALIZED: self.traffic.reason,
        }

    def _clock_problem(self) -> str:
        now = self._stopwatch.now()
        is_early = now.steady - self._opened_at.steady < CLOCK_PATIENCE * 1e9
        if not self._stopwatch.is_simulated or now.simulated or is_early:
            return ""
        remedy = "play it, or set use_sim_time: false"
        return f"use_sim_time is set, and no time comes on /clock: {remedy}"

    @property
    def figures(self) -> dict[str, object]:
        """Of the last answer, and of TF."""
        told = {"odometry": self.transforms.detail} if self.transforms.detail else {}
        return told | (self.traffic.last.figures if self.traffic.last else {})

    # --- images in

    def _on_image(
        self, message: Image | CompressedImage, info: CameraInfo | None, depth: Image | None
    ) -> None:
        """An image, and the calibration and depth it is to be seen with; None while there are none."""
        arrived = self._stopwatch.now()
        self.traffic.come()
        if info is None:
            return
        self.traffic.receive()
        stamp = self._stamp_of(message)
        moment = convert.nanoseconds(stamp)
        self._compare_clocks(moment, arrived)
        if self._is_overtaken(moment):
            return self.traffic.overtake()
        frame = self._settings.camera_frame or message.header.frame_id.lstrip("/")
        self._say(Cause.NO_FRAME, "" if frame else "the images name no frame: set camera_frame")
        self._worker.put(Job(
            message, info, depth, stamp, frame, self._tracker, self._guesses.guess(frame),
            self._settings.odom_is_level, self._camera.rectified,
            self._picture.get_subscription_count() > 0, arrived,
        ))  # fmt: skip

    def _stamp_of(self, message: Image | CompressedImage) -> Time:
        """Of an image; one that has none was taken when it came, as far as anybody can tell."""
        stamp = message.header.stamp
        has_none = convert.nanoseconds(stamp) == 0
        told = "the images have no stamp: they are taken for images of the time when they arrive"
        self._say(Cause.NO_STAMPS, told if has_none else "")
        return self._node.get_clock().now().to_msg() if has_none else stamp

    def _compare_clocks(self, stamp: int, arrived: Moment) -> None:
        is_other = bool(arrived.simulated) and abs(arrived.simulated - stamp) > LEAP * 1e9
        problem = f"use_sim_time is set, but {self.topic} is stamped by another clock than /clock"
        self._say(Cause.OTHER_CLOCK, problem if is_other else "")

    def _is_overtaken(self, stamp: int) -> bool:
        """Whether this image or a newer one has come before. A stamp far back is the clock's or the bag's new start."""
        if self._newest is not None and stamp < self._newest - JUMP * 1e9:
            self._node.get_logger().warning(
                "the stamps of the images jumped back: starting again", throttle_duration_sec=10.0
            )
            self._begin_again()
        newest, self._newest = self._newest, max(stamp, self._newest or stamp)
        return newest is not None and 0 != stamp <= newest

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
        self.traffic.answer(answer)
        self._tell_change(answer)
        if answer.ok:
            self._publish_pose(answer)
        self._guesses.settle(answer.found.T_map_camera if answer.ok else None)
        self._status.publish(String(data=answer.line))
        if answer.picture is not None:
            self._picture.publish(convert.image_message(answer.picture, answer.job.message.header))
        self._say(Cause.UNUSABLE_IMAGE, answer.problem)

    def _tell_change(self, answer: Answer) -> None:
        """Found or lost: a line in the log, not one an image."""
        was_found, self._is_found = self._is_found, self._tracker.state is State.TRACKING
        logger = self._node.get_logger()
        if self._is_found and not was_found and answer.ok:
            found = answer.found
            where, sure = convert.place(found.T_map_camera), f"confidence {found.confidence:.2f}"
            line = f"found: the camera is at {where} in {self._map_frame}, {sure}"
            logger.info(line, throttle_duration_sec=5.0)
        elif was_found and not self._is_found:
            logger.warning(f"lost: {answer.reason}", throttle_duration_sec=5.0)

    def _publish_pose(self, answer: Answer) -> None:
        job, found, stamp = answer.job, answer.found, answer.job.stamp
        header = Header(stamp=stamp, frame_id=self._map_frame)
        self._poses.publish(found, header, self.transforms.mount(job.camera_frame))
        found_at = self._stopwatch.now()
        fix = Fix(found.T_map_camera, stamp, job.camera_frame, job.arrived, found_at)
        self.transforms.add(fix)
