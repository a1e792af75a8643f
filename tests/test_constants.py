# SPDX-License-Identifier: Apache-2.0
"""Every number that is a constant of the library says where it comes from.

The comment on a module's constant, on its line, above it, or above the block of constants that it
is in, has one of these words with a colon: *defined* (it is what a word means, or how a thing
looks), *bound* (generous, against mistakes and abuse), *derived* (from what the comment names),
*cited* (a paper or a standard), *measured* (by the command in backticks). A number with no such
source belongs into config.py as a parameter.
"""

import ast
import re

import pytest

SOURCE = re.compile(r"\b(defined|bound|derived|cited|measured): ")
COMMAND = re.compile(r"measured: `python (\S+\.py)")

# Constants that do not say it yet, by folder or file. They only get fewer.
SILENT = {
    "camera.py": 4,
    "cloud": 26,
    "datasets": 29,
    "geometry.py": 3,
    "localization": 39,
    "mapping": 43,
    "matchers": 12,
    "network": 13,
    "pose": 21,
    "render.py": 2,
    "weights": 1,
}


def constants(text: str) -> dict[str, str]:
    """Names on the left of each module-level assignment of numbers -> the comments on it."""
    lines, body = text.splitlines(), ast.parse(text).body
    found, block = {}, 0  # the first line, from 0, of the block that a statement is in
    for before, node in zip([None, *body], body, strict=False):
        if not isinstance(before, ast.Assign | ast.AnnAssign) or "" in _between(
            lines, before, node
        ):
            block = before.end_lineno if before else 0
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and has_number(node.value):
            above = [line for line in lines[block : node.lineno - 1] if line.startswith("#")]
            here = [line.partition("  # ")[2] for line in lines[node.lineno - 1 : node.end_lineno]]
            name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            found[name] = "\n".join(above + here)
    return found


def _between(lines: list[str], before: ast.stmt, after: ast.stmt) -> list[str]:
    """Lines between two statements, stripped."""
    return [line.strip() for line in lines[before.end_lineno : after.lineno - 1]]


def has_number(value: ast.AST) -> bool:
    """Whether a number is in a value, other than an index or an argument by name."""
    if isinstance(value, ast.Constant):
        return isinstance(value.value, int | float) and not isinstance(value.value, bool)
    passed = (ast.Subscript, ast.keyword)
    return any(
        has_number(part) for part in ast.iter_child_nodes(value) if not isinstance(part, passed)
    )


def silent(top) -> dict[str, set[str]]:
    """Folder or file of the library -> names of the constants in it without a source."""
    found: dict[str, set[str]] = {}
    for path in sorted(top.rglob("*.py")):
        place = path.relative_to(top).parts[0]
        told = constants(path.read_text())
        names = {name for name, comment in told.items() if not SOURCE.search(comment)}
        if names:
            found.setdefault(place, set()).update(f"{path.stem}.{name}" for name in names)
    return found


def test_no_more_constants_than_today_are_without_a_source(root):
    found = silent(root / "models/diff2i2p")
    more = {place: names for place, names in found.items() if len(names) > SILENT.get(place, 0)}
    assert not more, "say in a comment where one of these comes from"
    fewer = {place: len(found.get(place, ())) for place in SILENT}
    assert fewer == SILENT, "there are fewer now: lower SILENT to this"


def test_the_command_that_measured_a_constant_exists(root):
    for path in (root / "models/diff2i2p").rglob("*.py"):
        for command in COMMAND.findall(path.read_text()):
            assert (root / command).is_file(), f"{path.name}: {command}"


@pytest.mark.parametrize(
    "text, sourced",
    [
        ("A = 3  # metres; defined: what near means\n", True),
        ("# derived: half of a pixel\nA = 0.5\n", True),
        ("# cited: a paper\nA = 1\nB = 2\n", True),
        ("# cited: a paper\nA = 1\n\nB = 2\n", False),
        ("# cited: a paper\nA = (\n    1,\n    2,\n)\nB = 2\n", True),
        ("A = 3  # metres\n", False),
        ("A = 3  # redefined\n", False),
    ],
)
def test_a_source_is_a_word_with_a_colon_in_the_comment_of_a_constant(text, sourced):
    *_, comment = constants(text).values()
    assert bool(SOURCE.search(comment)) == sourced
