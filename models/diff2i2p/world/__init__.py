# SPDX-License-Identifier: Apache-2.0
"""Synthetic indoor worlds: generated from a seed, rendered, scanned, driven through, written as SDF."""

from .description import Item, Light, Lighting, Primitive, Room, Texture
from .world import LIGHTINGS, World

__all__ = ["LIGHTINGS", "Item", "Light", "Lighting", "Primitive", "Room", "Texture", "World"]
