# SPDX-License-Identifier: Apache-2.0
"""Real images of one place shown to the map of another: whatever gets a pose there is wrong.

By the weights that ship, in the maps that bench_real.py leaves. The sites whose maps are used may be named as arguments.
"""

import sys

from bench_real import RUNS, SITES, map_of
from publish import SHARED, looks, percent, publish
from rich.progress import track

from diff2i2p.config import Config
from diff2i2p.datasets.sequences import read_sequence
from diff2i2p.localization.localizer import Localizer
from diff2i2p.parameters import override
from diff2i2p.weights import GENERIC

COMMAND = "python benchmarks/bench_strangers.py"
EVERY = 4
HEADER = [
    "map of",
    "images of",
    "matcher",
    "map",
    "images",
    "poses found",
    "published",
    "% published",
    "highest confidence",
]


def shown(home: str, stranger: str, colour: bool, matcher: str) -> list:
    """What a localizer of one site says of images of another."""
    localizer = Localizer.open(
        map_of(home, colour), GENERIC, override(Config(), {"matcher": matcher})
    )
    sequence = read_sequence(SHARED / SITES[stranger][0])
    frames = track(sequence.frames[::EVERY], f"{stranger} in {home}, {matcher}")
    answers = [localizer.localize(frame.image(), sequence.camera) for frame in frames]
    found, published = sum(a.inliers is not None for a in answers), sum(a.ok for a in answers)
    highest = round(max(a.confidence for a in answers), 2)
    how = looks({"colour": colour})
    return [
        home,
        stranger,
        matcher,
        how,
        len(answers),
        found,
        published,
        percent(published / len(answers)),
        highest,
    ]


if __name__ == "__main__":
    homes = sys.argv[1:] or list(SITES)
    places = [(home, stranger) for home in homes for stranger in SITES if stranger != home]
    runs = [(colour, matcher) for colour, matchers in RUNS.items() for matcher in matchers]
    publish(
        "strangers",
        " ".join([COMMAND, *sys.argv[1:]]),
        HEADER,
        [shown(*pair, *run) for pair in places for run in runs],
    )
