# SPDX-License-Identifier: Apache-2.0
"""Where figures come from: the machine and the commit they were measured with."""

import os
import platform
import subprocess
import sys
from pathlib import Path

from diff2i2p import __version__


def machine() -> str:
    """Processor, cores and, when torch can use one, graphics card that the figures were measured on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    processor = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
    torch = sys.modules.get("torch")
    card = f", {torch.cuda.get_device_name()}" if torch and torch.cuda.is_available() else ""
    return f"{processor}, {os.cpu_count()} cores{card}"


def git_commit(besides: tuple[str, ...] = ()) -> str:
    """Commit of this checkout, '+' when files differ from it; the version where there is no checkout.

    besides: paths, from the top of the checkout, whose changes do not count.
    """
    commit = _git("describe", "--always", "--abbrev=12", "--exclude=*")
    if not commit:
        return f"release {__version__}"
    others = (f":(top,exclude){path}" for path in besides)
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":(top)", *others)
    return commit + ("+" if changed else "")


def _git(*arguments: str) -> str:
    """What a git command says of this checkout; nothing where it fails."""
    try:
        command, folder = ["git", *arguments], Path(__file__).parent
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip()
