# SPDX-License-Identifier: Apache-2.0
"""The kitchen's queries in bad light: darkened, lit by one lamp, overexposed, blurred; each matcher on the same images and machine.

By the weights that ship, in the maps that bench_real.py leaves.
"""

from dataclasses import dataclass, replace

import numpy as np
from bench_real import map_of
from publish import SHARED, looks, median, percent, publish

from diff2i2p.config import Config
from diff2i2p.datasets.sequences import Frame, Sequence, read_sequence
from diff2i2p.evaluation.metrics import summarize
from diff2i2p.evaluation.run import localize_all
from diff2i2p.localization.localizer import Localizer
from diff2i2p.parameters import override
from diff2i2p.weights import GENERIC
from diff2i2p_sim.negatives import blurred, dark, overexposed

COMMAND = "python benchmarks/bench_light.py"
QUERIES, EVERY = (530, 700), 2
HEADER = [
    "light",
    "matcher",
    "map",
    "frames",
    "answered",
    "5cm/5deg",
    "25cm/5deg",
    "false accepts",
    "median",
    "ms p50",
]
# Matcher, with colour.
RUNS = (("network", True), ("appearance", True), ("both", True), ("network", False))


def one_lamp(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8 under a single lamp: a bright spot somewhere in the view, a tenth of the light beside it."""
    height, width = image.shape[:2]
    v, u = np.mgrid[:height, :width]
    centre, reach = rng.uniform(0, 1, 2) * (width, height), 0.35 * width
    spot = np.exp(-((u - centre[0]) ** 2 + (v - centre[1]) ** 2) / (2 * reach**2))
    return (image * (0.1 + 1.1 * spot)[..., None]).clip(0, 255).astype(np.uint8)


LIGHTS = {"dark": dark, "one lamp": one_lamp, "overexposed": overexposed, "motion blur": blurred}


@dataclass(frozen=True)
class SpoiledFrame(Frame):
    """A frame whose image is spoiled, the same way each time."""

    light: str = ""

    def image(self) -> np.ndarray:
        return LIGHTS[self.light](super().image(), np.random.default_rng(self.index))


def spoiled(sequence: Sequence, light: str) -> Sequence:
    return replace(
        sequence,
        frames=tuple(
            SpoiledFrame(**vars(frame), light=light) for frame in sequence.frames[::EVERY]
        ),
    )


def row(m: dict, light: str) -> list:
    recall = [percent(m["recall"][key]) for key in ("5cm_5deg", "25cm_5deg")]
    return [
        light,
        m["matcher"],
        looks(m),
        m["frames"],
        m["answered"],
        *recall,
        m["false_accepts"],
        median(m),
        m["latency_ms"]["p50"],
    ]


def main():
    sequence, rows = read_sequence(SHARED / "kitchen", *QUERIES), []
    for matcher, colour in RUNS:
        site_map = map_of("kitchen", colour)
        localizer = Localizer.open(site_map, GENERIC, override(Config(), {"matcher": matcher}))
        for light in LIGHTS:
            records = localize_all(localizer, spoiled(sequence, light))
            rows.append(row(summarize(records, matcher, colour, GENERIC, site_map.name), light))
            print(*rows[-1], flush=True)
    publish("light", COMMAND, HEADER, rows)


if __name__ == "__main__":
    main()
