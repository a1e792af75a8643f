# SPDX-License-Identifier: Apache-2.0
"""Views that look where no image of the mapping run looked: most of a site's images are left out, of training and of photographs.

Kept are the images whose optical axis lies between two angles from that of one image at an end of what the run sees; of the others every
second one is a query, and they are told apart by the angle between their axis and the nearest kept one. The cloud is that of the whole
run. Weights that already lie in out/sites are used as they are; delete them to train again (MINUTES each, goes on where it was
interrupted). Sites may be named as arguments.
"""

import sys
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from publish import OUT, ROOT, SHARED, looks, median, percent, publish

from diff2i2p.cloud import read_cloud
from diff2i2p.config import Config
from diff2i2p.datasets.sequences import Sequence, read_sequence
from diff2i2p.evaluation.metrics import summarize
from diff2i2p.evaluation.run import localize_all
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.keyframes import photographs_of
from diff2i2p.parameters import override

COMMAND = "python benchmarks/bench_wide.py"
MINUTES = 10  # of adaptation
# Metres within which a kept view is near; of the images left out every second is a query.
REACH, EVERY = (1.0, 2)
BANDS = ((0, 15), (15, 30), (30, 45), (45, 60))  # degrees
HEADER = ["site", "degrees away", "matcher", "map", "photographs", "frames", "answered", "5cm/5deg", "25cm/5deg", "false accepts",
          "median", "ms p50"]  # fmt: skip
RUNS = {  # (coloured map, with photographs): matchers
    (True, False): ("network", "appearance", "both"), (False, False): ("network",), (True, True): ("appearance", "both"),
}  # fmt: skip


class Site(NamedTuple):
    """A mapping run, and which of its images are kept."""

    name: str
    folder: str
    cloud: str
    mapped: int  # images of the mapping run
    end: int  # the image from whose optical axis kept ones look away
    kept: tuple[float, float]  # by an angle between these, degrees

    def read(self):
        """Its point cloud, with whatever the file tells of each point."""
        return read_cloud(SHARED / self.folder / self.cloud)


SITES = (
    Site("kitchen", "kitchen", "map_0000-0499.ply", 500, 140, (36, 180)),
    Site("fr1_rpy", "tum_fr1_rpy", "map_0000-0359.ply", 360, 160, (-1, 30)),
)


def split(site: Site) -> tuple[Sequence, Sequence, np.ndarray]:
    """The kept images, the queries, and the angle of these to the nearest kept one within REACH, degrees; infinite where none is."""
    sequence = read_sequence(SHARED / site.folder, 0, site.mapped)
    poses = np.stack([frame.T_map_camera for frame in sequence])
    angles = np.degrees(np.arccos(np.clip(poses[:, :3, 2] @ poses[:, :3, 2].T, -1, 1)))
    near = np.linalg.norm(poses[:, None, :3, 3] - poses[:, :3, 3], axis=2) < REACH
    kept = (site.kept[0] < angles[site.end]) & (angles[site.end] < site.kept[1])
    queries = np.flatnonzero(~kept)[::EVERY]
    return (
        part(sequence, np.flatnonzero(kept)),
        part(sequence, queries),
        np.where(near, angles, np.inf)[queries][:, kept].min(1),
    )


def part(sequence: Sequence, chosen: np.ndarray) -> Sequence:
    return replace(sequence, frames=tuple(sequence.frames[i] for i in chosen))


def weights_of(site: Site, kept: Sequence) -> str:
    """Weights adapted to the kept images."""
    path = ROOT / "out" / "sites" / f"{site.name}-wide.safetensors"
    if not path.exists():
        from diff2i2p_training.adapt import adapt

        path.parent.mkdir(parents=True, exist_ok=True)
        adapt(site.read(), kept, path, MINUTES)
    return str(path)


def evaluate(site: Site) -> list[list]:
    """The rows of one site: for every map and matcher, one for every band of angles that has queries."""
    kept, queries, away = split(site)
    quartiles = np.percentile(away, range(0, 101, 25)).round(1)
    print(
        f"{site.name}: {len(kept)} images kept; queries look away by (0, 25, 50, 75, 100 %):",
        *quartiles,
    )
    weights = weights_of(site, kept)
    rows = []
    for colour, photographs in RUNS:
        file = (
            OUT
            / f"{site.name}-wide{'' if colour else '-bare'}{'-photographs' if photographs else ''}.i2pmap"
        )
        compile_map(
            site.read(),
            file,
            weights,
            use_colour=colour,
            photographs=photographs_of(kept) if photographs else [],
        )
        for matcher in RUNS[colour, photographs]:
            records = localize_all(
                Localizer.open(file, weights, override(Config(), {"matcher": matcher})), queries
            )
            for band in BANDS:
                chosen = [
                    record
                    for record, angle in zip(records, away, strict=True)
                    if band[0] <= angle < band[1]
                ]
                if chosen:
                    rows.append(
                        row(
                            site,
                            band,
                            photographs,
                            summarize(chosen, matcher, colour, weights, file.name),
                        )
                    )
                    print(*rows[-1], flush=True)
    return sorted(rows, key=lambda row: int(row[1].split("-")[0]))


def row(site: Site, band: tuple[int, int], photographs: bool, m: dict) -> list:
    recall = [percent(m["recall"][key]) for key in ("5cm_5deg", "25cm_5deg")]
    shown = [
        site.name,
        f"{band[0]}-{band[1]}",
        m["matcher"],
        looks(m),
        "yes" if photographs else "no",
        m["frames"],
        m["answered"],
        *recall,
    ]
    return [*shown, m["false_accepts"], median(m), m["latency_ms"]["p50"]]


def main():
    if not SHARED.is_dir():
        raise SystemExit(f"no real sequences in {SHARED}: nothing measured")
    OUT.mkdir(parents=True, exist_ok=True)
    chosen = [
        site for site in SITES if site.name in (sys.argv[1:] or [site.name for site in SITES])
    ]
    publish("wide", COMMAND, HEADER, [row for site in chosen for row in evaluate(site)])


if __name__ == "__main__":
    main()
