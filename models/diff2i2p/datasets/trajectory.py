# SPDX-License-Identifier: Apache-2.0
"""Poses over time: looked up between their stamps, and two of them compared by evo."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

EXACT = 1e-5  # seconds between two stamps that are the same
ALONE = 0.02  # seconds up to which a pose stands for a stamp without one on the other side
GAP = 0.1, 0.3  # seconds, least and most, between a stamp and the poses before and after it
STATISTICS = ("rmse", "mean", "median", "std", "max")


@dataclass(frozen=True)
class Trajectory:
    """Poses (F, 4, 4) float64, metres, at ascending stamps (F,), seconds."""

    stamps: np.ndarray
    poses: np.ndarray

    @classmethod
    def from_rows(cls, rows) -> "Trajectory":
        """From (F, 8) rows of stamp tx ty tz qx qy qz qw in any order; rows without a usable pose are left out."""
        rows = np.asarray(rows, float).reshape(-1, 8)
        norms = np.linalg.norm(rows[:, 4:], axis=1)
        rows = rows[np.isfinite(rows).all(1) & (norms > 0.5) & (norms < 2)]
        rows = rows[np.unique(rows[:, 0], return_index=True)[1]]
        poses = np.tile(np.eye(4), (len(rows), 1, 1))
        if len(rows):
            poses[:, :3, :3], poses[:, :3, 3] = (
                Rotation.from_quat(rows[:, 4:]).as_matrix(),
                rows[:, 1:4],
            )
        return cls(rows[:, 0], poses)

    def __len__(self) -> int:
        return len(self.stamps)

    @property
    def rows(self) -> np.ndarray:
        """(F, 8) stamp tx ty tz qx qy qz qw, as TUM files hold them."""
        quaternions = (
            Rotation.from_matrix(self.poses[:, :3, :3]).as_quat() if len(self) else np.zeros((0, 4))
        )
        return np.column_stack([self.stamps, self.poses[:, :3, 3], quaternions])

    def at(self, stamp: float, gap: float = np.inf) -> np.ndarray | None:
        """Pose (4, 4) at `stamp` between two that lie at most `gap` seconds before and after it; one alone counts within ALONE."""
        after = int(np.searchsorted(self.stamps, stamp))
        away = {i: abs(self.stamps[i] - stamp) for i in (after - 1, after) if 0 <= i < len(self)}
        near = min(away, key=away.get, default=None)
        if near is None or away[near] > gap:
            return None
        if len(away) == 2 and max(away.values()) <= gap and away[near] > EXACT:
            return self._between(after - 1, after, stamp)
        return self.poses[near] if away[near] <= min(gap, ALONE) else None

    @property
    def gap(self) -> float:
        """Seconds before and after a stamp, within which poses tell where something was then: what

        is usual between two of them, so that 10 Hz serve every camera, but no hole is bridged.
        """
        usual = float(np.median(np.diff(self.stamps))) if len(self) > 1 else 0.0
        return float(np.clip(1.5 * usual, *GAP))

    def _between(self, before: int, after: int, stamp: float) -> np.ndarray:
        part = (stamp - self.stamps[before]) / (self.stamps[after] - self.stamps[before])
        T = np.eye(4)
        T[:3, :3] = Slerp([0, 1], Rotation.from_matrix(self.poses[[before, after], :3, :3]))(
            part
        ).as_matrix()
        T[:3, 3] = (1 - part) * self.poses[before, :3, 3] + part * self.poses[after, :3, 3]
        return T


def ape_rpe(truth: Trajectory, estimate: Trajectory) -> dict:
    """Absolute and relative pose errors by evo, of two trajectories with the same stamps: metres, degrees; without alignment.

    RPE is between each pose and the next: how much an estimate jumps. It is None for fewer than two poses, APE for none.
    """
    from evo.core.metrics import APE, RPE, PoseRelation

    translation, rotation = PoseRelation.translation_part, PoseRelation.rotation_angle_deg
    errors = {"ape": APE, "rpe": RPE}
    return {
        f"{name}_{unit}": _statistics(kind(relation), truth, estimate)
        if len(truth) > (name == "rpe")
        else None
        for name, kind in errors.items()
        for unit, relation in (("m", translation), ("deg", rotation))
    }


def _statistics(metric, truth: Trajectory, estimate: Trajectory) -> dict[str, float]:
    from evo.core.metrics import StatisticsType
    from evo.core.trajectory import PoseTrajectory3D

    pair = [
        PoseTrajectory3D(poses_se3=list(one.poses), timestamps=one.stamps)
        for one in (truth, estimate)
    ]
    metric.process_data(tuple(pair))
    return {
        name: round(float(metric.get_statistic(StatisticsType[name])), 5) for name in STATISTICS
    }
