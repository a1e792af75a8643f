# SPDX-License-Identifier: Apache-2.0
"""The thin ROS 2 layer around diff2i2p: parameters, conversion, nodes."""
