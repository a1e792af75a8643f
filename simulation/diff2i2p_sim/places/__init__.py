# SPDX-License-Identifier: Apache-2.0
"""Places of many kinds, each of its own size, look and clutter by its seed."""

from collections.abc import Callable

import numpy as np

from diff2i2p_sim.places.chamber import Built
from diff2i2p_sim.places.corridor import build_corridor
from diff2i2p_sim.places.hall import build_hall
from diff2i2p_sim.places.home import build_home
from diff2i2p_sim.places.lecture import build_lecture
from diff2i2p_sim.places.office import build_office_place
from diff2i2p_sim.places.storage import build_storage, build_workshop
from diff2i2p_sim.places.street import build_street

PLACES: dict[str, Callable[[np.random.Generator], Built]] = {
    "home": build_home,
    "hall": build_hall,
    "office": build_office_place,
    "corridor": build_corridor,
    "storage": build_storage,
    "workshop": build_workshop,
    "lecture": build_lecture,
    "street": build_street,
}


def build_place(seed: int, kind: str | None = None) -> Built:
    """Items, lights and rooms of a place. Raises ValueError for a kind that is not in PLACES."""
    rng = np.random.default_rng([seed, 17])
    chosen = str(rng.choice(list(PLACES)))
    if kind is not None and kind not in PLACES:
        raise ValueError(f"no kind of place is called {kind!r}: choose one of {', '.join(PLACES)}")
    return PLACES[kind or chosen](rng)
