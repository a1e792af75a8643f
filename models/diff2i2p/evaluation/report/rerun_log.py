# SPDX-License-Identifier: Apache-2.0
"""An evaluation as a recording for the Rerun viewer: map, images, cameras and figures on one time line."""

from pathlib import Path

import numpy as np

from diff2i2p.evaluation.metrics import Record
from diff2i2p.mapping.compiled_map import CompiledMap

# defined: colours of the report.
TRUTH, ESTIMATE, BAD = ((63, 131, 248), (240, 140, 0), (229, 72, 77))
FIGURES = ("translation_m", "rotation_deg", "latency_ms")


class RerunError(ValueError):
    """No recording can be written: says why and what to do."""


def require_rerun():
    """The module `rerun`. Raises RerunError where it is not installed."""
    try:
        import rerun
    except ImportError as error:
        raise RerunError("a Rerun recording needs the Rerun SDK: pip install rerun-sdk") from error
    return rerun


def write_rerun(path: Path | str, records: list[Record], site: CompiledMap) -> None:
    """Write the .rrd file `path`. Raises RerunError."""
    rr = require_rerun()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    recording = rr.RecordingStream("diff2i2p")
    recording.save(path)
    local = site.points - site.origin  # the viewer has single precision
    records = [record.moved(-site.origin) for record in records]
    shades = np.full(len(local), 160) if site.grey is None else np.clip(site.grey, 0, 1) * 235 + 20
    colours = np.repeat(shades[:, None], 3, 1).astype(np.uint8)
    points = rr.Points3D(local, colors=colours, radii=float(site.header["voxel"]) / 3)
    recording.log("map/points", points, static=True)
    truth = [record.frame.T_map_camera[:3, 3] for record in records if record.judged]
    if truth:
        recording.log(
            "map/true_path", rr.LineStrips3D([np.array(truth)], colors=[TRUTH]), static=True
        )
    for record in records:
        recording.set_time("time", timestamp=record.frame.stamp)
        _log(recording, rr, record)
    recording.flush()


def _log(recording, rr, record: Record) -> None:
    answer = record.answer
    recording.log(
        "status", rr.TextLog(f"{record.frame.name}: {record.problem or answer.status.value}")
    )
    recording.log("figures/confidence", rr.Scalars(answer.confidence))
    for name in FIGURES:
        if np.isfinite(value := getattr(record, name)):
            recording.log(f"figures/{name}", rr.Scalars(value))
    if not answer.ok:
        recording.log(
            "map/camera", rr.Clear(recursive=True)
        )  # no pose is shown where there is none
        return
    T, view = answer.T_map_camera, answer.view
    recording.log("map/camera", rr.Transform3D(translation=T[:3, 3], mat3x3=T[:3, :3]))
    recording.log(
        "map/positions",
        rr.Points3D([T[:3, 3]], colors=[BAD if record.false_accept else ESTIMATE], radii=0.02),
    )
    if view is not None:
        lens = rr.Pinhole(
            image_from_camera=view.camera.matrix, resolution=[view.camera.width, view.camera.height]
        )
        recording.log("map/camera/image", lens, rr.Image(view.grey, color_model="L"))
    if answer.correspondences is not None and answer.inliers is not None:
        recording.log(
            "map/inliers",
            rr.Points3D(
                answer.correspondences.points[answer.inliers], colors=[(80, 220, 110)], radii=0.03
            ),
        )
