# SPDX-License-Identifier: Apache-2.0
"""Whole samples of every kind of input, and what the project does with each."""

import json
import sqlite3
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import torch
import yaml
from harness import Target
from mutated_tensors import mutate_tensors
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.rosbag2.reader import zstd
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, RegionOfInterest
from std_msgs.msg import Header

from diff2i2p.camera import Camera, CameraError, rectify
from diff2i2p.cloud import CloudError, PointCloud, read_cloud, write_cloud
from diff2i2p.config import Config, load_config
from diff2i2p.datasets.bag import BagError
from diff2i2p.datasets.bag_record import record_bag
from diff2i2p.datasets.bag_sequence import read_bag
from diff2i2p.datasets.sequences import SequenceError, read_image, read_sequence, write_sequence
from diff2i2p.localization.localizer import Localizer
from diff2i2p.mapping.compile_map import compile_map
from diff2i2p.mapping.compiled_map import MapError
from diff2i2p.network.diff2i2p import Diff2I2P
from diff2i2p.parameters import ConfigError, override
from diff2i2p.weights import WeightsError, load_weights, save_weights
from diff2i2p_ros import convert

TINY = {
    "network": {
        "image_channels": [4, 4, 8, 8],
        "point_width": 4,
        "fine_dim": 8,
        "token_dim": 8,
        "fusion_heads": 2,
    }
}
SETTINGS = override(
    Config(),
    TINY
    | {
        "image": {"width": 96},
        "appearance": {"features": 50, "headings": 4},
        "map": {"fine_voxel": 0.2},
    },
)
PHOTO = cv2.resize(
    np.random.default_rng(3).integers(0, 256, (12, 16, 3), dtype=np.uint8),
    (96, 72),
    interpolation=cv2.INTER_LINEAR,
)
CAMERA = Camera(96, 72, (80.0, 80.0, 47.5, 35.5), (0.1, -0.05, 0.001, 0.002, 0.01))
BAG_REFUSALS = BagError, CameraError, SequenceError, convert.ImageError
FISHEYE = Camera(96, 72, (60.0, 60.0, 47.5, 35.5), (0.1, 0.01, 0.001, 0.0001), "equidistant")


def targets(folder: Path) -> Iterator[Target]:
    """Every kind of input. `folder` holds the samples and, one at a time, what becomes of them."""
    yield from _clouds(folder)
    yield from _maps_and_weights(folder)
    yield from _calibrations(folder)
    yield from _images(folder)
    yield from _bags(folder)
    yield from _messages()


def _file(folder: Path, name: str, write: Callable[[Path], None]) -> bytes:
    """What `write` puts into a file of that name."""
    write(folder / name)
    return (folder / name).read_bytes()


def _on_file(path: Path, read: Callable[[Path], None]) -> Callable[[bytes], None]:
    """A reader of bytes that puts them into a file first, as a reader of files wants it."""

    def reading(data: bytes) -> None:
        path.write_bytes(data)
        read(path)

    return reading


# --- clouds


def _clouds(folder: Path) -> Iterator[Target]:
    rng = np.random.default_rng(0)
    cloud = PointCloud(
        rng.uniform(-5, 5, (60, 3)).astype(np.float32),
        rng.integers(0, 256, (60, 3), np.uint8),
        rng.random(60, dtype=np.float32),
    )
    far = replace(cloud, origin=(500_000.0, 4_000_000.0, 300.0))
    table = np.column_stack([cloud.points, cloud.intensity * 255, cloud.colours])
    text = "".join(" ".join(f"{v:.3f}" for v in row) + "\n" for row in table)
    samples = {
        ".ply": (
            _file(folder, "a.ply", lambda path: write_cloud(path, cloud)),
            _big_endian_ply(cloud),
            _ascii_ply(text),
            _file(folder, "a.ply", lambda path: write_cloud(path, far)),
        ),
        ".pcd": (
            _file(folder, "a.pcd", lambda path: write_cloud(path, cloud)),
            _ascii_pcd(text),
            _compressed_pcd(cloud),
        ),
        ".las": (
            _file(folder, "a.las", lambda path: _write_las(path, cloud)),
            _las_in_feet(_file(folder, "a.las", lambda path: _write_las(path, cloud))),
        ),
        ".laz": (_file(folder, "a.laz", lambda path: _write_las(path, cloud)),),
        ".xyz": (
            text.encode(),
            text.replace(" ", ";").encode(),
            b"//X Y Z I R G B\n60\n" + text.encode(),
        ),
        ".csv": (b"x,y,z,intensity,r,g,b\n" + text.replace(" ", ",").encode(),),
    }
    for suffix, whole in samples.items():
        share = 1 if suffix == ".laz" else 10 * len(whole)  # a LAZ file costs a process
        yield Target(
            f"cloud{suffix}",
            whole,
            _on_file(folder / f"damaged{suffix}", _read_cloud),
            (CloudError,),
            share,
        )


def _read_cloud(path: Path) -> None:
    try:
        cloud = read_cloud(path)
    except CloudError as error:
        assert str(path) in str(error), f"the file is not named: {error}"
        raise
    _sound(cloud)


def _sound(cloud: PointCloud) -> None:
    n = len(cloud)
    assert (
        n
        and cloud.points.shape == (n, 3)
        and cloud.points.dtype == np.float32
        and np.isfinite(cloud.points).all()
    )
    assert (
        cloud.colours is None or cloud.colours.shape == (n, 3) and cloud.colours.dtype == np.uint8
    )
    assert (
        cloud.intensity is None
        or cloud.intensity.shape == (n,)
        and 0 <= cloud.intensity.min() <= cloud.intensity.max() <= 1
    )
    cloud.voxel_downsample(0.5)


def _big_endian_ply(cloud: PointCloud) -> bytes:
    fields = [(name, ">f8") for name in "xyz"] + [(name, "u1") for name in ("red", "green", "blue")]
    records = np.empty(len(cloud), fields)
    for name, column in zip(records.dtype.names, [*cloud.points.T, *cloud.colours.T], strict=True):
        records[name] = column
    properties = "".join(
        f"property {'double' if kind == '>f8' else 'uchar'} {name}\n" for name, kind in fields
    )
    before = "element camera 2\nproperty float fx\nproperty short id\n"
    header = f"ply\nformat binary_big_endian 1.0\ncomment made by hand\n{before}element vertex {len(cloud)}\n{properties}end_header\n"
    return header.encode() + bytes(12) + records.tobytes()


def _ascii_ply(text: str) -> bytes:
    names = "".join(f"property float {name}\n" for name in ("x", "y", "z", "intensity")) + "".join(
        f"property uchar {name}\n" for name in ("red", "green", "blue")
    )
    count = text.count("\n")
    faces = "element face 1\nproperty list uchar int vertex_indices\n"
    return f"ply\nformat ascii 1.0\nelement vertex {count}\n{names}{faces}end_header\n{text}3 0 1 2\n".encode()


def _ascii_pcd(text: str) -> bytes:
    fields = "FIELDS x y z intensity r g b\nSIZE 4 4 4 4 1 1 1\nTYPE F F F F U U U\nCOUNT 1 1 1 1 1 1 1\n"
    count = text.count("\n")
    return f"VERSION .7\n{fields}WIDTH {count}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {count}\nDATA ascii\n{text}".encode()


def _compressed_pcd(cloud: PointCloud) -> bytes:
    """LZF of literals, and one copy over its own end: a column of zeros."""
    columns = cloud.points.T.astype("<f4").tobytes() + bytes(4 * len(cloud))
    literals = b"".join(
        bytes([len(piece) - 1]) + piece
        for piece in (columns[at : at + 32] for at in range(0, 12 * len(cloud) + 1, 32))
        if piece
    )
    written = 32 * -(-(12 * len(cloud) + 1) // 32)
    copy = len(columns) - written
    packed = literals + (bytes([7 << 5, copy - 9, 0]) if copy >= 9 else b"")
    fields = "FIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\n"
    header = f"# .PCD v0.7\nVERSION 0.7\n{fields}WIDTH {len(cloud)}\nHEIGHT 1\nPOINTS {len(cloud)}\nDATA binary_compressed\n"
    return header.encode() + struct.pack("<2I", len(packed), len(columns)) + packed


def _write_las(path: Path, cloud: PointCloud) -> None:
    import laspy

    header = laspy.LasHeader(point_format=3, version="1.2")
    header.scales = [0.001] * 3
    las = laspy.LasData(header)
    las.x, las.y, las.z = cloud.points.T.astype(float)
    las.red, las.green, las.blue = cloud.colours.T.astype(np.uint16) * 257
    las.intensity = (cloud.intensity * 65535).astype(np.uint16)
    las.write(path)


def _las_in_feet(plain: bytes) -> bytes:
    """The same with a record of its head that says so."""
    keys = struct.pack("<8H", 1, 1, 0, 1, 3076, 0, 1, 9002)
    record = struct.pack("<2x16sHH32s", b"LASF_Projection", 34735, len(keys), b"") + keys
    size, start, count = struct.unpack_from("<HII", plain, 94)
    head = bytearray(plain[:size])
    struct.pack_into("<HII", head, 94, size, start + len(record), count + 1)
    return bytes(head) + record + plain[size:]


# --- maps and weights


def _maps_and_weights(folder: Path) -> Iterator[Target]:
    torch.manual_seed(0)
    weights = _file(
        folder,
        "tiny.safetensors",
        lambda path: save_weights(path, Diff2I2P(SETTINGS), {"site": "nowhere"}),
    )
    kept = str(folder / "tiny.safetensors")
    site = _file(
        folder,
        "room.i2pmap",
        lambda path: compile_map(_room(), path, kept, SETTINGS, up=np.array([0, 0, 1.0])),
    )

    def localize(path: Path) -> None:
        localizer = Localizer.open(path, kept, SETTINGS)
        assert localizer.map.frame_id and np.isfinite(localizer.map.points).all()
        localizer.localize(PHOTO, CAMERA)

    yield Target(
        "map",
        (site,),
        _on_file(folder / "damaged.i2pmap", localize),
        (MapError,),
        4,
        mutate_tensors,
    )
    read = _on_file(folder / "damaged.safetensors", lambda path: load_weights(path))
    yield Target("weights", (weights,), read, (WeightsError,), 4, mutate_tensors)


def _room() -> PointCloud:
    """A box of 4 x 4 x 3 m in blotches of colour."""
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 1, (40000, 3)) * (4, 4, 3)
    side = rng.integers(0, 6, len(points))
    points[np.arange(len(points)), side % 3] = (side // 3) * np.array([4, 4, 3])[side % 3]
    blotches = rng.integers(0, 256, (20, 20, 20, 3), np.uint8)
    return PointCloud(points.astype(np.float32), blotches[tuple((points / 0.25).astype(int).T)])


# --- calibrations, settings, images


def _calibrations(folder: Path) -> Iterator[Target]:
    whole = tuple(_file(folder, "camera.yaml", camera.to_yaml) for camera in (CAMERA, FISHEYE))

    def calibrate(path: Path) -> None:
        _look_through(Camera.from_yaml(path))

    yield Target(
        "camera.yaml", whole, _on_file(folder / "damaged.yaml", calibrate), (CameraError,), 20
    )
    settings = yaml.safe_dump(json.loads(json.dumps(asdict(Config())))).encode()
    yield Target(
        "settings.yaml",
        (settings,),
        _on_file(folder / "settings.yaml", lambda path: load_config(path)),
        (ConfigError,),
        10,
    )


def _look_through(camera: Camera) -> None:
    """Rectify an image as large as the camera's, where that is an image that a robot may send."""
    if camera.width * camera.height < 1 << 20:
        view = rectify(np.zeros((camera.height, camera.width), np.uint8), camera, 96)
        assert view.grey.shape == (view.camera.height, view.camera.width)


def _images(folder: Path) -> Iterator[Target]:
    whole = tuple(cv2.imencode(suffix, PHOTO)[1].tobytes() for suffix in (".jpg", ".png"))
    deep = cv2.imencode(".png", PHOTO.astype(np.uint16) * 16)[1].tobytes()
    whole = (*whole, deep, whole[0] + bytes(300))
    yield Target(
        "image file",
        whole,
        _on_file(folder / "damaged.jpg", lambda path: read_image(path)),
        (SequenceError,),
        20,
    )


def _bags(folder: Path) -> Iterator[Target]:
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, 2, 3] = 0.1, 0.2, 0.3
    write_sequence(
        folder / "walk", CAMERA, [cv2.resize(PHOTO, (48, 36))] * 3, (1.0, 1.1, 1.2), poses
    )
    walk = read_sequence(folder / "walk")

    def watch(path: Path) -> None:
        for frame in read_bag(path).frames:
            frame.image()

    for storage, suffix in (("mcap", ".mcap"), ("sqlite3", ".db3")):
        record_bag(folder / f"bag{suffix}", walk, storage, compressed=True)
        whole = next((folder / f"bag{suffix}").glob(f"*{suffix}")).read_bytes()
        samples = (whole, _unnamed(whole)) if storage == "mcap" else (whole,)
        read = _on_file(folder / f"damaged{suffix}", watch)
        yield Target(f"bag{suffix}", samples, read, BAG_REFUSALS, 3)
        packed = folder / f"packed{suffix}.zstd"
        yield Target(packed.name, (zstd.compress(whole),), _on_file(packed, watch), BAG_REFUSALS, 1)
        if storage == "sqlite3":
            yield Target("write-ahead log", *_with_journal(folder, whole, watch), BAG_REFUSALS, 1)


def _unnamed(mcap: bytes) -> bytes:
    """The same file with a header of the same length that names no profile."""
    assert mcap[17:25] == b"\x04\0\0\0ros2"
    return (
        mcap[:17]
        + bytes(4)
        + struct.pack("<I", struct.unpack_from("<I", mcap, 25)[0] + 4)
        + mcap[29:33]
        + mcap[29:]
    )


def _with_journal(folder: Path, database: bytes, watch: Callable[[Path], None]):
    """A database and the log of what a recorder that crashed had not put into it, and its reader."""
    (folder / "open.db3").write_bytes(database)
    connection = sqlite3.connect(folder / "open.db3")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("UPDATE messages SET timestamp = timestamp + 1")
    connection.commit()
    journal, stored = ((folder / f"open.db3{end}").read_bytes() for end in ("-wal", ""))
    connection.close()

    def read(data: bytes) -> None:
        (folder / "crashed.db3").write_bytes(data[: len(stored)])
        (folder / "crashed.db3-wal").write_bytes(data[len(stored) :])
        watch(folder / "crashed.db3")

    return (stored + journal,), read


# --- messages, as DDS delivers them


def _messages() -> Iterator[Target]:
    header = Header(frame_id="camera")
    raw = [convert.image_message(PHOTO, header), convert.image_message(PHOTO[..., 0], header)]
    for encoding, width, height, rows in (
        ("mono16", 48, 72, 72),
        ("yuyv", 48, 72, 72),
        ("bayer_rggb8", 96, 72, 72),
        ("nv12", 96, 48, 72),
    ):
        raw.append(
            Image(
                header=header,
                width=width,
                height=height,
                encoding=encoding,
                step=96,
                data=bytes(96 * rows),
            )
        )
    mosaic = (PHOTO[..., 0].astype(np.uint16) * 16).tobytes()
    raw.append(
        Image(header=header, width=96, height=72, encoding="bayer_rggb16", step=192, data=mosaic)
    )
    packed = [
        CompressedImage(header=header, format=f, data=cv2.imencode(f".{f}", PHOTO)[1].tobytes())
        for f in ("jpeg", "png")
    ]
    packed.append(
        CompressedImage(header=header, format="jpeg", data=bytes(packed[0].data) + bytes(300))
    )
    infos = [convert.camera_info(camera, header) for camera in (CAMERA, FISHEYE, CAMERA, FISHEYE)]
    infos[2].binning_x = infos[2].binning_y = 2
    infos[2].roi = RegionOfInterest(x_offset=8, y_offset=4, width=80, height=60)
    infos[3].d = [0.0] * 14
    for info in infos:
        info.p[0] = info.p[5] = 70.0

    def image(message) -> None:
        pixels = convert.image(message)
        assert pixels.dtype == np.uint8 and pixels.ndim in (2, 3) and pixels.size
        height, width = pixels.shape[:2]
        if pixels.size < 1 << 20:
            rectify(pixels, Camera(width, height, (80.0, 80.0, width / 2, height / 2)), 96)

    yield _message("Image", Image, raw, image, (convert.ImageError, CameraError), 30)
    yield _message(
        "CompressedImage", CompressedImage, packed, image, (convert.ImageError, CameraError), 20
    )
    rng = np.random.default_rng(2)
    clouds = [
        convert.point_cloud(rng.uniform(-5, 5, (50, 3)).astype(np.float32), rng.random(50), header)
    ]

    def calibrate(info: CameraInfo) -> None:
        for rectified in (False, True):
            _look_through(convert.camera(info, rectified))

    yield _message("CameraInfo", CameraInfo, infos, calibrate, (CameraError,), 20)
    yield _message(
        "PointCloud2",
        PointCloud2,
        clouds,
        lambda message: _sound(convert.cloud(message)),
        (CloudError,),
        20,
    )


class Undeliverable(ValueError):
    """Bytes that the middleware itself does not take for a message: no subscriber sees them."""


def _message(
    name: str, kind: type, whole: list, use: Callable, refusals: tuple, share: int
) -> Target:
    def read(data: bytes) -> None:
        try:
            message = deserialize_message(data, kind)
        except Exception as error:
            raise Undeliverable("undeliverable") from error
        use(message)

    return Target(
        name, tuple(map(serialize_message, whole)), read, (*refusals, Undeliverable), share
    )
