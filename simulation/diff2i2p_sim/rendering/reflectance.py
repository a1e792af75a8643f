# SPDX-License-Identifier: Apache-2.0
"""Reflectance at 905 nm: what a LiDAR sees of a material that a camera sees otherwise.

Most dyes and inks let infrared through, leaves shine, screens and asphalt swallow it; so a material
keeps a part of its visible contrast only, around a level of its own that its colour does not tell.
"""

import numpy as np

from diff2i2p_sim.description import Texture

OTHER = (0.45, 0.5, 0.15)
INFRARED = {  # kind -> mean level, share of the visible contrast that is kept, spread of the level
    **dict.fromkeys(("foliage", "crown", "grass"), (0.55, 0.15, 0.08)),
    **dict.fromkeys(("fabric", "carpet", "stripes", "plaid", "blotches", "rug"), (0.5, 0.2, 0.2)),
    **dict.fromkeys(
        ("poster", "paper", "label", "books", "binders", "mural", "wallpaper"), (0.6, 0.3, 0.12)
    ),
    **dict.fromkeys(
        ("wood", "planks", "panelling", "planking", "chipboard", "cardboard"), (0.55, 0.4, 0.08)
    ),
    **dict.fromkeys(("screen", "rack", "keyboard", "vent"), (0.07, 0.1, 0.04)),
    **dict.fromkeys(("metal", "corrugated"), (0.4, 0.3, 0.25)),
    **dict.fromkeys(("asphalt", "bark"), (0.2, 0.3, 0.06)),
    "plain": (0.4, 0.45, 0.25),
}


def infrared_of(textures: list[Texture]) -> np.ndarray:
    """(T, 2) float32: level, and share of the visible albedo, of each texture."""
    return np.array([_infrared(texture) for texture in textures], np.float32).reshape(-1, 2)


def _infrared(texture: Texture) -> tuple[float, float]:
    mean, share, spread = INFRARED.get(texture.kind, OTHER)
    colour = [round(1000 * channel) for channel in texture.colour]
    rng = np.random.default_rng([texture.seed, *texture.kind.encode(), *colour])
    return float(np.clip(mean + spread * rng.standard_normal(), 0.03, 0.95)), share
