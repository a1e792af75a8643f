# SPDX-License-Identifier: Apache-2.0
"""The thin ROS 2 layer around diff2i2p: nodes, what their parts share, and a package for the parts of each large node."""
