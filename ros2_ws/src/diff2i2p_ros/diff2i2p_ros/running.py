# SPDX-License-Identifier: Apache-2.0
"""A process around one node, which leaves in good order."""

import sys
from collections.abc import Callable

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node


def is_mendable(error: Exception) -> bool:
    """Whether the user can do something about it: errors of our own making and of files are written to be read, others are bugs."""
    return isinstance(error, ParameterException | OSError | ImportError) or type(error).__module__.startswith("diff2i2p")


def run(make_node: Callable[[], Node], args: list[str] | None = None, work: Callable[[Node], None] = rclpy.spin) -> int:
    """Make a node, let it `work` until that is done or a signal comes, destroy it. Gives the exit code.

    What the user can mend ends in one sentence on stderr and code 2.
    """
    rclpy.init(args=args)
    node = None
    try:
        node = make_node()
        work(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception as error:
        if is_mendable(error):
            print(error, file=sys.stderr)
            return 2
        if rclpy.ok():  # else a signal took the context away from under whatever rclpy was at
            raise
    finally:
        if node:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
