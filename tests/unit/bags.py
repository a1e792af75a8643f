# SPDX-License-Identifier: Apache-2.0
"""Bags of any content: messages of ROS without ROS, and a walk of six images."""

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera
from diff2i2p.geometry import T_BODY_OPTICAL

STORE = get_typestore(Stores.ROS2_JAZZY)
CAMERA = Camera(64, 48, (60.0, 60.0, 31.5, 23.5))
STAMPS = 100.0 + 0.1 * np.arange(6)
POSES = np.tile(np.eye(4), (6, 1, 1))
POSES[:, 0, 3], POSES[:, 2, 3] = 2.0, 0.1 * np.arange(6)
MIDDLE = 0.05  # of the way between two poses, metres


def new(kind: str, **fields):
    """A message with the fields given and zeros elsewhere."""
    kinds = STORE.fielddefs[kind][1]
    return STORE.types[kind](**{name: fields.get(name, _zero(name, desc)) for name, desc in kinds})


def _zero(name, desc):
    node, what = desc
    if node.name == "NAME":
        return new(what) if what != "geometry_msgs/msg/Quaternion" else new(what, w=1.0)
    if node.name == "BASE":
        return "" if what[0] == "string" else 0
    return np.zeros(what[1]) if node.name == "ARRAY" else np.zeros(0)


def header(stamp: float, frame: str):
    nanoseconds = round(stamp * 1e9)
    return new(
        "std_msgs/msg/Header",
        frame_id=frame,
        stamp=new(
            "builtin_interfaces/msg/Time", sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9
        ),
    )


def pose(T):
    q = Rotation.from_matrix(T[:3, :3]).as_quat()
    point = new("geometry_msgs/msg/Point", **dict(zip("xyz", T[:3, 3].tolist(), strict=True)))
    return new(
        "geometry_msgs/msg/Pose",
        position=point,
        orientation=new(
            "geometry_msgs/msg/Quaternion", **dict(zip("xyzw", q.tolist(), strict=True))
        ),
    )


def image(stamp, n, encoding="mono8"):
    data = np.full(48 * 64 * (2 if encoding == "16UC1" else 1), n, np.uint8)
    step = 128 if encoding == "16UC1" else 64
    return new(
        "sensor_msgs/msg/Image",
        header=header(stamp, "eye"),
        height=48,
        width=64,
        encoding=encoding,
        step=step,
        data=data,
    )


def jpeg(stamp, n):
    data = cv2.imencode(".jpg", np.full((48, 64), n, np.uint8))[1].ravel()
    return new(
        "sensor_msgs/msg/CompressedImage", header=header(stamp, "eye"), format="jpeg", data=data
    )


def info(stamp, focal=60.0):
    k = np.array([focal, 0, 31.5, 0, focal, 23.5, 0, 0, 1])
    return new(
        "sensor_msgs/msg/CameraInfo",
        header=header(stamp, "eye"),
        width=64,
        height=48,
        distortion_model="plumb_bob",
        k=k,
    )


def transform(stamp, parent, child, T):
    body = pose(T)
    moved = new("geometry_msgs/msg/Transform", translation=body.position, rotation=body.orientation)
    moved.translation = new("geometry_msgs/msg/Vector3", x=T[0, 3], y=T[1, 3], z=T[2, 3])
    one = new(
        "geometry_msgs/msg/TransformStamped",
        header=header(stamp, parent),
        child_frame_id=child,
        transform=moved,
    )
    return new("tf2_msgs/msg/TFMessage", transforms=[one])


def odometry(stamp, T, parent="odom", child="base_link"):
    inside = new("geometry_msgs/msg/PoseWithCovariance", pose=pose(T))
    return new(
        "nav_msgs/msg/Odometry", header=header(stamp, parent), child_frame_id=child, pose=inside
    )


def posed(stamp, T, frame="map"):
    return new("geometry_msgs/msg/PoseStamped", header=header(stamp, frame), pose=pose(T))


def write(path, topics: dict, storage=StoragePlugin.MCAP):
    """A bag with these messages, each received at the stamp that it is given with."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        for topic, messages in topics.items():
            connection = writer.add_connection(topic, messages[0][1].__msgtype__, typestore=STORE)
            for stamp, message in messages:
                writer.write(
                    connection, round(stamp * 1e9), STORE.serialize_cdr(message, connection.msgtype)
                )
    return path


def film(stamps=STAMPS, **more) -> dict:
    """The topics of one camera."""
    shots = [(stamp, image(stamp, 40 * n)) for n, stamp in enumerate(stamps)]
    return {"/cam/image_raw": shots, "/cam/camera_info": [(stamps[0], info(stamps[0]))]} | more


STATIC = {"/tf_static": [(99.0, transform(99.0, "base_link", "eye", T_BODY_OPTICAL))]}


def between(message=posed):
    """Truth 50 ms before and after each image."""
    times = np.arange(99.95, 100.6, 0.1)
    poses = np.tile(POSES[0], (len(times), 1, 1))
    poses[:, 2, 3] = 0.1 * np.arange(len(times)) - MIDDLE
    return [(stamp, message(stamp, T)) for stamp, T in zip(times, poses, strict=True)]
