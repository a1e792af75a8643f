# SPDX-License-Identifier: Apache-2.0
"""Damage every kind of input thousands of times: `python tests/fuzz/fuzz.py`.

Each must be taken, or refused with the documented error in one sentence: no crash, no hang, no memory bomb. Exit code 1 with findings;
`--only TARGET --number N --keep FILE` repeats one with its traceback and keeps the bytes.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path

os.environ |= {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}  # a forked child has no thread pool, and would wait for it

from harness import Target, run  # noqa: E402
from inputs import targets  # noqa: E402


def main() -> int:
    args = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        chosen = [target for target in targets(Path(folder)) if args.only in (None, target.name)]
        if args.number is not None:
            return repeat(chosen[0], args.number, args.keep)
        report = campaign(chosen, args.mutations)
    mutations, findings = (
        sum(row["mutations"] for row in report.values()),
        sum(len(row["findings"]) for row in report.values()),
    )
    if args.json:
        print(json.dumps({"mutations": mutations, "targets": report}))
    print(f"{mutations} mutations, {findings} findings", file=sys.stderr)
    return 1 if findings else 0


def campaign(chosen: list[Target], mutations: int) -> dict[str, dict]:
    """Share the mutations out among the targets; the figures of each, a row on stderr as they come."""
    print(
        f"{'input':16}{'mutations':>10}{'accepted':>10}{'refused':>10}{'findings':>10}{'seconds':>9}",
        file=sys.stderr,
    )
    total, report = sum(target.share for target in chosen), {}
    for target in chosen:
        count, began = -(-mutations * target.share // total), time.monotonic()
        outcome = run(target, count)
        report[target.name] = (
            {"mutations": count} | asdict(outcome) | {"seconds": round(time.monotonic() - began, 1)}
        )
        columns = count, outcome.accepted, outcome.refused, len(outcome.findings)
        print(
            f"{target.name:16}"
            + "".join(f"{n:10}" for n in columns)
            + f"{time.monotonic() - began:9.1f}",
            file=sys.stderr,
        )
        for number, what in sorted(outcome.findings.items())[:20]:
            print(f"  {number}: {what}", file=sys.stderr)
    return report


def repeat(target: Target, number: int, keep: Path | None) -> int:
    """One mutation in this process, with its traceback."""
    data = target.damaged(number)
    if keep:
        keep.write_bytes(data)
    try:
        target.read(data)
        print("accepted")
    except target.refusals as error:
        print(f"refused: {type(error).__name__}: {error}")
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--only", help="one kind of input")
    parser.add_argument("--number", type=int, help="this mutation of it alone, with its traceback")
    parser.add_argument("--keep", type=Path, help="where to keep its bytes")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
