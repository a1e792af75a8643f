# SPDX-License-Identifier: Apache-2.0
"""Camera models of ROS, and the rectified view that everything downstream looks at."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import yaml

from diff2i2p.files import read_yaml

# number of distortion coefficients each ROS model may carry
COEFFICIENTS = {"plumb_bob": (0, 4, 5), "rational_polynomial": (0, 8), "equidistant": (0, 4)}
LONGEST, SLIMMEST = 16384, 16  # pixels of a side, and how many times the other one; beyond, memory is wasted on a mistake


class CameraError(ValueError):
    """A calibration that cannot be used: says what is wrong and what to do."""


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one camera in the ROS convention: optical frame, x right, y down, z forward.

    K is fx, fy, cx, cy in pixels (pixel centres at integers); D holds the coefficients of `model`.
    """

    width: int
    height: int
    K: tuple[float, float, float, float]
    D: tuple[float, ...] = ()
    model: str = "plumb_bob"

    def __post_init__(self):
        if self.width <= 0 or self.height <= 0:
            raise CameraError(f"the camera has no image size ({self.width}x{self.height}): is camera_info filled in?")
        if max(self.width, self.height) > min(LONGEST, SLIMMEST * min(self.width, self.height)):
            raise CameraError(f"no camera takes images of {self.width}x{self.height} pixels: check width and height in camera_info")
        if not np.abs(self.K).max() < 1e6 or min(self.K[:2]) < 1e-3:
            raise CameraError(
                f"focal length {self.K[0]:g}, {self.K[1]:g}: the camera is not calibrated; calibrate it and publish K in camera_info"
            )
        if self.model not in COEFFICIENTS:
            raise CameraError(f"distortion model '{self.model}' is not known; use one of {', '.join(COEFFICIENTS)}")
        if len(self.D) not in COEFFICIENTS[self.model] or not np.isfinite(self.D).all():
            raise CameraError(
                f"distortion model '{self.model}' takes {' or '.join(map(str, COEFFICIENTS[self.model]))} finite coefficients,"
                f" not {list(self.D)}; a fisheye lens is 'equidistant' with 4"
            )

    @classmethod
    def from_calibration(cls, width: int, height: int, K, D=(), model: str = "plumb_bob") -> "Camera":
        """From the fields of sensor_msgs/CameraInfo: K row-major (9,), D (n,). Raises CameraError."""
        K = np.asarray(K, float).reshape(3, 3)
        D = tuple(map(float, D))
        return cls(int(width), int(height), (K[0, 0], K[1, 1], K[0, 2], K[1, 2]), D if any(D) else (), model or "plumb_bob")

    @classmethod
    def from_yaml(cls, path: Path | str) -> "Camera":
        """Read a ROS camera_info YAML as camera_calibration writes it. Raises CameraError naming the file."""
        try:
            info = read_yaml(path)
            return cls.from_calibration(
                info["image_width"], info["image_height"], info["camera_matrix"]["data"],
                info["distortion_coefficients"]["data"], info["distortion_model"],
            )  # fmt: skip
        except CameraError as error:
            raise CameraError(f"{path}: {error}") from error
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise CameraError(f"{path} is not a camera_info YAML (camera_calibration writes one): {why:.200}") from error

    def to_yaml(self, path: Path | str) -> None:
        """Write the ROS camera_info YAML that `from_yaml` reads."""
        projection = np.hstack([self.matrix, np.zeros((3, 1))])
        info = {
            "image_width": self.width,
            "image_height": self.height,
            "camera_name": "camera",
            "camera_matrix": {"rows": 3, "cols": 3, "data": self.matrix.ravel().tolist()},
            "distortion_model": self.model,
            "distortion_coefficients": {"rows": 1, "cols": len(self.D), "data": list(self.D)},
            "rectification_matrix": {"rows": 3, "cols": 3, "data": np.eye(3).ravel().tolist()},
            "projection_matrix": {"rows": 3, "cols": 4, "data": projection.ravel().tolist()},
        }
        Path(path).write_text(yaml.safe_dump(info, sort_keys=False))

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) float64 intrinsic matrix."""
        fx, fy, cx, cy = self.K
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])

    @property
    def undistorted(self) -> "Camera":
        """The pinhole camera of the same intrinsics."""
        return replace(self, D=())

    def resized(self, width: int) -> "Camera":
        """The same camera with images resized to `width`, aspect kept."""
        scale = width / self.width
        height = round(self.height * scale)
        fx, fy, cx, cy = self.K
        shift = 0.5 * scale - 0.5  # pixel centres sit at integers
        return Camera(width, height, (fx * scale, fy * scale, cx * scale + shift, cy * scale + shift), self.D, self.model)

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Directions (N, 3) float64 with z = 1 through `pixels` (N, 2) as (u, v), distortion undone."""
        pixels = np.asarray(pixels, float).reshape(-1, 1, 2)
        if not self.D:
            return np.concatenate([(pixels[:, 0] - self.K[2:]) / self.K[:2], np.ones((len(pixels), 1))], 1)
        if self.model == "equidistant":
            flat = cv2.fisheye.undistortPoints(pixels, self.matrix, np.array(self.D))
        else:
            flat = cv2.undistortPoints(pixels, self.matrix, np.array(self.D))
        return np.concatenate([flat.reshape(-1, 2), np.ones((len(pixels), 1))], 1)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (N, 2) as (u, v) of camera-frame `points` (N, 3), metres; z must be positive."""
        points = np.asarray(points, float).reshape(-1, 3)
        if not self.D:
            return points[:, :2] / points[:, 2:] * self.K[:2] + self.K[2:]
        project = cv2.fisheye.projectPoints if self.model == "equidistant" else cv2.projectPoints
        return project(points[:, None], np.zeros(3), np.zeros(3), self.matrix, np.array(self.D))[0].reshape(-1, 2)


@dataclass(frozen=True)
class View:
    """An image made ready: grey (H, W) uint8, free of distortion, with the pinhole camera that took it."""

    grey: np.ndarray
    camera: Camera
    depth: np.ndarray | None = None  # (H, W) metres, 0 = unknown; only weights of mode rgbd look at it


def rectify(
    image: np.ndarray, camera: Camera, width: int, max_fov: float = 100.0, depth: np.ndarray | None = None
) -> View:  # fmt: skip
    """Undistort and resize an image, (H, W) or (H, W, 3) RGB uint8, to `width`; at most `max_fov` degrees wide are kept.

    depth: (H, W) metres registered into the camera. Raises CameraError when image or depth have another size than
    the camera says.
    """
    view = _rectified(image, camera, width, max_fov)
    return view if depth is None else replace(view, depth=rectify_depth(depth, camera, view.camera))


def rectify_depth(depth: np.ndarray, camera: Camera, pinhole: Camera) -> np.ndarray:
    """`depth` (H, W) metres of `camera` as the rectified `pinhole` sees it, nearest pixel. Raises CameraError on another size."""
    if depth.shape != (camera.height, camera.width):
        raise CameraError(
            f"the depth image is {depth.shape[1]}x{depth.shape[0]} but its camera_info says {camera.width}x{camera.height}:"
            " register it into the camera"
        )
    rows, columns, inside = _source(camera, pinhole)
    depth = np.nan_to_num(np.asarray(depth, np.float32)[rows, columns], posinf=0, neginf=0)
    return np.where(inside & (depth > 0), depth, 0)


@lru_cache(maxsize=4)
def _source(camera: Camera, pinhole: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and column (H, W) of `camera` that each pixel of `pinhole` looks at, and whether there is one."""
    v, u = np.indices((pinhole.height, pinhole.width))
    pixels = camera.project(pinhole.rays(np.stack([u.ravel(), v.ravel()], 1))).reshape(*u.shape, 2)
    x, y = pixels.round().astype(int).transpose(2, 0, 1)
    inside = (x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height)
    return y.clip(0, camera.height - 1), x.clip(0, camera.width - 1), inside


def _rectified(image: np.ndarray, camera: Camera, width: int, max_fov: float) -> View:
    if image.shape[:2] != (camera.height, camera.width):
        raise CameraError(
            f"the image is {image.shape[1]}x{image.shape[0]} but its camera_info says {camera.width}x{camera.height}:"
            " publish the camera_info of this resolution"
        )
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    pinhole, maps = _rectification(camera, width, max_fov)
    if maps is None:
        return View(cv2.resize(grey, (pinhole.width, pinhole.height), interpolation=cv2.INTER_AREA), pinhole)
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.4 * camera.width / width) if camera.width >= 1.5 * width else grey
    return View(cv2.remap(smooth, *maps, cv2.INTER_LINEAR), pinhole)


@lru_cache(maxsize=8)
def _rectification(camera: Camera, width: int, max_fov: float):
    small = camera.resized(width)
    widest = width / 2 / np.tan(np.radians(max_fov) / 2)
    fx, fy, cx, cy = small.K
    zoom = max(1.0, widest / fx)
    pinhole = Camera(
        width, small.height, (fx * zoom, fy * zoom, (width - 1) / 2 if zoom > 1 else cx, (small.height - 1) / 2 if zoom > 1 else cy)
    )
    if not camera.D and zoom == 1.0:
        return pinhole, None
    make_maps = cv2.fisheye.initUndistortRectifyMap if camera.model == "equidistant" and camera.D else cv2.initUndistortRectifyMap
    D = np.array(camera.D if camera.D else (0.0,) * 4)
    return pinhole, make_maps(camera.matrix, D, np.eye(3), pinhole.matrix, (width, small.height), cv2.CV_16SC2)
