# SPDX-License-Identifier: Apache-2.0
"""The last pose on disk: where a robot that was switched off looks first. A first guess, never an answer."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from diff2i2p_ros.localizer.causes import Cause, Say

PERIOD = 5.0  # seconds between two writes: flash memory wears


class LastPose:
    """A small JSON file, written atomically; `site` names the map that the pose is in."""

    def __init__(self, path: str, site: str, say: Say):
        self._path, self._site, self._say = Path(path).expanduser(), site, say
        self._kept: np.ndarray | None = None
        self._written = -PERIOD

    def read(self) -> np.ndarray | None:
        """T_map_camera (4, 4) as it was kept for this map; None where there is none, or none that can be read."""
        try:
            kept = json.loads(self._path.read_text())
            T_map_camera = np.array(kept["T_map_camera"], float)
            return T_map_camera if kept["site"] == self._site and _is_rigid(T_map_camera) else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = f"the last pose in {self._path} cannot be read, and is not used"
            self._say(Cause.LAST_POSE, f"{problem}: {error}")
            return None

    def keep(self, T_map_camera: np.ndarray) -> None:
        """Write a verified pose, at most every few seconds."""
        self._kept = T_map_camera
        if time.monotonic() - self._written >= PERIOD:
            self.write()

    def write(self) -> None:
        """Write what was kept last, if anything was."""
        if self._kept is None:
            return
        kept = {
            "site": self._site,
            "T_map_camera": self._kept.tolist(),
            "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        self._kept, self._written = None, time.monotonic()
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(kept))
            os.replace(partial, self._path)
            self._say(Cause.LAST_POSE, "")
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            self._say(Cause.LAST_POSE, f"the last pose cannot be written: {error}")


def _is_rigid(T: np.ndarray) -> bool:
    return (
        T.shape == (4, 4)
        and np.isfinite(T).all()
        and np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-6)
    )
