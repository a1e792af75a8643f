# SPDX-License-Identifier: Apache-2.0
"""Transforms onto /tf_static, latched."""

from collections.abc import Iterable

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage


class StaticTransformBroadcaster:
    """Publishes transforms that hold at all times; only the last message is latched, so send all of them together."""

    def __init__(self, node: Node, qos: QoSProfile | int | None = None):
        qos = qos or QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.pub_tf = node.create_publisher(TFMessage, "/tf_static", qos)

    def sendTransform(self, transform: TransformStamped | Iterable[TransformStamped]) -> None:
        """Publish one or several."""
        self.pub_tf.publish(
            TFMessage(
                transforms=[transform]
                if isinstance(transform, TransformStamped)
                else list(transform)
            )
        )
