# SPDX-License-Identifier: Apache-2.0
"""What a weights file says of its making."""

import dataclasses
import subprocess
from pathlib import Path

from diff2i2p_training.resume import Progress


def card(data: str, progress: Progress, **more) -> dict:
    """Data, commit, steps and seconds, and whatever `more` there is to say."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    return {"data": data, "commit": commit.stdout.strip(), **dataclasses.asdict(progress), **more}
