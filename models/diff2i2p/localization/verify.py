# SPDX-License-Identifier: Apache-2.0
"""Is the pose right? Independent evidence, combined into one calibrated probability."""

import numpy as np

from diff2i2p.config import PnpConfig
from diff2i2p.localization.calibration import calibration
from diff2i2p.localization.evidence import Evidence
from diff2i2p.localization.ranking import Competition, RenderedHypothesis
from diff2i2p.localization.result import VerifiedHypothesis, VerifiedPose
from diff2i2p.localization.similarity import ncc_coarse
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.pose.pnp import Pose
from diff2i2p.pose.refine import refine_by_depth, refine_by_tracks
from diff2i2p.pose.render_compare import agreement, visible_share

GRID = 4  # the view is cut into GRID x GRID cells to see how far the inliers spread
SLACK = 0.15  # share of the depth: a point this much behind what the map shows there is hidden


def verify(pose: Pose, place: RenderedHypothesis, competition: Competition) -> VerifiedPose:
    """`pose`, which is that of `place` or its refinement, with what speaks for it."""
    proof = evidence(pose, place, competition)
    return VerifiedPose(pose, proof, confidence(proof, place.comparison.has_intensity))


def refine(
    matched: VerifiedPose, place: RenderedHypothesis, competition: Competition,
    dense: DenseMap, config: PnpConfig,
) -> VerifiedHypothesis:  # fmt: skip
    """The pose of `place` and its refinements, verified; a later one starts from the best."""
    matches, view = place.hypothesis.correspondences, place.comparison.view
    found = VerifiedHypothesis(matches, (matched,))
    sharper = refine_by_tracks(place.comparison, matches, config)
    if sharper is not None:
        found = found.refined(verify(calibration().tracked(sharper), place, competition))
    if view.depth is not None:
        sharper = refine_by_depth(found.best.pose, view, dense, matches, config)
        if sharper is not None:
            found = found.refined(verify(sharper, place, competition))
    return found


def evidence(pose: Pose, place: RenderedHypothesis, competition: Competition) -> Evidence:
    """What speaks for `pose`, which is that of `place` or its refinement."""
    comparison, matches, T = place.comparison, place.hypothesis.correspondences, pose.T_map_camera
    camera, count = comparison.view.camera, max(int(pose.inliers.sum()), 1)
    pixels = matches.pixels[pose.inliers]
    cells = np.unique(
        (pixels * GRID / (camera.width, camera.height)).astype(int).clip(0, GRID - 1), axis=0
    )
    deviation = np.sqrt(np.trace(place.hypothesis.pose.covariance[:3, :3]))
    alike = place.similarity_at(T)
    return Evidence(
        inliers=float(np.log(count)),
        inlier_ratio=float(np.log(count / len(matches))),
        spread=len(cells) / GRID**2,
        sharpness=float(-np.log(deviation)),
        visible=visible_share(comparison, matches.points[pose.inliers], T, SLACK),
        edges=comparison.edge_rank - 0.5,
        found=float(pose.inliers.sum() / matches.tried) if matches.tried else 0.0,
        agreement=alike.agreement,
        explained=agreement(comparison.query_tracks, camera, T),
        ncc_fine=alike.ncc_fine,
        ncc_coarse=ncc_coarse(comparison, T),
        uniqueness=_uniqueness(
            competition, count, alike.value, competition.similarity_elsewhere(T)
        ),
    )


def confidence(proof: Evidence, has_intensity: bool = True) -> float:
    """Probability that the pose is within 0.25 m and 5 degrees; has_intensity: of the map."""
    regression = calibration().with_intensity if has_intensity else calibration().bare
    return min(regression.probability(proof), proof.uniqueness)


def _uniqueness(competition: Competition, inliers: int, here: float, elsewhere: float) -> float:
    """How far no other place is as good: by similarity, or by matches where there is none."""
    if here + elsewhere > 0:
        sharpness = calibration().constants.uniqueness_sharpness
        return float(1 / (1 + np.exp(-sharpness * (here - elsewhere) / np.sqrt(here + elsewhere))))
    return inliers / (inliers + competition.runner_up.matches) if competition.runner_up else 1.0
