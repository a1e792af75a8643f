# SPDX-License-Identifier: Apache-2.0
"""Offline training of the diff2i2p network."""
