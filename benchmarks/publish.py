# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: where results go, and how they become tables of BENCHMARK.md.

`python benchmarks/publish.py` draws the tables anew from benchmarks/results.
"""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from reference import reference_ms

from diff2i2p.evaluation.provenance import git_commit, machine

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "out" / "bench"
SHARED = ROOT.parent / "shared" / "data"
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "BENCHMARK.md"
# Results do not make the tree they came from another.
MADE_HERE = ("BENCHMARK.md", "benchmarks/results")
TABLE = re.compile(r"(<!-- table (.+?) -->\n).*?(<!-- /table -->)", re.DOTALL)


def run(*command) -> None:
    """Run one of our commands as a user would; its failure ends the benchmark."""
    print("$", *command, flush=True)
    subprocess.run([sys.executable, "-m", *map(str, command)], check=True, cwd=ROOT)


def through_node(out: Path, *arguments) -> dict:
    """metrics.json of what `make demo` runs: the real node over DDS, and each matcher alone. Out of bounds is a result, too."""
    subprocess.run(
        [sys.executable, "-m", "diff2i2p_ros.demo", *map(str, arguments), "--out", str(out)],
        cwd=ROOT,
        check=False,
    )
    return json.loads((out / "metrics.json").read_text())


def publish(name: str, command: str, header: list[str], rows: list[list]) -> None:
    """Keep a result as out/bench/NAME.json; from a committed tree, also for BENCHMARK.md."""
    record = {"command": command, "machine": machine(), "git": git_commit(besides=MADE_HERE)}
    record |= {"reference_ms": reference_ms(), "header": header, "rows": rows}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    print("\n".join(_markdown(record, header, rows)), flush=True)
    if record["git"].endswith("+"):
        print(f"not published, because the tree has uncommitted changes: {OUT / name}.json")
        return
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    PAGE.write_text(draw(PAGE.read_text()))


def draw(page: str) -> str:
    """A page with its tables drawn from the results. Raises ValueError for a view of what is not there.

    A table stands between `<!-- table NAME: COLUMN, COLUMN; COLUMN=VALUE|VALUE -->` and
    `<!-- /table -->`: columns of NAME.json, all unless named, and the rows with one of the values.
    """
    return TABLE.sub(lambda found: f"{found[1]}{_view(' '.join(found[2].split()))}{found[3]}", page)


def _view(asked: str) -> str:
    choice, *filters = asked.split("; ")
    name, _, columns = choice.partition(": ")
    record = json.loads((RESULTS / f"{name}.json").read_text())
    header, rows = record["header"], record["rows"]
    for column, _, values in (wish.partition("=") for wish in filters):
        place = header.index(column)
        rows = [row for row in rows if str(row[place]) in values.split("|")]
    if not rows:
        raise ValueError(f"no row of {name}.json is asked for by: {asked}")
    places = (
        [header.index(column) for column in columns.split(", ")] if columns else range(len(header))
    )
    picked = [[row[place] for place in places] for row in rows]
    return "\n".join(_markdown(record, [header[place] for place in places], picked)) + "\n"


def _markdown(record: dict, header: list[str], rows: list[list]) -> list[str]:
    """Where a result comes from, and its table."""
    reference = record["reference_ms"] or {}
    told = ", ".join(f"{name} {ms:g} ms" for name, ms in reference.items())
    origin = f"`{record['command']}` on {record['machine']}, commit {record['git']}"
    origin += f"; reference: {told}" if told else ""
    lines = [
        "| " + " | ".join(map(str, row)) + " |" for row in (header, ["---"] * len(header), *rows)
    ]
    return [*textwrap.wrap(origin, 100, break_on_hyphens=False), "", *lines]


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def median(m: dict) -> str:
    """The median error of metrics.json, for a table."""
    return (
        "-"
        if m["median_translation_m"] is None
        else f"{100 * m['median_translation_m']:.1f} cm, {m['median_rotation_deg']:.2f} deg"
    )


def looks(m: dict) -> str:
    return "coloured" if m["colour"] else "bare"


if __name__ == "__main__":
    PAGE.write_text(draw(PAGE.read_text()))
