# SPDX-License-Identifier: Apache-2.0
"""Pixels of ROS image messages; ROS itself is not needed, only the fields of its messages."""

import re
import sys

import cv2
import numpy as np
from rosbags.image.image import ImageError as UnsupportedImage
from rosbags.image.image import convert_color, to_cvtype

from diff2i2p.datasets.image_bytes import ImageError, decode_bytes, to_8_bits

# what drivers call their OpenCV matrices; OpenCV keeps colour as BGR
PLAIN_ENCODINGS = {"8UC1": "mono8", "8UC3": "bgr8", "8UC4": "bgra8"}
GREY_ENCODINGS = ("mono8", "mono16")
ANY_DEPTH = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH


def is_rectified(topic: str) -> bool:
    """Whether a topic's name says that its images are undistorted, as image_proc names them."""
    words = re.split("[_/]", topic.removesuffix("/compressed").rpartition("/")[2])
    return not {"rect", "rectified"}.isdisjoint(words)


def decode_image(message) -> np.ndarray:
    """RGB (H, W, 3) or grey (H, W) uint8 of a sensor_msgs Image or CompressedImage, live or out of a bag. Raises ImageError."""
    return _raw(message) if hasattr(message, "encoding") else _decompressed(message)


def decode_depth(message) -> np.ndarray:
    """(H, W) float32 metres of a depth image, 16UC1 in millimetres or 32FC1 in metres; 0 where unknown. Raises ImageError."""
    kind = {
        "16UC1": np.dtype(np.uint16),
        "mono16": np.dtype(np.uint16),
        "32FC1": np.dtype(np.float32),
    }.get(message.encoding)
    if kind is None:
        raise ImageError(
            f"encoding '{message.encoding}' is no depth image; publish 16UC1 (millimetres) or 32FC1 (metres)"
        )
    depth = _pixels(message, kind, 1)
    return (
        depth * np.float32(0.001) if kind == np.uint16 else np.nan_to_num(depth, posinf=0, neginf=0)
    )


def _raw(message) -> np.ndarray:
    encoding = PLAIN_ENCODINGS.get(message.encoding, message.encoding)
    try:
        _, _, kind, channels = to_cvtype(encoding)
        pixels = _pixels(message, np.dtype(kind), channels)
        if pixels.dtype == np.uint16:
            pixels, encoding = to_8_bits(pixels), encoding.removesuffix("16") + "8"
        return convert_color(pixels, encoding, "mono8" if encoding in GREY_ENCODINGS else "rgb8")
    except (UnsupportedImage, cv2.error) as error:
        raise ImageError(
            f"encoding '{message.encoding:.40}' is not a camera image we can read; publish rgb8, bgr8 or mono8"
        ) from error


def _pixels(message, kind: np.dtype, channels: int) -> np.ndarray:
    """(H, W[, C]) view of the message's bytes; rows may be padded, as `step` says."""
    rows = message.height * 3 // 2 if message.encoding in ("nv12", "nv21") else message.height
    width = message.width * channels * kind.itemsize
    if not rows or not width or message.step < width or len(message.data) != rows * message.step:
        kind_of = f"{message.width}x{message.height} image in {message.encoding:.40} with step {message.step}"
        raise ImageError(f"a {kind_of} cannot have {len(message.data)} bytes")
    data = np.frombuffer(message.data, np.uint8).reshape(rows, message.step)[:, :width]
    pixels = np.ascontiguousarray(data).view(kind)
    if bool(message.is_bigendian) != (sys.byteorder == "big"):
        pixels = pixels.byteswap()
    return pixels.reshape(rows, message.width, channels) if channels > 1 else pixels


def _decompressed(message) -> np.ndarray:
    try:
        pixels = to_8_bits(decode_bytes(bytes(message.data), ANY_DEPTH))
    except ImageError as error:
        raise ImageError(
            f"a compressed image ('{message.format:.40}', {len(message.data)} bytes) {error}"
        ) from error
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if pixels.ndim == 3 else pixels
