# SPDX-License-Identifier: Apache-2.0
"""Of the node `sim_camera`: robot.py what it is, simulation.py how it moves and sees, pilot.py where to, topics.py what it tells."""
