# SPDX-License-Identifier: Apache-2.0
"""How the robot of a bag moved: its TF and odometry, of the right robot and of one source each."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from diff2i2p.datasets.bag import ODOMETRY, TF, Bag, BagError, Message, pose_row, seconds
from diff2i2p.datasets.transform_tree import TransformTree


@dataclass(frozen=True)
class MotionTopics:
    """What of a bag tells of the robot's motion; what is empty is chosen."""

    odom_frame: str
    odom_topic: str = ""
    robot: str = ""  # namespace
    truth: str = ""  # topic that is no odometry


def read_tree(bag: Bag, used: MotionTopics, image_topic: str) -> tuple[TransformTree, str]:
    """The transforms of a bag, and in words by what the odometry is, where that was a choice.

    Odometry messages in the odom frame count where TF lacks what they tell. Raises BagError.
    """
    tree, (topics, told) = TransformTree(), _tf_topics(bag, used.robot, image_topic)
    for message in bag.messages(*(topic for topic in topics if topic != used.truth)):
        _add_transforms(tree, message)
    odometry = _odometry(bag, used, set(tree.children))
    chosen = _chosen(odometry, used.odom_topic, bag)
    for message in odometry.get(chosen, ()):
        content = message.content
        tree.add(content.header.frame_id, content.child_frame_id, pose_row(message))
    others = sorted({*odometry} - {chosen})
    if others:
        told += f", by {chosen} (--odom-topic chooses another: {', '.join(others)})"
    return tree, told


def _tf_topics(bag: Bag, robot: str, image_topic: str) -> tuple[list[str], str]:
    """The TF topics of one robot, and what was left out, in words."""
    spaces = {topic: topic.rpartition("/")[0] for topic in bag.named(TF)}
    robots = sorted({*spaces.values()} - {""})
    if robot:
        wanted = "/" + robot.strip("/")
        if wanted not in robots:
            known = ", ".join(robots) or "none"
            raise BagError(f"{bag.path} has no TF of the robot {wanted}; there is that of: {known}")
        mine = [wanted]
    else:
        mine = [space for space in robots if image_topic.startswith(f"{space}/")]
        mine = mine or (robots if len(robots) == 1 else [])
    told = f"; TF is of several robots, choose with --robot: {', '.join(robots)}"
    topics = [topic for topic, space in spaces.items() if space in ("", *mine)]
    return topics, "" if mine or not robots else told


def _add_transforms(tree: TransformTree, message: Message) -> None:
    static = message.topic.endswith("tf_static")
    for transform in message.content.transforms:
        t, q = transform.transform.translation, transform.transform.rotation
        stamp = seconds(transform.header.stamp) or message.received * 1e-9
        row = (stamp, t.x, t.y, t.z, q.x, q.y, q.z, q.w)
        tree.add(transform.header.frame_id, transform.child_frame_id, row, static)


def _odometry(bag: Bag, used: MotionTopics, known: set[str]) -> dict[str, list[Message]]:
    """Messages by topic that tell where something is in odom that is not `known` from TF."""
    found: dict[str, list[Message]] = defaultdict(list)
    for message in bag.messages(*(topic for topic in bag.named(ODOMETRY) if topic != used.truth)):
        content = message.content
        is_of_odom = content.header.frame_id.lstrip("/") == used.odom_frame
        if is_of_odom and content.child_frame_id.lstrip("/") not in known:
            found[message.topic].append(message)
    return found


def _chosen(odometry: dict[str, list[Message]], wanted: str, bag: Bag) -> str:
    """The topic that was asked for, or that tells most often."""
    if wanted and wanted not in odometry:
        there = ", ".join(sorted(odometry)) or "none"
        raise BagError(f"{bag.path} has no odometry on {wanted} that TF lacks; there is: {there}")
    most = Counter({topic: len(messages) for topic, messages in odometry.items()}).most_common(1)
    return wanted or (most[0][0] if most else "")
