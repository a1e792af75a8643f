# SPDX-License-Identifier: Apache-2.0
"""What is trained on: views of sites and synthetic worlds, and pairs of image and cloud out of public data sets."""
