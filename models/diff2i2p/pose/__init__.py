# SPDX-License-Identifier: Apache-2.0
"""A camera pose out of correspondences, sharpened by comparing image and rendered map."""
