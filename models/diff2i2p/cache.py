# SPDX-License-Identifier: Apache-2.0
"""Where things are kept that can be made again."""

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """~/.cache/diff2i2p (XDG_CACHE_HOME), or a temporary folder where that cannot be written."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diff2i2p"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="diff2i2p-"))
