# SPDX-License-Identifier: Apache-2.0
"""Who finds correspondences between an image and the map: the network, appearance, and KLT while a camera is tracked."""
