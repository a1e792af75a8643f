# SPDX-License-Identifier: Apache-2.0
"""Parameters with unit, range and one sentence, as fields of frozen dataclasses; what overrides them."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from diff2i2p.files import YamlError, read_yaml


class ConfigError(ValueError):
    """A parameter that does not exist, has the wrong type or is out of its range."""


def parameter(
    default: Any,
    help: str,
    unit: str = "",
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple = (),
):
    """A dataclass field that carries its own documentation: unit, range and one sentence."""
    return dataclasses.field(
        default=default,
        metadata={"help": help, "unit": unit, "low": low, "high": high, "choices": choices},
    )


def parameters(config, prefix: str = "") -> Iterator[tuple[str, Any, Mapping]]:
    """Yield (dotted name, value, metadata) of every parameter of a config, depth first."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from parameters(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value, field.metadata


def override(config, values: Mapping[str, Any], prefix: str = ""):
    """A copy of `config` with (nested) `values` put in. Raises ConfigError on an unknown key, a wrong type or a value out of range."""
    fields = {field.name: field for field in dataclasses.fields(config)}
    changes = {}
    for key, value in values.items():
        if key not in fields:
            raise ConfigError(f"unknown parameter '{prefix}{key}'; there are: {', '.join(fields)}")
        current = getattr(config, key)
        if dataclasses.is_dataclass(current):
            if not isinstance(value, Mapping):
                raise ConfigError(f"'{prefix}{key}' is a group of parameters, not a value")
            changes[key] = override(current, value, f"{prefix}{key}.")
        else:
            changes[key] = _checked(f"{prefix}{key}", value, current, fields[key].metadata)
    return dataclasses.replace(config, **changes)


def override_dotted(config, values: Mapping[str, Any]):
    """`override` for flat names such as 'pnp.max_error', the form of ROS parameters."""
    nested: dict = {}
    for name, value in values.items():
        *groups, leaf = name.split(".")
        place = nested
        for group in groups:
            place = place.setdefault(group, {})
        place[leaf] = value
    return override(config, nested)


def read_overrides(path: Path | str) -> dict:
    """What a YAML file of overrides says, not checked yet. Raises ConfigError naming the file."""
    try:
        values = read_yaml(path) or {}
    except YamlError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no parameters: expected 'name: value' lines")
    return values


def _checked(name: str, value: Any, current: Any, metadata: Mapping) -> Any:
    if isinstance(current, tuple) and isinstance(value, list | tuple):
        return tuple(_checked(name, element, 0, metadata) for element in value)
    if (
        isinstance(current, float)
        and isinstance(value, int)
        and not isinstance(value, bool)
        and abs(value) < 1e300
    ):
        value = float(value)
    if type(value) is not type(current):
        raise ConfigError(f"'{name}' takes a {type(current).__name__}, not {value!r:.80}")
    if metadata.get("choices") and value not in metadata["choices"]:
        raise ConfigError(f"'{name}' is one of {', '.join(metadata['choices'])}, not {value!r:.80}")
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and not metadata["low"] <= value <= metadata["high"]
    ):
        raise ConfigError(
            f"'{name}' lies within [{metadata['low']:g}, {metadata['high']:g}] {metadata['unit']}, not {value!r:.80}"
        )
    return value
