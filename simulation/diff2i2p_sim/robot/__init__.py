# SPDX-License-Identifier: Apache-2.0
"""A robot in a world: model.py what it is, simulation.py how it moves and sees, pilot.py and drive.py where to."""
