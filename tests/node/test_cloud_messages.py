# SPDX-License-Identifier: Apache-2.0
"""PointCloud2 as drivers and mapping tools publish it becomes a cloud; what is damaged is refused, never half read."""

import struct

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from diff2i2p.cloud import CloudError
from diff2i2p_ros import convert

POINTS = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


def field(name: str, offset: int, datatype: int = PointField.FLOAT32, count: int = 1) -> PointField:
    return PointField(name=name, offset=offset, datatype=datatype, count=count)


def packed(order: str = "<", padding: int = 0, **changes) -> PointCloud2:
    """Two points with packed colour and intensity in 22 bytes each, rows of one point, `padding` bytes after each."""
    rows = [
        struct.pack(f"{order}xfffIfx", *xyz, 0x00FF8000 + n, 51.0 + 153 * n) + bytes(padding)
        for n, xyz in enumerate(POINTS)
    ]
    fields = [
        field("x", 1),
        field("y", 5),
        field("z", 9),
        field("rgb", 13, PointField.UINT32),
        field("intensity", 17),
    ]
    message = PointCloud2(
        height=2, width=1, point_step=22, row_step=22 + padding, fields=fields, data=b"".join(rows)
    )
    message.is_bigendian = order == ">"
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("padding", [0, 5])
def test_points_colour_and_intensity_are_read_in_any_byte_order_unaligned_and_from_padded_rows(
    order, padding
):
    cloud = convert.cloud(packed(order, padding))
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colours, [[255, 128, 0], [255, 128, 1]])
    np.testing.assert_allclose(cloud.intensity, [0.2, 0.8])


def test_a_count_of_zero_is_that_of_a_publisher_who_left_it_out():
    message = packed()
    for one in message.fields:
        one.count = 0
    np.testing.assert_array_equal(convert.cloud(message).points, POINTS)
    np.testing.assert_array_equal(convert.cloud(message).colours, convert.cloud(packed()).colours)


def test_the_map_that_we_publish_can_be_read_again():
    cloud = convert.cloud(convert.point_cloud(POINTS, np.array([0.0, 1.0]), Header()))
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.intensity, [0, 1])


def test_points_that_are_not_finite_are_dropped():
    message = convert.point_cloud(np.array([[np.nan, 0, 0], [1, 2, 3]]), None, Header())
    np.testing.assert_array_equal(convert.cloud(message).points, POINTS[:1])


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"data": b"\0" * 43}, "cannot have 43 bytes"),
        ({"row_step": 21}, "cannot have"),
        ({"height": 0, "data": b""}, "is empty"),
        ({"width": 0, "row_step": 0, "data": b""}, "is empty"),
        ({"point_step": 12}, "do not fit into its points of 12 bytes"),
        ({"point_step": 0, "row_step": 0, "data": b""}, "do not fit into its points of 0 bytes"),
        ({"fields": []}, "no column x, y, z"),
        ({"fields": [field("x", 0), field("y", 4), field("z", 8, count=3)]}, "no column z"),
        ({"fields": [field("x", 0, 99), field("y", 4), field("z", 8)]}, "no column x"),
        ({"fields": [field("x", 2**32 - 1), field("y", 4), field("z", 8)]}, "do not fit"),
        ({"width": 2**32 - 1, "height": 2**32 - 1}, "cannot have"),
    ],
)
def test_a_damaged_cloud_is_refused_with_the_reason(changes, reason):
    with pytest.raises(CloudError, match=reason):
        convert.cloud(packed(**changes))
