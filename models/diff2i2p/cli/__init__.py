# SPDX-License-Identifier: Apache-2.0
"""The command line `diff2i2p`, a module per command. They import what they need when they run, so that --help is instant."""

from functools import cache
from importlib.metadata import entry_points

from diff2i2p.cli import (  # noqa: F401 # each adds its command to `app`
    compare,
    compile_map,
    convert_checkpoint,
    doctor,
    evaluate,
    export,
    localize,
)
from diff2i2p.cli.common import app, run


def main() -> None:
    """Run the command line."""
    _add_commands_of_other_packages()
    run(app)


@cache
def _add_commands_of_other_packages() -> None:
    """A package beside this one names its commands as entry points of the group `diff2i2p.commands`."""
    for command in entry_points(group="diff2i2p.commands"):
        app.command(command.name)(command.load())
