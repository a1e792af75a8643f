# SPDX-License-Identifier: Apache-2.0
"""A recorded TF tree: where a frame was in another at any time."""

from collections import defaultdict

import numpy as np

from diff2i2p.datasets.trajectory import Trajectory


class TransformTree:
    """Transforms of /tf and /tf_static, all of them known before the first question. Each frame has one parent, the last one named."""

    def __init__(self):
        self._rows: dict[tuple[str, str], list] = defaultdict(
            list
        )  # (parent, child) -> rows of stamp and pose
        self._parents: dict[str, str] = {}
        self._static: set[tuple[str, str]] = set()
        self._edges: dict[tuple[str, str], Trajectory] = {}

    @property
    def frames(self) -> list[str]:
        """Names of all frames, sorted."""
        return sorted({*self._parents, *self._parents.values()})

    @property
    def children(self) -> set[str]:
        """Names of the frames that have a parent."""
        return set(self._parents)

    def add(self, parent: str, child: str, row: tuple, static: bool = False) -> None:
        """A transform that takes points of `child` to `parent`; row: stamp tx ty tz qx qy qz qw."""
        parent, child = parent.lstrip("/"), child.lstrip("/")  # ROS 1 began names with a slash
        self._parents[child] = parent
        self._rows[parent, child].append(row)
        if static:
            self._static.add((parent, child))

    def lookup(self, target: str, source: str, stamp: float) -> np.ndarray | None:
        """T_target_source (4, 4) at `stamp`, seconds; None where the frames are not connected or were not at that time."""
        if (paths := self._paths(target, source)) is None:
            return None
        T_shared_target, T_shared_source = (self._chain(path, stamp) for path in paths)
        if T_shared_target is None or T_shared_source is None:
            return None
        return np.linalg.inv(T_shared_target) @ T_shared_source

    def moves(self, target: str, source: str) -> bool:
        """Whether frames are connected, and not by static transforms alone."""
        paths = self._paths(target, source) or ()
        return any(
            edge not in self._static for path in paths for edge in zip(path[1:], path, strict=False)
        )

    def _paths(self, target: str, source: str) -> tuple[list[str], list[str]] | None:
        """From either frame up to the first that both are in; None where there is none."""
        up, down = self._to_root(target.lstrip("/")), self._to_root(source.lstrip("/"))
        shared = next((frame for frame in down if frame in up), None)
        return (
            None if shared is None else (up[: up.index(shared) + 1], down[: down.index(shared) + 1])
        )

    def _to_root(self, frame: str) -> list[str]:
        path = [frame]
        while (parent := self._parents.get(path[-1])) is not None and parent not in path:
            path.append(parent)
        return path

    def _chain(self, path: list[str], stamp: float) -> np.ndarray | None:
        """T from the first frame of a path to its last."""
        T = np.eye(4)
        for child, parent in zip(path, path[1:], strict=False):
            step = self._edge(parent, child, stamp)
            if step is None:
                return None
            T = step @ T
        return T

    def _edge(self, parent: str, child: str, stamp: float) -> np.ndarray | None:
        key = parent, child
        if key not in self._edges:
            self._edges[key] = Trajectory.from_rows(self._rows[key])
        edge = self._edges[key]
        if key in self._static:
            return edge.poses[-1] if len(edge) else None
        return edge.at(stamp)
