# SPDX-License-Identifier: Apache-2.0
"""The compiled map: one safetensors file with a JSON header, memory-mapped, written atomically."""

import json
import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from diff2i2p.mapping.dense import DenseMap

FORMAT = "i2pmap-3"
HEADER = {"frame_id": str, "up": list, "colour": bool, "voxel": float, "spacing": float}
FEATURES = {  # arrays of `descriptor_index.index`
    "descriptors": (torch.uint8, 128), "points": (torch.float32, 3), "angles": (torch.uint8, 1), "octaves": (torch.float16, 1),
    "starts": (torch.int64, 1), "grain": (torch.float32, 1),
}  # fmt: skip
LOOKS = ("appearance", "photographs")  # groups of such arrays
LAYOUT = {  # group: its arrays with type and width; a group is there whole or not at all, all but "map" may be absent
    "map": {
        "points": (torch.float32, 3), "node_points": (torch.float32, 3), "node_starts": (torch.int64, 1),
        "dense.points": (torch.float32, 3), "dense.centres": (torch.float32, 3), "dense.starts": (torch.int64, 1),
        "dense.normals": (torch.int8, 3),
    },
    "shades": {"grey": (torch.float32, 1), "dense.shades": (torch.uint8, 1)},
    "network": {"fine": (torch.float16, None), "nodes": (torch.float16, None)},
    "geometry": {
        "geometry.descriptors": (torch.int8, None), "geometry.points": (torch.float32, 3), "geometry.starts": (torch.int64, 1),
    },
    **{group: {f"{group}.{name}": form for name, form in FEATURES.items()} for group in LOOKS},
}  # fmt: skip
AS_LONG = (  # arrays with a row for each of the same things
    ("points", "grey", "fine"), ("node_points", "nodes"), ("dense.points", "dense.shades", "dense.normals"),
    ("geometry.descriptors", "geometry.points"),
    *([f"{group}.{name}" for name in ("descriptors", "points", "angles", "octaves")] for group in LOOKS),
)  # fmt: skip
OWNERS = (  # where the rows of each owner begin, the rows, the owners
    ("node_starts", "points", "node_points"), ("dense.starts", "dense.points", "dense.centres"),
    ("geometry.starts", "geometry.points", None),
    *((f"{group}.starts", f"{group}.points", None) for group in LOOKS),
)  # fmt: skip
FINITE = (
    "points", "grey", "node_points", "nodes", "dense.centres", "geometry.points",
    *(f"{group}.{name}" for group in LOOKS for name in ("points", "octaves", "grain")),
)  # fmt: skip
NO_ORIGIN = (0.0, 0.0, 0.0)
FARTHEST_ORIGIN = 1e8  # metres; no projection of the earth has larger coordinates
REMEDY = "compile the map again with 'diff2i2p compile-map'"


class MapError(ValueError):
    """A compiled map that cannot be used: says why and what to do."""


@dataclass(frozen=True)
class CompiledMap:
    """A point-cloud map made ready. Fine points are sorted by node: node n owns points[node_starts[n]:node_starts[n + 1]].

    Its arrays are relative to `origin`, in single precision; poses are not, in double precision.
    The tensors of an opened map are memory-mapped: what is not looked at is not read.
    """

    path: Path
    header: dict  # format, cloud_sha256, weights_sha256, frame_id, up, colour, voxel, spacing, ...
    tensors: dict[str, torch.Tensor]

    @classmethod
    def open(cls, path: Path | str) -> "CompiledMap":
        """Open an .i2pmap. Raises MapError when it is missing, truncated, foreign or of another version."""
        path = Path(path)
        if not path.is_file():
            raise MapError(
                f"there is no map {path}: make it with 'diff2i2p compile-map CLOUD -o {path}'"
            )
        try:
            with safe_open(path, "pt") as file:
                header = json.loads((file.metadata() or {}).get("header", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError, RecursionError) as error:
            raise MapError(f"{path} is truncated or no compiled map ({error}): {REMEDY}") from error
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise MapError(f"{path} is not a compiled map of format {FORMAT}: {REMEDY}")
        if problem := _problem(header, tensors):
            raise MapError(f"{path} is damaged or of another version ({problem}): {REMEDY}")
        return cls(path, header, tensors)

    def save(self) -> None:
        """Write the file; a reader never sees half of it."""
        partial = self.path.with_name(self.path.name + ".part")
        try:
            save_file(
                {name: tensor.contiguous() for name, tensor in self.tensors.items()},
                partial,
                {"header": json.dumps(self.header)},
            )
            os.chmod(
                partial, 0o644
            )  # safetensors lets nobody else read what it writes, and a node is another user than who compiles
            os.replace(partial, self.path)
        except (OSError, SafetensorError) as error:
            raise MapError(f"cannot write {self.path}: {error}") from error
        finally:
            partial.unlink(missing_ok=True)

    @property
    def points(self) -> np.ndarray:
        """(N, 3) fine points, map frame, metres: float32, or float64 where the map has an origin."""
        points = self.tensors["points"].numpy()
        return points + self.origin if self.origin.any() else points

    @property
    def origin(self) -> np.ndarray:
        """(3,) float64 metres, that all arrays are relative to; zero unless coordinates are large."""
        return np.array(self.header.get("origin", NO_ORIGIN), float)

    @property
    def no_looks(self) -> str:
        """Why appearance cannot match images to it, in words; empty when it can."""
        if len(self.appearance.get("points", ())) or len(self.photographs.get("points", ())):
            return ""
        if self.grey is None:
            return "the map has neither colour nor intensity"
        return (
            "the map has colour or intensity, but no place for a camera shows enough of it: is the"
            " cloud dense, in metres, and upright (--up)?"
        )

    @property
    def no_geometry(self) -> str:
        """Why the network that reads geometry finds nothing in it, in words; empty when it may."""
        index = self.geometry
        if not index:
            return "it was compiled without weights that read geometry"
        if len(index["starts"]) > 1:
            return ""
        return (
            "no place for a camera shows enough of its geometry: is the cloud dense, larger than a"
            " piece of furniture, in metres, and upright (--up)?"
        )

    @property
    def grey(self) -> np.ndarray | None:
        """(N,) float32 in [0, 1] shade of the fine points, where the map has colour or intensity."""
        return self.tensors["grey"].numpy() if "grey" in self.tensors else None

    @cached_property
    def dense(self) -> DenseMap:
        """The map as dense as it was measured."""
        arrays = {
            name: self.tensors[f"dense.{name}"].numpy()
            for name in ("points", "normals", "centres", "starts")
        }
        shades = self.tensors["dense.shades"].numpy() if "dense.shades" in self.tensors else None
        return DenseMap(**arrays, shades=shades, spacing=self.header["spacing"])

    @property
    def up(self) -> np.ndarray:
        """(3,) float64 unit vector against gravity, map frame."""
        return np.array(self.header["up"], float)

    @property
    def frame_id(self) -> str:
        """TF frame of the map's coordinates, as tf2 wants it: without the slash of ROS 1."""
        return self.header["frame_id"].lstrip("/") or "map"

    @property
    def appearance(self) -> dict[str, np.ndarray]:
        """The arrays of `build_appearance`; none where the map has no looks."""
        return self._features("appearance")

    @property
    def photographs(self) -> dict[str, np.ndarray]:
        """The arrays of `keyframes.build_photographs`; none where the map was compiled without."""
        return self._features("photographs")

    @property
    def geometry(self) -> dict[str, np.ndarray]:
        """The arrays of `build_geometry_index`; none where the map was compiled without weights that read geometry."""
        names = LAYOUT["geometry"]
        return {
            name.removeprefix("geometry."): self.tensors[name].numpy()
            for name in names
            if name in self.tensors
        }

    def _features(self, group: str) -> dict[str, np.ndarray]:
        return {
            name: self.tensors[f"{group}.{name}"].numpy()
            for name in FEATURES
            if f"{group}.{name}" in self.tensors
        }

    def require_weights(self, weights_sha256: str) -> None:
        """Raise MapError unless the map holds features computed with these weights."""
        if self.header.get("weights_sha256") is None:
            raise MapError(f"{self.path} was compiled without weights: {REMEDY} and --weights")
        if self.header["weights_sha256"] != weights_sha256:
            raise MapError(
                f"{self.path} was compiled with other weights: {REMEDY} and the weights you run with"
            )


def _problem(header: dict, tensors: dict[str, torch.Tensor]) -> str:
    """What keeps header and tensors from being a map; empty when nothing does."""
    for name, kind in HEADER.items():
        if not isinstance(header.get(name), kind):
            return f"its header has no proper '{name}'"
    known = {name: form for group in LAYOUT.values() for name, form in group.items()}
    if strange := sorted(set(tensors) - set(known)):
        return f"unknown array '{strange[0]}'"
    for group, forms in LAYOUT.items():
        missing = [name for name in forms if name not in tensors]
        if missing and (group == "map" or len(missing) < len(forms)):
            return f"array '{missing[0]}' is missing"
    for name, tensor in tensors.items():
        kind, width = known[name]
        flat = (
            tensor.ndim == 1
            if width == 1
            else tensor.ndim == 2 and width in (None, tensor.shape[1])
        )
        if tensor.dtype != kind or not flat:
            return f"array '{name}' is {str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
    return _mismatch(tensors) or _nonsense(header, tensors)


def _mismatch(tensors: dict[str, torch.Tensor]) -> str:
    """Which arrays do not belong together; empty when all do."""
    for names in AS_LONG:
        if len({len(tensors[name]) for name in names if name in tensors}) > 1:
            return f"arrays {', '.join(names)} differ in length"
    for starts, rows, owners in OWNERS:
        if starts in tensors and not _are_starts(
            tensors[starts], len(tensors[rows]), len(tensors[owners]) if owners else None
        ):
            return f"array '{starts}' does not divide '{rows}'"
    return ""


def _are_starts(starts: torch.Tensor, rows: int, owners: int | None) -> bool:
    """Whether (n + 1,) starts divide so many rows among n owners."""
    if not len(starts) or owners not in (None, len(starts) - 1):
        return False
    return bool(starts[0] == 0 and starts[-1] == rows and (starts[1:] >= starts[:-1]).all())


def _is_place(value) -> bool:
    return isinstance(value, float) and abs(value) < FARTHEST_ORIGIN


def _nonsense(header: dict, tensors: dict[str, torch.Tensor]) -> str:
    """What would make nonsense of an image's pose later; empty when nothing does. The largest arrays are not read for it."""
    origin = header.get("origin", NO_ORIGIN)
    if not isinstance(origin, list | tuple) or len(origin) != 3 or not all(map(_is_place, origin)):
        return "'origin' in its header is no place"
    up = [value for value in header["up"] if isinstance(value, float)]
    if len(header["up"]) != 3 or not abs(np.linalg.norm(up) - 1) < 1e-3:
        return "'up' in its header is no unit vector"
    if not header["frame_id"] or not all(
        0 < header[name] < math.inf for name in ("voxel", "spacing")
    ):
        return "its header names no frame, or no positive voxel and spacing"
    if not len(tensors["points"]) or any(
        len(tensors.get(f"{group}.grain", [0])) != 1 for group in LOOKS
    ):
        return "it has no points, or not one grain"
    broken = (
        name for name in FINITE if name in tensors and not torch.isfinite(tensors[name]).all()
    )
    return f"array '{name}' holds values that are no numbers" if (name := next(broken, "")) else ""
