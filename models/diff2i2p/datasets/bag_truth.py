# SPDX-License-Identifier: Apache-2.0
"""Where the camera of a bag really was: from a topic, from TF, or from a TUM file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from diff2i2p.datasets.bag import ODOMETRY, Bag, BagError, pose_row
from diff2i2p.datasets.sequences import read_trajectory
from diff2i2p.datasets.trajectory import Trajectory
from diff2i2p.datasets.transform_tree import TransformTree

Truth = Callable[[float], np.ndarray | None]  # T_map_camera (4, 4) at a stamp
POSE_TYPES = (
    "geometry_msgs/msg/PoseStamped",
    "geometry_msgs/msg/PoseWithCovarianceStamped",
    ODOMETRY,
)
TRUE_NAMES = ("truth", "gt")  # parts of a topic's name that say it is one


def named_truth(bag: Bag) -> str:
    """The one topic whose name says that its poses are the truth, or `none`.

    Raises BagError when there are several.
    """
    named = [
        topic
        for topic in bag.named(*POSE_TYPES)
        if any(part in topic.lower().replace("/", "_").split("_") for part in TRUE_NAMES)
    ]
    if len(named) > 1:
        raise BagError(
            f"{bag.path} has several truth topics, choose one with --truth, or none:"
            f" {', '.join(named)}"
        )
    return named[0] if named else "none"


def find_truth(
    bag: Bag, tree: TransformTree, wanted: str, body: str, map_frame: str, camera_frame: str,
    stamps: list[float],
) -> tuple[str, Truth]:  # fmt: skip
    """Where the truth is from, and what gives T_map_camera (4, 4) or None at any stamp.

    wanted: a topic, `tf`, `tf:PARENT:CHILD`, a TUM file, or `none`. body: frame whose pose it
    gives; the camera, or what an odometry message says, unless given. stamps: of the images, at some of
    which it must be known. Raises BagError, SequenceError.
    """
    if wanted == "none":
        return "none", lambda stamp: None
    if wanted.partition(":")[0] == "tf":
        parent, child = _tf_frames(wanted, map_frame, camera_frame)
        pose_at = partial(tree.lookup, parent, child)
        told, span = f"TF {parent} -> {child}", f"TF has the frames {_names(tree)}"
    else:
        trajectory, parent, child, told = _recorded(bag, wanted, map_frame)
        child, gap = body.lstrip("/") or child or camera_frame, trajectory.gap
        pose_at = partial(trajectory.at, gap=gap)
        span = (
            f"it lasts from {trajectory.stamps[0]:.3f} s to {trajectory.stamps[-1]:.3f} s"
            if len(trajectory)
            else "it is empty"
        )
    if all(pose_at(stamp) is None for stamp in stamps):
        raise BagError(
            f"the truth {told} says nothing about the time of the images, {stamps[0]:.3f} s to"
            f" {stamps[-1]:.3f} s: {span}; were both stamped by the same clock?"
        )
    link_at = partial(tree.lookup, map_frame, parent)
    if all(link_at(stamp) is None for stamp in stamps):
        told = f"{told}, its frame '{parent}' taken for the map's '{map_frame}'"
        link_at = _nowhere_else
    offset_at = partial(tree.lookup, child, camera_frame)
    if all(offset_at(stamp) is None for stamp in stamps):
        raise BagError(
            f"the truth is the pose of '{child}', and TF does not connect it with the camera"
            f" '{camera_frame}' (frames: {_names(tree)}): name the frame that it is the pose of with --truth-frame"
        )
    return told, lambda stamp: _product(link_at(stamp), pose_at(stamp), offset_at(stamp))


def _names(tree: TransformTree) -> str:
    return ", ".join(tree.frames) or "none"


def _nowhere_else(stamp: float) -> np.ndarray:
    return np.eye(4)


def _tf_frames(wanted: str, map_frame: str, camera_frame: str) -> tuple[str, str]:
    parts = wanted.split(":")
    if len(parts) not in (1, 3) or not all(parts):
        raise BagError(f"'{wanted}' is no truth: expected tf, or tf:PARENT:CHILD")
    return (map_frame, camera_frame) if len(parts) == 1 else (parts[1], parts[2])


def _recorded(bag: Bag, wanted: str, map_frame: str) -> tuple[Trajectory, str, str, str]:
    """Trajectory of a topic or a TUM file, its parent frame, the frame it is of, and its name.

    The frame is empty where it is not known.
    """
    if wanted in bag.named(*POSE_TYPES):
        messages = list(bag.messages(wanted))
        first = messages[0].content
        child = getattr(first, "child_frame_id", "").lstrip("/")
        rows = [pose_row(message) for message in messages]
        return Trajectory.from_rows(rows), first.header.frame_id.lstrip("/"), child, wanted
    if Path(wanted).is_file():
        return read_trajectory(wanted), map_frame, "", Path(wanted).name
    raise BagError(
        f"there is no truth '{wanted}': no such file, and {bag.path} has poses on"
        f" {bag.listed(*POSE_TYPES)}"
    )


def _product(*chain: np.ndarray | None) -> np.ndarray | None:
    return None if any(T is None for T in chain) else np.linalg.multi_dot(chain)
