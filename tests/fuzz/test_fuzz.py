# SPDX-License-Identifier: Apache-2.0
"""Damaged files and messages are taken or refused with the documented error: no crash, no hang, no memory bomb."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from harness import Target

FOLDER = Path(__file__).parent
PLANTED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from harness import Target, run

def read(data):
    if data == whole:
        return
    {fault}
    raise ValueError("refused")

whole = bytes(range(200))
outcome = run(Target("planted", (whole,), read, (ValueError,)), 4, memory=64 << 20, seconds=0.2)
print(outcome.findings.get(0, ""))
"""


def test_fifteen_hundred_damaged_inputs_are_taken_or_refused_as_documented():
    command = [sys.executable, FOLDER / "fuzz.py", "--mutations", "1500", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    report = json.loads(done.stdout or "{}")
    assert report.get("mutations", 0) >= 1500, done.stderr
    assert {
        name: row["findings"] for name, row in report["targets"].items() if row["findings"]
    } == {}
    assert all(
        row["accepted"] + row["refused"] == row["mutations"] and row["refused"]
        for row in report["targets"].values()
    )


@pytest.mark.parametrize(
    "fault, said",
    [
        ("os.abort()", "crashed with SIGABRT"),
        ("os._exit(3)", "ended its process with code 3"),
        ("while True: pass", "took more than its time"),
        ("bytearray(1 << 30)", "MemoryError"),
        ("raise KeyError('x')", "KeyError: 'x'"),
        ("raise ValueError('two\\nlines')", "no sentence"),
        ("raise ValueError('cannot allocate')", "ran out of memory"),
        ("return None", ""),
    ],
)
def test_a_planted_fault_is_found(fault, said):
    done = subprocess.run(
        [sys.executable, "-c", PLANTED.format(fault=fault), FOLDER], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(said) if said else done.stdout == "\n"


def test_a_mutation_is_the_same_wherever_it_is_repeated():
    target = Target("cloud.ply", (b"ply" * 100,), read=len, refusals=())
    assert (
        hashlib.sha256(b"".join(map(target.damaged, range(100))))
        .hexdigest()
        .startswith("954c883f9374a1b1")
    )
