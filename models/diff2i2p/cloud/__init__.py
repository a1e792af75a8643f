# SPDX-License-Identifier: Apache-2.0
"""Point clouds: read and written in the usual formats, thinned, turned upright."""

from diff2i2p.cloud.columns import cloud_of, read_cloud
from diff2i2p.cloud.content import CloudError
from diff2i2p.cloud.gravity import axis_up, find_up
from diff2i2p.cloud.point_cloud import PointCloud, by_voxel
from diff2i2p.cloud.write import write_cloud

__all__ = [
    "CloudError", "PointCloud", "axis_up", "by_voxel", "cloud_of", "find_up", "read_cloud",
    "write_cloud",
]  # fmt: skip
