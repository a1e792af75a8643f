# SPDX-License-Identifier: Apache-2.0
"""Does the map hold a place twice? What looks alike elsewhere, and what matches leave over."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.distance import cdist

from diff2i2p.camera import Camera
from diff2i2p.config import PnpConfig
from diff2i2p.correspondences import Correspondences
from diff2i2p.geometry import reprojection_errors, same_place
from diff2i2p.pose.pnp import Pose, solve_pnp

ELSEWHERE = 0.5  # metres from which what looks alike is another place
RIGID = 0.15  # metres by which distances between points may differ in the alias
ARM = 0.3  # metres between points whose distance tells anything
FEW, MANY = 4, 400  # points that say nothing yet, and that tell all: every two of them are compared
# trace of a rotation; what is built in rows is not turned at all
TURNED = 1 + 2 * np.cos(np.radians(5))
CELL = 0.1  # metres; points of one pixel this close are one
APART = 4  # matches within so many times the largest error belong to the place, not to a runner-up
ITERATIONS = 300  # of RANSAC, in search of a runner-up
CHANCE = 8  # matches that some pose elsewhere explains by chance
SECOND_INLIERS = 6  # inliers without which the matches left over give no pose


@dataclass(frozen=True)
class RunnerUp:
    """The best pose elsewhere."""

    T_map_camera: np.ndarray  # (4, 4)
    matches: int  # pixels that speak for it


def find_runner_up(
    pose: Pose, matches: Correspondences, found: Iterable[Pose], camera: Camera, config: PnpConfig
) -> RunnerUp | None:
    """The pose elsewhere with most matches: of those `found`, or by what this one leaves over.

    None where only chance speaks for another.
    """
    others = [RunnerUp(other.T_map_camera, int(other.inliers.sum())) for other in found]
    others += filter(None, [_second(pose, matches, camera, config)])
    elsewhere = [
        o
        for o in others
        if o.matches > CHANCE and not same_place(pose.T_map_camera, o.T_map_camera)
    ]
    return max(elsewhere, key=lambda other: other.matches, default=None)


def find_alias(
    pose: Pose, matches: Correspondences, alternatives: Correspondences
) -> RunnerUp | None:
    """The pose elsewhere from which the map looks alike, by what is like the pixels.

    Pairs of a point and its double that one motion explains keep their distances, and so each two
    of them have the others in common (second-order compatibility: Chen et al., CVPR 2022).
    """
    here, there, pixels = _doubles(pose, matches, alternatives)
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
    return RunnerUp(T @ pose.T_map_camera, len(np.unique(pixels[chosen])))


def _second(
    pose: Pose, matches: Correspondences, camera: Camera, config: PnpConfig
) -> RunnerUp | None:
    """The best pose for the matches that `pose` leaves over, with the pixels it explains."""
    errors = reprojection_errors(matches.pixels, matches.points, camera, pose.T_map_camera)
    left = errors > APART * config.max_error
    others = Correspondences(
        matches.pixels[left], matches.points[left], matches.scores[left], matches.matcher
    )
    lenient = replace(
        config, max_iterations=min(ITERATIONS, config.max_iterations), min_inliers=SECOND_INLIERS
    )
    second = solve_pnp(others, camera, lenient)
    return (
        None
        if second is None
        else RunnerUp(second.T_map_camera, len(np.unique(others.pixels[second.inliers], axis=0)))
    )


def _doubles(
    pose: Pose, matches: Correspondences, alternatives: Correspondences
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Map points (D, 3) that speak for the pose, points (D, 3) elsewhere that look like them, and
    whose pixel both are (D,).
    """
    speaking, first = np.unique(_keys(matches.pixels[pose.inliers]), return_index=True)
    points = matches.points[pose.inliers][first]
    keys = np.concatenate([_keys(matches.pixels), _keys(alternatives.pixels)])
    there = np.concatenate([matches.points, alternatives.points])
    pixels = np.searchsorted(speaking, keys).clip(0, len(speaking) - 1)
    kept = (speaking[pixels] == keys) & (np.linalg.norm(there - points[pixels], axis=1) > ELSEWHERE)
    pixels, there = pixels[kept], there[kept]
    once = np.unique(np.column_stack([pixels, np.floor(there / CELL)]), axis=0, return_index=True)[
        1
    ]
    return points[pixels[once]], there[once], pixels[once]


def _keys(pixels: np.ndarray) -> np.ndarray:
    """(M,) a number for each pixel (M, 2), the same for the same."""
    return pixels[:, 0] + 1j * pixels[:, 1]


def _motion(here: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rotation (3, 3) and shift (3,) that lay `here` (D, 3) on `there` best (Kabsch).

    What is hardly turned is not turned.
    """
    a, b = here.mean(0), there.mean(0)
    U, _, V = np.linalg.svd((here - a).T @ (there - b))
    sign = np.diag([1, 1, np.sign(np.linalg.det(U @ V))])
    R = V.T @ sign @ U.T
    if np.trace(R) > TURNED:
        R = np.eye(3)
    return R, b - R @ a
