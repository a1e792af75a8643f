# SPDX-License-Identifier: Apache-2.0
"""Calibrations of real lenses, and the rectified view."""

import numpy as np
import pytest
from bags import info, new

from diff2i2p.camera import Camera, CameraError, rectify

LENSES = [
    Camera(640, 480, (525.0, 525.0, 320.0, 240.0)),
    Camera(640, 480, (517.0, 516.0, 318.0, 255.0), (0.26, -0.95, -0.005, 0.0026, 1.16)),
    Camera(
        1280,
        720,
        (640.0, 640.0, 639.5, 359.5),
        (-0.2, 0.05, 0.001, -0.001, 0.0, 0.1, 0.02, 0.0),
        "rational_polynomial",
    ),
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
        ((640, 480, np.eye(3).ravel(), [0.1] * 5, "equidistant"), "takes 4 finite"),
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


# --- as drivers publish them


@pytest.mark.parametrize(
    "D, model, expected",
    [
        ((-0.002, 0.0376, -0.0364, 0.0059, 0), "equidistant", ((-0.002, 0.0376, -0.0364, 0.0059), "equidistant")),
        ((0, 0, 0, 0), "equidistant", ((0, 0, 0, 0), "equidistant")),
        ((), "fisheye", ((0, 0, 0, 0), "equidistant")),
        ((-0.03, 0.035, -1e-4, -1e-4, -0.012, 0, 0, 0), "plumb_bob", ((-0.03, 0.035, -1e-4, -1e-4, -0.012), "plumb_bob")),
        ((0.1,) * 8, "plumb_bob", ((0.1,) * 8, "rational_polynomial")),
        ((0.1, 0.2, 0, 0), "radtan", ((0.1, 0.2, 0, 0), "plumb_bob")),
        ((0.01, 0.001, 0, 0, 0, 0.001, *[0] * 8), "rational_polynomial", ((0.01, 0.001, 0, 0, 0, 0.001, *[0] * 8), "rational_polynomial")),
        ((0.01, 0.001, 0, 0, 0), "rational_polynomial", ((0.01, 0.001, 0, 0, 0), "plumb_bob")),
        ((0.1,) * 12, "rational_polynomial", ((0.1,) * 12, "rational_polynomial")),
        ((), "none", ((), "plumb_bob")),
        ((0.0,) * 5, "", ((), "plumb_bob")),
    ],
)  # fmt: skip
def test_coefficients_as_drivers_publish_them_are_understood(D, model, expected):
    camera = Camera.from_calibration(640, 480, LENSES[0].matrix.ravel(), D, model)
    assert (camera.D, camera.model) == expected
    assert np.isfinite(camera.rays(np.array([[10.0, 20.0]]))).all()


def test_a_fisheye_whose_coefficients_are_zero_is_no_pinhole():
    K = LENSES[3].matrix.ravel()
    fisheye = Camera.from_calibration(848, 800, K, (0, 0, 0, 0), "equidistant")
    tiny = Camera.from_calibration(848, 800, K, (1e-9, 0, 0, 0), "equidistant")
    point = np.array([[1.0, 0.0, 1.0]])
    u = fisheye.project(point)[0, 0]
    assert u == pytest.approx(424 + 285 * np.pi / 4) and u == pytest.approx(
        tiny.project(point)[0, 0]
    )


def calibration(**fields):
    """A camera_info of 640x480, focal length 500, of no distortion unless given."""
    K = np.array([500.0, 0, 320, 0, 500, 240, 0, 0, 1])
    message = info(1.0)
    for name, value in ({"width": 640, "height": 480, "k": K} | fields).items():
        setattr(message, name, value)
    return message


def test_rectified_images_are_seen_with_the_projection_matrix():
    P = np.array([450.0, 0, 310, -20, 0, 460, 230, 0, 0, 0, 1, 0])
    raw = calibration(d=np.array([-0.3, 0.1, 0, 0, 0]), p=P, r=np.eye(3).ravel())
    assert Camera.from_camera_info(raw).D and Camera.from_camera_info(raw).K[0] == 500
    rectified = Camera.from_camera_info(raw, rectified=True)
    assert rectified.is_pinhole and rectified.K == (450, 460, 310, 230)
    without = Camera.from_camera_info(calibration(d=raw.d, p=np.zeros(12)), rectified=True)
    assert without.is_pinhole and without.K[0] == 500


def test_a_lens_that_the_rectification_turns_sees_the_same_as_its_rectified_images():
    turn = np.array([[0.9998, 0, 0.02], [0, 1, 0], [-0.02, 0, 0.9998]])
    K = (500.0, 500.0, 320.0, 240.0)
    camera = Camera(640, 480, K, (-0.2, 0.05, 0.0, 0.0), R=tuple(turn.ravel()))
    ahead = camera.rays(np.array([[320.0, 240.0]]))[0]
    np.testing.assert_allclose(ahead, [0.02, 0, 1], atol=1e-4)
    np.testing.assert_allclose(camera.project(ahead[None])[0], (320, 240), atol=1e-2)
    spot = np.zeros((480, 640), np.uint8)
    spot[236:245, 316:325] = 255
    view = rectify(spot, camera, 640)
    rows, columns = np.nonzero(view.grey > 100)
    seen = view.camera.project(ahead[None])[0]
    np.testing.assert_allclose((columns.mean(), rows.mean()), seen, atol=0.5)


@pytest.mark.parametrize("R", [np.zeros(9), np.eye(3).ravel()])
def test_a_rectification_that_is_left_out_is_none(R):
    assert Camera.from_camera_info(calibration(r=R)).is_pinhole


def test_binning_and_region_of_interest_give_the_camera_of_the_images_as_they_come():
    roi = new("sensor_msgs/msg/RegionOfInterest", x_offset=100, y_offset=40, width=400, height=320)
    camera = Camera.from_camera_info(calibration(roi=roi, binning_x=2, binning_y=2))
    assert (camera.width, camera.height, camera.K[0]) == (200, 160, 250)
    point = np.array([[0.2, -0.1, 1.0]])
    full = Camera.from_camera_info(calibration()).project(point)[0]
    pair = (full - (100, 40) + 0.5) / 2 - 0.5
    np.testing.assert_allclose(camera.project(point)[0], pair)


def test_a_region_of_interest_outside_the_image_is_refused():
    roi = new("sensor_msgs/msg/RegionOfInterest", x_offset=500, width=400, height=320)
    with pytest.raises(CameraError, match="400x320 at 500, 0, is not inside the 640x480"):
        Camera.from_camera_info(calibration(roi=roi))


@pytest.mark.parametrize(
    "fields, message",
    [
        (
            {"distortion_model": "none", "d": np.full(5, 0.1)},
            "'none' has coefficients .* name their",
        ),
        ({"r": np.full(9, 0.5)}, "is no rotation"),
        ({"distortion_model": "plumb_bob", "d": np.full(6, 0.1)}, "takes 0 or 4 or 5 finite"),
    ],
)
def test_calibrations_that_contradict_themselves_are_refused(fields, message):
    with pytest.raises(CameraError, match=message):
        Camera.from_camera_info(calibration(**fields))
