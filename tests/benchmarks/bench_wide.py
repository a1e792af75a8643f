# SPDX-License-Identifier: Apache-2.0
"""Views that look where no image of the mapping run looked: most of the kitchen's images are left out, of training and of photographs.

Kept are the images that look right of the view furthest to the left by more than KEPT degrees; all others are queries, told apart by
the angle between their optical axis and the nearest kept one. The cloud is that of the whole run. Weights that already lie in
out/sites are used as they are; delete them to train again (MINUTES, goes on where it was interrupted).
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
REACH = 1.0  # metres within which a kept view is near
BANDS = ((0, 15), (15, 30), (30, 45), (45, 60))  # degrees
HEADER = ["degrees away", "matcher", "map", "photographs", "frames", "answered", "5cm/5deg", "25cm/5deg", "false accepts", "median",
          "ms p50"]  # fmt: skip
RUNS = (  # matcher, coloured map, with photographs
    ("network", True, False), ("network", False, False), ("appearance", True, False), ("appearance", True, True),
    ("both", True, False), ("both", True, True),
)  # fmt: skip


def split() -> tuple[Sequence, Sequence, np.ndarray]:
    """The kept images, those left out, and of these the angle to the nearest kept one within REACH, degrees; infinite where none is."""
    sequence = read_sequence(FOLDER, 0, MAPPED)
    poses = np.stack([frame.T_map_camera for frame in sequence])
    angles = np.degrees(np.arccos(np.clip(poses[:, :3, 2] @ poses[:, :3, 2].T, -1, 1)))
    near = np.linalg.norm(poses[:, None, :3, 3] - poses[:, :3, 3], axis=2) < REACH
    kept = angles[LEFTMOST] > KEPT
    away = np.where(near, angles, np.inf)[~kept][:, kept].min(1)
    return part(sequence, kept), part(sequence, ~kept), away


def part(sequence: Sequence, chosen: np.ndarray) -> Sequence:
    return replace(sequence, frames=tuple(sequence.frames[i] for i in np.flatnonzero(chosen)))


def weights_of(kept: Sequence) -> str:
    """Weights adapted to the kept images."""
    path = ROOT / "out" / "sites" / "kitchen-wide.safetensors"
    if not path.exists():
        from diff2i2p_training.adapt import adapt

        path.parent.mkdir(parents=True, exist_ok=True)
        adapt(read_cloud(FOLDER / CLOUD), kept, path, MINUTES)
    return str(path)


def localizer_of(matcher: str, colour: bool, photographs: bool, kept: Sequence, weights: str) -> Localizer:
    path = OUT / f"wide{'' if colour else '-bare'}{'-photographs' if photographs else ''}.i2pmap"
    if not path.exists():
        OUT.mkdir(parents=True, exist_ok=True)
        compile_map(read_cloud(FOLDER / CLOUD), path, weights, use_colour=colour, photographs=photographs_of(kept) if photographs else [])
    return Localizer.open(path, weights, override(Config(), {"matcher": matcher}))


def rows_of(matcher: str, colour: bool, photographs: bool, kept: Sequence, out: Sequence, away: np.ndarray, weights: str) -> list[list]:
    """One row for every band of angles that has views."""
    records, rows = localize_all(localizer_of(matcher, colour, photographs, kept, weights), out), []
    for low, high in BANDS:
        chosen = [record for record, angle in zip(records, away, strict=True) if low <= angle < high]
        if chosen:
            m = summarize(chosen, matcher, colour, weights, "kitchen")
            recall = [percent(m["recall"][key]) for key in ("5cm_5deg", "25cm_5deg")]
            shown = [f"{low}-{high}", matcher, looks(m), "yes" if photographs else "no", m["frames"], m["answered"], *recall]
            rows.append([*shown, m["false_accepts"], median(m), m["latency_ms"]["p50"]])
            print(*rows[-1], flush=True)
    return rows


def main():
    if not FOLDER.is_dir():
        raise SystemExit(f"no real sequences in {SHARED}: nothing measured")
    kept, out, away = split()
    print(f"{len(kept)} images kept; the others look away by (0, 25, 50, 75, 100 %):", *np.percentile(away, [0, 25, 50, 75, 100]).round(1))
    weights = weights_of(kept)
    publish("wide", COMMAND, HEADER, sorted((row for run in RUNS for row in rows_of(*run, kept, out, away, weights)), key=order))


def order(row: list) -> int:
    return int(row[0].split("-")[0])


if __name__ == "__main__":
    main()
