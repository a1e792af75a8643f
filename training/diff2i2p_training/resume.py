# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a training under way: written whole or not at all, read without trust."""

import dataclasses
import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

Stateful = nn.Module | torch.optim.Optimizer


@dataclass
class Progress:
    """Where training stands; saved with every checkpoint."""

    step: int = 0
    seconds: float = 0.0


def save_progress(path: Path, parts: dict[str, Stateful], progress: Progress) -> None:
    """Write the checkpoint that `resume` goes on from: the states of `parts` by name."""
    states = {name: part.state_dict() for name, part in parts.items()}
    write_checkpoint(path, states | {"progress": dataclasses.asdict(progress)})


def resume(path: Path, parts: dict[str, Stateful]) -> Progress:
    """Fill `parts` with what `path` holds of them; nothing happens where it does not exist.

    Raises ValueError for the checkpoint of another network.
    """
    state = read_checkpoint(path, "cpu", {*parts, "progress"})
    if state is None:
        return Progress()
    try:
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return Progress(**state["progress"])
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} was begun with another network: remove it to begin anew, or write elsewhere"
        ) from error


def write_checkpoint(path: Path, state: dict) -> None:
    """Put `state` in the place of what is at `path`; an interruption leaves one or the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    torch.save(state, partial)
    partial.replace(path)


def read_checkpoint(path: Path, device: str | torch.device, needed: set[str]) -> dict | None:
    """The state at `path`, None where there is none yet.

    Raises ValueError when it is not one that holds what is `needed`.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, weights_only=True, map_location=device)
    except (
        RuntimeError,
        pickle.UnpicklingError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise _unusable(path) from error
    if not isinstance(state, dict) or not needed <= state.keys():
        raise _unusable(path)
    return state


def _unusable(path: Path) -> ValueError:
    return ValueError(
        f"{path} is no checkpoint of this training, or was cut off:"
        " remove it to begin anew, or write elsewhere"
    )
