# SPDX-License-Identifier: Apache-2.0
"""What each loss is worth: matching alone, then tuning, pose and distillation added, on equal budget and three seeds.

Of each of two sites, the kitchen of 7-Scenes and a synthetic office, fragments of 25 frames of a first run are the maps, in the frame of
the site; images of the same run train, images of a later run are the queries. The paper's network, made small, learns each site with
the matching losses alone, once; every variant and seed goes on from there for the same number of steps. Geometry only, mono. Sized for
an hour of one core; what is there already (out/ablation) is not done again, so it may be interrupted, and the table grows with every
cell.
"""

import dataclasses
import itertools
import json
import time
from functools import reduce
from pathlib import Path

import numpy as np
import torch
from publish import ROOT, SHARED, publish

from diff2i2p.cloud import PointCloud
from diff2i2p.config import Config
from diff2i2p.datasets.sequences import Sequence, read_sequence, write_sequence
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.parameters import override
from diff2i2p_sim.world import World
from diff2i2p_sim.write import CAMERA
from diff2i2p_training.data.downloads import Run
from diff2i2p_training.data.pair_dataset import PairDataset
from diff2i2p_training.data.pairs import PairSet, read_pairs, write_pairs
from diff2i2p_training.data.prepare import (
    Fragment,
    build_fragments,
    overlapping,
    take_shots,
    write_intrinsics,
)
from diff2i2p_training.diffusion.prior_score import record_score
from diff2i2p_training.diffusion.prior_views import Views, site_scene, site_views
from diff2i2p_training.diffusion.train_prior import PriorShape, train_prior
from diff2i2p_training.evaluate_pairs import PROTOCOLS, evaluate_pairs, limited, summarize
from diff2i2p_training.losses.objective import Objective
from diff2i2p_training.recipe import DataRecipe, LossRecipe, ScheduleRecipe
from diff2i2p_training.train import train

COMMAND = "python benchmarks/bench_ablation.py"
WORK = ROOT / "out" / "ablation"
SITES = ("kitchen", "office")
SEEDS = (0, 1, 2)
BASE_STEPS, STEPS, QUERIES = 1000, 100, 80
BASE_RATE, RATE = 1e-3, 5e-4
MIN_OVERLAP = 0.5  # of the pairs, as 7-Scenes is read
WORLD, FRAMES, HERTZ = 7, 250, 8.0  # the office's seed; frames and rate of each of its runs
PRIOR, PRIOR_MINUTES = PriorShape(width=32, channels=16), 25
SMALL = override(
    Config(),
    {
        "image": {"width": 160},
        "map": {"fine_voxel": 0.1, "levels": 3},
        "network": {
            "image_channels": [16, 32, 48, 96], "point_width": 12, "fine_dim": 48, "token_dim": 96, "contrast_window": 33, "tuning": False,
        },
    },
)  # fmt: skip
# Weights of pose and CSD: where all start, on the kitchen, their gradients on the network are a tenth as long as that of the matching
# losses (medians of ten batches at weight 1: matching 5.0, pose 0.061, CSD full 0.000135, released 1.84).
MATCHING = {"tuning": 0.0}
TUNING = {"tuning": 0.5}
POSE = TUNING | {"pose": 8.0}
VARIANTS = {
    "none: where all start": {},
    "matching": MATCHING,
    "+ DCT": TUNING,
    "+ PnP loss": POSE,
    "+ CSD (ours)": POSE | {"csd": 3700.0, "csd_form": "full", "csd_from": 0.0},
    "+ CSD (as released)": POSE | {"csd": 0.27, "csd_form": "released", "csd_from": 0.0},
}
HEADER = [
    "site", "losses", "seeds", "IR 5 cm", "IR 10 cm", "FMR", "RR 10 cm", "RR 20 cm", "RRE [deg]", "RTE [m]", "median RMSE [m]", "s/step",
]  # fmt: skip


def pairs_of(site: str) -> tuple[PairSet, PairSet]:
    """Training pairs and queries of a site; made once."""
    root = WORK / site
    if not (root / "metadata" / "test.pkl").exists():
        mapping, query = runs(site)
        folder = root / "data" / site
        write_intrinsics(folder, mapping.camera)
        fragments = [in_site(fragment) for fragment in build_fragments(mapping, folder)]
        write_pairs(root, "train", overlapping(take_shots(mapping, folder, every=2), fragments))
        write_pairs(root, "test", overlapping(take_shots(query, folder, every=2), fragments))
    return read_pairs(root, "train", MIN_OVERLAP), limited(
        read_pairs(root, "test", MIN_OVERLAP), QUERIES
    )


def runs(site: str) -> tuple[Run, Run]:
    """What maps a site and what asks: of the kitchen frames 0-499 and 530-699, of the office, one room, drives of two seeds."""
    if site == "kitchen":
        sequence = read_sequence(SHARED / "kitchen")
        mapping, query = sequence.frames[:500], sequence.frames[530:700]
    else:
        sequence, other = (drive(WORK / site / f"drive{seed}", seed) for seed in (0, 1))
        mapping, query = sequence.frames, other.frames
    return Run(site, "map", "train", sequence.camera, mapping), Run(
        site, "query", "test", sequence.camera, query
    )


def drive(folder: Path, seed: int) -> Sequence:
    """A drive through the office; rendered once."""
    if not folder.exists():
        world, camera = World.office(WORLD, rooms=1), CAMERA.resized(2 * SMALL.image.width)
        stamps, poses = world.drive(seed, FRAMES, HERTZ, cover=True)
        images, depths = world.render(camera, poses)
        write_sequence(folder, camera, images, stamps, poses, depths)
    return read_sequence(folder)


def in_site(fragment: Fragment) -> Fragment:
    """The fragment in the frame of its site, in which the cloud that the prior learns from is put together."""
    T = fragment.T_map_fragment
    points = (fragment.points @ T[:3, :3].T + T[:3, 3]).astype(np.float32)
    np.save(fragment.path, points)
    return Fragment(fragment.path, points, np.eye(4))


def base(site: str, pairs: PairSet) -> Path:
    """Weights of the matching losses alone, that every variant starts from."""
    path = WORK / f"{site}-base.pt"
    if not path.exists():
        torch.manual_seed(0)
        network = Diff2I2P(SMALL)
        fit(network, pairs, MATCHING, BASE_STEPS, BASE_RATE, path.with_suffix(".ckpt"), 0)
        torch.save(network.state_dict(), path)
    return path


def prior(sites: list[str]) -> str:
    """A small diffusion model of our own, trained on offices and on the mapping runs of the sites, and scored on their queries."""
    path = WORK / "prior"
    if not (path / "model_index.json").exists():
        views, scenes = [], {}
        for site in sites:
            cloud = PointCloud(
                np.concatenate([np.load(cloud) for cloud in pairs_of(site)[0].by_cloud])
            )
            cloud = cloud.voxel_downsample(
                SMALL.map.fine_voxel
            )  # as sparse as the fragments that CSD renders
            mapping, query = (Sequence(site, run.camera, run.frames[::2]) for run in runs(site))
            views.append(site_views(cloud, mapping, PRIOR.width))
            scenes[site] = site_scene(cloud, query, PRIOR.width)
        both = reduce(Views.and_then, views)
        record_score(
            train_prior(path, PRIOR_MINUTES, PRIOR, both, batch_size=16, workers=0), path, **scenes
        )
    return str(path)


def fit(
    network: Diff2I2P,
    pairs: PairSet,
    losses: dict,
    steps: int,
    rate: float,
    checkpoint: Path,
    seed: int,
) -> float:
    """Train for a number of steps; gives seconds of processor time per step."""
    data = DataRecipe(batch=6, relight=False)
    dataset = PairDataset(pairs, network.config, data, seed)
    objective = Objective(network, LossRecipe(**losses))
    schedule = ScheduleRecipe(rate=rate, epochs=steps / dataset.epoch)
    started = time.process_time()
    progress = train(objective, dataset, checkpoint, 0, schedule, workers=0)
    return (time.process_time() - started) / progress.step


def cell(site: str, variant: str, seed: int, sites: list[str]) -> dict:
    """The figures of one variant, site and seed."""
    path = WORK / "cells" / f"{site} {variant} {seed}.json"
    if path.exists():
        return json.loads(path.read_text())
    training, queries = pairs_of(site)
    losses, seconds = dict(VARIANTS[variant]), None
    network = Diff2I2P(override(SMALL, {"network": {"tuning": losses.get("tuning", 0.0) > 0}}))
    network.load_state_dict(torch.load(base(site, training), weights_only=True))
    if "csd" in losses:
        losses["prior"] = prior(sites)
    torch.manual_seed(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    if losses:
        seconds = fit(
            network, training, losses, STEPS, RATE, path.with_suffix(".ckpt"), 1000 + seed
        )
    records = evaluate_pairs(network, queries)
    figures = summarize(records, PROTOCOLS[0])["mean"]
    looser = summarize(records, dataclasses.replace(PROTOCOLS[0], inlier=0.1, rmse=0.2))["mean"]
    figures |= {"IR10": looser["IR"], "RR20": looser["RR"]}
    figures |= {"rmse": float(np.median([record.rmse for record in records])), "seconds": seconds}
    path.write_text(json.dumps(figures) + "\n")
    return figures


def row(site: str, variant: str) -> list:
    """Mean and standard deviation over the seeds that are there."""
    paths = [WORK / "cells" / f"{site} {variant} {seed}.json" for seed in SEEDS]
    cells = [json.loads(path.read_text()) for path in paths if path.exists()]
    names = {
        "IR": 1,
        "IR10": 1,
        "FMR": 1,
        "RR": 1,
        "RR20": 1,
        "RRE": 2,
        "RTE": 3,
        "rmse": 3,
        "seconds": 2,
    }
    return [
        site,
        variant,
        len(cells),
        *(spread([c[name] for c in cells], digits) for name, digits in names.items()),
    ]


def spread(values: list[float | None], digits: int) -> str:
    known = [value for value in values if value is not None and np.isfinite(value)]
    deviation = f" ± {np.std(known, ddof=1):.{digits}f}" if len(known) > 1 else ""
    return f"{np.mean(known):.{digits}f}{deviation}" if known else "-"


if __name__ == "__main__":
    torch.set_num_threads(1)
    sites = [site for site in SITES if site != "kitchen" or SHARED.is_dir()]
    for seed, site, variant in itertools.product(SEEDS, sites, VARIANTS):
        if VARIANTS[variant] or seed == SEEDS[0]:
            cell(site, variant, seed, sites)
        rows = [row(*key) for key in itertools.product(sites, VARIANTS)]
        publish("ablation", COMMAND, HEADER, [row for row in rows if row[2]])
