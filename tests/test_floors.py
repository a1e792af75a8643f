# SPDX-License-Identifier: Apache-2.0
"""The floors of the library, tools/floors.py: each part imports only what stands below it."""

import ast
import runpy

import pytest

# What still leads up or sideways. An entry that no import needs any more must go: they only get fewer.
UPWARD = {
    ("mapping", "network"),
    ("mapping", "weights"),
}
MUTUAL = {
    "diff2i2p": {("mapping", "network")},
    "diff2i2p_sim": {("robot", "world")},
    "diff2i2p_training": set(),
    "diff2i2p_ros": set(),
}


@pytest.fixture(scope="module")
def floors(root):
    """The module's names."""
    return runpy.run_path(str(root / "tools/floors.py"))


def test_every_part_of_the_library_stands_on_a_floor(floors, root):
    top = root / "models/diff2i2p"
    folders = {path.parent.name for path in top.glob("*/__init__.py")}
    files = {path.stem for path in top.glob("*.py")} - {"__init__"}
    assert folders | files == floors["floor_of"]().keys()


def test_nothing_is_imported_from_a_floor_that_is_not_below(floors):
    assert floors["not_below"]() == UPWARD


@pytest.mark.parametrize("package", MUTUAL)
def test_no_two_parts_of_a_package_import_each_other(floors, package):
    assert floors["mutual"](package) == MUTUAL[package]


def test_an_import_upward_is_seen_wherever_it_stands(floors):
    code = (
        "def late():\n    from diff2i2p.evaluation.run import evaluate\n    import diff2i2p.cli\n"
    )
    assert floors["_names"](ast.parse(code), "diff2i2p") == {"evaluation", "cli"}


def test_the_page_shows_todays_floors(floors, root):
    text = (root / "docs/ARCHITECTURE.md").read_text()
    assert floors["page"](text) == text, "run tools/floors.py"
