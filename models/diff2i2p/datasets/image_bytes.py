# SPDX-License-Identifier: Apache-2.0
"""JPEG and PNG bytes -> pixels. Looked at first: OpenCV takes half an image for a whole one."""

import re
import struct

import cv2
import numpy as np

# 8192 x 8192: no robot's camera has more, and a kilobyte of PNG can claim a gigabyte.
MOST_PIXELS = 1 << 26
JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
DEPTHS = (8, 10, 12, 14, 16)  # bits of a pixel that sensors have
END = 0xD9  # JPEG marker that ends an image
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")  # one that is no part of the compressed data
SIZE_FOLLOWS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG markers that begin a frame


class ImageError(ValueError):
    """Bytes or a message that hold no usable image: says what is wrong."""


def decode_bytes(data: bytes, flags: int) -> np.ndarray:
    """Pixels as `cv2.imdecode` gives them with these flags.

    Raises ImageError, whose text goes on from the image's name.
    """
    if not data.startswith((JPEG, PNG)):
        raise ImageError("is neither JPEG nor PNG")
    if not (b"IEND" in data[-64:] if data.startswith(PNG) else _jpeg_ends(data)):
        raise ImageError("is cut off")
    width, height = _png_size(data) if data.startswith(PNG) else _jpeg_size(data)
    if not 0 < width * height <= MOST_PIXELS:
        raise ImageError(f"claims to be of {width}x{height} pixels")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ImageError("is damaged")
    return pixels


def to_8_bits(pixels: np.ndarray) -> np.ndarray:
    """uint8 of uint16 pixels of any shape, by the bits that they use: sensors of 10 or 12 bits

    put them into the low end of 16.
    """
    if pixels.dtype != np.uint16:
        return pixels
    bits = next(bits for bits in DEPTHS if int(pixels.max(initial=0)) < 1 << bits)
    return cv2.convertScaleAbs(pixels, alpha=255 / ((1 << bits) - 1))


def _jpeg_ends(data: bytes) -> bool:
    """Whether the image that begins these bytes ends in them; drivers pad their buffers."""
    at = 2
    while found := MARKER.search(data, at):
        at = found.end()
        if data[at - 1] == END:
            return True
        at += max(int.from_bytes(data[at : at + 2], "big"), 2)
    return False


def _png_size(data: bytes) -> tuple[int, int]:
    return struct.unpack(">2I", data[16:24].ljust(8, b"\0"))


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of the first frame; zeros when there is none."""
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF or data[at + 1] == 0xFF:  # padding
            at += 1
        elif data[at + 1] in SIZE_FOLLOWS:
            height, width = struct.unpack_from(">2H", data, at + 5)
            return width, height
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0, 0
