# SPDX-License-Identifier: Apache-2.0
"""Truth that was measured in another frame than the map's, as motion capture does: found from the answers themselves."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera
from diff2i2p.evaluation.metric_table import FALSE_ACCEPT
from diff2i2p.evaluation.metrics import Record, judge, trajectories

# Metres, degrees within which two frames say the same of where the truth's frame is; defined: no
# answer that counts as false may agree.
AGREE = FALSE_ACCEPT


class AlignmentError(ValueError):
    """No answer to align the truth with."""


def aligned(
    records: list[Record], points: np.ndarray, camera: Camera
) -> tuple[list[Record], np.ndarray]:
    """The records judged by the truth moved to where most answers want it, and T_map_truth (4, 4). points: (N, 3) of the map.

    Errors are then relative to that fit: what is wrong by the same amount in all frames is no longer seen.
    """
    T_map_truth = fit(*trajectories(records))
    moved = []
    for record in records:
        if record.judged:
            frame = replace(record.frame, T_map_camera=T_map_truth @ record.frame.T_map_camera)
            again = judge(frame, record.answer, points, frame.camera or camera, record.latency_ms)
            record = replace(again, problem=record.problem)
        moved.append(record)
    return moved, T_map_truth


def fit(truth, estimate) -> np.ndarray:
    """T_map_truth (4, 4): of what each frame says of it alone, the mean of the largest group that agrees. Raises AlignmentError."""
    if not len(truth):
        raise AlignmentError(
            "there is no answer with truth to align: evaluate without --align to see why"
        )
    says = estimate.poses @ np.linalg.inv(truth.poses)
    rotations = Rotation.from_matrix(says[:, :3, :3])
    places = truth.poses[:, :3, 3]
    agree = np.array([_agreeing(says, rotations, places, i) for i in range(len(says))])
    group = agree[agree.sum(1).argmax()]
    T = np.eye(4)
    T[:3, :3] = rotations[group].mean().as_matrix()
    T[:3, 3] = (estimate.poses[group, :3, 3] - places[group] @ T[:3, :3].T).mean(0)
    return T


def _agreeing(says: np.ndarray, rotations: Rotation, places: np.ndarray, i: int) -> np.ndarray:
    """(F,) bool: the frames whose camera the truth's frame, as frame i sees it, puts where they were found."""
    metres = np.linalg.norm(
        np.einsum("fij,fj->fi", says[:, :3, :3], places)
        + says[:, :3, 3]
        - places @ says[i, :3, :3].T
        - says[i, :3, 3],
        axis=1,
    )
    degrees = np.degrees((rotations * rotations[i].inv()).magnitude())
    return (metres < AGREE[0]) & (degrees < AGREE[1])
