# SPDX-License-Identifier: Apache-2.0
"""Painted surfaces: materials, pictures, fixtures."""
