# SPDX-License-Identifier: Apache-2.0
"""One evaluation from map and sequence to metrics and report, of one matcher or of several side by side."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from diff2i2p.camera import Camera
from diff2i2p.config import Config
from diff2i2p.datasets.image_bytes import ImageError
from diff2i2p.datasets.sequences import Frame, Sequence, SequenceError
from diff2i2p.evaluation.alignment import aligned
from diff2i2p.evaluation.metrics import Record, judge, summarize, write_metrics
from diff2i2p.evaluation.report.report import Run, write_report
from diff2i2p.localization.localizer import Localizer
from diff2i2p.localization.result import Localization, Status
from diff2i2p.localization.track import JUMP, Tracker
from diff2i2p.parameters import override


class Evaluation:
    """The localizers to evaluate in one map; the first is the one that counts."""

    def __init__(self, localizers: dict[str, Localizer], weights: str | None, map_name: str):
        self._localizers, self._weights, self._map_name = localizers, weights, map_name
        self.site = next(iter(localizers.values())).map

    @classmethod
    def open(
        cls, map_file: Path, weights: str | None, config: Config, alone: bool = False
    ) -> "Evaluation":
        """The matcher of `config` and, where asked for, each matcher alone. Raises MapError, WeightsError."""
        main = (
            "appearance" if config.matcher == "both" and not weights else config.matcher
        )  # figures name who has matched
        names = dict.fromkeys([main, *(("network", "appearance") if alone else ())])
        localizers = {
            name: Localizer.open(map_file, weights, override(config, {"matcher": name}))
            for name in names
        }
        return cls(localizers, weights, map_file.name)

    def run(
        self, sequence: Sequence, track: bool = False, align: bool = False, progress: Callable[[int, int, str], None] | None = None
    ) -> list[Run]:  # fmt: skip
        """Localize the sequence with each localizer, each frame on its own or tracked, with the truth as it is or aligned.

        Tracking uses the odometry of a BagSequence. Raises CameraError, ImageError, AlignmentError.
        """
        runs, total, done = [], len(self._localizers) * len(sequence), 0

        def count(record: Record) -> None:
            nonlocal done
            done += 1
            if progress:
                progress(done, total, record.frame.name)

        for name, localizer in self._localizers.items():
            tracking = (
                Tracking(localizer, getattr(sequence, "odometry", lambda stamp: None))
                if track
                else None
            )
            records = localize_all(localizer, sequence, count, tracking)
            if align:
                records, _ = aligned(records, self.site.points, sequence.camera)
            summary = summarize(
                records, name, self.site.grey is not None, self._weights, self._map_name
            )
            summary |= {
                "sequence": sequence.name,
                "tracking": track,
                "aligned": align,
                "sources": getattr(sequence, "sources", {}),
            }
            runs.append(Run(name, records, summary))
        return runs

    def write(self, out: Path, runs: list[Run]) -> Path:
        """Write metrics.json, frames.csv, trajectories and report.html into `out`; gives the report's path."""
        main, *others = runs
        if others:
            main = replace(
                main, summary=main.summary | {"alone": {run.name: run.summary for run in others}}
            )
        write_metrics(out, main.records, main.summary)
        mode = "tracking" if main.summary["tracking"] else "each frame alone"
        return write_report(
            out,
            [main, *others],
            self.site,
            f"{main.summary['sequence']}: matcher {main.name}, {mode}",
        )


class Tracking:
    """Localizes as the node does: near the pose expected from the last ones and odometry, and only where the robot can have got to.

    Where the stamps jump back it starts again. odometry: gives T_odom_camera (4, 4) at a stamp in seconds, or None.
    """

    def __init__(
        self, localizer, odometry: Callable[[float], np.ndarray | None] = lambda stamp: None
    ):
        self._localizer, self._odometry = localizer, odometry
        self._tracker, self._newest = Tracker(localizer.config), -np.inf

    def __call__(self, image: np.ndarray, camera: Camera, stamp: float) -> Localization:
        if stamp < self._newest - JUMP:
            self._tracker, self._newest = Tracker(self._localizer.config), stamp
        self._newest = max(self._newest, stamp)
        return self._tracker.localize(
            self._localizer, image, camera, stamp, lambda: self._odometry(stamp)
        )


def evaluate(
    localizer, sequence: Sequence, on_frame: Callable[[Record], None] | None = None
) -> list[Record]:
    """Localize every frame that has a true pose, each on its own without any prior. Raises SequenceError, CameraError."""
    return localize_all(localizer, with_truth(sequence), on_frame)


def with_truth(sequence: Sequence) -> Sequence:
    """The frames that have a true pose. Raises SequenceError when none has."""
    frames = tuple(frame for frame in sequence if frame.T_map_camera is not None)
    if not frames:
        raise SequenceError(
            f"{sequence.name} has no true poses to compare with: add groundtruth.txt, poses.txt or frame-*.pose.txt"
        )
    return replace(sequence, frames=frames)


def localize_all(
    localizer, sequence: Sequence, on_frame: Callable[[Record], None] | None = None, tracking: Tracking | None = None
) -> list[Record]:  # fmt: skip
    """Localize every frame, with true pose or without, each on its own or `tracking`.

    An image message without a usable image is a frame without an answer. Raises ImageError when all are, CameraError.
    """
    records = []
    for frame in sequence:
        records.append(_localize(localizer, frame, frame.camera or sequence.camera, tracking))
        if on_frame:
            on_frame(records[-1])
    if all(record.problem for record in records):
        raise ImageError(f"none of the {len(records)} images can be used: {records[0].problem}")
    return records


def _localize(localizer, frame: Frame, camera: Camera, tracking: Tracking | None) -> Record:
    try:
        image = frame.image()
    except ImageError as error:
        nothing = judge(
            frame, Localization(Status.NO_CANDIDATES), localizer.map.points, camera, 0.0
        )
        return replace(nothing, problem=str(error))
    started = time.perf_counter()
    answer = tracking(image, camera, frame.stamp) if tracking else localizer.localize(image, camera)
    return judge(frame, answer, localizer.map.points, camera, 1e3 * (time.perf_counter() - started))
