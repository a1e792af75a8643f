# SPDX-License-Identifier: Apache-2.0
"""Does it know when it is wrong? Synthetic offices on another day, and what must not get a wrong pose, by appearance: matches with the
posed images of the mapping run and, in doubt, with views rendered from the cloud.

Records lie in out/bench/negatives and are kept: run it again to finish what was interrupted, with --rounds for more images, with
--minutes to stop in time. The confidence is fitted on the first eight offices (fit_confidence.py); the table is of the other five.
"""

import argparse
import time
from functools import cached_property, lru_cache, partial
from itertools import product

import cv2
import numpy as np
from publish import OUT, publish
from records import append, consistency, decide, false, load, observe, right

from diff2i2p.camera import Camera
from diff2i2p.config import Config
from diff2i2p.evaluation.reliability import nees_band, reliability
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.keyframes import Photograph
from diff2i2p.parameters import override
from diff2i2p_sim import negatives
from diff2i2p_sim.rendering.lidar_scan import scan_positions
from diff2i2p_sim.world import World

COMMAND = "python benchmarks/bench_negatives.py"
FOLDER = OUT / "negatives"
CAMERA = Camera(320, 240, (230.0, 230.0, 159.5, 119.5))
FITTED, JUDGED = (11, 12, 13, 14, 15, 16, 17, 18), (21, 22, 23, 24, 25)  # seeds of the offices
MAPPING, FRAMES, FEW = 60, 15, 3  # images of the mapping run, of a round, and of a covered lens
LOOKS = {"appearance": {"spacing": 1.2, "headings": 8}}
HEARD = {"track": {"sure": 0.999}}  # every matcher: more to fit on
GATE = Config().verify.min_confidence
# Images of the mapped place.
POSITIVE = ("another day", "changed room", "blurred", "dark", "overexposed")
# No pose, or a pose by luck.
NEGATIVE = ("repeated", "other floor", "other place", "mirrored", "covered")
KINDS = (*POSITIVE, *NEGATIVE, "refurnished")
KNOWN = (*POSITIVE, "repeated", "refurnished")  # whose true poses are poses in the map
CHANGES = ("changed room", "other floor", "refurnished")  # that need images of their own
HEADER = [
    "images",
    "shown",
    "right poses found",
    "published",
    "right ones lost to the gate",
    "false ones published",
    "% false",
]
GATES = (0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)


class Office:
    """One office, and its map, made when it is first asked for."""

    def __init__(
        self, seed: int, config: Config = Config(), rooms: int = 1, weights: str | None = None
    ):
        self.seed, self.rooms, self.weights = seed, rooms, weights
        self.world, self.config = World.office(seed, rooms), override(config, LOOKS)

    @cached_property
    def localizer(self) -> Localizer:
        path = FOLDER / f"{self.seed}.i2pmap"
        if not path.exists():
            FOLDER.mkdir(parents=True, exist_ok=True)
            poses = self.world.drive(self.seed, MAPPING * self.rooms, 2.0, cover=True)[1]
            cloud = self.world.scan(np.random.default_rng(self.seed), scan_positions(poses))
            images = self.world.render(CAMERA, poses)[0]
            photographs = [
                Photograph(partial(np.copy, image), CAMERA, T)
                for image, T in zip(images, poses, strict=True)
            ]
            compile_map(
                cloud,
                path,
                self.weights,
                self.config,
                up=np.array([0, 0, 1.0]),
                photographs=photographs,
            )
        return Localizer.open(path, self.weights, self.config)

    @cached_property
    def twice(self) -> Localizer:
        """The localizer of a map that holds the office twice."""
        return negatives.repeated(
            self.localizer, np.array([np.ptp(self.localizer.map.points[:, 0]) + 10, 0, 0])
        )


@lru_cache(maxsize=1)  # one round is seen in many ways
def taken(office: Office, change: str, number: int) -> tuple[np.ndarray, np.ndarray]:
    """FRAMES images and true poses of one drive through an office after a change."""
    seed = 1000 * office.seed + number
    if change == "day":
        world = office.world.changed(seed)
    elif change == "changed room":
        world = negatives.rearranged(office.world, seed + 500)
    else:
        make = negatives.other_floor if change == "other floor" else negatives.refurnished
        world = make(office.world, office.seed, office.rooms, 1 + number)
    poses = world.drive(seed, FRAMES, 1.0)[1]
    return world.render(CAMERA, poses)[0], poses


def shown(office: Office, kind: str, number: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The images of one kind in one round, in their order, with the camera's poses in the place that it is in."""
    if kind == "other place":
        return taken(Office(office.seed + 100 * (1 + number), rooms=office.rooms), "day", number)
    images, poses = taken(office, kind if kind in CHANGES else "day", number)
    if kind in ("mirrored", *negatives.SPOILED):
        rng = np.random.default_rng([office.seed, number])
        spoil = negatives.mirrored if kind == "mirrored" else negatives.SPOILED[kind]
        images = [spoil(image, rng) for image in images]
    frames = FEW if kind == "covered" else FRAMES
    return images[:frames], poses[:frames]


def record(office: Office, number: int, kinds: list[str], done: set[tuple], end: float) -> None:
    """Localize all that one office shows in one round and is not recorded yet."""
    for kind in sorted(
        kinds, key=(*CHANGES, "other place").__contains__
    ):  # the same images in a row
        if (str(office.seed), kind, f"{number}") in done or time.process_time() > end:
            continue
        localizer = office.twice if kind == "repeated" else office.localizer
        seen = [
            observe(localizer, image, CAMERA, T if kind in KNOWN else None)
            for image, T in zip(*shown(office, kind, number), strict=True)
        ]
        append(FOLDER / f"{office.seed}.jsonl", str(office.seed), kind, f"{number}", seen)
    print(
        f"office {office.seed}, round {number}: {time.process_time():.0f} CPU seconds", flush=True
    )


def recorded() -> set[tuple]:
    """(site, kind, round) of all that is recorded already."""
    return {(r["site"], r["kind"], r["name"]) for r in load(*FOLDER.glob("*.jsonl"))}


def table(records: list[dict]) -> list[list]:
    """A row for each kind of image, and one for all of the place and for all others."""
    rows = {
        kind: row(kind, [r for r in records if r["kind"] == kind])
        for kind in KINDS
        if any(r["kind"] == kind for r in records)
    }
    sums = [row(name, [r for r in records if r["kind"] in kinds]) for name, kinds in
            (("all of the place", POSITIVE), ("all others", NEGATIVE), ("everything", POSITIVE + NEGATIVE))]  # fmt: skip
    last = [rows.pop("refurnished")] if "refurnished" in rows else []
    return [*rows.values(), *sums, *last]


def trade(records: list[dict]) -> list[list]:
    """For every gate what it costs in right poses of the place, and which false ones pass it."""
    place, others = ([r for r in records if r["kind"] in kinds] for kinds in (POSITIVE, NEGATIVE))
    rows = []
    for gate in GATES:
        _, shown, found, _, lost, false_here, _ = row("", place, gate)
        false_there = row("", others, gate)[5]
        shares = 100 * np.array([found - lost, lost]) / max(shown, 1)
        false_share = 100 * (false_here + false_there) / max(len(place) + len(others), 1)
        rows.append(
            [
                gate,
                *(f"{share:.1f}" for share in shares),
                false_here,
                false_there,
                f"{false_share:.3f}",
            ]
        )
    return rows


def row(name: str, records: list[dict], gate: float = GATE) -> list:
    answers = [answer for answer in map(decide, records) if answer]
    published = [answer for answer in answers if answer["confidence"] >= gate]
    found = sum(map(right, answers))
    lost = found - sum(map(right, published))
    wrong = sum(map(false, published))
    share = f"{100 * wrong / max(len(records), 1):.3f}"
    return [name, len(records), found, len(published), lost, wrong, share]


def calibration(records: list[dict]) -> str:
    """The calibration and the consistency of the covariance in one sentence."""
    answers = [
        answer for r in records if r["kind"] in POSITIVE + NEGATIVE and (answer := decide(r))
    ]
    error = reliability(
        [a["confidence"] for a in answers], [right(a) for a in answers]
    ).expected_calibration_error
    squares = np.array(
        [
            consistency(a)
            for r in records
            if r["kind"] == "another day" and (a := decide(r)) and right(a)
        ]
    )
    low, high = nees_band(len(squares))
    return (
        f"ECE {error:.4f} over {len(answers)} answers; mean NEES {squares.mean():.2f} (median {np.median(squares):.2f}) "
        f"over {len(squares)} right poses, 95 % band {low:.2f} to {high:.2f}."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1, help="drives through each office")
    parser.add_argument("--offices", type=int, nargs="+", default=[*FITTED, *JUDGED])
    parser.add_argument(
        "--kinds", nargs="+", default=KINDS, choices=KINDS, metavar="KIND", help="record these only"
    )
    parser.add_argument(
        "--minutes", type=float, default=15, help="CPU minutes after which to stop recording"
    )
    options = parser.parse_args()
    cv2.setNumThreads(1)
    done = recorded()
    offices = [
        Office(seed, override(Config(), HEARD if seed in FITTED else {}))
        for seed in options.offices
    ]
    for number, office in product(range(options.rounds), offices):
        record(office, number, options.kinds, done, 60 * options.minutes)
    records = load(*(FOLDER / f"{seed}.jsonl" for seed in JUDGED))
    if not records:
        raise SystemExit("none of the judged offices is recorded yet: no table")
    publish("negatives", COMMAND, HEADER, table(records))
    header = [
        "gate",
        "% right",
        "% lost to the gate",
        "false, of the place",
        "false, others",
        "% false of all",
    ]
    publish("gate", COMMAND, header, trade(records))
    print(calibration(records))
