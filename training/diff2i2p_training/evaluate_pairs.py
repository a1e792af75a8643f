# SPDX-License-Identifier: Apache-2.0
"""What weights are worth on the pairs of a benchmark, by the protocol of 2D3D-MATR and by the stricter one of the Diff2I2P release."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace

import cv2
import numpy as np
import torch

from diff2i2p.camera import Camera
from diff2i2p.config import PnpConfig
from diff2i2p.correspondences import Correspondences
from diff2i2p.evaluation.provenance import git_commit, machine
from diff2i2p.geometry import in_camera, pose_error
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.pose.pnp import solve_pnp
from diff2i2p_training.data.pair_dataset import Batch, PairDataset
from diff2i2p_training.data.pairs import Pair, PairSet
from diff2i2p_training.losses.circle import overlaps
from diff2i2p_training.losses.predicted_matches import ViewMatches, match_views, patch_levels
from diff2i2p_training.recipe import DataRecipe
from diff2i2p_training.train import moved

REPROJECTION = 8.0  # pixels at 640 columns, of an inlier of the pose
RELEASED_ITERATIONS = 50_000
MIN_MATCHES = 4  # fewer are a failure
AS_THEY_ARE = DataRecipe(batch=1, turn=False, relight=False)
SOLVERS = ("poselib", "opencv")
FIGURES = ("PIR", "IR", "FMR", "RR", "RRE", "RTE")


@dataclass(frozen=True)
class Protocol:
    """When a match is an inlier, a pair counts as matched, and as registered."""

    name: str
    inlier: float  # metres between a match's point and what its pixel sees
    ratio: float  # inlier ratio from which features count as matched
    rmse: float  # metres between the fragment at the true and at the estimated pose


PROTOCOLS = (
    Protocol("2D3D-MATR", 0.05, 0.1, 0.1),
    Protocol("Diff2I2P release, RGB-D Scenes V2", 0.025, 0.25, 0.03),
)


@dataclass(frozen=True)
class Published:
    """A row of somebody else's table; shares in percent."""

    method: str
    benchmark: str
    scene: str
    figures: dict[str, float]
    source: str


PUBLISHED = (
    Published(
        "2D3D-MATR",
        "7-Scenes",
        "mean",
        {"IR": 50.1, "FMR": 92.1, "RR": 75.8},
        "README of its repository",
    ),
    Published(
        "2D3D-MATR",
        "RGB-D Scenes V2",
        "mean",
        {"IR": 32.4, "FMR": 90.8, "RR": 56.4},
        "README of its repository",
    ),
)


@dataclass(frozen=True)
class PairRecord:
    """One pair: how far its matches are from the truth, and the pose they gave."""

    pair: Pair
    miss: (
        np.ndarray
    )  # (M,) metres between point and what the pixel sees; infinite where its depth is unknown
    coarse_right: float  # share of the compared patches and nodes that truly overlap (PIR)
    rmse: float  # metres; infinite without a pose, as are the errors
    translation_m: float
    rotation_deg: float


def evaluate_pairs(
    network: Diff2I2P,
    pairs: PairSet,
    solver: str = "poselib",
    progress: Callable[[Iterable], Iterable] = iter,
) -> list[PairRecord]:
    """Match every pair and solve its pose. solver: 'poselib' is ours, 'opencv' the P3P RANSAC of the releases."""
    if solver not in SOLVERS:
        raise ValueError(f"the pose is solved by {' or '.join(SOLVERS)}, not '{solver}'")
    network.eval()
    dataset, rng = (
        PairDataset(pairs, network.config, AS_THEY_ARE, step=network.config.network.fine_step),
        np.random.default_rng(0),
    )
    device = next(network.parameters()).device
    return [
        _evaluate(network, pair, moved(dataset.collate([pair], rng), device), solver)
        for pair in progress(pairs.pairs)
    ]


@torch.inference_mode()
def _evaluate(network: Diff2I2P, pair: Pair, batch: Batch, solver: str) -> PairRecord:
    image, site = network.encode_image(batch.images), network.encode_map(batch.pyramid)
    matches = match_views(network, image, site, batch)[0]
    miss = (batch.points[0, matches.cells] - matches.points).norm(dim=1)
    miss = torch.where(miss.isfinite(), miss, torch.inf)
    T_map_camera = solve(matches, batch, solver)
    truth = pair.frame.T_map_camera
    shown = (
        overlaps(
            batch, 0, [level.to(batch.images.device) for level in patch_levels(network, image)]
        )[matches.coarse]
        > 0
    )
    coarse = float(shown.float().mean()) if len(shown) else 0.0
    if T_map_camera is None:
        return PairRecord(pair, miss.cpu().numpy(), coarse, np.inf, np.inf, np.inf)
    rmse = fragment_rmse(pair.cloud(), truth, T_map_camera)
    return PairRecord(pair, miss.cpu().numpy(), coarse, rmse, *pose_error(truth, T_map_camera))


def solve(matches: ViewMatches, batch: Batch, solver: str) -> np.ndarray | None:
    """T_map_camera (4, 4) of all matches of the batch's only view; None when they give none."""
    height, width = batch.images.shape[-2:]
    K = batch.K[0].cpu().double().numpy()
    pixels, points = (part.cpu().double().numpy() for part in (matches.pixels, matches.points))
    if len(pixels) < MIN_MATCHES:
        return None
    if solver == "opencv":
        done, turn, shift, _ = cv2.solvePnPRansac(
            points,
            pixels,
            K,
            None,
            iterationsCount=RELEASED_ITERATIONS,
            reprojectionError=REPROJECTION,
            flags=cv2.SOLVEPNP_P3P,
        )
        T_camera_map = np.eye(4)
        T_camera_map[:3, :3], T_camera_map[:3, 3] = cv2.Rodrigues(turn)[0], shift[:, 0]
        return np.linalg.inv(T_camera_map) if done and np.isfinite(T_camera_map).all() else None
    camera = Camera(width, height, (K[0, 0], K[1, 1], K[0, 2], K[1, 2]))
    scores = matches.scores.cpu().numpy()
    config = PnpConfig(max_error=REPROJECTION * width / 640, min_inliers=MIN_MATCHES)
    pose = solve_pnp(Correspondences(pixels, points, scores, "network"), camera, config)
    return None if pose is None else pose.T_map_camera


def fragment_rmse(points: np.ndarray, T_a: np.ndarray, T_b: np.ndarray) -> float:
    """Root mean square distance, metres, of fragment points (N, 3) as seen from camera poses (4, 4) a and b."""
    a, b = (in_camera(points, T) for T in (T_a, T_b))
    return float(np.sqrt(((a - b) ** 2).sum(1).mean()))


def summarize(records: list[PairRecord], protocol: Protocol) -> dict[str, dict[str, float | None]]:
    """The figures by scene, and under 'mean' their plain average over scenes, as published; shares in percent."""
    scenes: dict[str, list[PairRecord]] = {}
    for record in records:
        scenes.setdefault(record.pair.scene, []).append(record)
    table = {scene: _figures(group, protocol) for scene, group in sorted(scenes.items())}
    means = {
        name: [row[name] for row in table.values() if row[name] is not None] for name in FIGURES
    }
    table["mean"] = {"pairs": len(records)} | {
        name: round(float(np.mean(v)), 3) if v else None for name, v in means.items()
    }
    return table


def _figures(records: list[PairRecord], protocol: Protocol) -> dict[str, float | None]:
    ratios = np.array(
        [(record.miss < protocol.inlier).mean() if len(record.miss) else 0.0 for record in records]
    )
    registered = [record for record in records if record.rmse < protocol.rmse]
    figures = {
        "PIR": 100 * np.mean([record.coarse_right for record in records]),
        "IR": 100 * ratios.mean(),
        "FMR": 100 * (ratios >= protocol.ratio).mean(),
        "RR": 100 * len(registered) / len(records),
        "RRE": np.mean([record.rotation_deg for record in registered]) if registered else None,
        "RTE": np.mean([record.translation_m for record in registered]) if registered else None,
    }
    return {"pairs": len(records)} | {
        name: None if value is None else round(float(value), 3) for name, value in figures.items()
    }


def report(
    network: Diff2I2P, pairs: PairSet, records: list[PairRecord], weights: str, solver: str
) -> dict:
    """Everything as one JSON object. The mode says whether the query's depth was looked at."""
    benchmark = benchmark_of(pairs)
    return {
        "pairs": len(records), "set": pairs.name, "mode": "rgbd" if network.config.network.query_depth else "mono",
        "weights": weights, "solver": solver, "machine": machine(), "git": git_commit(),
        "protocols": [{**asdict(protocol), "scenes": summarize(records, protocol)} for protocol in PROTOCOLS],
        "published": [asdict(row) for row in PUBLISHED if row.benchmark == benchmark],
    }  # fmt: skip


def tables(result: dict) -> str:
    """The report as text: a table a protocol, the published rows of the same benchmark below."""
    lines = [
        f"{result['set']}: {result['pairs']} pairs, mode {result['mode']}, weights {result['weights']}, pose by {result['solver']}"
    ]
    for protocol in result["protocols"]:
        lines += [
            "",
            f"{protocol['name']}: inlier {protocol['inlier']} m, FMR {protocol['ratio']}, RR {protocol['rmse']} m",
        ]
        lines.append(f"{'scene':28}{'pairs':>7}" + "".join(f"{name:>9}" for name in FIGURES))
        lines += [_row(scene, row["pairs"], row) for scene, row in protocol["scenes"].items()]
        if protocol["name"] == PROTOCOLS[0].name:
            lines += [
                _row(f"{row['method']}, {row['scene']} *", "", row["figures"])
                for row in result["published"]
            ]
    sources = sorted({f"{row['method']}: {row['source']}" for row in result["published"]})
    units = "PIR, IR, FMR, RR in percent; RRE in degrees and RTE in metres, of registered pairs"
    return "\n".join([*lines, "", units, *(f"* {source}" for source in sources)])


def _row(scene: str, pairs: int | str, figures: dict) -> str:
    cells = (
        "-"
        if figures.get(name) is None
        else f"{figures[name]:.3f}"
        if name == "RTE"
        else f"{figures[name]:.1f}"
        for name in FIGURES
    )
    return f"{scene:28}{pairs:>7}" + "".join(f"{cell:>9}" for cell in cells)


def benchmark_of(pairs: PairSet) -> str:
    return "RGB-D Scenes V2" if pairs.pairs[0].scene.startswith("rgbd-scenes-v2") else "7-Scenes"


def limited(pairs: PairSet, count: int) -> PairSet:
    """About `count` pairs, evenly taken from all."""
    return replace(pairs, pairs=pairs.pairs[:: max(1, len(pairs) // count)])
