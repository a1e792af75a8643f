# SPDX-License-Identifier: Apache-2.0
"""Healthy: the localizer has spoken on /diagnostics within five seconds, and not of an error. Exit code 0, or 1 with the reason."""

import sys
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

SECONDS = 5.0


def main() -> int:
    heard: list[DiagnosticStatus] = []
    rclpy.init()
    node = rclpy.create_node("healthcheck")
    node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda message: heard.extend(message.status), 10
    )
    until = time.monotonic() + SECONDS
    while not any("localization" in status.name for status in heard) and time.monotonic() < until:
        rclpy.spin_once(node, timeout_sec=0.2)
    node.destroy_node()
    rclpy.try_shutdown()
    ours = [status for status in heard if "localization" in status.name]
    print(ours[-1].message if ours else f"nothing on /diagnostics for {SECONDS:g} s")
    return 0 if ours and ours[-1].level != DiagnosticStatus.ERROR else 1


if __name__ == "__main__":
    sys.exit(main())
