# SPDX-License-Identifier: Apache-2.0
"""Does it know when it is wrong? Synthetic offices on another day, and what must not get a wrong pose, by the appearance matcher.

Records lie in out/bench/negatives and are kept: run it again to finish what was interrupted, with --rounds for more images, with
--minutes to stop in time. The confidence is fitted on the first five offices (fit_confidence.py); the table is of the other five.
"""

import argparse
import time
from itertools import product

import numpy as np
from bench import OUT, publish
from records import append, decide, false, load, observe, right

from diff2i2p.camera import Camera
from diff2i2p.config import Config, override
from diff2i2p.evaluation import negatives
from diff2i2p.evaluation.reliability import gate_curve, nees_band, reliability
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.world import World
from diff2i2p.world.scan import scan_positions

FOLDER = OUT / "negatives"
CAMERA = Camera(320, 240, (230.0, 230.0, 159.5, 119.5))
FITTED, JUDGED = (11, 12, 13, 14, 15), (21, 22, 23, 24, 25)  # seeds of the offices
FRAMES, FEW, ROOMS = 15, 3, 1
LOOKS = {"appearance": {"spacing": 1.2, "headings": 8}}
GATE = Config().verify.min_confidence
POSITIVE = ("another day", "changed room", "blurred", "dark", "overexposed")  # images of the mapped place
KINDS = (*POSITIVE, "repeated", "other floor", "other place", "mirrored", "covered")


class Office:
    """One office: its map, made when it is first asked for, and what cameras see of it and of others."""

    def __init__(self, seed: int):
        self.seed, self.world = seed, World.office(seed, ROOMS)
        self.day = self.world.changed(seed)

    def localizer(self) -> Localizer:
        path = FOLDER / f"{self.seed}.i2pmap"
        config = override(Config(), {**LOOKS, "verify": {"min_confidence": 0.0}})
        if not path.exists():
            cloud = self.world.scan(np.random.default_rng(self.seed), scan_positions(self.world.drive(self.seed, 60, 2.0, cover=True)[1]))
            compile_map(cloud, path, config=config, up=np.array([0, 0, 1.0]))
        return Localizer.open(path, config=config)

    def images(self, number: int, world: World) -> tuple[np.ndarray, np.ndarray]:
        """FRAMES images and true poses of one drive through a world."""
        poses = world.drive(1000 * self.seed + number, FRAMES, 1.0)[1]
        return world.render(CAMERA, poses)[0], poses


def shown(office: Office, kind: str, number: int) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Images of one kind in one round, with the true poses of those that show the mapped place."""
    rng = np.random.default_rng([office.seed, number])
    if kind == "other place":
        strange = Office(office.seed + 100)
        return [(image, None) for image in strange.images(number, strange.world)[0]]
    if kind == "other floor":
        floor = negatives.other_floor(office.world, office.seed, ROOMS, 1 + number)
        return [(image, None) for image in office.images(number, floor)[0]]
    world = negatives.rearranged(office.world, 1000 * office.seed + number) if kind == "changed room" else office.day
    images, poses = office.images(number, world)
    if kind in ("another day", "changed room", "repeated"):
        return list(zip(images, poses, strict=True))
    spoil = negatives.mirrored if kind == "mirrored" else negatives.SPOILED[kind]
    known = kind in POSITIVE
    return [(spoil(image, rng), T if known else None) for image, T in zip(images, poses, strict=True)][: FEW if kind == "covered" else None]


def record(seed: int, number: int, done: set[tuple], end: float) -> None:
    """Localize all that one office shows in one round and is not recorded yet."""
    office = Office(seed)
    todo = [kind for kind in KINDS if (str(seed), kind, f"{number}") not in done]
    if not todo:
        return
    localizer = office.localizer()
    width = np.ptp(localizer.map.points[:, 0])
    for kind in todo:
        if time.process_time() > end:
            return
        asked = negatives.repeated(localizer, np.array([width + 10, 0, 0])) if kind == "repeated" else localizer
        seen = [observe(asked, image, CAMERA, T) for image, T in shown(office, kind, number)]
        for poses in seen:
            append(FOLDER / f"{seed}.jsonl", str(seed), kind, f"{number}", poses)
        print(f"office {seed}, round {number}: {len(seen)} x {kind}", flush=True)


def table(records: list[dict]) -> list[list]:
    """A row for each kind of image, and one for all."""
    rows = [row(kind, [r for r in records if r["kind"] == kind]) for kind in KINDS]
    known = [r for r in records if r["kind"] in POSITIVE]
    return [*rows, row("all of the place", known), row("everything", records)]


def row(name: str, records: list[dict]) -> list:
    answers = [answer for answer in map(decide, records) if answer]
    published = [answer for answer in answers if answer["confidence"] >= GATE]
    found = sum(map(right, answers))
    lost = found - sum(map(right, published))
    wrong = sum(map(false, published))
    share = f"{100 * wrong / max(len(records), 1):.2f}"
    return [name, len(records), found, len(published), lost, wrong, share]


def calibration(records: list[dict]) -> str:
    """The calibration and the consistency of the covariance in one sentence."""
    answers = [answer for answer in map(decide, records) if answer]
    sure, good = np.array([a["confidence"] for a in answers]), np.array([right(a) for a in answers])
    curve = gate_curve(sure, good, np.array([false(a) for a in answers]), len(records), sum(r["kind"] in POSITIVE for r in records))
    at = np.flatnonzero(curve.confidence >= GATE)[-1]
    error = reliability(sure, good).expected_calibration_error
    squares = np.array([a["nees"] for r in records if r["kind"] == "another day" and (a := decide(r)) and right(a)])
    low, high = nees_band(len(squares))
    return (
        f"Gate {GATE}: precision {curve.precision[at]:.4f}, recall {curve.recall[at]:.4f}, ECE {error:.4f}; mean NEES {squares.mean():.2f} "
        f"(median {np.median(squares):.2f}) over {len(squares)} right poses, 95 % band {low:.2f} to {high:.2f}."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="drives through each office")
    parser.add_argument("--offices", type=int, nargs="+", default=[s for pair in zip(FITTED, JUDGED, strict=True) for s in pair])
    parser.add_argument("--minutes", type=float, default=15, help="CPU minutes after which to stop recording")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    done = {(r["site"], r["kind"], r["name"]) for r in load(*FOLDER.glob("*.jsonl"))}
    for number, seed in product(range(options.rounds), options.offices):
        record(seed, number, done, 60 * options.minutes)
    records = load(*(FOLDER / f"{seed}.jsonl" for seed in JUDGED))
    header = ["images", "shown", "right poses found", "published", "right ones lost to the gate", "false ones published", "% false"]
    publish("negatives", "python tests/benchmarks/bench_negatives.py", header, table(records))
    print(calibration(records))
