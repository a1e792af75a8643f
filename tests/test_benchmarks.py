# SPDX-License-Identifier: Apache-2.0
"""BENCHMARK.md is drawn from committed results, and what is published comes from committed code."""

import json
import re

import pytest


@pytest.fixture
def publish(root, monkeypatch, tmp_path):
    """The module, whose results and page lie in a folder of the test's own."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    module = pytest.importorskip("publish")
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(module, "OUT", tmp_path / "out")
    monkeypatch.setattr(module, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(module, "reference_ms", lambda: {"SIFT": 40.0, "convolution": 9.5})
    return module


RESULT = {
    "command": "python benchmarks/bench_x.py",
    "machine": "a machine",
    "git": "abc",
    "reference_ms": None,
    "header": ["site", "matcher", "ms"],
    "rows": [["a", "one", 1], ["a", "two", 2], ["b", "one", 3]],
}


def page(view: str) -> str:
    return f"Text.\n<!-- table {view} -->\nwhat was here\n<!-- /table -->\nMore.\n"


@pytest.mark.parametrize(
    "view, table",
    [
        ("x", ["| site | matcher | ms |", "| a | one | 1 |", "| a | two | 2 |", "| b | one | 3 |"]),
        ("x: ms, site", ["| ms | site |", "| 1 | a |", "| 2 | a |", "| 3 | b |"]),
        ("x: ms; site=a;\n  matcher=two|three", ["| ms |", "| 2 |"]),
        ("x; site=b", ["| site | matcher | ms |", "| b | one | 3 |"]),
    ],
)
def test_a_table_shows_the_columns_and_rows_that_its_marker_names(publish, tmp_path, view, table):
    (tmp_path / "x.json").write_text(json.dumps(RESULT))
    drawn = publish.draw(page(view))
    rows = [line for line in drawn.splitlines() if line.startswith("| ") and "---" not in line]
    assert rows == table and "`python benchmarks/bench_x.py` on a machine, commit abc\n" in drawn
    assert (
        publish.draw(drawn) == drawn and drawn.startswith("Text.\n") and drawn.endswith("More.\n")
    )


@pytest.mark.parametrize("view", ["x: year", "x; site=c"])
def test_a_view_of_what_is_not_there_is_refused(publish, tmp_path, view):
    (tmp_path / "x.json").write_text(json.dumps(RESULT))
    with pytest.raises(ValueError):
        publish.draw(page(view))


@pytest.mark.parametrize("commit, published", [("abc", True), ("abc+", False)])
def test_only_results_of_committed_code_reach_the_page(
    publish, tmp_path, monkeypatch, commit, published
):
    monkeypatch.setattr(publish, "git_commit", lambda besides: commit)
    (tmp_path / "x.json").write_text(json.dumps(RESULT))
    publish.PAGE.write_text(page("x: ms"))
    publish.publish("x", "python benchmarks/bench_x.py", ["ms"], [[77]])
    assert json.loads((tmp_path / "out/x.json").read_text())["rows"] == [[77]]
    told = " ".join(publish.PAGE.read_text().split())
    assert ("| 77 |" in told) == published
    assert ("reference: SIFT 40 ms, convolution 9.5 ms" in told) == published


def test_the_page_is_what_the_committed_results_say_short_and_narrow(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    text = (root / "BENCHMARK.md").read_text()
    assert pytest.importorskip("publish").draw(text) == text, "run benchmarks/publish.py"
    lines = text.splitlines()
    assert len(lines) <= 300 and max(map(len, lines)) <= 100


def test_every_result_names_a_command_that_exists_a_machine_and_a_commit(root):
    results = [
        json.loads(path.read_text()) for path in (root / "benchmarks/results").glob("*.json")
    ]
    assert results
    for result in results:
        script = re.search(r"benchmarks/\w+\.py|make soak", result["command"])[0]
        assert script == "make soak" or (root / script).is_file()
        assert result["machine"] and re.fullmatch(r"[0-9a-f]{7,12}\+?", result["git"])
        assert all(len(row) == len(result["header"]) for row in result["rows"])


def test_what_documents_name_in_this_repository_is_there(root):
    pages = [root / "README.md", root / "BENCHMARK.md", *(root / "docs").rglob("*.md")]
    for path in pages:
        for link in re.findall(r"\]\(([^)#]+)", path.read_text()):
            assert link.startswith("http") or (path.parent / link).exists(), f"{path.name}: {link}"


def test_the_reference_is_fixed_work_that_takes_time(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    reference = pytest.importorskip("reference").reference_ms()
    assert reference.keys() == {"SIFT", "convolution"} and min(reference.values()) > 0
