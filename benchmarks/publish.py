# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: where results go, and how they become tables of BENCHMARK.md."""

import json
import re
import subprocess
import sys
from pathlib import Path

from diff2i2p.evaluation.provenance import git_commit, machine

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "out" / "bench"
SHARED = ROOT.parent / "shared" / "data"


def run(*command) -> None:
    """Run one of our commands as a user would; its failure ends the benchmark."""
    print("$", *command, flush=True)
    subprocess.run([sys.executable, "-m", *map(str, command)], check=True, cwd=ROOT)


def through_node(out: Path, *arguments) -> dict:
    """metrics.json of what `make demo` runs: the real node over DDS, and each matcher alone. Out of bounds is a result, too."""
    subprocess.run([sys.executable, "-m", "diff2i2p_ros.demo", *map(str, arguments), "--out", str(out)], cwd=ROOT, check=False)
    return json.loads((out / "metrics.json").read_text())


def publish(name: str, command: str, header: list[str], rows: list[list]) -> None:
    """Write out/bench/NAME.json and put the table between the markers of NAME in BENCHMARK.md."""
    OUT.mkdir(parents=True, exist_ok=True)
    record = {"command": command, "machine": machine(), "git": git_commit(), "header": header, "rows": rows}
    (OUT / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    lines = [f"`{command}` on {record['machine']}, commit {record['git']}", ""]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in (header, ["---"] * len(header), *rows)]
    print("\n".join(lines), flush=True)
    page = ROOT / "BENCHMARK.md"
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    text = "\n".join([begin, *lines, end])
    page.write_text(re.sub(f"{begin}.*?{end}", lambda _: text, page.read_text(), flags=re.S))


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def median(m: dict) -> str:
    """The median error of metrics.json, for a table."""
    return "-" if m["median_translation_m"] is None else f"{100 * m['median_translation_m']:.1f} cm, {m['median_rotation_deg']:.2f} deg"


def looks(m: dict) -> str:
    return "coloured" if m["colour"] else "bare"
