# SPDX-License-Identifier: Apache-2.0
"""What speaks for a pose, number by number."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Evidence:
    """What speaks for a pose, each number larger for better poses."""

    inliers: float  # natural logarithm of their number
    inlier_ratio: float  # logarithm of the share of the matches
    spread: float  # share of the cells of the view that hold an inlier
    # minus the logarithm of the position's standard deviation by the matches, metres
    sharpness: float
    visible: float  # share of the inliers that no nearer surface of the map hides
    edges: float  # how much the image has edges where the map's depth jumps, -0.5 to 0.5
    found: float  # share of the map's points looked for that the pose explains; 0 where not counted
    agreement: float  # share of the map's corners that the image shows where the pose puts them
    explained: float  # share of the image's corners that the map shows there
    ncc_fine: float  # correlation of the map's grey with the image's, over all parts of the view
    ncc_coarse: float  # correlation of where the view is light and where it is dark
    # caps the confidence: 0.5 where another place is as good, towards 1 where none is
    uniqueness: float


REGRESSED = tuple(field.name for field in fields(Evidence) if field.name != "uniqueness")
# all that a bare map has
OF_MATCHES = ("inliers", "inlier_ratio", "spread", "sharpness", "visible", "edges", "found")
