# SPDX-License-Identifier: Apache-2.0
"""`ros2 run diff2i2p_ros check_bringup`: is everything there that the localizer needs? Topics, rates, QoS, calibration, stamps, TF.

Exit code 0: all that is required is there; 1: something is missing; 2: it could not be looked at.
"""

import argparse
import json
import sys
from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.utilities import remove_ros_args
from rich.console import Console

from diff2i2p.camera import CameraError, rectify
from diff2i2p.datasets.image_messages import ImageError, is_rectified
from diff2i2p.datasets.odometry import NO_OPTICAL_FRAME, is_body_frame
from diff2i2p.doctor import Finding
from diff2i2p_ros import convert
from diff2i2p_ros.bringup.probe import Heard, Probe, ProbeError, use_dds_profile
from diff2i2p_ros.node_main import run
from diff2i2p_ros.parameters import TF_MODES

SLOW, LATE = 1.0, 1.0  # images a second, seconds
STRANGE = 3600.0  # seconds between two clocks that show not the same time
LEVELS = {
    DiagnosticStatus.OK: "OK",
    DiagnosticStatus.WARN: "WARN",
    DiagnosticStatus.ERROR: "ERROR",
    DiagnosticStatus.STALE: "STALE",
}


def main(arguments: list[str] | None = None) -> int:
    """Look, tell, and give the exit code."""
    words = sys.argv if arguments is None else ["check_bringup", *arguments]
    options = _options(remove_ros_args(words)[1:])
    use_dds_profile()
    findings: list[Finding] = []
    code = run(Probe, words, lambda probe: findings.extend(examine(probe, options)))
    if code or not findings:  # a signal came before there was anything to tell
        return code
    tell(findings, options.json)
    return 0 if all(finding.good for finding in findings if finding.required) else 1


def examine(probe: Probe, options: argparse.Namespace) -> list[Finding]:
    """Everything that is looked at, in the order in which it is needed."""
    try:
        heard = hear(probe, options)
    except ProbeError as error:
        return [Finding("camera", False, True, f"{error}.")]
    placed = [_tf(probe, heard, options)] if heard.image else []
    if placed and placed[0].good:
        placed += _frame(probe, heard, options)
    return [*of_camera(heard), *placed, _clock(probe), _localizer(heard)]


def hear(probe: Probe, options: argparse.Namespace) -> Heard:
    """Choose the camera and listen to it. Raises ProbeError."""
    camera = probe.choose(options.image, options.patience)
    probe.follow_clock()
    return probe.listen(replace(camera, info=options.camera_info or camera.info), options.listen)


def of_camera(heard: Heard) -> list[Finding]:
    """What is to be said of one camera."""
    findings = [_camera(heard), _images(heard)]
    return (
        [*findings, _qos(heard), _stamps(heard), _calibration(heard)] if heard.image else findings
    )


def tell(findings: list[Finding], as_json: bool) -> None:
    """Print them for people, or for scripts."""
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings], indent=1))
        return
    for finding in findings:
        mark = (
            "[green]✓[/]" if finding.good else "[red]✗[/]" if finding.required else "[yellow]![/]"
        )
        Console(highlight=False, soft_wrap=True).print(
            f"{mark} [bold]{finding.subject}[/]: ", end=""
        )
        Console(highlight=False, soft_wrap=True).print(finding.sentence, markup=False)


def _camera(heard: Heard) -> Finding:
    camera = heard.camera
    return Finding("camera", True, True, f"{camera.name}, {camera.transport}.")


def _images(heard: Heard) -> Finding:
    if not heard.image:
        cause = "its publisher sends nothing, or the network drops it (raw images want the DDS profile of diff2i2p_bringup)"
        return Finding(
            "images",
            False,
            True,
            f"None came on {heard.camera.name} in {heard.seconds:g} s: {cause}.",
        )
    kind = (
        f"{heard.image.width}x{heard.image.height} {heard.image.encoding}"
        if hasattr(heard.image, "encoding")
        else heard.image.format
    )
    slow = heard.rate < SLOW
    return Finding(
        "images",
        not slow,
        False,
        f"{heard.rate:.1f} a second, {kind}{': tracking wants more than one' if slow else ''}.",
    )


def _qos(heard: Heard) -> Finding:
    remark = (
        ", which a subscriber with reliability: reliable would not hear"
        if heard.reliability == "best_effort"
        else ""
    )
    return Finding(
        "qos",
        True,
        False,
        f"{heard.camera.name} is offered {heard.reliability.replace('_', ' ')}{remark}.",
    )


def _stamps(heard: Heard) -> Finding:
    stamp = convert.seconds(heard.image.header.stamp)
    if stamp == 0:
        return Finding(
            "stamps",
            False,
            False,
            "The images have none: nothing can be tracked, nor put into TF at the right time.",
        )
    if abs(heard.age) > STRANGE:
        remedy = "play a bag with --clock, and take its time alone"
        sentence = f"The images are stamped by another clock than {heard.clock}: {remedy}."
        return Finding("stamps", False, False, sentence)
    if abs(heard.age) > LATE:
        way = "behind" if heard.age > 0 else "ahead of"
        remedy = "synchronise the computers (chrony)"
        sentence = f"The images are {abs(heard.age):.1f} s {way} {heard.clock}: {remedy}."
        return Finding("stamps", False, False, sentence)
    return Finding(
        "stamps", True, False, f"{1e3 * heard.age:.0f} ms from the image's stamp to its arrival."
    )


def _calibration(heard: Heard) -> Finding:
    if not heard.info:
        remedy = "start the driver with its calibration file, or name the topic with --camera-info"
        return Finding(
            "calibration", False, True, f"Nothing came on {heard.camera.info}: {remedy}."
        )
    try:
        rectified = is_rectified(heard.camera.name)
        camera = convert.camera(heard.info, rectified)
        rectify(convert.image(heard.image), camera, 320)
    except (CameraError, ImageError) as error:
        return Finding("calibration", False, True, f"{heard.camera.info}: {error}.")
    distortion = camera.model if camera.D else "no distortion"
    told = (
        f"{heard.camera.info}: {camera.width}x{camera.height}, fx {camera.K[0]:.1f}, {distortion}"
    )
    if rectified and any(heard.info.d):
        doubt = "its D is for raw images, and the topic's name says that these are rectified"
        return Finding("calibration", True, True, f"{told}: {doubt}, so P is used.")
    return Finding("calibration", True, True, f"{told}.")


def _tf(probe: Probe, heard: Heard, options: argparse.Namespace) -> Finding:
    required = options.tf_mode == "map_odom"
    frame = options.camera_frame or heard.frame
    if not frame:
        return Finding(
            "tf",
            False,
            True,
            "The images name no frame: set frame_id in the driver, or camera_frame in the localizer.",
        )
    probe.wait(lambda: not probe.transform_problem(options.odom_frame, frame), options.listen)
    if problem := probe.transform_problem(options.odom_frame, frame):
        remedy = (
            "start odometry and robot_state_publisher"
            if required
            else "fine for tf_mode map_camera, not for map_odom"
        )
        return Finding(
            "tf", False, required, f"No {options.odom_frame} -> {frame} ({problem}): {remedy}."
        )
    return Finding(
        "tf", True, required, f"{options.odom_frame} -> {frame} is known: tf_mode map_odom works."
    )


def _frame(probe: Probe, heard: Heard, options: argparse.Namespace) -> list[Finding]:
    """Whether the images are stamped in a frame that stands as a camera's does."""
    frame = options.camera_frame or heard.frame
    T_odom_frame = probe.transform(options.odom_frame, frame)
    if T_odom_frame is None or not is_body_frame(T_odom_frame):
        return []
    told = f"The images are stamped in {frame}, {NO_OPTICAL_FRAME}, with camera_frame."
    return [Finding("camera frame", False, False, told)]


def _clock(probe: Probe) -> Finding:
    if not probe.follow_clock():
        silent = "Somebody publishes /clock, but no time comes: is the bag or simulation paused?"
        return Finding("clock", False, False, silent)
    if probe.is_simulated:
        return Finding("clock", True, False, "The time is that of /clock: set use_sim_time.")
    return Finding("clock", True, False, "The time is this computer's; nobody publishes /clock.")


def _localizer(heard: Heard) -> Finding:
    if not heard.diagnostics:
        return Finding(
            "localizer",
            False,
            False,
            "None is running: ros2 launch diff2i2p_bringup localize.launch.py map:=MAP.",
        )
    told = [
        f"{name.partition(':')[0]} {LEVELS[status.level]}: {status.message}"
        for name, status in sorted(heard.diagnostics.items())
    ]
    return Finding(
        "localizer",
        all(s.level == DiagnosticStatus.OK for s in heard.diagnostics.values()),
        False,
        f"{'; '.join(told)}.",
    )


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="check_bringup", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add_camera_options(parser)
    mode = "what the localizer is to publish"
    parser.add_argument("--tf-mode", choices=TF_MODES, default=TF_MODES[0], help=mode)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser.parse_args(arguments)


def add_camera_options(parser: argparse.ArgumentParser) -> None:
    """Which camera is meant."""
    parser.add_argument(
        "--image", default="", help="topic of the images; default: the only camera that is up"
    )
    parser.add_argument(
        "--camera-info",
        default="",
        help="topic of their calibration; default: camera_info beside them",
    )
    parser.add_argument(
        "--camera-frame",
        default="",
        help="optical frame of the camera; default: the frame_id of the images",
    )
    parser.add_argument("--odom-frame", default="odom", help="frame of the odometry")
    parser.add_argument("--patience", type=float, default=10.0, help="seconds to wait for a camera")
    parser.add_argument("--listen", type=float, default=3.0, help="seconds to listen to it")


if __name__ == "__main__":
    sys.exit(main())
