# SPDX-License-Identifier: Apache-2.0
"""Does the map hold a place twice? What looks like the inliers of a pose elsewhere in the map, in the same arrangement."""

import numpy as np
from scipy.spatial.distance import cdist

from diff2i2p.localization.result import Correspondences
from diff2i2p.pose.pnp import Pose

ELSEWHERE = 0.5  # metres from which what looks alike is another place
RIGID = 0.15  # metres by which distances between points may differ in the twin
ARM = 0.3  # metres between points whose distance tells anything
FEW, MANY = 4, 400  # points that say nothing yet, and that tell all: every two of them are compared
TURNED = 1 + 2 * np.cos(np.radians(5))  # trace of a rotation; what is built in rows is not turned at all
CELL = 0.1  # metres; points of one pixel this close are one


def find_twin(pose: Pose, c: Correspondences) -> tuple[np.ndarray, int] | None:
    """The pose (4, 4) from which the image would look alike elsewhere in the map, and how many of the pixels say so.

    Needs echoes. Pairs of a point and its double that one motion explains keep their distances, and so each two of them have
    the others in common (second-order compatibility: Chen et al., CVPR 2022).
    """
    here, there, pixels = _doubles(pose, c)
    if len(here) < FEW:
        return None
    sample = np.linspace(0, len(here) - 1, min(len(here), MANY)).astype(int)
    distances = [cdist(points[sample], points[sample]) for points in (here, there)]
    alike = (np.abs(distances[0] - distances[1]) < RIGID) & (np.minimum(*distances) > ARM)
    support = alike * (alike.astype(np.float32) @ alike.astype(np.float32))
    first = support.sum(1).argmax()
    together = support[first] > support[first].max() / 2
    together[first] = True
    chosen = sample[together]
    for _ in range(2):
        if len(np.unique(pixels[chosen])) < FEW:
            return None
        R, t = _motion(here[chosen], there[chosen])
        chosen = np.linalg.norm(here @ R.T + t - there, axis=1) < RIGID
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, t
    return T @ pose.T_map_camera, len(np.unique(pixels[chosen]))


def _doubles(pose: Pose, c: Correspondences) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Map points (D, 3) that speak for the pose, points (D, 3) elsewhere that look like them, and whose pixel both are (D,)."""
    echoes = c.echoes()
    speaking, first = np.unique(_keys(c.pixels[pose.inliers]), return_index=True)
    points = c.points[pose.inliers][first]
    keys = np.concatenate([_keys(c.pixels), _keys(echoes.pixels)])
    there = np.concatenate([c.points, echoes.points])
    pixels = np.searchsorted(speaking, keys).clip(0, len(speaking) - 1)
    kept = (speaking[pixels] == keys) & (np.linalg.norm(there - points[pixels], axis=1) > ELSEWHERE)
    pixels, there = pixels[kept], there[kept]
    once = np.unique(np.column_stack([pixels, np.floor(there / CELL)]), axis=0, return_index=True)[1]
    return points[pixels[once]], there[once], pixels[once]


def _keys(pixels: np.ndarray) -> np.ndarray:
    """(M,) a number for each pixel (M, 2), the same for the same."""
    return pixels[:, 0] + 1j * pixels[:, 1]


def _motion(here: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) and (3,) of the rigid motion that lays `here` (D, 3) on `there` best (Kabsch); what is hardly turned is not turned."""
    a, b = here.mean(0), there.mean(0)
    U, _, V = np.linalg.svd((here - a).T @ (there - b))
    sign = np.diag([1, 1, np.sign(np.linalg.det(U @ V))])
    R = V.T @ sign @ U.T
    if np.trace(R) > TURNED:
        R = np.eye(3)
    return R, b - R @ a
