# SPDX-License-Identifier: Apache-2.0
"""What a camera and a scanner see of a world, and the light in it."""
