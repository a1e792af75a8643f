# SPDX-License-Identifier: Apache-2.0
"""A bag as a sequence: the images of one camera, its calibration, the odometry, and the truth where there is any."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from diff2i2p.camera import Camera
from diff2i2p.datasets.bag import CAMERA_INFO, COMPRESSED, IMAGE, Bag, BagError, Message, seconds
from diff2i2p.datasets.bag_motion import MotionTopics, read_tree
from diff2i2p.datasets.bag_truth import Truth, find_truth, named_truth
from diff2i2p.datasets.image_messages import decode_image, is_rectified
from diff2i2p.datasets.odometry import NO_OPTICAL_FRAME, is_body_frame
from diff2i2p.datasets.sequences import Frame, Sequence
from diff2i2p.datasets.transform_tree import TransformTree

DEPTH_ENCODINGS = ("16UC1", "32FC1")


@dataclass(frozen=True)
class BagChoice:
    """What of a bag to use. What is left empty is found where only one thing can be meant."""

    image_topic: str = ""
    camera_info_topic: str = ""
    camera: Camera | None = None  # instead of camera_info
    truth: str = ""  # topic, `tf`, `tf:PARENT:CHILD`, TUM file or `none`
    truth_frame: str = ""  # frame whose pose the truth gives
    odom_frame: str = "odom"
    odom_topic: str = ""  # of several that tell of the same frames
    robot: str = ""  # namespace of the robot whose TF is used, of several
    start: int | None = None  # image numbers: start <= number < stop, every so many
    stop: int | None = None
    every: int = 1
    poses_from_tf: bool = False  # where neither a truth is given nor a topic named so


@dataclass(frozen=True)
class BagFrame(Frame):
    """One image message; `image_path` is the bag."""

    images: "BagImages | None" = None

    def image(self) -> np.ndarray:
        """(H, W, 3) RGB or (H, W) grey uint8. Raises ImageError when the message holds no usable image, BagError."""
        return decode_image(self.images.message(self.index))


@dataclass(frozen=True)
class BagSequence(Sequence):
    """Frames of a bag, and what else it tells of them."""

    tree: TransformTree
    odom_frame: str
    camera_frame: str
    sources: dict[str, str]  # what was taken from where, for people
    truth: Truth  # at any stamp, not only of images

    def odometry(self, stamp: float) -> np.ndarray | None:
        """T_odom_camera (4, 4) at `stamp`, seconds, or None; an odom frame that never moves is no odometry."""
        moves = self.tree.moves(self.odom_frame, self.camera_frame)
        return self.tree.lookup(self.odom_frame, self.camera_frame, stamp) if moves else None


def read_bag(
    path: Path | str, choice: BagChoice = BagChoice(), map_frame: str = "map"
) -> BagSequence:
    """Read a bag; images stay on disk until they are asked for. Raises BagError, CameraError, SequenceError."""
    bag = Bag(path)
    topic = _image_topic(bag, choice.image_topic)
    images = BagImages(bag, topic)
    info_topic, cameras = _cameras(bag, topic, choice)
    wanted = choice.truth or named_truth(bag)
    used = MotionTopics(choice.odom_frame.lstrip("/"), choice.odom_topic, choice.robot, wanted)
    tree, by = read_tree(bag, used, topic)
    frames = [
        frame for frame in _frames(bag.path, images, cameras) if frame.index in _range(choice)
    ]
    frames = frames[:: choice.every]
    if not frames:
        raise BagError(
            f"{bag.path} has {len(images)} images on {topic}, none in the range asked for"
        )
    if choice.poses_from_tf and wanted == "none" != choice.truth:
        placed = (tree.lookup(map_frame, images.frame_id, frame.stamp) for frame in frames)
        wanted = "tf" if any(T is not None for T in placed) else wanted
    told, truth = find_truth(
        bag, tree, wanted, choice.truth_frame, map_frame, images.frame_id, [f.stamp for f in frames]
    )
    frames = [replace(frame, T_map_camera=truth(frame.stamp)) for frame in frames]
    sources = {"images": topic, "camera": info_topic, "truth": told, "odometry": "none"}
    sequence = BagSequence(
        bag.path.resolve().stem, frames[0].camera, tuple(frames), tree, choice.odom_frame,
        images.frame_id, sources, truth,
    )  # fmt: skip
    known = (sequence.odometry(frame.stamp) for frame in frames)
    T_odom_camera = next((T for T in known if T is not None), None)
    if T_odom_camera is not None:
        sources["odometry"] = f"{choice.odom_frame} -> {images.frame_id}{by}"
        if is_body_frame(T_odom_camera):
            sources["camera frame"] = f"{images.frame_id}, {NO_OPTICAL_FRAME}"
    elif by:
        sources["odometry"] += by
    return sequence


def _range(choice: BagChoice) -> range:
    return range(choice.start or 0, 10**12 if choice.stop is None else choice.stop)


class BagImages:
    """The image messages of a topic by their number: cheap in order, since bags are read forwards."""

    def __init__(self, bag: Bag, topic: str):
        self._bag, self._topic = bag, topic
        self.stamps: list[float] = []
        self._received: list[int] = []
        self.frame_id = ""
        for message in bag.messages(topic):
            header = message.content.header
            self._received.append(message.received)
            self.stamps.append(seconds(header.stamp) or message.received * 1e-9)
            self.frame_id = header.frame_id.lstrip("/")
        self._next, self._ahead = 0, iter(())

    def __len__(self) -> int:
        return len(self.stamps)

    def message(self, number: int):
        """The content of one message."""
        if number < self._next or not self._next:
            self._ahead = self._from(number)
        else:
            for _ in range(number - self._next):
                next(self._ahead)
        self._next = number + 1
        return next(self._ahead).content

    def _from(self, number: int) -> Iterator[Message]:
        received = self._received[number]
        ahead = self._bag.messages(self._topic, start=received)
        for _ in range(
            number - self._received.index(received)
        ):  # received in the same nanosecond, before it
            next(ahead)
        return ahead


def _image_topic(bag: Bag, wanted: str) -> str:
    topics = bag.named(IMAGE, COMPRESSED)
    if wanted:
        if wanted not in topics:
            raise BagError(
                f"{bag.path} has no images on {wanted}; image topics: {bag.listed(IMAGE, COMPRESSED)}"
            )
        return wanted
    cameras = [
        topic
        for topic in topics
        if topic.removesuffix("/compressed") not in topics
        or topic.removesuffix("/compressed") == topic
    ]
    cameras = (
        [topic for topic in cameras if not _is_depth(bag, topic)] if len(cameras) > 1 else cameras
    )
    if not cameras:
        raise BagError(f"{bag.path} has no images; its topics: {bag.listed()}")
    if len(cameras) > 1:
        raise BagError(
            f"{bag.path} has several image topics, choose one with --image-topic: {', '.join(cameras)}"
        )
    return cameras[0]


def _is_depth(bag: Bag, topic: str) -> bool:
    first = next(bag.messages(topic)).content
    return getattr(first, "encoding", "") in DEPTH_ENCODINGS or "compressedDepth" in getattr(
        first, "format", ""
    )


def _cameras(
    bag: Bag, image_topic: str, choice: BagChoice
) -> tuple[str, list[tuple[float, Camera]]]:
    """Where the calibration is from, and (stamp, camera) of every change of it."""
    if choice.camera:
        return "given", [(0.0, choice.camera)]
    topic = _info_topic(bag, image_topic, choice.camera_info_topic)
    told, rectified = topic, is_rectified(image_topic)
    cameras: list[tuple[float, Camera]] = []
    for message in bag.messages(topic):
        info = message.content
        camera = Camera.from_camera_info(info, rectified)
        if rectified and np.any(info.d):
            told = f"{topic}, P of it: {image_topic} says that its images are rectified"
        if not cameras or camera != cameras[-1][1]:
            cameras.append((seconds(info.header.stamp) or message.received * 1e-9, camera))
    return told, cameras


def _info_topic(bag: Bag, image_topic: str, wanted: str) -> str:
    topics = bag.named(CAMERA_INFO)
    sibling = image_topic.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"
    chosen = wanted or (sibling if sibling in topics else topics[0] if len(topics) == 1 else "")
    if chosen in topics:
        return chosen
    if not topics:
        raise BagError(
            f"{bag.path} has no camera_info for {image_topic}: give the calibration with --camera camera.yaml"
        )
    found = f"no camera_info on {wanted}" if wanted else f"no {sibling} for {image_topic}"
    raise BagError(
        f"{bag.path} has {found}, choose one with --camera-info-topic: {', '.join(topics)}"
    )


def _frames(
    path: Path, images: BagImages, cameras: list[tuple[float, Camera]]
) -> Iterator[BagFrame]:
    """Every image with the camera_info that was in force, as a node would know it: the newest not after it, else the first."""
    changes = [stamp for stamp, _ in cameras]
    for index, stamp in enumerate(images.stamps):
        camera = cameras[max(bisect_right(changes, stamp + 1e-6) - 1, 0)][1]
        yield BagFrame(index, f"{stamp:.6f}", stamp, path, camera=camera, images=images)
