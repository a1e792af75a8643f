# SPDX-License-Identifier: Apache-2.0
"""Weights files: safetensors that carry the configuration they were trained with. Nothing is ever unpickled."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from diff2i2p.config import Config
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.network.geometry_network import GeometryNetwork
from diff2i2p.network.trunk import folded
from diff2i2p.parameters import override

Network = Diff2I2P | GeometryNetwork
FORMAT = "diff2i2p-weights-1"
_HERE = Path(__file__).resolve()
# In a checkout, installed.
_PLACES = (_HERE.parents[2] / "weights", _HERE.parents[5] / "share" / "diff2i2p" / "weights")
SHIPPED = next((place for place in _PLACES if place.is_dir()), _PLACES[0])
GENERIC = "generic"  # the shipped weights that know no site
# The groups of the configuration that belong to the weights of the paper's network.
TRAINED = ("network", "map")


class WeightsError(ValueError):
    """A weights file that cannot be used: says why and what to do."""


def save_weights(
    path: Path | str, network: Network, card: dict, precision: torch.dtype = torch.float16
) -> None:
    """Write weights with their configuration and `card` (data, licence, commit, score), atomically. Raises WeightsError."""
    path = Path(path)
    metadata = {"format": FORMAT, "card": json.dumps(card)}
    if isinstance(network, Diff2I2P):  # the other network has nothing to configure
        config = dataclasses.asdict(network.config)
        metadata["config"] = json.dumps({key: config[key] for key in TRAINED})
    tensors = {
        name: tensor.to(precision).contiguous() for name, tensor in network.state_dict().items()
    }
    partial = path.with_name(path.name + ".part")
    try:
        save_file(tensors, partial, metadata)
        os.chmod(partial, 0o644)  # safetensors lets nobody else read what it writes
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot write {path}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def load_weights(
    name: Path | str, config: Config = Config(), device: str = "cpu", trainable: bool = False
) -> tuple[Network, str]:
    """The network, ready for inference, and the sha256 of its file. `name` is a path or a row of weights.yaml.

    The weights' own network and map configuration replace those of `config`. trainable: as it was
    trained, at the cost of speed. Raises WeightsError.
    """
    path = find_weights(name)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as weights ({error}): copy it again") from error
    if broken := next(
        (name for name, tensor in tensors.items() if not tensor.isfinite().all()), ""
    ):
        raise WeightsError(
            f"{path} is damaged, '{broken}' holds values that are no numbers: copy it again"
        )
    if metadata.get("format") != FORMAT:
        raise WeightsError(
            f"{path} is not a diff2i2p weights file; released checkpoints go through 'diff2i2p convert-checkpoint' first"
        )
    try:
        if "config" in metadata:
            network = _network_of(metadata["config"], tensors, config)
        else:
            network = _geometry_network(tensors, trainable)
    except (KeyError, ValueError, RecursionError, RuntimeError) as error:
        raise WeightsError(
            f"{path} was made by another version of diff2i2p: {str(error).splitlines()[0]:.200}"
        ) from error
    return network.eval().to(device), sha256(path)


def _network_of(trained: str, tensors: dict[str, torch.Tensor], config: Config) -> Diff2I2P:
    """The network of a configuration in JSON, filled. Raises ValueError, RecursionError, RuntimeError."""
    changes = json.loads(trained)
    if not isinstance(changes, dict) or not set(changes) <= set(TRAINED):
        raise ValueError("it carries no configuration of a network")
    config = override(config, changes)
    with torch.device("meta"):  # shapes are compared before memory is taken for them
        planned = {name: tensor.shape for name, tensor in Diff2I2P(config).state_dict().items()}
    if (
        different := planned.items()
        ^ {name: tensor.shape for name, tensor in tensors.items()}.items()
    ):
        raise ValueError(
            f"its tensors are not those of its configuration, '{min(different)[0]}' for one"
        )
    network = Diff2I2P(config)
    network.load_state_dict(tensors)
    return network


def _geometry_network(tensors: dict[str, torch.Tensor], trainable: bool) -> GeometryNetwork:
    """The network that reads geometry; unless `trainable` made fast. Raises RuntimeError."""
    network = GeometryNetwork()
    network.load_state_dict(tensors)
    if trainable:
        return network
    return folded(network.eval()).to(memory_format=torch.channels_last)


def find_weights(name: Path | str) -> Path:
    """The file behind a path or a name in weights.yaml. Raises WeightsError with the names there are."""
    if Path(name).is_file():
        return Path(name)
    rows = shipped_weights()
    if str(name) not in rows:
        raise WeightsError(
            f"no weights file '{name}', and no shipped weights of that name; shipped are: {', '.join(rows) or 'none'}"
        )
    path = SHIPPED / rows[str(name)]["file"]
    if not path.is_file() or sha256(path) != rows[str(name)]["sha256"]:
        raise WeightsError(
            f"the shipped weights {path} are missing or damaged: install diff2i2p again"
        )
    return path


def shipped_weights() -> dict[str, dict]:
    """The rows of weights.yaml by name."""
    table = SHIPPED / "weights.yaml"
    return yaml.safe_load(table.read_text()) or {} if table.is_file() else {}


def shipped_name(digest: str | None) -> str | None:
    """The shipped weights whose file has this sha256, None where they do not ship."""
    rows = shipped_weights().items()
    return next((name for name, row in rows if row["sha256"] == digest), None)


def sha256(path: Path | str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
