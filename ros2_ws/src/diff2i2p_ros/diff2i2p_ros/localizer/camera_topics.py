# SPDX-License-Identifier: Apache-2.0
"""What comes from the camera: images, the calibration they are seen with, and depth if it has any."""

from collections import deque
from collections.abc import Callable

from rclpy.event_handler import QoSRequestedIncompatibleQoSInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from diff2i2p.camera import CameraError
from diff2i2p.datasets.image_messages import is_rectified
from diff2i2p_ros import convert
from diff2i2p_ros.localizer.causes import Cause, Say
from diff2i2p_ros.localizer.map_server import LATCHED
from diff2i2p_ros.parameters import NodeConfig

ImageMessage = Image | CompressedImage
KINDS = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")  # raw, compressed
TOGETHER = 0.05  # seconds that image and depth of one moment may be stamped apart


class CameraTopics:
    """Subscriptions that keep only the newest. An image that comes before its calibration, or before its depth, waits for it."""

    def __init__(self, node: Node, settings: NodeConfig, on_image: Callable, say: Say):
        """`on_image(message, info, depth)` is called with every image; without info while there is none, and again when it comes.

        depth: the message of the same moment, or None.
        """
        self._node, self._settings, self._deliver, self._say = node, settings, on_image, say
        self._info: CameraInfo | None = None
        self._noted: set[str] = set()
        self._early: ImageMessage | None = None
        self._waiting: ImageMessage | None = None  # for its depth
        self._depths: deque[Image] = deque(maxlen=5)
        self._unheard: set[str] = set()  # topics of another QoS
        compressed = settings.image_transport == "compressed"
        self.topic = node.resolve_topic_name("image") + (
            "/compressed" if compressed else ""
        )  # as image_transport names it
        self.rectified = is_rectified(self.topic)
        self._infos = self._subscribe(CameraInfo, "camera_info", self._on_info)
        # one that was published once, before we were there: who hears it, hears nothing of others
        ignored = SubscriptionEventCallbacks(incompatible_qos=lambda event: None)
        self._latched = node.create_subscription(
            CameraInfo, "camera_info", self._on_info, LATCHED, event_callbacks=ignored
        )
        self._images = self._subscribe(
            CompressedImage if compressed else Image, self.topic, self._on_image
        )
        self._depth = (
            self._subscribe(Image, "depth", self._on_depth) if settings.use_depth else None
        )

    def problem(self) -> str:
        """Of the cameras on the topic: images of several would be taken for those of one."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        names = sorted(f"{of.node_namespace.rstrip('/')}/{of.node_name}" for of in publishers)
        if len(names) < 2:
            return ""
        remedy = "remap image to the topic of one camera"
        return f"{len(names)} cameras on {self.topic}, of {' and '.join(names)}: {remedy}"

    def _subscribe(self, kind: type, topic: str, callback: Callable) -> Subscription:
        # best effort hears every camera; a reliable subscriber would hear nothing of a best-effort one (image_pipeline issue 828)
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy[self._settings.reliability.upper()])

        def on_mismatch(event: QoSRequestedIncompatibleQoSInfo) -> None:
            self._unheard.add(self._node.resolve_topic_name(topic))
            self._say_unheard()

        events = SubscriptionEventCallbacks(incompatible_qos=on_mismatch)
        return self._node.create_subscription(kind, topic, callback, qos, event_callbacks=events)

    def _say_unheard(self) -> None:
        offers = f"offers another QoS than {self._settings.reliability}, which we ask for"
        problems = (f"{topic} {offers}" for topic in sorted(self._unheard))
        remedy = ": set reliability to best_effort" if self._unheard else ""
        self._say(Cause.QOS, "; ".join(problems) + remedy)

    def _hear(self, topic: str) -> None:
        """Something has come on this topic."""
        if topic in self._unheard:
            self._unheard.remove(topic)
            self._say_unheard()

    def close(self) -> None:
        """Listen no more."""
        for subscription in (self._images, self._infos, self._latched, self._depth):
            if subscription:
                self._node.destroy_subscription(subscription)

    def _on_info(self, info: CameraInfo) -> None:
        self._hear(self._infos.topic_name)
        problem = self._problem_of(info)
        is_ignored = bool(problem) and self._info is not None and not self._problem_of(self._info)
        ignored = f"a damaged camera_info is ignored, the one before it holds: {problem}"
        self._say(Cause.BAD_CAMERA_INFO, ignored if is_ignored else "")
        if is_ignored:
            return
        if self.rectified and any(info.d):
            self._note(
                f"{self.topic} says that its images are rectified, {self._infos.topic_name} has a"
                " distortion: P is used, as for rectified images"
            )
        self._info = info
        if self._early:
            self._on_image(self._early)

    def _on_image(self, message: ImageMessage) -> None:
        self._early = None if self._info else message
        self._say(Cause.NO_CAMERA_INFO, "" if self._info else self._missing_info)
        self._hear(self.topic)
        if self._info is None or not self._depth:
            return self._deliver(message, self._info, None)
        if self._waiting:  # its depth has not come, and now it is old
            self._deliver_with(None)
        self._waiting = message
        self._match()

    @property
    def _missing_info(self) -> str:
        topic = self._infos.topic_name
        if not self._node.count_publishers(topic):
            return f"images come, but nobody publishes {topic}"
        return (
            f"images come, but nothing on {topic}, though it has a publisher: if that publishes once,"
            " let it do so latched (transient local), or with every image"
        )

    @property
    def other_images(self) -> str:
        """What is published in place of the images that are waited for, in words."""
        ours = KINDS[self._settings.image_transport == "compressed"]
        told = {info.topic_type for info in self._node.get_publishers_info_by_topic(self.topic)}
        if others := sorted(told - {ours}):
            return f": {others[0]} is published there, not {ours}; {self._remedy(others[0])}"
        base = self.topic.removesuffix("/compressed")
        other = base if self.topic != base else f"{base}/compressed"
        if not told and self._node.count_publishers(other):
            transport = "raw" if other == base else "compressed"
            return f": there is {other}; set image_transport to {transport}"
        return ""

    def _remedy(self, kind: str) -> str:
        if kind == KINDS[True]:
            topic = f"{self._node.resolve_topic_name('image')}/compressed"
            return f"set image_transport to compressed and remap {topic} to it"
        return "name the topic of the camera's images"

    def _on_depth(self, message: Image) -> None:
        self._depths.append(message)
        if self._waiting:
            self._match()

    def _match(self) -> None:
        moment = convert.seconds(self._waiting.header.stamp)
        apart = {abs(convert.seconds(depth.header.stamp) - moment): depth for depth in self._depths}
        if apart and min(apart) <= TOGETHER:
            self._deliver_with(apart[min(apart)])

    def _deliver_with(self, depth: Image | None) -> None:
        message, self._waiting = self._waiting, None
        topic = self._depth.topic_name
        missing = f"nothing on {topic} within {TOGETHER} s of the image: localizing without"
        self._say(Cause.NO_DEPTH, "" if depth else missing)
        self._deliver(message, self._info, depth)

    def _problem_of(self, info: CameraInfo) -> str:
        """Why images cannot be looked at with this calibration; empty: they can."""
        try:
            convert.camera(info, self.rectified)
        except CameraError as error:
            return str(error)
        return ""

    def _note(self, text: str) -> None:
        """Into the log, once."""
        if text not in self._noted:
            self._noted.add(text)
            self._node.get_logger().warning(text)
