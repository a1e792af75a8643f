# SPDX-License-Identifier: Apache-2.0
"""A map from a cloud that came over a topic: compiled once, by a process of its own, and kept for the next start."""

import dataclasses
import hashlib
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import yaml
from sensor_msgs.msg import PointCloud2

from diff2i2p.cloud import write_cloud
from diff2i2p.config import Config
from diff2i2p.files import cache_folder
from diff2i2p_ros import convert

KEPT = 5  # maps in the cache


class MapUnavailable(ValueError):
    """There is no map to serve: says why, and what to do."""


class CloudCompiler:
    """`diff2i2p compile-map` in a child process: the node neither stutters meanwhile nor dies of a cloud too large."""

    def __init__(self):
        self._process: subprocess.Popen | None = None
        self._stopped = False

    def stop(self) -> None:
        """End what is being compiled; no more is begun."""
        self._stopped = True
        if self._process:
            self._process.terminate()

    def compile(self, message: PointCloud2, weights: str, config: Config) -> Path:
        """The compiled map of the cloud, from the cache if it is there. Raises CloudError, MapUnavailable; takes minutes."""
        folder = cache_folder()
        out = folder / f"{fingerprint(message, weights, config)}.i2pmap"
        if not out.is_file():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                cloud, settings, made = (
                    Path(scratch) / name for name in ("cloud.ply", "config.yaml", out.name)
                )
                write_cloud(cloud, convert.cloud(message))
                settings.write_text(plain_yaml(config))
                frame = message.header.frame_id or "map"
                arguments = [cloud, "--out", made, "--config", settings, "--frame-id", frame]
                self._run([*arguments, *(["--weights", weights] if weights else [])])
                os.replace(made, out)
        os.utime(out)  # used now
        prune(folder)
        return out

    def _run(self, arguments: list) -> None:
        command = [sys.executable, "-m", "diff2i2p.cli", "compile-map", *map(str, arguments)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        if self._stopped:  # between the question and the start
            self._process.terminate()
        errors = self._process.communicate()[1].strip().splitlines()
        if self._process.returncode:
            raise MapUnavailable(
                f"the cloud could not be compiled: {errors[-1] if errors else f'exit code {self._process.returncode}'}"
            )


def prune(folder: Path) -> None:
    """Delete all maps but those used last. One that is served lives on, being memory-mapped, until it is let go."""
    with suppress(OSError):  # another node prunes as well
        for map_file in sorted(folder.glob("*.i2pmap"), key=lambda path: path.stat().st_mtime)[
            :-KEPT
        ]:
            map_file.unlink()


def plain_yaml(config: Config) -> str:
    """A configuration as `load_config` reads it."""
    return yaml.safe_dump(_plain(dataclasses.asdict(config)))


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value


def fingerprint(message: PointCloud2, weights: str, config: Config) -> str:
    """Tells two maps apart by all that goes into them."""
    from diff2i2p.mapping.compiled_map import FORMAT  # brings torch
    from diff2i2p.weights import GENERIC, shipped_weights

    digest = hashlib.sha256(message.data)
    layout = [(field.name, field.offset, field.datatype, field.count) for field in message.fields]
    shape = (
        message.width,
        message.height,
        message.point_step,
        message.row_step,
        message.is_bigendian,
        message.header.frame_id,
    )
    file, shipped = Path(weights), shipped_weights().get(weights or GENERIC, {})
    version = file.stat().st_mtime_ns if file.is_file() else shipped.get("sha256")
    digest.update(repr((FORMAT, layout, shape, weights, version, config)).encode())
    return digest.hexdigest()[:32]
