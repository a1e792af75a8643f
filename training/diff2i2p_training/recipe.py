# SPDX-License-Identifier: Apache-2.0
"""What the training of the paper's network is made of besides it: data, losses and schedule.

One YAML file holds both, under the same rules.
"""

from dataclasses import dataclass
from pathlib import Path

from diff2i2p.config import PAPER, PAPER_RGBD, Config
from diff2i2p.parameters import ConfigError, override, parameter, read_overrides

PRESETS = {"paper": PAPER, "paper-rgbd": PAPER_RGBD}  # of the network


@dataclass(frozen=True)
class DataRecipe:
    pairs: str = parameter("", "Folder of pairs, as 'diff2i2p-train prepare' makes it.")
    min_overlap: float = parameter(0.3, "Overlap below which a pair is left out.", "", 0, 1)
    batch: int = parameter(6, "Views of a batch, all of one fragment.", "", 1, 256)
    turn: bool = parameter(True, "Turn and zoom the image of a pair, about its optical centre.")
    relight: bool = parameter(True, "Change light, blur and noise of the image of a pair.")
    move: bool = parameter(
        False, "Move the fragment of a pair by up to 10 degrees and some centimetres."
    )
    workers: int = parameter(2, "Processes that draw batches.", "", 0, 64)


@dataclass(frozen=True)
class LossRecipe:
    votes: float = parameter(
        0.5, "Weight of the multi-scale loss, on tokens and nodes before fusion.", "", 0, 100
    )
    tuning: float = parameter(
        0.5, "Weight of what trains the Deformable Correspondence Tuning.", "", 0, 100
    )
    pose: float = parameter(
        0.0,
        "Weight of the pose error, through the differentiable PnP on the network's own matches.",
        "",
        0,
        100,
    )
    csd: float = parameter(
        0.0,
        "Weight of the Control-Side Score Distillation, whose true gradient is tiny.",
        "",
        0,
        1e6,
    )
    csd_from: float = parameter(
        0.43, "Share of the training after which the distillation joins.", "", 0, 1
    )
    csd_form: str = parameter(
        "full",
        "Gradient on the rendered depth: the true one, score distillation, or as released.",
        choices=("full", "score", "released"),
    )
    prior: str = parameter(
        "",
        "Depth-conditioned diffusion model: hub id or folder of a diffusers ControlNet pipeline.",
    )


@dataclass(frozen=True)
class ScheduleRecipe:
    rate: float = parameter(
        1e-3, "Learning rate at its highest; times the number of processes.", "", 1e-7, 1
    )
    decay: str = parameter(
        "cosine", "Warm up and fall to zero, or lose 5 % every epoch.", choices=("cosine", "epochs")
    )
    weight_decay: float = parameter(1e-3, "Decoupled weight decay.", "", 0, 1)
    clip: float = parameter(1.0, "Largest norm of the gradient; 0 leaves it.", "", 0, 1000)
    average: float = parameter(
        0.0, "Decay of the running average of the weights that is kept; 0 keeps the last.", "", 0, 1
    )
    epochs: float = parameter(
        0.0, "Epochs over the pairs; 0 trains for the time given instead.", "", 0, 100000
    )
    precision: str = parameter(
        "no", "Mixed precision of the backbones; losses keep float32.", choices=("no", "bf16")
    )
    tensorboard: bool = parameter(False, "Write every loss to OUT.tensorboard, for TensorBoard.")


@dataclass(frozen=True)
class Recipe:
    data: DataRecipe = DataRecipe()
    losses: LossRecipe = LossRecipe()
    schedule: ScheduleRecipe = ScheduleRecipe()


def load_recipe(path: Path | str) -> tuple[Config, Recipe]:
    """Read a training configuration: groups of `Config`, under 'training' those of `Recipe`. Raises ConfigError naming the file.

    'preset' names one of PRESETS to start from.
    """
    values = read_overrides(path)
    training, preset = values.pop("training", None) or {}, values.pop("preset", None)
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"{path}: the preset is one of {', '.join(PRESETS)}, not {preset!r}")
    if not isinstance(training, dict):
        raise ConfigError(f"{path}: 'training' is a group of parameters, not a value")
    return override(override(Config(), PRESETS[preset] if preset else {}), values), override(
        Recipe(), training, "training."
    )
