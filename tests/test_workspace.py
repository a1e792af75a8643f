# SPDX-License-Identifier: Apache-2.0
"""The packages install, and their dependencies point the way DESIGN says: training, ros2_ws -> simulation -> models."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROS = {
    "rclpy",
    "tf2_ros",
    "tf2_msgs",
    "sensor_msgs",
    "geometry_msgs",
    "std_msgs",
    "nav_msgs",
    "ament_index_python",
    "diff2i2p_ros",
}
DIFFUSION = {"diffusers", "transformers", "accelerate", "diff2i2p_training"}
PIP = {
    "cv2": "opencv-python-headless",
    "yaml": "PyYAML",
    "rerun": "rerun-sdk",
}  # where pip and Python differ
EXECUTABLES = (
    "diff2i2p/lib/diff2i2p/diff2i2p",
    "diff2i2p_sim/lib/diff2i2p_sim/diff2i2p-sim",
    "diff2i2p_ros/lib/diff2i2p_ros/localizer_node",
    "diff2i2p_ros/lib/diff2i2p_ros/replay_node",
    "diff2i2p_ros/lib/diff2i2p_ros/sim_camera_node",
    "diff2i2p_ros/lib/diff2i2p_ros/demo",
)
LOAD_ENTRY_POINTS = """
import importlib.metadata, sys
for package in ("diff2i2p", "diff2i2p_sim", "diff2i2p_ros"):
    for entry_point in importlib.metadata.distribution(package).entry_points:
        assert callable(entry_point.load()), entry_point
        assert sys.modules[package].__file__.startswith(sys.argv[1]), sys.modules[package].__file__
"""
IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
import diff2i2p
for module in pkgutil.walk_packages(diff2i2p.__path__, "diff2i2p."):
    importlib.import_module(module.name)
print(*{name.partition(".")[0] for name in sys.modules})
"""


@pytest.fixture(scope="module", params=[[], ["--symlink-install"]], ids=["copied", "symlinked"])
def workspace(request, root, tmp_path_factory):
    """The install folder of a colcon build."""
    pytest.importorskip("colcon_core")
    folder = tmp_path_factory.mktemp("workspace")
    places = ["--build-base", folder / "build", "--install-base", folder / "install"]
    build = [
        "colcon",
        "--log-base",
        folder / "log",
        "build",
        "--base-paths",
        root / "ros2_ws" / "src",
        *places,
        *request.param,
    ]
    done = subprocess.run(build, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 packages finished" in done.stdout
    return folder / "install"


def test_colcon_installs_the_executables(workspace):
    missing = [name for name in EXECUTABLES if not os.access(workspace / name, os.X_OK)]
    assert not missing


def test_colcon_installs_launch_files_profile_and_weights(workspace, root):
    share = workspace / "diff2i2p_bringup" / "share" / "diff2i2p_bringup"
    folders = ("params", "rviz", "worlds", "dds")
    shipped = (
        path for name in folders for path in (root / "launch" / name).rglob("*") if path.is_file()
    )
    sources = [*(root / "launch").glob("*.launch.py"), *shipped]
    expected = {share / path.relative_to(root / "launch"): path for path in sources}
    weights = [
        *(root / "models" / "weights").glob("*.yaml"),
        *(root / "models" / "weights").glob("*.safetensors"),
    ]
    expected |= {
        workspace / "diff2i2p" / "share" / "diff2i2p" / "weights" / path.name: path
        for path in weights
    }
    assert share / "dds" / "fastdds.xml" in expected
    assert [
        place
        for place, source in expected.items()
        if not place.exists() or place.read_bytes() != source.read_bytes()
    ] == []


def test_installed_entry_points_load_from_the_workspace(workspace):
    run_sourced(workspace, LOAD_ENTRY_POINTS)


def test_installed_library_finds_the_shipped_weights(workspace, root):
    found = run_sourced(
        workspace, "import diff2i2p.weights; print(diff2i2p.weights.SHIPPED / 'weights.yaml')"
    )
    assert (
        Path(found.strip()).read_text()
        == (root / "models" / "weights" / "weights.yaml").read_text()
    )


def test_installed_library_reads_the_shipped_calibration(workspace, root):
    code = "from diff2i2p.localization.calibration import PATH, calibration; calibration(); print(PATH)"
    shipped = root / "models/diff2i2p/localization/confidence.yaml"
    assert Path(run_sourced(workspace, code).strip()).read_text() == shipped.read_text()


def run_sourced(workspace, code: str) -> str:
    """What Python prints in a shell that has sourced the workspace."""
    command = 'source "$1/setup.bash" && exec "$2" -c "$3" "$(dirname "$1")"'
    done = subprocess.run(
        ["bash", "-c", command, "bash", workspace, sys.executable, code],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("models/diff2i2p", ROS | DIFFUSION | {"diff2i2p_sim"}),
        ("simulation/diff2i2p_sim", ROS | DIFFUSION),
        ("ros2_ws/src/diff2i2p_ros/diff2i2p_ros", DIFFUSION),
        ("training/diff2i2p_training", ROS),
    ],
)
def test_imports_follow_the_arrows(root, folder, forbidden):
    files = sorted((root / folder).rglob("*.py"))
    assert files
    assert [
        f"{path.name} imports {name}" for path in files for name in imported(path) & forbidden
    ] == []


@pytest.mark.parametrize(
    ("folder", "package"),
    [("models", "diff2i2p"), ("simulation", "diff2i2p_sim")],
)
def test_metadata_names_what_a_package_imports(root, folder, package):
    files = (root / folder / package).rglob("*.py")
    names = {name for path in files for name in imported(path)} - set(sys.stdlib_module_names)
    required, extras = stated(root / folder / "setup.py")
    assert {PIP.get(name, name) for name in names - {package}} <= required | extras


def test_the_robot_needs_no_more_than_the_library_with_onnxruntime(root):
    """Its image installs that, and the other packages of the workspace without their requirements."""
    library, _ = stated(root / "models/setup.py")
    for folder in ("simulation", "ros2_ws/src/diff2i2p_ros"):
        assert stated(root / folder / "setup.py")[0] <= library | {"diff2i2p", "diff2i2p_sim"}


def test_only_the_extra_brings_open3d(root):
    required, extras = stated(root / "models/setup.py")
    assert "open3d" in extras and "open3d" not in required


def stated(setup: Path) -> tuple[set[str], set[str]]:
    """Names in install_requires and in all of extras_require of a setup.py."""
    nodes = ast.walk(ast.parse(setup.read_text()))
    call = next(node for node in nodes if isinstance(node, ast.Call) and node.keywords)
    words = {word.arg: word.value for word in call.keywords}
    required = ast.literal_eval(words["install_requires"])
    extras = ast.literal_eval(words["extras_require"]) if "extras_require" in words else {}
    more = {name for extra in extras.values() for name in extra}
    return {name.partition("<")[0] for name in required}, more


def imported(path) -> set[str]:
    """Top-level names of everything a file imports, inside functions too."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    origins = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in plain | origins}


def test_the_library_imports_where_there_is_no_ros():
    bare = {
        "PATH": os.environ["PATH"],
        "_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1",
    }  # the guard alone: the wheels' libraries cannot be found
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING], env=bare, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & (ROS | DIFFUSION)
