# SPDX-License-Identifier: Apache-2.0
"""Feeds damaged inputs to readers in a process of its own, whose memory and time are limited, and tells what went wrong."""

import json
import mmap
import os
import random
import re
import resource
import signal
import struct
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mutations import mutate

MEMORY = 512 << 20  # bytes a reader may take on top of what the process has
DEATHS = {signal.SIGVTALRM: "took more than its time", signal.SIGALRM: "stood still"}
SECONDS = 10.0  # of its own processor time that a reader may take
OUT_OF_MEMORY = re.compile(
    r"can.?not allocate|can't allocate|bad_alloc|insufficient memory|out of memory", re.IGNORECASE
)
STILL = 300.0  # by the clock: it waits for something


@dataclass(frozen=True)
class Target:
    """A kind of input: whole samples of it, and the reader, which returns when it takes the input and raises a refusal when not."""

    name: str
    samples: tuple[bytes, ...]
    read: Callable[[bytes], None]
    refusals: tuple[type[Exception], ...]
    share: int = 10  # of the mutations, relative to the other targets
    mutate: Callable[[bytes, random.Random], bytes] = mutate

    def damaged(self, number: int) -> bytes:
        """Mutation `number`, always the same."""
        return self.mutate(
            self.samples[number % len(self.samples)], random.Random(f"{self.name} {number}")
        )


@dataclass(frozen=True)
class Outcome:
    """What became of the mutations of one target."""

    accepted: int
    refused: int
    findings: dict[int, str]  # by number: neither accepted nor refused as documented


def run(target: Target, count: int, memory: int = MEMORY, seconds: float = SECONDS) -> Outcome:
    """Mutations 0 to count - 1 of a target. A reader that takes its process down costs the one mutation.

    What is not damaged must be accepted; if it is not, that is finding -1, for nothing else would mean much.
    """
    if spoilt := [
        verdict for verdict in (judge(target, sample) for sample in target.samples) if verdict != ""
    ]:
        return Outcome(0, 0, {-1: f"the whole sample is not accepted: {spoilt[0] or 'refused'}"})
    shared = mmap.mmap(
        -1, 12
    )  # number at hand, accepted, refused: survives the process that writes it
    findings: dict[int, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "findings"
        while struct.unpack("<3I", shared)[0] < count:
            pid = os.fork()
            if not pid:
                _limited(target, count, memory, seconds, shared, told)
            _, status = os.waitpid(pid, 0)
            number, accepted, refused = struct.unpack("<3I", shared)
            if number < count:
                findings[number] = _death(status)
                shared[:] = struct.pack("<3I", number + 1, accepted, refused)
        lines = told.read_text().splitlines() if told.exists() else []
    return Outcome(
        *struct.unpack("<3I", shared)[1:],
        findings | {int(number): what for number, what in map(json.loads, lines)},
    )


def _limited(
    target: Target, count: int, memory: int, seconds: float, shared: mmap.mmap, told: Path
) -> None:
    """The child: never returns."""
    try:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), 2
        )  # decoders tell their trouble there, thousands of times
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * mmap.PAGESIZE + memory,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        warnings.simplefilter("error")  # numpy's would reach the user's terminal
        number, accepted, refused = struct.unpack("<3I", shared)
        while number < count:
            signal.setitimer(
                signal.ITIMER_VIRTUAL, seconds
            )  # their signals end the process, whatever library it is in
            signal.setitimer(signal.ITIMER_REAL, STILL)
            verdict = judge(target, target.damaged(number))
            accepted, refused = accepted + (verdict == ""), refused + (verdict is None)
            if verdict:
                with told.open("a") as file:
                    file.write(json.dumps([number, verdict]) + "\n")
            number += 1
            shared[:] = struct.pack("<3I", number, accepted, refused)
        os._exit(0)
    finally:
        os._exit(1)


def judge(target: Target, data: bytes) -> str | None:
    """Empty when the input was accepted, None when it was refused as documented, else what is wrong."""
    try:
        target.read(data)
    except target.refusals as error:
        said = str(error)
        if "\n" in said.strip() or len(said) > 700 or not said:
            return f"no sentence: {said[:200]!r}"
        return f"ran out of memory: {said[:200]}" if OUT_OF_MEMORY.search(said) else None
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    return ""


def _death(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return f"ended its process with code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    return DEATHS.get(number, f"crashed with {signal.Signals(number).name}")
