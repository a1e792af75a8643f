# SPDX-License-Identifier: Apache-2.0
"""What happens to one image, from message to answer; runs in the worker thread, publishes nothing."""

import json
import time
import traceback
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from diff2i2p.camera import CameraError
from diff2i2p.drawing import matches_on_image
from diff2i2p.localization.result import Localization
from diff2i2p.localization.track import Tracker
from diff2i2p_ros import convert
from diff2i2p_ros.localizer.stopwatch import Moment


class Job(NamedTuple):
    """An image, and what it is looked at with."""

    message: Image | CompressedImage
    info: CameraInfo
    depth: Image | None  # of the same moment
    stamp: Time  # of the image; of its arrival where it has none
    camera_frame: str
    tracker: Tracker
    guess: np.ndarray | None  # T_map_camera (4, 4) to look at first while the tracker is lost
    odom_is_level: bool
    rectified: bool  # the images are undistorted already
    wants_picture: bool
    arrived: Moment


class Answer(NamedTuple):
    """What became of a job: what was found, or what kept us from looking."""

    job: Job
    found: Localization | None
    problem: str
    cause: str  # of the problem, for programs
    latency_ms: float  # since the image arrived
    picture: np.ndarray | None = None  # (H, W, 3) uint8 RGB of the matches, if wanted

    @property
    def ok(self) -> bool:
        return self.found is not None and self.found.ok

    @property
    def reason(self) -> str:
        """Why there is no pose; empty when there is one."""
        return "" if self.ok else self.found.status.value if self.found else self.problem

    @property
    def figures(self) -> dict[str, object]:
        """What is worth telling, ready for JSON."""
        status = self.found.status.name if self.found else "UNUSABLE_IMAGE"
        cause = "" if self.ok else self.cause or status
        told = {"cause": cause, "reason": self.reason, "state": self.job.tracker.state.value}
        told["latency_ms"] = round(self.latency_ms, 1)
        found = self.found
        if found is None:
            return {"status": status} | told
        return {
            "status": status,
            "confidence": round(float(found.confidence), 4),
            "matcher": found.matcher,
            "matches": 0 if found.correspondences is None else len(found.correspondences),
            "inliers": 0 if found.inliers is None else int(found.inliers.sum()),
            "milliseconds": {stage: round(ms, 1) for stage, ms in found.milliseconds.items()},
        } | told

    @property
    def line(self) -> str:
        """One line of JSON, for the topic `status`."""
        return json.dumps({"stamp": convert.text(self.job.message.header.stamp)} | self.figures)


def look(job: Job, localizer, odometry: Callable) -> Answer:
    """Convert, predict, localize, track. `odometry(stamp, camera_frame)` gives T_odom_camera (4, 4) or None.

    Nothing is raised: a message that cannot be used becomes the problem of the answer, and so does a bug, with its
    traceback, because a dead worker thread would leave a node that looks alive.
    """
    found, problem, cause, picture = None, "", "", None
    try:
        found = _localize(job, localizer, odometry)
        picture = matches_picture(found) if job.wants_picture and found.view else None
    except ValueError as error:  # ImageError, CameraError and their like: written to be read
        problem = str(error)
        cause = "CALIBRATION" if isinstance(error, CameraError) else "IMAGE"
    except Exception:
        cause = "BUG"
        problem = f"the localizer failed on this image: {traceback.format_exc()}"
    latency_ms = (time.monotonic_ns() - job.arrived.steady) * 1e-6
    return Answer(job, found, problem, cause, latency_ms, picture)


def _localize(job: Job, localizer, odometry: Callable[..., np.ndarray | None]) -> Localization:
    stamp = job.stamp
    if stamp.sec < 0:
        raise convert.ImageError("the image is stamped before 1970: is the camera's clock set?")
    evidence = {} if job.depth is None else {"depth": convert.depth(job.depth)}
    T_odom_camera = odometry(stamp, job.camera_frame)
    if job.odom_is_level and T_odom_camera is not None:
        evidence["up"] = T_odom_camera[2, :3]  # z of odom in the camera's axes
    return job.tracker.localize(
        localizer, convert.image(job.message), convert.camera(job.info, job.rectified),
        convert.seconds(stamp),
        lambda: odometry(stamp, job.camera_frame), job.guess, **evidence,
    )  # fmt: skip


def matches_picture(found: Localization) -> np.ndarray:
    """(H, W, 3) uint8 RGB, for `debug/matches`: what the localizer saw of an image, and its answer."""
    matches = 0 if found.correspondences is None else len(found.correspondences)
    inliers = 0 if found.inliers is None else int(found.inliers.sum())
    told = f"confidence {found.confidence:.2f}  {inliers} of {matches} matches  {found.matcher}"
    text = f"{found.status.name}  {told}"
    return matches_on_image(
        found.view, found.correspondences, found.inliers, found.T_map_camera, text
    )
