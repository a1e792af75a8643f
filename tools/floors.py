#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The floors of the library and who imports whom, drawn from the imports into docs/ARCHITECTURE.md.

`python tools/floors.py` writes the table there. tests/test_floors.py holds the floors.
"""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "ARCHITECTURE.md"
BEGIN, END = "<!-- tools/floors.py writes from here -->\n", "<!-- to here -->\n"

# Folders and files of the library, the highest first; each imports only what stands below it.
FLOORS = (
    ("cli",),
    ("evaluation", "doctor"),
    ("localization",),
    ("matchers",),
    ("weights", "pose", "drawing"),
    ("network",),
    ("mapping",),
    ("datasets",),
    ("render", "geometry"),
    ("camera", "config"),
    ("cloud", "parameters", "correspondences"),
    ("files",),
)
PACKAGES = {
    "diff2i2p": ROOT / "models",
    "diff2i2p_sim": ROOT / "simulation",
    "diff2i2p_training": ROOT / "training",
    "diff2i2p_ros": ROOT / "ros2_ws" / "src" / "diff2i2p_ros",
}


def imports(package: str = "diff2i2p") -> dict[tuple[str, str], set[str]]:
    """(importer, imported) -> the files that do so; folders and top files of a package by name."""
    found = defaultdict(set)
    top = PACKAGES[package] / package
    for path in sorted(top.rglob("*.py")):
        place = path.relative_to(top)
        importer = place.parts[0].removesuffix(".py")
        for imported in _names(ast.parse(path.read_text()), package):
            if imported not in (importer, "__version__"):
                found[importer, imported].add(str(place))
    return dict(found)


def _names(tree: ast.AST, package: str) -> set[str]:
    """First part, after the package, of everything imported of it, inside functions too."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    parts = (name.split(".") for name in names)
    return {part[1] for part in parts if part[0] == package and len(part) > 1}


def floor_of() -> dict[str, int]:
    """Height of each folder and file, 1 the lowest."""
    return {name: len(FLOORS) - depth for depth, names in enumerate(FLOORS) for name in names}


def not_below() -> set[tuple[str, str]]:
    """(importer, imported) of the library where what is imported does not stand below."""
    height = floor_of()
    return {(one, other) for one, other in imports() if height[other] >= height[one]}


def mutual(package: str) -> set[tuple[str, str]]:
    """Pairs of folders or files of a package that import each other, by name."""
    found = imports(package)
    return {pair for pair in found if pair[0] < pair[1] and pair[::-1] in found}


def table() -> str:
    """The floors as Markdown, the highest first; what does not stand below is in bold."""
    found, wrong, height = imports(), not_below(), floor_of()
    rows = ["| floor | | imports |\n|---|---|---|\n"]
    for name in height:
        below = sorted(other for one, other in found if one == name)
        words = (f"**{other}**" if (name, other) in wrong else other for other in below)
        rows.append(f"| {height[name]} | `{name}` | {', '.join(words)} |\n")
    return "".join(rows)


def page(text: str) -> str:
    """A page with its table drawn anew."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
