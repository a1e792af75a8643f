# SPDX-License-Identifier: Apache-2.0
"""REP-105 arithmetic."""

import numpy as np
from scipy.spatial.transform import Rotation

from diff2i2p_ros.frames import T_BODY_OPTICAL, inverse, map_to_odom


def random_transform(rng) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = Rotation.random(rng=rng).as_matrix()
    T[:3, 3] = rng.normal(size=3)
    return T


def test_the_chain_map_odom_base_camera_ends_at_the_pose_found():
    rng = np.random.default_rng(1)
    T_map_camera, T_odom_base, T_base_camera = (random_transform(rng) for _ in range(3))
    T_map_odom = map_to_odom(T_map_camera, T_odom_base @ T_base_camera)
    np.testing.assert_allclose(T_map_odom @ T_odom_base @ T_base_camera, T_map_camera, atol=1e-12)


def test_the_inverse_undoes_a_transform():
    T = random_transform(np.random.default_rng(2))
    np.testing.assert_allclose(inverse(T) @ T, np.eye(4), atol=1e-12)


def test_the_optical_axis_is_forward_and_image_right_is_the_bodys_right():
    np.testing.assert_array_equal(T_BODY_OPTICAL @ [0, 0, 1, 1], [1, 0, 0, 1])
    np.testing.assert_array_equal(T_BODY_OPTICAL @ [1, 0, 0, 1], [0, -1, 0, 1])
