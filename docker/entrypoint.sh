#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The command, in ROS, the workspace and the virtual environment.
set -e
source /opt/ros/jazzy/setup.bash
source /opt/diff2i2p/setup.bash
export PATH=/opt/venv/bin:$PATH
export PYTHONPATH=/opt/venv/lib/python3.12/site-packages:$PYTHONPATH # the executables of colcon know the system's Python alone
exec "$@"
