# SPDX-License-Identifier: Apache-2.0
"""Point clouds: read and written in the usual formats, thinned, turned upright."""

from diff2i2p.cloud.content import CloudError
from diff2i2p.cloud.point_cloud import PointCloud, axis_up, by_voxel, cloud_of, find_up, read_cloud, write_cloud

__all__ = ["CloudError", "PointCloud", "axis_up", "by_voxel", "cloud_of", "find_up", "read_cloud", "write_cloud"]
