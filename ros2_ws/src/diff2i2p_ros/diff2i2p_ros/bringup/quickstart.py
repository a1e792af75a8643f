# SPDX-License-Identifier: Apache-2.0
"""`ros2 run diff2i2p_ros quickstart --map site.pcd`: from a cloud and a camera that is up to poses, or to what is missing, in one sentence.

Compiles the map if needed, finds the camera, writes a parameters file for next time, starts the localizer, and looks whether its poses
verify. It then runs until Ctrl-C. Exit code 0: poses verified; 1: they did not; 2: something is missing.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.utilities import remove_ros_args
from rich.console import Console
from std_msgs.msg import String

from diff2i2p.config import Config
from diff2i2p.localization.result import Status
from diff2i2p_ros.bringup.check_bringup import add_camera_options, hear, of_camera
from diff2i2p_ros.bringup.probe import Heard, Probe, use_dds_profile
from diff2i2p_ros.node_main import run, undisturbed, until_interrupted
from diff2i2p_ros.node_runner import end
from diff2i2p_ros.parameters import NodeConfig, params_file

ENOUGH = 10  # verified poses that show that it works
COMPILED = ".i2pmap"
LOCALIZER = "localizer"
COMMAND = [sys.executable, "-m", "diff2i2p_ros.localizer_node"]
FIRST_ANSWER = 90.0  # seconds: torch, weights and map are loaded before it
UNKNOWN_PLACE = (
    "is this the place of the map? Weights adapted to it know it better (diff2i2p-train adapt)"
)
REMEDIES = {
    Status.NO_CANDIDATES.name: UNKNOWN_PLACE,
    Status.NO_MATCHES.name: UNKNOWN_PLACE,
    Status.PNP_FAILED.name: "is the calibration this camera's, and the map in metres?",
    Status.REJECTED_LOW_CONFIDENCE.name: "light or rooms may have changed since mapping: adapt weights to the site (diff2i2p-train adapt)",
    Status.REJECTED_MOTION.name: "does odometry slip, or the camera jump? See track.odometry_drift, without it track.max_speed",
    "UNUSABLE_IMAGE": "mend that first",
}
console = Console(highlight=False, soft_wrap=True)


class QuickstartError(ValueError):
    """Something is missing: one sentence with the remedy."""


@dataclass
class Outcome:
    """What the localizer has said so far."""

    answers: list[dict] = field(default_factory=list)
    fault: str = ""  # why it cannot work, by its diagnostics
    told: str = ""  # the last thing on diagnostics

    @property
    def verified(self) -> list[dict]:
        return [answer for answer in self.answers if answer["status"] == "OK"]

    @property
    def sentence(self) -> str:
        """The verdict."""
        if self.verified:
            confidence, latency = (
                median(answer[key] for answer in self.verified)
                for key in ("confidence", "latency_ms")
            )
            share = f"{len(self.verified)} of {len(self.answers)} images"
            return f"It works: the poses of {share} were verified, median confidence {confidence:.2f}, {latency:.0f} ms."
        if not self.answers:
            return (
                f"No image was answered: {self.fault or self.told or 'the localizer says nothing'}."
            )
        status, count = Counter(answer["status"] for answer in self.answers).most_common(1)[0]
        reason = next(answer["reason"] for answer in self.answers if answer["status"] == status)
        return f"No pose was verified; {count} of {len(self.answers)} images: {reason}; {REMEDIES[status]}"


def main(arguments: list[str] | None = None) -> int:
    """Run it all; the exit code is that of the verdict."""
    words = sys.argv if arguments is None else ["quickstart", *arguments]
    options = _options(remove_ros_args(words)[1:])
    use_dds_profile()
    verdict: list[int] = []
    code = run(Probe, words, lambda probe: verdict.append(start(probe, options)))
    return verdict[0] if verdict else code or 1


def start(probe: Probe, options: argparse.Namespace) -> int:
    """Camera, map, parameters, localizer, verdict. Raises QuickstartError, ProbeError, MapError and their like."""
    if not options.map.is_file():
        raise QuickstartError(
            f"there is no {options.map}: name a point cloud (.pcd, .ply, .las, .xyz) or a compiled map with --map"
        )
    heard, settings = seen(probe, options)
    if (LOCALIZER, probe.get_namespace()) in probe.get_node_names_and_namespaces():
        raise QuickstartError(
            "a localizer is running already: stop it first, or give another namespace (--ros-args -r __ns:=/robot)"
        )
    out, weights = options.out or Path(options.map.stem), weights_of(options)
    map_file = compiled(options.map, out, weights)
    kept = {"map_file": map_file, "last_pose_file": out / "last_pose.json"}
    settings = replace(
        settings, weights=weights, **{name: str(path.absolute()) for name, path in kept.items()}
    )
    file, command = out / "localizer.yaml", reuse(out / "localizer.yaml", heard, probe)
    out.mkdir(parents=True, exist_ok=True)
    file.write_text(
        params_file(
            settings, Config(), head=f"# Written by quickstart. To use it:\n#   {command}\n"
        )
    )
    console.print(f"parameters: {file}; next time:\n  {command}", markup=False)
    return try_out(
        probe, [*COMMAND, "--ros-args", "--params-file", str(file), *renamed(heard, probe)], options
    )


def try_out(probe: Probe, command: list[str], options: argparse.Namespace) -> int:
    """Run the localizer, tell whether it works, and let it run on if it does."""
    node = subprocess.Popen(command)
    try:
        outcome = watch(probe, node, options.seconds)
        console.print(
            outcome.sentence, style="bold green" if outcome.verified else "bold red", markup=False
        )
        if outcome.verified and not options.check:
            console.print("Ctrl-C ends it.")
            with until_interrupted():
                probe.wait(lambda: node.poll() is not None, float("inf"))
        return 0 if outcome.verified else 1
    finally:
        with undisturbed():
            end(node)


def weights_of(options: argparse.Namespace) -> str:
    """Those asked for, or those the map was compiled with; for a cloud the generic ones. Empty: appearance alone.

    Raises WeightsError, MapError, QuickstartError.
    """
    from diff2i2p.mapping.compiled_map import CompiledMap
    from diff2i2p.weights import GENERIC, find_weights, shipped_name

    if options.weights:
        find_weights(options.weights)
        return options.weights
    if options.map.suffix != COMPILED:
        return GENERIC
    digest = CompiledMap.open(options.map).header.get("weights_sha256")
    name = "" if digest is None else shipped_name(digest)
    if name is None:
        raise QuickstartError(
            f"{options.map} was compiled with weights that are not shipped: name their file with --weights"
        )
    return name


def compiled(source: Path, out: Path, weights: str) -> Path:
    """The compiled map of a cloud: as given, as made before, or made now. Raises QuickstartError."""
    if source.suffix == COMPILED:
        return source
    made = out / f"{source.stem}{COMPILED}"
    if is_current(made, source, weights):
        console.print(f"map: {made}, compiled before", markup=False)
        return made
    console.print(f"compiling {source}: once, minutes for a large building", markup=False)
    arguments = [str(source), "--out", str(made), "--weights", weights or "none"]
    try:
        command = [sys.executable, "-m", "diff2i2p.cli", "compile-map", *arguments]
        is_compiled = not subprocess.run(command).returncode
    finally:  # a compiler that has been killed leaves the half of it
        made.with_name(f"{made.name}.part").unlink(missing_ok=True)
    if not is_compiled:
        raise QuickstartError(f"{source} could not be compiled, for the reason above")
    return made


def is_current(made: Path, source: Path, weights: str) -> bool:
    """Whether a compiled map is there, is not older than its cloud, and was compiled with these weights."""
    from diff2i2p.mapping.compiled_map import CompiledMap, MapError
    from diff2i2p.weights import find_weights, sha256

    if not made.is_file() or made.stat().st_mtime < source.stat().st_mtime:
        return False
    try:
        return CompiledMap.open(made).header.get("weights_sha256") == (
            sha256(find_weights(weights)) if weights else None
        )
    except MapError:
        return False


def seen(probe: Probe, options: argparse.Namespace) -> tuple[Heard, NodeConfig]:
    """What comes from the camera, and the settings that suit it. Raises ProbeError, QuickstartError with what is missing."""
    heard = hear(probe, options)
    for finding in of_camera(heard):
        console.print(f"{finding.subject}: {finding.sentence}", markup=False)
        if finding.required and not finding.good:
            raise QuickstartError(finding.sentence.rstrip("."))
    frame = options.camera_frame or heard.frame
    with_odometry = frame and probe.wait(
        lambda: not probe.transform_problem(options.odom_frame, frame), options.listen
    )
    tf_mode = "map_odom" if with_odometry else "map_camera"
    why = (
        f"TF knows {options.odom_frame} -> {frame}"
        if with_odometry
        else f"TF knows no {options.odom_frame} -> {frame or 'camera'}"
    )
    console.print(f"tf: {why}, so tf_mode is {tf_mode}", markup=False)
    settings = NodeConfig(
        tf_mode=tf_mode,
        image_transport=heard.camera.transport,
        camera_frame=options.camera_frame,
        odom_frame=options.odom_frame,
    )
    return heard, settings


def renamed(heard: Heard, probe: Probe) -> list[str]:
    """Namespace, topics and clock, as arguments of the node."""
    rules = (
        f"__ns:={probe.get_namespace()}",
        f"image:={heard.camera.base}",
        f"camera_info:={heard.camera.info}",
    )
    simulated = ["-p", "use_sim_time:=true"] if probe.count_publishers("/clock") else []
    return [word for rule in rules for word in ("-r", rule)] + simulated


def reuse(file: Path, heard: Heard, probe: Probe) -> str:
    """The launch command that does the same again."""
    simulated = " use_sim_time:=true" if probe.count_publishers("/clock") else ""
    topics = f"image:={heard.camera.base} camera_info:={heard.camera.info}"
    namespace = (
        f" namespace:={probe.get_namespace().lstrip('/')}" if probe.get_namespace() != "/" else ""
    )
    return f"ros2 launch diff2i2p_bringup localize.launch.py params_file:={file.absolute()} {topics}{namespace}{simulated}"


def watch(probe: Probe, node: subprocess.Popen, seconds: float) -> Outcome:
    """Listen to the localizer until enough poses are verified, it gives up, or `seconds` have passed since its first answer."""
    outcome, name = Outcome(), f"{probe.get_namespace().rstrip('/')}/{LOCALIZER}: localization"

    def on_diagnostics(message: DiagnosticArray) -> None:
        for status in (status for status in message.status if status.name == name):
            outcome.told = status.message
            outcome.fault = status.message if status.level == DiagnosticStatus.ERROR else ""

    subscriptions = [
        probe.create_subscription(
            String, "status", lambda message: outcome.answers.append(json.loads(message.data)), 100
        ),
        probe.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, 10),
    ]
    ended = "the localizer has ended, for the reason above"

    def settled() -> bool:
        if node.poll() is not None:
            outcome.fault = ended
        return bool(outcome.fault) or len(outcome.verified) >= ENOUGH

    with console.status("waiting for the first answer"):
        probe.wait(lambda: settled() or outcome.answers, FIRST_ANSWER)
    with console.status("looking whether poses verify"):
        probe.wait(settled, seconds if outcome.answers else 0)
    for subscription in subscriptions:
        probe.destroy_subscription(subscription)
    return outcome


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="quickstart", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--map", type=Path, required=True, help="point cloud, or compiled map (.i2pmap)"
    )
    weights = (
        "weights of the network, file or name; default: those of the map, of a cloud generic ones"
    )
    parser.add_argument("--weights", default="", help=weights)
    add_camera_options(parser)
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for map, parameters and last pose; default: named after the map",
    )
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="how long to wait for verified poses"
    )
    parser.add_argument(
        "--check", action="store_true", help="end with the verdict instead of running on"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
