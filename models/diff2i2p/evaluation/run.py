# SPDX-License-Identifier: Apache-2.0
"""One evaluation from map and sequence to metrics and report, of one matcher or of several side by side."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from diff2i2p.config import Config, override
from diff2i2p.datasets.sequences import Sequence
from diff2i2p.evaluation.alignment import aligned
from diff2i2p.evaluation.metrics import Record, Tracking, localize_all, summarize, write_metrics
from diff2i2p.evaluation.report.report import Run, write_report
from diff2i2p.localization.localizer import Localizer


class Evaluation:
    """The localizers to evaluate in one map; the first is the one that counts."""

    def __init__(self, localizers: dict[str, Localizer], weights: str | None, map_name: str):
        self._localizers, self._weights, self._map_name = localizers, weights, map_name
        self.site = next(iter(localizers.values())).map

    @classmethod
    def open(cls, map_file: Path, weights: str | None, config: Config, alone: bool = False) -> "Evaluation":
        """The matcher of `config` and, where asked for, each matcher alone. Raises MapError, WeightsError."""
        main = "appearance" if config.matcher == "both" and not weights else config.matcher  # figures name who has matched
        names = dict.fromkeys([main, *(("network", "appearance") if alone else ())])
        localizers = {name: Localizer.open(map_file, weights, override(config, {"matcher": name})) for name in names}
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
            tracking = Tracking(localizer, getattr(sequence, "odometry", lambda stamp: None)) if track else None
            records = localize_all(localizer, sequence, count, tracking)
            if align:
                records, _ = aligned(records, self.site.points, sequence.camera)
            summary = summarize(records, name, self.site.grey is not None, self._weights, self._map_name)
            summary |= {"sequence": sequence.name, "tracking": track, "aligned": align, "sources": getattr(sequence, "sources", {})}
            runs.append(Run(name, records, summary))
        return runs

    def write(self, out: Path, runs: list[Run]) -> Path:
        """Write metrics.json, frames.csv, trajectories and report.html into `out`; gives the report's path."""
        main, *others = runs
        if others:
            main = replace(main, summary=main.summary | {"alone": {run.name: run.summary for run in others}})
        write_metrics(out, main.records, main.summary)
        mode = "tracking" if main.summary["tracking"] else "each frame alone"
        return write_report(out, [main, *others], self.site, f"{main.summary['sequence']}: matcher {main.name}, {mode}")
