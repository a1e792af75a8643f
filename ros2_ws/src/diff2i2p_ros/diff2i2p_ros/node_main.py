# SPDX-License-Identifier: Apache-2.0
"""A process around one node, which leaves in good order."""

import atexit
import gc
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node


def is_mendable(error: Exception) -> bool:
    """Whether the user can do something about it: errors of our own making and of files are written to be read, others are bugs."""
    return isinstance(error, ParameterException | OSError | ImportError) or type(
        error
    ).__module__.startswith("diff2i2p")


def keep_logs_somewhere() -> None:
    """rclpy does not start without its log folder: where the home is read-only, the temporary folder takes it."""
    home = os.environ.get("ROS_HOME") or os.path.expanduser("~/.ros")
    folder = Path(os.environ.get("ROS_LOG_DIR") or os.path.join(home, "log"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        os.environ["ROS_LOG_DIR"] = tempfile.mkdtemp(prefix="ros-log-")


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Leaves the block quietly at Ctrl-C and at SIGTERM.

    They take the context away from under whatever rclpy is at, which then may raise anything.
    """
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():
            raise


@contextmanager
def undisturbed() -> Iterator[None]:
    """No Ctrl-C reaches the block: whoever pressed it once sees things put in order."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run(
    make_node: Callable[[], Node],
    args: list[str] | None = None,
    work: Callable[[Node], None] = rclpy.spin,
) -> int:
    """Make a node, let it `work` until that is done or a signal comes, destroy it. Gives the exit code.

    What the user can mend ends in one sentence on stderr and code 2. Only for the main thread.
    """
    keep_logs_somewhere()
    atexit.register(
        gc.freeze
    )  # else the collector looks through all of torch before the process may go: 0.7 s of a core
    nodes: list[Node] = []
    try:
        rclpy.init(args=args)
        with until_interrupted():
            nodes.append(make_node())
            work(nodes[0])
    except KeyboardInterrupt:  # before there was anything to leave
        pass
    except Exception as error:
        if not is_mendable(error):
            raise
        print(error, file=sys.stderr)
        return 2
    finally:
        with undisturbed():
            for node in nodes:
                node.destroy_node()
            rclpy.try_shutdown()
    return 0
