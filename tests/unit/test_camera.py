# SPDX-License-Identifier: Apache-2.0
"""Calibrations of real lenses, and the rectified view."""

import numpy as np
import pytest

from diff2i2p.camera import Camera, CameraError, rectify

LENSES = [
    Camera(640, 480, (525.0, 525.0, 320.0, 240.0)),
    Camera(640, 480, (517.0, 516.0, 318.0, 255.0), (0.26, -0.95, -0.005, 0.0026, 1.16)),
    Camera(1280, 720, (640.0, 640.0, 639.5, 359.5), (-0.2, 0.05, 0.001, -0.001, 0.0, 0.1, 0.02, 0.0), "rational_polynomial"),
    Camera(848, 800, (285.0, 286.0, 424.0, 398.0), (-0.01, 0.04, -0.03, 0.006), "equidistant"),
]


@pytest.mark.parametrize("camera", LENSES, ids=lambda c: f"{c.model}-{len(c.D)}")
def test_rays_and_projection_are_inverse(camera):
    pixels = np.random.default_rng(0).uniform(0.25, 0.75, (50, 2)) * (camera.width, camera.height)
    assert np.abs(camera.project(3.0 * camera.rays(pixels)) - pixels).max() < 0.05


@pytest.mark.parametrize("camera", LENSES, ids=lambda c: f"{c.model}-{len(c.D)}")
def test_a_rectified_view_shows_a_scene_point_where_its_pinhole_says(camera):
    point = np.array([[0.21, -0.13, 1.0]])
    u, v = camera.project(point)[0]
    rows, columns = np.mgrid[: camera.height, : camera.width]
    image = (255 * np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / 60)).astype(np.uint8)
    view = rectify(image, camera, 320)
    weight = view.grey.astype(float)
    rows, columns = np.mgrid[: view.camera.height, : view.camera.width]
    seen = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
    assert not view.camera.D
    assert np.abs(seen - view.camera.project(point)[0]).max() < 0.3


@pytest.mark.parametrize("camera", LENSES, ids=lambda c: f"{c.model}-{len(c.D)}")
def test_a_calibration_survives_its_yaml_file(camera, tmp_path):
    camera.to_yaml(tmp_path / "camera.yaml")
    assert Camera.from_yaml(tmp_path / "camera.yaml") == camera


@pytest.mark.parametrize(
    "fields, message",
    [
        ((640, 480, np.zeros(9)), "not calibrated"),
        ((0, 0, np.eye(3).ravel()), "no image size"),
        ((640, 480, np.eye(3).ravel(), [0.1] * 4, "equidistand"), "is not known"),
        ((640, 480, np.eye(3).ravel(), [0.1] * 5, "equidistant"), "takes 0 or 4"),
        ((640, 480, np.eye(3).ravel() * np.nan), "not calibrated"),
    ],
)
def test_an_unusable_calibration_says_what_is_wrong(fields, message):
    with pytest.raises(CameraError, match=message):
        Camera.from_calibration(*fields)


def test_an_image_of_another_size_than_camera_info_says_is_refused():
    with pytest.raises(CameraError, match="320x240 but its camera_info says 640x480"):
        rectify(np.zeros((240, 320), np.uint8), LENSES[0], 320)


@pytest.mark.parametrize("text", ["", "image_width: 3", "just words", "a: [1"])
def test_a_broken_camera_yaml_is_named_in_the_error(tmp_path, text):
    (tmp_path / "camera.yaml").write_text(text)
    with pytest.raises(CameraError, match="camera.yaml"):
        Camera.from_yaml(tmp_path / "camera.yaml")
