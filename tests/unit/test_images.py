# SPDX-License-Identifier: Apache-2.0
"""Images as cameras and drivers really write them: few bits in many, padding after the end."""

import cv2
import numpy as np
import pytest
from bags import header, new

from diff2i2p.datasets.image_bytes import ImageError
from diff2i2p.datasets.image_messages import decode_image, is_rectified
from diff2i2p.datasets.sequences import read_image

SMOOTH = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8), np.uint8), (64, 48))
SMOOTH[0, :2] = 0, 255  # the whole range is used
JPEG = cv2.imencode(".jpg", SMOOTH)[1].tobytes()


def raw(encoding: str, pixels: np.ndarray):
    data = np.frombuffer(pixels.tobytes(), np.uint8)
    fields = {"height": 48, "width": 64, "encoding": encoding, "step": pixels[0].nbytes}
    return new("sensor_msgs/msg/Image", header=header(1.0, "eye"), data=data, **fields)


def compressed(data: bytes, kind: str = "jpeg"):
    content = np.frombuffer(data, np.uint8)
    return new(
        "sensor_msgs/msg/CompressedImage", header=header(1.0, "eye"), format=kind, data=content
    )


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_sixteen_bits_of_which_few_are_used_keep_their_contrast(bits, tmp_path):
    pixels = (SMOOTH.astype(float) / 255 * ((1 << bits) - 1)).round().astype(np.uint16)
    assert np.abs(decode_image(raw("mono16", pixels)).astype(int) - SMOOTH).max() <= 1
    png = cv2.imencode(".png", pixels)[1].tobytes()
    assert np.abs(decode_image(compressed(png, "png")).astype(int) - SMOOTH).max() <= 1
    (tmp_path / "a.png").write_bytes(png)
    assert np.abs(read_image(tmp_path / "a.png")[..., 1].astype(int) - SMOOTH).max() <= 1


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("encoding", ["bayer_rggb", "bayer_gbrg", "rgb", "bgr", "rgba"])
def test_colour_of_sixteen_bits_is_that_of_eight(encoding, bits):
    channels = {"rgb": 3, "bgr": 3, "rgba": 4}.get(encoding, 1)
    shape = (48, 64, channels) if channels > 1 else (48, 64)
    small = np.random.default_rng(1).integers(0, 256, (6, 8, *shape[2:]), np.uint8)
    eight = cv2.resize(small, (64, 48)).reshape(shape)
    eight[0, 0] = 255
    sixteen = (eight.astype(float) / 255 * ((1 << bits) - 1)).round().astype(np.uint16)
    found, expected = (
        decode_image(raw(f"{encoding}{n}", pixels)).astype(int)
        for n, pixels in ((16, sixteen), (8, eight))
    )
    assert found.shape == (48, 64, 3) and np.abs(found - expected).max() <= 2


@pytest.mark.parametrize(
    "padding", [b"", bytes(3), bytes(63), bytes(100_000), JPEG[-900:-2], b"\xff" * 99]
)
def test_a_jpeg_that_its_driver_pads_is_whole(padding):
    assert np.abs(decode_image(compressed(JPEG + padding)).astype(int) - SMOOTH).mean() < 3


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kept", [0.1, 0.6, 0.99])
def test_a_jpeg_that_is_cut_off_is_not_made_whole_by_padding_or_by_its_thumbnail(kept, progressive):
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive), cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    whole = cv2.imencode(".jpg", SMOOTH, options)[1].tobytes()
    segment = b"\xff\xe1" + (len(JPEG) + 2).to_bytes(2, "big") + JPEG
    with_thumbnail = whole[:2] + segment + whole[2:]
    assert decode_image(compressed(with_thumbnail)).shape == (48, 64)
    cut = with_thumbnail[: len(segment) + int(kept * len(whole))]
    with pytest.raises(ImageError, match="cut off"):
        decode_image(compressed(cut + bytes(500)))


@pytest.mark.parametrize(
    "topic, expected",
    [
        ("/camera/image_rect", True), ("/camera/image_rect_color/compressed", True),
        ("/infra1/image_rect_raw", True), ("/camera/image_raw", False), ("/image", False),
        ("/rect/image_raw", False), ("/camera/rectangle", False),
    ],
)  # fmt: skip
def test_a_topic_says_by_its_name_that_its_images_are_rectified(topic, expected):
    assert is_rectified(topic) == expected
