# SPDX-License-Identifier: Apache-2.0
"""Recorded drives: folders of images and ROS bags, with their cameras, true poses and odometry."""
