# SPDX-License-Identifier: Apache-2.0
"""Files: YAML that people write, read as plain data, and the folder of what can be made again."""

import os
import tempfile
from pathlib import Path
from typing import Any

import yaml

LARGEST = 1 << 20  # bytes; bound: a thousand times the longest file that we write


class YamlError(ValueError):
    """What is wrong with a YAML file, and where in it; the file is not named."""


class _Loader(yaml.SafeLoader):
    """Plain data without aliases: ten nested ones stand for more memory than there is."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="aliases are not read: write the value itself",
                problem_mark=self.peek_event().start_mark,
            )
        return super().compose_node(parent, index)


def read_yaml(path: Path | str) -> Any:
    """The data in a YAML file, None when it is empty. Raises YamlError."""
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise YamlError(f"it is larger than {LARGEST >> 20} MB")
        return yaml.load(text.decode(), _Loader)
    except OSError as error:
        raise YamlError(error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise YamlError("it is no text") from error
    except RecursionError as error:
        raise YamlError("it is nested too deeply") from error
    except yaml.MarkedYAMLError as error:
        raise YamlError(f"line {error.problem_mark.line + 1}: {error.problem}") from error
    except (
        yaml.YAMLError,
        LookupError,
        ArithmeticError,
        AttributeError,
        ValueError,
    ) as error:  # PyYAML's own slips too
        raise YamlError(" ".join(str(error).split())) from error


def cache_folder() -> Path:
    """~/.cache/diff2i2p (XDG_CACHE_HOME), or a temporary folder where that cannot be written."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diff2i2p"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="diff2i2p-"))
