# SPDX-License-Identifier: Apache-2.0
"""The compiled map: one safetensors file with a JSON header, memory-mapped, written atomically."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

FORMAT = "i2pmap-1"
REQUIRED = ("points", "node_points", "node_starts")
REMEDY = "compile the map again with 'diff2i2p compile-map'"


class MapError(ValueError):
    """A compiled map that cannot be used: says why and what to do."""


@dataclass(frozen=True)
class CompiledMap:
    """A point-cloud map made ready. Fine points are sorted by node: node n owns points[node_starts[n]:node_starts[n + 1]]."""

    path: Path
    header: dict  # format, cloud_sha256, weights_sha256, frame_id, up, colour, voxel, ...
    tensors: dict[str, torch.Tensor]

    @classmethod
    def open(cls, path: Path | str) -> "CompiledMap":
        """Open an .i2pmap. Raises MapError when it is missing, truncated, foreign or of another version."""
        path = Path(path)
        if not path.is_file():
            raise MapError(f"there is no map {path}: make it with 'diff2i2p compile-map CLOUD -o {path}'")
        try:
            with safe_open(path, "pt") as file:
                header = json.loads((file.metadata() or {}).get("header", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError) as error:
            raise MapError(f"{path} is truncated or no compiled map ({error}): {REMEDY}") from error
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise MapError(f"{path} is not a compiled map of format {FORMAT}: {REMEDY}")
        if missing := [name for name in REQUIRED if name not in tensors]:
            raise MapError(f"{path} lacks {', '.join(missing)}: {REMEDY}")
        return cls(path, header, tensors)

    def save(self) -> None:
        """Write the file; a reader never sees half of it."""
        partial = self.path.with_name(self.path.name + ".part")
        try:
            save_file({name: tensor.contiguous() for name, tensor in self.tensors.items()}, partial, {"header": json.dumps(self.header)})
            os.replace(partial, self.path)
        except (OSError, SafetensorError) as error:
            raise MapError(f"cannot write {self.path}: {error}") from error
        finally:
            partial.unlink(missing_ok=True)

    @property
    def points(self) -> np.ndarray:
        """(N, 3) float32 fine points, map frame, metres."""
        return self.tensors["points"].numpy()

    @property
    def grey(self) -> np.ndarray | None:
        """(N,) float32 in [0, 1] shade of the fine points, where the map has colour or intensity."""
        return self.tensors["grey"].numpy() if "grey" in self.tensors else None

    @property
    def up(self) -> np.ndarray:
        """(3,) float64 unit vector against gravity, map frame."""
        return np.array(self.header["up"], float)

    @property
    def frame_id(self) -> str:
        return self.header["frame_id"]

    @property
    def appearance(self) -> dict[str, np.ndarray]:
        """Descriptors (M, 128) uint8 and points (M, 3) float32 of the views rendered from the coloured cloud."""
        prefix = "appearance."
        return {name.removeprefix(prefix): t.numpy() for name, t in self.tensors.items() if name.startswith(prefix)}

    def require_weights(self, weights_sha256: str) -> None:
        """Raise MapError unless the map holds features computed with these weights."""
        if self.header.get("weights_sha256") is None:
            raise MapError(f"{self.path} was compiled without weights: {REMEDY} and --weights")
        if self.header["weights_sha256"] != weights_sha256:
            raise MapError(f"{self.path} was compiled with other weights: {REMEDY} and the weights you run with")
