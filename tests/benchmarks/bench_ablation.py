# SPDX-License-Identifier: Apache-2.0
"""What each loss is worth: matching alone, then tuning, pose and distillation added, on equal budget and three seeds.

Of each of two sites, the kitchen of 7-Scenes and a synthetic office, fragments of 25 frames of a first run are the maps; images of
the same run train, images of a later run are the queries. A small edge network learns each site with the matching losses alone, once;
every variant and seed goes on from there for the same number of steps on the same pairs. Geometry only, mono. Sized for half an hour of
one core; what is there already (out/ablation) is not done again, so it may be interrupted, and the table grows with every cell.
"""

import dataclasses
import json
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from bench import ROOT, SHARED, publish

from diff2i2p.cloud import read_cloud
from diff2i2p.config import Config, override
from diff2i2p.evaluation.sequences import Sequence, read_sequence, write_sequence
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.world import CAMERA, World
from diff2i2p_training.evaluate_pairs import PROTOCOLS, evaluate_pairs, limited, summarize
from diff2i2p_training.official import Run
from diff2i2p_training.pair_dataset import PairDataset
from diff2i2p_training.pairs import PairSet, read_pairs, write_pairs
from diff2i2p_training.prepare import build_fragments, overlapping, take_shots, write_intrinsics
from diff2i2p_training.prior import PriorShape, train_prior
from diff2i2p_training.prior_score import record_score
from diff2i2p_training.prior_views import site_views
from diff2i2p_training.recipe import DataRecipe, LossRecipe, Recipe, ScheduleRecipe
from diff2i2p_training.train import train

COMMAND = "python tests/benchmarks/bench_ablation.py"
WORK = ROOT / "out" / "ablation"
SITES = ("kitchen", "office")
SEEDS = (0, 1, 2)
BASE_STEPS, STEPS, QUERIES = 700, 80, 40
BASE_RATE, RATE = 2e-3, 5e-4
WORLD, FRAMES, HERTZ = 7, 250, 8.0  # the office's seed; frames and rate of each of its runs
PRIOR, PRIOR_MINUTES = PriorShape(width=32, channels=16), 8
SMALL = override(
    Config(),
    {
        "image": {"width": 128},
        "map": {"fine_voxel": 0.15, "levels": 3},
        "network": {
            "image_channels": [16, 24, 40, 64], "point_width": 12, "fine_dim": 32, "token_dim": 64, "contrast_window": 33, "tuning": False,
        },
    },
)  # fmt: skip
MATCHING = {"tuning": 0.0}
TUNING = {"tuning": 0.5}
POSE = TUNING | {"pose": 0.2}
VARIANTS = {
    "matching": MATCHING,
    "+ DCT": TUNING,
    "+ PnP loss": POSE,
    "+ CSD (ours)": POSE | {"csd": 0.1, "csd_form": "full", "csd_from": 0.0},
    "+ CSD (as released)": POSE | {"csd": 0.001, "csd_form": "released", "csd_from": 0.0},
}
HEADER = ["site", "losses", "seeds", "IR 5 cm", "FMR", "RR 10 cm", "RR 20 cm", "RRE [deg]", "RTE [m]", "median RMSE [m]", "s/step"]


def pairs_of(site: str) -> tuple[PairSet, PairSet]:
    """Training pairs and queries of a site; made once."""
    root = WORK / site
    if not (root / "metadata" / "test.pkl").exists():
        mapping, query = kitchen() if site == "kitchen" else office(root)
        folder = root / "data" / site
        write_intrinsics(folder, mapping.camera)
        fragments = build_fragments(mapping, folder)
        write_pairs(root, "train", overlapping(take_shots(mapping, folder, every=2), fragments))
        write_pairs(root, "test", overlapping(take_shots(query, folder, every=5), fragments))
    return read_pairs(root, "train"), limited(read_pairs(root, "test"), QUERIES)


def kitchen() -> tuple[Run, Run]:
    """Frames 0-499 map, 530-699 ask."""
    sequence = read_sequence(SHARED / "kitchen")
    return runs("kitchen", sequence, sequence.frames[:500], sequence.frames[530:700])


def office(root: Path) -> tuple[Run, Run]:
    """One room, two drives of different seeds."""
    world = World.office(WORLD, rooms=1)
    frames = []
    for seed in (0, 1):
        stamps, poses = world.drive(seed, FRAMES, HERTZ, cover=True)
        images, depths = world.render(CAMERA, poses)
        write_sequence(root / f"drive{seed}", CAMERA, images, stamps, poses, depths)
        frames.append(read_sequence(root / f"drive{seed}").frames)
    return runs("office", read_sequence(root / "drive0"), *frames)


def runs(site: str, sequence: Sequence, mapping: Iterable, query: Iterable) -> tuple[Run, Run]:
    return Run(site, "map", "train", sequence.camera, tuple(mapping)), Run(site, "query", "test", sequence.camera, tuple(query))


def base(site: str, pairs: PairSet) -> Path:
    """Weights of the matching losses alone, that every variant starts from."""
    path = WORK / f"{site}-base.pt"
    if not path.exists():
        torch.manual_seed(0)
        network = Diff2I2P(SMALL)
        fit(network, pairs, MATCHING, BASE_STEPS, BASE_RATE, path.with_suffix(".ckpt"), 0)
        torch.save(network.state_dict(), path)
    return path


def prior() -> str:
    """A small diffusion model of our own, trained on offices and, where it is at hand, on the kitchen's mapping run."""
    path, views = WORK / "prior", None
    if not (path / "model_index.json").exists():
        if SHARED.is_dir():
            mapping = kitchen()[0]
            sequence = Sequence("kitchen", mapping.camera, mapping.frames[::5])
            views = site_views(read_cloud(SHARED / "kitchen" / "map_0000-0499.ply"), sequence, PRIOR.width)
        record_score(train_prior(path, PRIOR_MINUTES, PRIOR, views, batch_size=16, workers=0), path)
    return str(path)


def fit(network: Diff2I2P, pairs: PairSet, losses: dict, steps: int, rate: float, checkpoint: Path, seed: int) -> float:
    """Train for a number of steps; gives seconds of processor time per step."""
    data = DataRecipe(source="pairs", batch=6, relight=False)
    dataset = PairDataset(pairs, network.config, data, seed)
    recipe = Recipe(data, LossRecipe(**losses), ScheduleRecipe(rate=rate, epochs=steps / dataset.epoch))
    started = time.process_time()
    progress = train(network, dataset, checkpoint, 0, recipe, workers=0)
    return (time.process_time() - started) / progress.step


def cell(site: str, variant: str, seed: int) -> dict:
    """The figures of one variant, site and seed."""
    path = WORK / "cells" / f"{site} {variant} {seed}.json"
    if path.exists():
        return json.loads(path.read_text())
    training, queries = pairs_of(site)
    losses = dict(VARIANTS[variant])
    network = Diff2I2P(override(SMALL, {"network": {"tuning": losses["tuning"] > 0}}))
    network.load_state_dict(torch.load(base(site, training), weights_only=True))
    if "csd" in losses:
        losses["prior"] = prior()
    torch.manual_seed(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = fit(network, training, losses, STEPS, RATE, path.with_suffix(".ckpt"), 1000 + seed)
    records = evaluate_pairs(network, queries)
    looser = dataclasses.replace(PROTOCOLS[0], rmse=0.2)
    figures = summarize(records, PROTOCOLS[0])["mean"] | {"RR20": summarize(records, looser)["mean"]["RR"]}
    figures |= {"rmse": float(np.median([record.rmse for record in records])), "seconds": seconds}
    path.write_text(json.dumps(figures) + "\n")
    return figures


def row(site: str, variant: str) -> list:
    """Mean and standard deviation over the seeds that are there."""
    paths = [WORK / "cells" / f"{site} {variant} {seed}.json" for seed in SEEDS]
    cells = [json.loads(path.read_text()) for path in paths if path.exists()]
    names = {"IR": 1, "FMR": 1, "RR": 1, "RR20": 1, "RRE": 2, "RTE": 3, "rmse": 3, "seconds": 2}
    return [site, variant, len(cells), *(spread([c[name] for c in cells], digits) for name, digits in names.items())]


def spread(values: list[float | None], digits: int) -> str:
    known = [value for value in values if value is not None and np.isfinite(value)]
    deviation = f" ± {np.std(known):.{digits}f}" if len(known) > 1 else ""
    return f"{np.mean(known):.{digits}f}{deviation}" if known else "-"


if __name__ == "__main__":
    torch.set_num_threads(1)
    sites = [site for site in SITES if site != "kitchen" or SHARED.is_dir()]
    for site in sites:
        for seed in SEEDS:
            for variant in VARIANTS:
                cell(site, variant, seed)
                publish("ablation", COMMAND, HEADER, [row(*key) for key in ((s, v) for s in sites for v in VARIANTS) if row(*key)[2]])
