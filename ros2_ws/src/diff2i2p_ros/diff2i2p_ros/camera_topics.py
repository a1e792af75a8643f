# SPDX-License-Identifier: Apache-2.0
"""What comes from the camera: images, and the calibration they are seen with."""

from collections.abc import Callable

from rclpy.event_handler import QoSRequestedIncompatibleQoSInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from diff2i2p_ros.parameters import NodeConfig

ImageMessage = Image | CompressedImage


class CameraTopics:
    """Subscriptions that keep only the newest. An image that comes before its calibration is kept for it. `say` as in `Session`."""

    def __init__(
        self, node: Node, settings: NodeConfig, on_image: Callable[[ImageMessage, CameraInfo | None], None], say: Callable[[str, str], None]
    ):
        """`on_image(message, info)` is called with every image; with None while there is no calibration, and again when it comes."""
        self._node, self._settings, self._deliver, self._say = node, settings, on_image, say
        self._info: CameraInfo | None = None
        self._early: ImageMessage | None = None
        compressed = settings.image_transport == "compressed"
        self.topic = node.resolve_topic_name("image") + ("/compressed" if compressed else "")  # as image_transport names it
        self._infos = self._subscribe(CameraInfo, "camera_info", self._on_info)
        self._images = self._subscribe(CompressedImage if compressed else Image, self.topic, self._on_image)

    def _subscribe(self, kind: type, topic: str, callback: Callable) -> Subscription:
        # best effort hears every camera; a reliable subscriber would hear nothing of a best-effort one (image_pipeline issue 828)
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy[self._settings.reliability.upper()])

        def on_mismatch(event: QoSRequestedIncompatibleQoSInfo) -> None:
            name, asked = self._node.resolve_topic_name(topic), self._settings.reliability
            self._say(f"qos of {name}", f"{name} offers another QoS than {asked}, which we ask for: set reliability to best_effort")

        events = SubscriptionEventCallbacks(incompatible_qos=on_mismatch)
        return self._node.create_subscription(kind, topic, callback, qos, event_callbacks=events)

    def close(self) -> None:
        """Listen no more."""
        self._node.destroy_subscription(self._images)
        self._node.destroy_subscription(self._infos)

    def _on_info(self, info: CameraInfo) -> None:
        self._info = info
        self._say(f"qos of {self._infos.topic_name}", "")
        if self._early:
            self._on_image(self._early)

    def _on_image(self, message: ImageMessage) -> None:
        self._early = None if self._info else message
        self._say("camera_info", "" if self._info else f"images come, but nobody publishes {self._node.resolve_topic_name('camera_info')}")
        self._say(f"qos of {self.topic}", "")
        self._deliver(message, self._info)
