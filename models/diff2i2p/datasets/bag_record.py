# SPDX-License-Identifier: Apache-2.0
"""A sequence recorded as the ROS 2 bag that a robot driving along would have recorded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera
from diff2i2p.datasets.bag import CAMERA_INFO, COMPRESSED, IMAGE, TF, BagError
from diff2i2p.datasets.odometry import drifting_odometry
from diff2i2p.datasets.sequences import Frame, Sequence
from diff2i2p.datasets.trajectory import Trajectory
from diff2i2p.geometry import T_BODY_OPTICAL

ODOMETRY_RATE = 50.0  # Hz
DELAY = 0.05  # seconds from the exposure of an image to its arrival at the recorder; odometry arrives at once
FOREVER = QosTime(2147483647, 4294967295)


def record_bag(
    path: Path | str, sequence: Sequence, storage: str = "mcap", compressed: bool = False, drift: float = 0.02,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:  # fmt: skip
    """Write the bag folder `path`: /image (or /image/compressed), /camera_info, and from the true poses /truth, /tf, /tf_static.

    storage: mcap or sqlite3. TF holds odom -> base_link, too long by a share `drift`, and base_link -> camera. ROS takes a stamp
    of 0 for none: a sequence that begins there is shifted by a second. Raises BagError when there is such a folder already.
    """
    require_new(path)
    with Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        _Recorder(writer, compressed, 0.0 if sequence.frames[0].stamp > 0 else 1.0).record(
            sequence, drift, progress
        )


def require_new(path: Path | str) -> None:
    """Raise BagError when there is something at `path` already: bags are not recorded over."""
    if Path(path).exists():
        raise BagError(
            f"cannot record the bag {path}: it exists already; remove it, or record elsewhere"
        )


class _Recorder:
    """Writes messages in the order they would be received in."""

    def __init__(self, writer: Writer, compressed: bool, shift: float):
        self._writer, self._compressed, self._shift = writer, compressed, shift
        self._store = get_typestore(Stores.ROS2_JAZZY)
        self._image = (
            self._topic("/image/compressed", COMPRESSED)
            if compressed
            else self._topic("/image", IMAGE)
        )
        self._info = self._topic("/camera_info", CAMERA_INFO)
        self._tf = self._topic("/tf", TF)
        self._tf_static = self._topic("/tf_static", TF, QosDurability.TRANSIENT_LOCAL)
        self._truth = self._topic("/truth", "geometry_msgs/msg/PoseStamped")

    def record(
        self, sequence: Sequence, drift: float, progress: Callable[[int, int], None]
    ) -> None:
        events = [(frame.stamp + DELAY, frame) for frame in sequence]
        known = [frame for frame in sequence if frame.T_map_camera is not None]
        if known:
            truth = Trajectory(
                np.array([frame.stamp for frame in known]),
                np.array([frame.T_map_camera for frame in known]),
            )
            odometry = drifting_odometry(truth, drift, ODOMETRY_RATE)
            events += list(zip(odometry.stamps, odometry.poses, strict=True))
            self._write(
                self._tf_static,
                events[0][0] - 1,
                self._transform(truth.stamps[0], "base_link", "camera", T_BODY_OPTICAL),
            )
        done = 0
        for received, event in sorted(events, key=lambda event: event[0]):
            if isinstance(event, Frame):
                self._frame(event, event.camera or sequence.camera, received)
                progress(done := done + 1, len(sequence))
            else:
                self._write(
                    self._tf, received, self._transform(received, "odom", "base_link", event)
                )

    def _frame(self, frame: Frame, camera: Camera, received: float) -> None:
        header = self._header(frame.stamp, "camera")
        self._write(self._info, received, self._camera_info(camera, header))
        self._write(
            self._image,
            received,
            self._compressed_message(frame, header)
            if self._compressed
            else self._message(frame, header),
        )
        if frame.T_map_camera is not None:
            position, quaternion = self._parts(frame.T_map_camera)
            pose = self._new(
                "geometry_msgs/msg/Pose",
                self._new("geometry_msgs/msg/Point", *position),
                quaternion,
            )
            self._write(
                self._truth,
                received,
                self._new("geometry_msgs/msg/PoseStamped", self._header(frame.stamp, "map"), pose),
            )

    # --- messages

    def _message(self, frame: Frame, header):
        pixels = frame.image()
        encoding = "rgb8" if pixels.ndim == 3 else "mono8"
        return self._new(
            IMAGE,
            header,
            *pixels.shape[:2],
            encoding,
            0,
            pixels[0].nbytes,
            np.ascontiguousarray(pixels).ravel(),
        )

    def _compressed_message(self, frame: Frame, header):
        kind = "png" if frame.image_path.suffix == ".png" else "jpeg"
        return self._new(
            COMPRESSED, header, kind, np.frombuffer(frame.image_path.read_bytes(), np.uint8)
        )

    def _camera_info(self, camera: Camera, header):
        P = np.hstack([camera.matrix, np.zeros((3, 1))])
        region = self._new("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
        K, D, R = camera.matrix.ravel(), np.array(camera.D, float), np.array(camera.R)
        return self._new(
            CAMERA_INFO,
            header,
            camera.height,
            camera.width,
            camera.model,
            D,
            K,
            R,
            P.ravel(),
            0,
            0,
            region,
        )

    def _transform(self, stamp: float, parent: str, child: str, T_parent_child: np.ndarray):
        position, quaternion = self._parts(T_parent_child)
        transform = self._new(
            "geometry_msgs/msg/Transform",
            self._new("geometry_msgs/msg/Vector3", *position),
            quaternion,
        )
        return self._new(
            TF,
            [
                self._new(
                    "geometry_msgs/msg/TransformStamped",
                    self._header(stamp, parent),
                    child,
                    transform,
                )
            ],
        )

    def _parts(self, T: np.ndarray) -> tuple[list[float], object]:
        """Position, and the quaternion's message."""
        return T[:3, 3].tolist(), self._new(
            "geometry_msgs/msg/Quaternion", *Rotation.from_matrix(T[:3, :3]).as_quat().tolist()
        )

    def _header(self, stamp: float, frame_id: str):
        return self._new(
            "std_msgs/msg/Header",
            self._new("builtin_interfaces/msg/Time", *divmod(self._nanoseconds(stamp), 10**9)),
            frame_id,
        )

    # --- the file

    def _new(self, name: str, *fields):
        return self._store.types[name](*fields)

    def _nanoseconds(self, stamp: float) -> int:
        """To the microsecond, which is what a double carries."""
        return round((stamp + self._shift) * 1e6) * 1000

    def _topic(self, name: str, msgtype: str, durability: QosDurability = QosDurability.VOLATILE):
        qos = Qos(
            QosHistory.KEEP_LAST, 10, QosReliability.RELIABLE, durability, FOREVER, FOREVER, QosLiveliness.AUTOMATIC, FOREVER, False
        )  # fmt: skip
        return self._writer.add_connection(
            name, msgtype, typestore=self._store, offered_qos_profiles=[qos]
        )

    def _write(self, connection, received: float, message) -> None:
        self._writer.write(
            connection,
            self._nanoseconds(received),
            self._store.serialize_cdr(message, connection.msgtype),
        )
