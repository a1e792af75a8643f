# SPDX-License-Identifier: Apache-2.0
"""Transforms onto /tf."""

from collections.abc import Iterable

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from tf2_msgs.msg import TFMessage


class TransformBroadcaster:
    """Publishes moving transforms."""

    def __init__(self, node: Node, qos: QoSProfile | int | None = None):
        self.pub_tf = node.create_publisher(TFMessage, "/tf", qos or QoSProfile(depth=100))

    def sendTransform(self, transform: TransformStamped | Iterable[TransformStamped]) -> None:
        """Publish one or several."""
        self.pub_tf.publish(
            TFMessage(
                transforms=[transform]
                if isinstance(transform, TransformStamped)
                else list(transform)
            )
        )
