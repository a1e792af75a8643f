# SPDX-License-Identifier: Apache-2.0
"""What the interactive view of report.html shows: map, paths, and the matches of each frame."""

import base64

import cv2
import numpy as np

from diff2i2p.evaluation.metrics import Record
from diff2i2p.evaluation.report.wording import reason
from diff2i2p.mapping.compiled_map import CompiledMap

# bound: what keeps the page at some megabytes
MAX_POINTS = 40_000
MAX_FRAMES = 200  # with their images and matches
MAX_MATCHES = 120  # of a frame
HEADROOM = (
    0.3  # defined: metres above the camera from which the map is left out, as a ceiling hides it
)


def scene(records: list[Record], site: CompiledMap) -> dict:
    """Ready for JSON: metres, relative to the map's origin.

    `points` are base64 of (N, 3) int16 in steps of `step` from `low`, `greys` of (N,) uint8. A pose
    is six numbers, where the camera is and its optical axis.
    """
    local = [record.moved(-site.origin) for record in records]
    poses = [
        pose for record in local for pose in (_truth(record), _estimate(record)) if pose is not None
    ]
    points, greys = _below(np.asarray(site.points - site.origin, float), site.grey, site.up, poses)
    low, step = points.min(0), max(float(np.ptp(points, 0).max()) / 32000, 1e-6)
    every = max(1, -(-len(records) // MAX_FRAMES))
    return {
        "up": np.asarray(site.up, float).tolist(),
        "low": low.tolist(),
        "step": step,
        "points": _base64(np.rint((points - low) / step).astype("<i2")),
        "greys": _base64(greys),
        "frames": [_frame(record, i % every == 0) for i, record in enumerate(local)],
    }


def _truth(record: Record) -> np.ndarray | None:
    return record.frame.T_map_camera


def _estimate(record: Record) -> np.ndarray | None:
    return record.answer.T_map_camera if record.answer.ok else None


def _below(points: np.ndarray, grey: np.ndarray | None, up: np.ndarray, poses: list) -> tuple:
    """Some of the points that lie not above the cameras, and their greys (uint8)."""
    heights = [pose[:3, 3] @ up for pose in poses] or [np.median(points @ up)]
    kept = np.flatnonzero(points @ up <= np.median(heights) + HEADROOM)
    kept = kept if len(kept) else np.arange(len(points))
    if len(kept) > MAX_POINTS:
        kept = np.random.default_rng(0).choice(kept, MAX_POINTS, replace=False)
    greys = np.full(len(points), 0.6) if grey is None else np.clip(grey, 0, 1)
    return points[kept], (255 * greys[kept]).astype(np.uint8)


def _frame(record: Record, with_image: bool) -> dict:
    state = "false" if record.false_accept else "answered" if record.answer.ok else "silent"
    shown = {"name": record.frame.name, "state": state, "text": reason(record)}
    shown |= {"truth": _pose(_truth(record)), "estimate": _pose(_estimate(record))}
    if with_image and record.answer.view is not None:
        shown |= _image(record.answer.view.grey) | {"matches": _matches(record.answer)}
    return shown


def _pose(T_map_camera: np.ndarray | None) -> list[float] | None:
    if T_map_camera is None:
        return None
    return np.concatenate([T_map_camera[:3, 3], T_map_camera[:3, 2]]).round(3).tolist()


def _image(grey: np.ndarray) -> dict:
    jpeg = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
    height, width = grey.shape[:2]
    uri = "data:image/jpeg;base64," + _base64(jpeg)
    return {"image": uri, "width": width, "height": height}


def _matches(answer) -> list[list[float]]:
    """(u, v, x, y, z, 1 for an inlier) of the best matches, inliers first."""
    found = answer.correspondences
    if found is None:
        return []
    good = (
        np.zeros(len(found), bool) if answer.inliers is None else np.asarray(answer.inliers, bool)
    )
    chosen = np.argsort(~good, kind="stable")[:MAX_MATCHES]
    rows = np.column_stack(
        [found.pixels[chosen].round(1), found.points[chosen].round(2), good[chosen]]
    )
    return rows.tolist()


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
