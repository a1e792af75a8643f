# SPDX-License-Identifier: Apache-2.0
"""Light of any day and night: named lightings, and as many random ones as wanted."""

import numpy as np

from diff2i2p_sim.description import Lighting

LIGHTINGS = {
    "day": Lighting(),
    "evening": Lighting(windows=0.04, lamp_colour=(1.1, 0.98, 0.8), level=0.8),
    "daylight": Lighting(windows=1.4, lamps=0.0, level=0.8),
    "lamp": Lighting(windows=0.01, lamp_colour=(1.15, 0.96, 0.7), share_on=0.3, level=0.6),
    "dark": Lighting(windows=0.08, lamps=0.06, share_on=0.4, level=0.35),
}
OUTDOORS = 1.45  # exposure against that of rooms: the ground is dark, and fills the picture


def random_lighting(rng: np.random.Generator, outdoors: bool = False) -> Lighting:
    """Any day: mostly lit well, at times by night, by one lamp, dark, or with glaring windows."""
    windows, lamps, share, level = MOODS[rng.choice(len(MOODS), p=WEIGHTS)]
    warm, sky = rng.uniform(-0.12, 0.28), rng.uniform(-0.1, 0.12)
    exposure = rng.uniform(*level) * (OUTDOORS if outdoors else 1.0)
    if outdoors and windows[1] <= 0.2:
        windows = (0.05, 0.4)  # it never gets as dark as a room without windows
    return Lighting(
        windows=_rounded(rng.uniform(*windows)),
        lamps=_rounded(rng.uniform(*lamps)),
        window_colour=_balance(sky),
        lamp_colour=_balance(-warm),
        share_on=_rounded(rng.uniform(*share)),
        level=_rounded(exposure),
        seed=int(rng.integers(1_000_000)),
    )


MOODS = (  # ranges of windows, lamps, share of lamps that burn, level
    ((0.4, 1.4), (0.5, 1.2), (0.7, 1.0), (0.7, 1.0)),  # day, lamps on
    ((0.8, 1.6), (0.0, 0.1), (0.2, 1.0), (0.65, 1.0)),  # day, lamps off
    ((0.0, 0.05), (0.8, 1.2), (0.6, 1.0), (0.6, 0.95)),  # night, lamps on
    ((0.0, 0.03), (0.8, 1.2), (0.0, 0.15), (0.5, 0.9)),  # one lamp
    ((0.02, 0.2), (0.0, 0.2), (0.1, 0.6), (0.25, 0.5)),  # dusk, hardly any light
    ((2.5, 6.0), (0.0, 0.6), (0.3, 1.0), (1.1, 1.6)),  # glaring windows, too bright
    ((0.5, 1.5), (0.5, 1.2), (0.5, 1.0), (1.2, 1.7)),  # exposed too long
)
WEIGHTS = (0.36, 0.17, 0.15, 0.08, 0.08, 0.08, 0.08)


def _balance(cold: float) -> tuple[float, float, float]:
    """RGB gains of a light that is bluish (> 0) or reddish (< 0)."""
    return _rounded(1 - cold), 1.0, _rounded(1 + 1.3 * cold)


def _rounded(value: float) -> float:
    return round(float(value), 3)
