# SPDX-License-Identifier: Apache-2.0
"""The command line `diff2i2p`, a module per command. They import what they need when they run, so that --help is instant."""

import atexit
import gc
import sys

from diff2i2p.cli import compare, compile_map, convert_checkpoint, doctor, evaluate, export, localize, world  # noqa: F401 # each adds its command to `app`
from diff2i2p.cli.common import app


def main() -> None:
    """Run the command line; bad input is one sentence on stderr and exit code 2."""
    atexit.register(gc.freeze)  # else the collector looks through all of torch before the process may go: 0.7 s of a core
    try:
        app()
    except (ValueError, OSError) as error:
        ours = type(error).__module__.startswith("diff2i2p") or isinstance(error, OSError)
        if not ours:  # a mistake of this program: show where
            raise
        print(f"diff2i2p: {error}", file=sys.stderr)
        sys.exit(2)
