# SPDX-License-Identifier: Apache-2.0
"""Does the network know when it is wrong? The demo office on another day, and what must not get a wrong pose, by the network alone.

Records lie in out/bench/negatives and are kept, as those of bench_negatives.py.
"""

import argparse

import cv2
from bench_negatives import FOLDER, HEADER, KINDS, Office, record, recorded, table
from publish import publish
from records import load

from diff2i2p.config import Config
from diff2i2p.parameters import override
from diff2i2p.weights import GENERIC

COMMAND = "python benchmarks/bench_negatives_network.py"
SEED, ROOMS = 0, 3
SHOWN = [
    kind for kind in KINDS if kind != "repeated"
]  # a map that holds its place twice is made for photographs

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1, help="drives through the office")
    parser.add_argument(
        "--minutes", type=float, default=15, help="CPU minutes after which to stop recording"
    )
    options = parser.parse_args()
    cv2.setNumThreads(1)
    office, done = (
        Office(SEED, override(Config(), {"matcher": "network"}), ROOMS, GENERIC),
        recorded(),
    )
    for number in range(options.rounds):
        record(office, number, SHOWN, done, 60 * options.minutes)
    publish(
        "negatives-network",
        f"{COMMAND} --rounds {options.rounds}",
        HEADER,
        table(load(FOLDER / f"{SEED}.jsonl")),
    )
