# SPDX-License-Identifier: Apache-2.0
"""Synthetic indoor worlds: generated from a seed, rendered, scanned, driven through, written as SDF."""
