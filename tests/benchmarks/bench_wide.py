# SPDX-License-Identifier: Apache-2.0
"""Views that look where no image of the mapping run looked: most of the kitchen's images are left out, of training and of photographs.

Kept are the images that look right of the view furthest to the left by more than KEPT degrees; of the others every second one is a query,
and they are told apart by the angle between their optical axis and the nearest kept one. The cloud is that of the whole run. Weights
that already lie in out/sites are used as they are; delete them to train again (MINUTES, goes on where it was interrupted).
"""

from dataclasses import replace

import numpy as np
from bench import OUT, ROOT, SHARED, looks, median, percent, publish

from diff2i2p.cloud import read_cloud
from diff2i2p.config import Config, override
from diff2i2p.evaluation.metrics import localize_all, summarize
from diff2i2p.evaluation.sequences import Sequence, read_sequence
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.photographs import photographs_of

COMMAND = "python tests/benchmarks/bench_wide.py"
FOLDER, CLOUD, MAPPED, MINUTES = SHARED / "kitchen", "map_0000-0499.ply", 500, 60
LEFTMOST, KEPT = 140, 36.0  # the view furthest to the left, and how far from it kept views look, degrees
REACH, EVERY = 1.0, 2  # metres within which a kept view is near; of the images left out every second is a query
BANDS = ((0, 15), (15, 30), (30, 45), (45, 60))  # degrees
HEADER = ["degrees away", "matcher", "map", "photographs", "frames", "answered", "5cm/5deg", "25cm/5deg", "false accepts", "median",
          "ms p50"]  # fmt: skip
RUNS = {  # (coloured map, with photographs): matchers
    (True, False): ("network", "appearance", "both"), (False, False): ("network",), (True, True): ("appearance", "both"),
}  # fmt: skip


def split() -> tuple[Sequence, Sequence, np.ndarray]:
    """The kept images, the queries, and the angle of these to the nearest kept one within REACH, degrees; infinite where none is."""
    sequence = read_sequence(FOLDER, 0, MAPPED)
    poses = np.stack([frame.T_map_camera for frame in sequence])
    angles = np.degrees(np.arccos(np.clip(poses[:, :3, 2] @ poses[:, :3, 2].T, -1, 1)))
    near = np.linalg.norm(poses[:, None, :3, 3] - poses[:, :3, 3], axis=2) < REACH
    kept = angles[LEFTMOST] > KEPT
    queries = np.flatnonzero(~kept)[::EVERY]
    return part(sequence, np.flatnonzero(kept)), part(sequence, queries), np.where(near, angles, np.inf)[queries][:, kept].min(1)


def part(sequence: Sequence, chosen: np.ndarray) -> Sequence:
    return replace(sequence, frames=tuple(sequence.frames[i] for i in chosen))


def weights_of(kept: Sequence) -> str:
    """Weights adapted to the kept images."""
    path = ROOT / "out" / "sites" / "kitchen-wide.safetensors"
    if not path.exists():
        from diff2i2p_training.adapt import adapt

        path.parent.mkdir(parents=True, exist_ok=True)
        adapt(read_cloud(FOLDER / CLOUD), kept, path, MINUTES)
    return str(path)


def evaluate(colour: bool, photographs: bool, kept: Sequence, queries: Sequence, away: np.ndarray, weights: str) -> list[list]:
    """The rows of one map: for every matcher, one for every band of angles that has queries."""
    site = OUT / f"wide{'' if colour else '-bare'}{'-photographs' if photographs else ''}.i2pmap"
    OUT.mkdir(parents=True, exist_ok=True)
    compile_map(read_cloud(FOLDER / CLOUD), site, weights, use_colour=colour, photographs=photographs_of(kept) if photographs else [])
    rows = []
    for matcher in RUNS[colour, photographs]:
        records = localize_all(Localizer.open(site, weights, override(Config(), {"matcher": matcher})), queries)
        for band in BANDS:
            chosen = [record for record, angle in zip(records, away, strict=True) if band[0] <= angle < band[1]]
            if chosen:
                rows.append(row(band, photographs, summarize(chosen, matcher, colour, weights, site.name)))
                print(*rows[-1], flush=True)
    return rows


def row(band: tuple[int, int], photographs: bool, m: dict) -> list:
    recall = [percent(m["recall"][key]) for key in ("5cm_5deg", "25cm_5deg")]
    shown = [f"{band[0]}-{band[1]}", m["matcher"], looks(m), "yes" if photographs else "no", m["frames"], m["answered"], *recall]
    return [*shown, m["false_accepts"], median(m), m["latency_ms"]["p50"]]


def main():
    if not FOLDER.is_dir():
        raise SystemExit(f"no real sequences in {SHARED}: nothing measured")
    kept, queries, away = split()
    print(f"{len(kept)} images kept; the queries look away by (0, 25, 50, 75, 100 %):", *np.percentile(away, [0, 25, 50, 75, 100]).round(1))
    weights = weights_of(kept)
    rows = [row for site in RUNS for row in evaluate(*site, kept, queries, away, weights)]
    publish("wide", COMMAND, HEADER, sorted(rows, key=lambda row: int(row[0].split("-")[0])))


if __name__ == "__main__":
    main()
