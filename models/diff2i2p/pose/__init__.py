# SPDX-License-Identifier: Apache-2.0
"""A camera pose out of correspondences, and made better by comparing the image with the rendered map."""
