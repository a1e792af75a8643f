# SPDX-License-Identifier: Apache-2.0
"""The executables of `ros2 run diff2i2p_ros`."""

import importlib
import signal
from functools import partial


def _execute(module: str) -> int:
    """Run the `main` of a module of this package.

    Ctrl-C while it is imported ends the process without a traceback.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    main = importlib.import_module(f"diff2i2p_ros.{module}").main
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


localizer_node = partial(_execute, "localizer_node")
replay_node = partial(_execute, "replay_node")
sim_camera_node = partial(_execute, "sim_camera_node")
demo = partial(_execute, "demo")
quickstart = partial(_execute, "bringup.quickstart")
check_bringup = partial(_execute, "bringup.check_bringup")
