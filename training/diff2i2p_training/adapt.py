# SPDX-License-Identifier: Apache-2.0
"""Site adaptation: a cloud and the posed images of a mapping run make the weights of one site."""

import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from diff2i2p.cloud import PointCloud
from diff2i2p.config import Config
from diff2i2p.datasets.sequences import Sequence
from diff2i2p.mapping.pyramid import build_pyramid
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.parameters import override
from diff2i2p.weights import load_weights, save_weights
from diff2i2p_training.data.site_dataset import SiteDataset
from diff2i2p_training.data.synthesis import ViewSynthesizer
from diff2i2p_training.recipe import Recipe
from diff2i2p_training.train import train

SITE = {"network": {"site_octaves": 6, "place_memory": True}}  # the weights of one site may know where in the map a point is
BATCH = 6


def adapt(
    cloud: PointCloud, sequence: Sequence, out: Path, minutes: float, config: Config = Config(), start: str | None = None,
    seed: int = 0, recipe: Recipe = Recipe(),
):  # fmt: skip
    """Train weights for the site of `cloud` from the posed `sequence` and write them to `out`; resumes from `out`.ckpt.

    start: weights to begin with. Raises WeightsError.
    """
    console = Console()
    torch.manual_seed(seed)
    config = override(config, SITE)
    network = Diff2I2P(config)
    if start:
        begin(network, start)
    pyramid = build_pyramid(cloud.points, cloud.grey, config.map.fine_voxel, config.map.levels, config.map.neighbours)
    sequence = sequence.moved(-np.array(cloud.origin))
    console.print(f"map: {' / '.join(str(len(p)) for p in pyramid.points)} points; mapping run: {len(sequence)} images")
    thin = cloud.voxel_downsample(0.25 * config.map.fine_voxel)
    synthesizer = ViewSynthesizer(
        thin, 0.35 * config.map.fine_voxel, sequence, config.image.width, config.image.max_fov, lambda x: track(x, "depth of the images")
    )
    dataset = SiteDataset(synthesizer, pyramid, BATCH, config.network.fine_stride, config.retrieval.nodes, seed)
    progress = train(network, dataset, out.with_suffix(".ckpt"), minutes, recipe, console=console)
    save_weights(out, network, card(f"{sequence.name}, {len(sequence)} images", progress))
    return network


def begin(network: Diff2I2P, start: str) -> None:
    """Take over from other weights all that has the same shape: a network that has seen images learns a new site sooner."""
    known = load_weights(start)[0].state_dict()
    own = network.state_dict()
    network.load_state_dict({name: known[name] if name in known and known[name].shape == own[name].shape else own[name] for name in own})


def card(data: str, progress) -> dict:
    """What a weights file says of its making."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
    return {"data": data, "commit": commit.stdout.strip(), **dataclasses.asdict(progress)}
