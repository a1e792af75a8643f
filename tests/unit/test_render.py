# SPDX-License-Identifier: Apache-2.0
"""The renderer draws what a camera would see, and nothing else."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera
from diff2i2p.render import render_cloud

CAMERA = Camera(64, 48, (60.0, 60.0, 31.5, 23.5))


def painted(points, shades, T_map_camera, spacing, max_splat):
    """The slow truth: squares painted far to near, one by one."""
    image, depth = np.zeros((48, 64), np.uint8), np.zeros((48, 64))
    local = (points - T_map_camera[:3, 3]) @ T_map_camera[:3, :3]
    for i in np.argsort(-local[:, 2]):
        z = local[i, 2]
        if z > 0.05:
            side = int(np.clip(np.rint(60 * spacing / z), 1, max_splat))
            u, v = (
                int(np.rint(60 * local[i, k] / z + CAMERA.K[2 + k] - 0.5 * (side - 1)))
                for k in (0, 1)
            )
            patch = np.s_[max(v, 0) : max(v + side, 0), max(u, 0) : max(u + side, 0)]
            image[patch], depth[patch] = shades[i], z
    return image, depth


def test_rendering_agrees_with_painting_every_square_far_to_near():
    rng = np.random.default_rng(1)
    points = rng.uniform(-2, 2, (3000, 3)).astype(np.float32)
    shades = rng.integers(1, 255, 3000).astype(np.uint8)
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("xyz", (0.3, -0.5, 0.2)).as_matrix()
    T[:3, 3] = (0.2, -0.1, -1.0)
    rendering = render_cloud(points, shades, CAMERA, T, 0.07, max_splat=7)
    image, depth = painted(points, shades, T, 0.07, 7)
    assert (rendering.image == image).mean() > 0.995  # roundings of float32, ties in depth
    assert (np.abs(rendering.depth - depth) < 1e-3).mean() > 0.995
    assert (depth > 0).mean() > 0.4


def test_a_near_point_hides_a_far_one_whatever_their_order():
    points = np.array([[0, 0, 1], [0, 0, 3]], np.float32)
    for order in ([0, 1], [1, 0]):
        rendering = render_cloud(
            points[order], np.array([10, 20], np.uint8)[order], CAMERA, np.eye(4), 0.1
        )
        assert rendering.image[23, 31] == 10
        assert rendering.depth[23, 31] == pytest.approx(1.0)


def test_points_behind_the_camera_and_an_empty_cloud_give_an_empty_view():
    for points in (np.array([[0, 0, -1.0]], np.float32), np.zeros((0, 3), np.float32)):
        rendering = render_cloud(points, np.full(len(points), 9, np.uint8), CAMERA, np.eye(4), 0.1)
        assert not rendering.image.any() and not rendering.depth.any()


def test_colours_stay_colours_and_each_point_may_have_its_own_spacing():
    points = np.array([[-0.4, 0, 1], [0.4, 0, 1]], np.float32)
    colours = np.array([[200, 10, 20], [30, 250, 40]], np.uint8)
    rendering = render_cloud(points, colours, CAMERA, np.eye(4), np.array([1 / 60, 5 / 60]))
    assert rendering.image.shape == (48, 64, 3)
    assert (rendering.image == colours[0]).all(2).sum() == 1
    assert (rendering.image == colours[1]).all(2).sum() == 25


def test_a_square_half_outside_the_image_is_cut_at_the_edge():
    rendering = render_cloud(
        np.array([[-0.52, 0, 1]], np.float32), np.array([7], np.uint8), CAMERA, np.eye(4), 5 / 60
    )
    assert rendering.image[:, :3].any() and not rendering.image[:, 3:].any()
