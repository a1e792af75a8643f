# SPDX-License-Identifier: Apache-2.0
"""Synthetic indoor worlds: generated from a seed, rendered, scanned, driven through, written as SDF."""

from .description import Item, Light, Lighting, Primitive, Room, Texture
from .scan import scan_positions
from .sdf import WorldError
from .world import LIGHTINGS, World
from .write import CAMERA, write_world

__all__ = [
    "CAMERA",
    "LIGHTINGS",
    "Item",
    "Light",
    "Lighting",
    "Primitive",
    "Room",
    "Texture",
    "World",
    "WorldError",
    "scan_positions",
    "write_world",
]
