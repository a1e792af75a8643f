# SPDX-License-Identifier: Apache-2.0
"""package.xml names what the sources import, so that rosdep installs it, and nothing else."""

import ast
import sys
import xml.etree.ElementTree as xml

import pytest

# where rosdep calls a package by another name than Python does
ROSDEP = {
    "cv2": "python3-opencv", "numpy": "python3-numpy", "rich": "python3-rich", "scipy": "python3-scipy", "tf2_ros": "tf2_ros_py",
    "yaml": "python3-yaml",
}  # fmt: skip
FROM_PIP = {"rosbags"}
NOT_IMPORTED = {
    "lifecycle_msgs",
    "rviz2",
    "diff2i2p_ros",
    "tf2_ros",
}  # spoken over topics and services, or started


@pytest.mark.parametrize(
    "folder, package",
    [("ros2_ws/src/diff2i2p_ros", "diff2i2p_ros"), ("launch", "diff2i2p_bringup")],
)
def test_package_xml_names_what_the_sources_import(root, folder, package):
    sources = [path for path in (root / folder).rglob("*.py") if path.name != "setup.py"]
    assert sources
    imported = (
        {name for path in sources for name in roots(path)}
        - set(sys.stdlib_module_names)
        - FROM_PIP
        - {package}
    )
    named = {depend.text for depend in xml.parse(root / folder / "package.xml").iter("exec_depend")}
    expected = {ROSDEP.get(name, name) for name in imported}
    assert expected <= named, "missing in package.xml"
    assert named - expected <= NOT_IMPORTED, "named in package.xml, but imported nowhere"


def roots(path) -> set[str]:
    """Top-level packages of all that a file imports, inside functions too."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    origins = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in plain | origins}
