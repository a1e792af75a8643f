# SPDX-License-Identifier: Apache-2.0
"""What may keep the node from its work, under names that programs can rely on."""

from collections.abc import Callable
from enum import Enum


class Cause(Enum):
    """A cause on /diagnostics. The name is for programs; the value says what it stands for."""

    INACTIVE = "the node is not active"
    FAILURE = "a bug: the log has its traceback"
    NO_MAP = "there is no map to localize in"
    MAP_REFUSED = "a map asked for with load_map was not loaded; the one before it serves on"
    CLOUD = "a cloud on map_cloud is being compiled, or cannot be"
    NO_WEIGHTS = "the map was compiled with weights, and is used without"
    NO_CLOCK = "use_sim_time is set, and no time comes on /clock"
    OTHER_CLOCK = "use_sim_time is set, and the images are stamped by another clock than /clock"
    NO_IMAGE = "no images come"
    SEVERAL_CAMERAS = "more than one publisher sends images on the one topic"
    STALE_STAMPS = "the stamps of the images do not advance"
    NO_STAMPS = "the images have no stamp, and are taken for those of when they arrive"
    QOS = "a camera's QoS cannot be heard with `reliability`"
    NO_CAMERA_INFO = "images come without a calibration"
    BAD_CAMERA_INFO = "a damaged calibration is ignored"
    NO_DEPTH = "images come without the depth that `use_depth` asks for"
    UNUSABLE_IMAGE = "the last image could not be looked at"
    NO_ANSWER = "images come, but none is answered"
    NOT_LOCALIZED = "the last image gave no verified pose"
    NO_ODOMETRY = "TF lacks the odometry of the images, so that there is no map -> odom"
    NO_FRAME = "the images name no frame"
    BODY_FRAME = "by the poses found, the images name a body's frame, not the camera's optical"
    POSE_REFUSED = "an initialpose could not be used"
    LAST_POSE = "the last pose cannot be read or written"


# says what is wrong; an empty text: that it is well
Say = Callable[[Cause, str], None]
