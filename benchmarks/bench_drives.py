# SPDX-License-Identifier: Apache-2.0
"""What would the node publish? The images of bench_negatives.py in the order of their drives, a frame a second, each localized where
the ones before it and odometry lead to expect it, with odometry (5 % too long) and without.

Records lie in out/bench/drives and are kept: run it again to finish what was interrupted.
"""

import argparse
import json
import time
from itertools import product

import cv2
import numpy as np
from bench_negatives import CAMERA, CHANGES, JUDGED, KNOWN, NEGATIVE, POSITIVE, Office, shown
from publish import OUT, publish
from records import false, load, right

from diff2i2p.datasets.odometry import DriftingOdometry
from diff2i2p.evaluation.run import Tracking
from diff2i2p.geometry import T_BODY_OPTICAL, pose_error
from diff2i2p.localization.localizer import Localizer

COMMAND = "python benchmarks/bench_drives.py"
FOLDER = OUT / "drives"
DRIFT = 0.05  # share by which odometry overestimates every step and every turn
MIRROR = np.diag([-1.0, 1, 1, 1])  # what a motion becomes in the mirror image of a place


def odometry(poses: list[np.ndarray]) -> list[np.ndarray]:
    """T_odom_camera (4, 4) along a drive, as wheels would tell it."""
    wheels = DriftingOdometry(DRIFT)
    return [wheels.step(T) @ T_BODY_OPTICAL for T in poses]


class Noting:
    """A localizer that keeps what it found, verified or not."""

    def __init__(self, localizer: Localizer):
        self._localizer, self.config, self.found = localizer, localizer.config, []

    def localize(self, *looked):
        answer = self._localizer.localize(*looked)
        self.found.append(answer if answer.ok else answer.rejected)
        return answer


def drive(
    localizer: Localizer, images, poses: list[np.ndarray] | None, told: list[np.ndarray] | None
) -> list[dict]:
    """What is found and what is published along a drive; `poses`: the true ones, None where any is wrong; `told`: by odometry."""
    noting = Noting(localizer)
    tracking = Tracking(noting, lambda stamp: told[int(stamp)] if told else None)
    answers = [tracking(image, CAMERA, float(n)) for n, image in enumerate(images)]
    seen = []
    for n, (answer, found) in enumerate(zip(answers, noting.found, strict=True)):
        error = (
            None
            if found is None
            else (1e3, 180.0)
            if poses is None
            else pose_error(poses[n], found.T_map_camera)
        )
        seen.append(
            {
                "error": error,
                "confidence": None if found is None else round(found.confidence, 4),
                "published": answer.ok,
            }
        )
    return seen


def record(seed: int, number: int, has_odometry: bool, done: set[tuple], end: float) -> None:
    """The drives of one round through one office that are not recorded yet."""
    office = Office(seed)
    for kind in sorted(
        POSITIVE + NEGATIVE, key=(*CHANGES, "other place").__contains__
    ):  # the same images in a row
        if (seed, number, kind, has_odometry) in done or time.process_time() > end:
            continue
        localizer = office.twice if kind == "repeated" else office.localizer
        images, poses = shown(office, kind, number)
        told = odometry([MIRROR @ T @ MIRROR for T in poses] if kind == "mirrored" else poses)
        seen = drive(
            localizer, images, poses if kind in KNOWN else None, told if has_odometry else None
        )
        with open(FOLDER / f"{seed}.jsonl", "a") as file:
            file.write(
                json.dumps(
                    {
                        "office": seed,
                        "round": number,
                        "kind": kind,
                        "odometry": has_odometry,
                        "frames": seen,
                    }
                )
                + "\n"
            )
    print(f"office {seed}, round {number}: {time.process_time():.0f} CPU seconds", flush=True)


def table(drives: list[dict]) -> list[list]:
    """With odometry and without, a row for each kind of image, and for all of the place and for all others."""
    groups = {kind: [kind] for kind in POSITIVE + NEGATIVE}
    groups |= {
        "all of the place": POSITIVE,
        "all others": NEGATIVE,
        "everything": POSITIVE + NEGATIVE,
    }
    return [row(name, told, [frame for d in drives if d["odometry"] == told and d["kind"] in kinds for frame in d["frames"]])
            for told in (True, False) for name, kinds in groups.items()]  # fmt: skip


def row(name: str, has_odometry: bool, frames: list[dict]) -> list:
    found = [frame for frame in frames if frame["error"] and right(frame)]
    published = [frame for frame in frames if frame["published"]]
    lost, wrong = sum(not frame["published"] for frame in found), sum(map(false, published))
    share = 100 / max(len(frames), 1)
    return [
        name,
        "yes" if has_odometry else "no",
        len(frames),
        len(found),
        len(published),
        lost,
        f"{share * lost:.1f}",
        wrong,
        f"{share * wrong:.3f}",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds",
        type=int,
        nargs=2,
        default=(0, 1),
        metavar=("FROM", "TO"),
        help="drives of each kind through each office",
    )
    parser.add_argument("--offices", type=int, nargs="+", default=JUDGED)
    parser.add_argument(
        "--without-odometry", action="store_true", help="record drives without odometry"
    )
    parser.add_argument(
        "--minutes", type=float, default=15, help="CPU minutes after which to stop recording"
    )
    options = parser.parse_args()
    cv2.setNumThreads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    done = {
        (d["office"], d["round"], d["kind"], d["odometry"]) for d in load(*FOLDER.glob("*.jsonl"))
    }
    for number, seed in product(range(*options.rounds), options.offices):
        record(seed, number, not options.without_odometry, done, 60 * options.minutes)
    drives = load(*(FOLDER / f"{seed}.jsonl" for seed in JUDGED))
    if not drives:
        raise SystemExit("none of the judged offices is recorded yet: no table")
    header = ["images", "odometry", "shown", "right poses found", "published", "right ones not published", "% of shown",
              "false ones published", "% false"]  # fmt: skip
    publish("drives", COMMAND, header, table(drives))
