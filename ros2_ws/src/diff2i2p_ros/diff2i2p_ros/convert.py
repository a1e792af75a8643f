# SPDX-License-Identifier: Apache-2.0
"""Every conversion between ROS messages and arrays, both ways; pure functions, no running graph needed."""

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose, PoseWithCovarianceStamped, Transform, TransformStamped
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header

from diff2i2p.camera import Camera
from diff2i2p.cloud import CloudError, PointCloud, cloud_of
from diff2i2p.datasets.image_messages import ImageError as ImageError
from diff2i2p.datasets.image_messages import decode_depth, decode_image

# numpy's names of the numbers 1 to 8 that PointField gives its types
FIELD_TYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8")


def image(message: Image | CompressedImage) -> np.ndarray:
    """RGB (H, W, 3) or grey (H, W) uint8 of an image message, raw or compressed. Raises ImageError."""
    return decode_image(message)


def depth(message: Image) -> np.ndarray:
    """(H, W) float32 metres of a depth image, 0 where unknown. Raises ImageError."""
    return decode_depth(message)


def image_message(pixels: np.ndarray, header: Header) -> Image:
    """The raw message of an RGB (H, W, 3) or grey (H, W) uint8 image."""
    height, width = pixels.shape[:2]
    encoding = "rgb8" if pixels.ndim == 3 else "mono8"
    # bytes, never an array: rclpy checks an array element by element (rclpy issue 763)
    return Image(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        step=pixels[0].nbytes,
        data=pixels.tobytes(),
    )


def depth_message(metres: np.ndarray, header: Header) -> Image:
    """The raw 32FC1 message of a depth image (H, W) in metres; what is unknown, 0, becomes NaN as REP-118 wants it."""
    height, width = metres.shape
    data = np.where(metres > 0, metres, np.nan).astype("<f4").tobytes()
    return Image(
        header=header, height=height, width=width, encoding="32FC1", step=4 * width, data=data
    )


def camera(info: CameraInfo, rectified: bool = False) -> Camera:
    """The camera of a camera_info message; of images that are rectified already, or raw ones.

    Raises CameraError.
    """
    return Camera.from_camera_info(info, rectified)


def camera_info(camera: Camera, header: Header) -> CameraInfo:
    """The message of a camera, unrectified images: K, D and R, P = K."""
    K = camera.matrix
    P = np.hstack([K, np.zeros((3, 1))])
    return CameraInfo(
        header=header, width=camera.width, height=camera.height, distortion_model=camera.model, d=list(camera.D),
        k=K.ravel().tolist(), r=list(camera.R), p=P.ravel().tolist(),
    )  # fmt: skip


def seconds(stamp: Time) -> float:
    """Seconds of a stamp. Good to a microsecond; compare stamps by their integers where more matters."""
    return stamp.sec + stamp.nanosec * 1e-9


def nanoseconds(stamp: Time) -> int:
    """Nanoseconds of a stamp, exact; negative before 1970, which rclpy's own Time refuses."""
    return stamp.sec * 10**9 + stamp.nanosec


def stamp(seconds: float) -> Time:
    """The stamp of `seconds` since the epoch, to the microsecond that a double carries."""
    microseconds = round(seconds * 1e6)
    return Time(sec=microseconds // 1_000_000, nanosec=microseconds % 1_000_000 * 1000)


def image_stamp(seconds: float) -> Time:
    """The same of an image: one of time zero gets the first microsecond, for zero says "no stamp"."""
    exact = stamp(seconds)
    return exact if nanoseconds(exact) else Time(nanosec=1000)


def text(stamp: Time) -> str:
    """A stamp in words, exact: what `status` gives, and what stamps can be compared by."""
    return f"{stamp.sec}.{stamp.nanosec:09d}"


def place(T: np.ndarray) -> str:
    """The position of a (4, 4) transform in words."""
    return f"x y z = {', '.join(f'{value:.2f}' for value in T[:3, 3])}"


def pose(T: np.ndarray) -> Pose:
    """geometry_msgs/Pose of a (4, 4) transform."""
    message = Pose()
    _set_xyz(message.position, T)
    _set_xyzw(message.orientation, T)
    return message


def pose_with_covariance(
    T_map_camera: np.ndarray, covariance: np.ndarray, header: Header
) -> PoseWithCovarianceStamped:
    """The message of a (4, 4) pose and its (6, 6) covariance, ROS order x y z rx ry rz."""
    message = PoseWithCovarianceStamped(header=header)
    message.pose.pose = pose(T_map_camera)
    message.pose.covariance = np.asarray(covariance, float).ravel().tolist()
    return message


def transform(T_parent_child: np.ndarray, stamp: Time, parent: str, child: str) -> TransformStamped:
    """The TF message of a (4, 4) transform that takes points of `child` to `parent`."""
    message = TransformStamped(header=Header(stamp=stamp, frame_id=parent), child_frame_id=child)
    _set_xyz(message.transform.translation, T_parent_child)
    _set_xyzw(message.transform.rotation, T_parent_child)
    return message


def matrix(message: Pose | Transform) -> np.ndarray:
    """(4, 4) float64 of a Pose or a Transform."""
    is_pose = isinstance(message, Pose)
    xyz, q = (
        (message.position, message.orientation)
        if is_pose
        else (message.translation, message.rotation)
    )
    T = np.eye(4)
    T[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    T[:3, 3] = xyz.x, xyz.y, xyz.z
    return T


def _set_xyz(message, T: np.ndarray) -> None:
    message.x, message.y, message.z = map(float, T[:3, 3])


def _set_xyzw(message, T: np.ndarray) -> None:
    message.x, message.y, message.z, message.w = map(
        float, Rotation.from_matrix(T[:3, :3]).as_quat()
    )


def point_cloud(points: np.ndarray, grey: np.ndarray | None, header: Header) -> PointCloud2:
    """PointCloud2 of points (N, 3) and, where given, their grey values (N,) in [0, 1] as `intensity` 0 to 255."""
    values = np.full(len(points), 128.0) if grey is None else grey * 255.0
    data = np.column_stack([points, values]).astype("<f4")
    fields = [
        PointField(name=n, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, n in enumerate(("x", "y", "z", "intensity"))
    ]
    return PointCloud2(
        header=header,
        height=1,
        width=len(data),
        fields=fields,
        point_step=16,
        row_step=16 * len(data),
        is_dense=True,
        data=data.tobytes(),
    )


def cloud(message: PointCloud2) -> PointCloud:
    """The points of a PointCloud2 with their colour or intensity; rows with NaN are dropped. Raises CloudError."""
    kind = _point_type(message)
    width = message.width * message.point_step
    if message.row_step < width or len(message.data) != message.height * message.row_step:
        raise CloudError(
            f"a PointCloud2 of {message.height} rows, {message.width} points and {message.row_step} bytes each,"
            f" cannot have {len(message.data)} bytes"
        )
    if not message.height or not width:
        raise CloudError("the PointCloud2 is empty: publish the map's points")
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.row_step)[
        :, :width
    ]
    points = np.ascontiguousarray(rows).view(kind).ravel()
    return cloud_of({name.lower(): points[name] for name in kind.names}, "the PointCloud2")


def _point_type(message: PointCloud2) -> np.dtype:
    """The fields of one point; those that are arrays, or of no known type, are left out."""
    order = ">" if message.is_bigendian else "<"
    # a count of 0 is that of a publisher who left it out
    known = (f for f in message.fields if 1 <= f.datatype <= 8 and f.count in (0, 1))
    fields = {f.name: (order + FIELD_TYPES[f.datatype - 1], f.offset) for f in known}
    kinds, offsets = zip(*fields.values(), strict=True) if fields else ((), ())
    try:
        return np.dtype(
            {
                "names": list(fields),
                "formats": kinds,
                "offsets": offsets,
                "itemsize": message.point_step,
            }
        )
    except (ValueError, OverflowError) as error:
        raise CloudError(
            f"the fields of the PointCloud2 do not fit into its points of {message.point_step} bytes: {error}"
        ) from error
