# SPDX-License-Identifier: Apache-2.0
"""Damage done to bytes, the same for the same generator: what disks, cables and ill will do to files and messages."""

import math
import random
import re
import struct
from itertools import islice

HEADER = 400  # bytes at the beginning, where lies do most
NUMBERS = b"-1 0 1 7 255 65535 65536 2147483647 4294967295 99999999999 900000000000000 1e308 -1e39 1e-320 nan inf .inf 0x10 1_0 []".split()
INTEGERS = (
    0,
    1,
    -1,
    7,
    127,
    128,
    255,
    32767,
    65535,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 40,
    (1 << 63) - 1,
)
REALS = (0.0, -1.0, 1e-45, 1e9, 3e38, 1e308, math.nan, math.inf, -math.inf)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """`data` after one to three injuries."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice(INJURIES)(data, rng)
    return data


def _place(data: bytes, rng: random.Random) -> int:
    return rng.randrange(max(min(len(data), rng.choice((HEADER, len(data)))), 1))


def _put(data: bytes, at: int, piece: bytes) -> bytes:
    return data[:at] + piece + data[at + len(piece) :]


def _flip_bits(data: bytes, rng: random.Random) -> bytes:
    flipped = bytearray(data or b"\0")
    for _ in range(rng.randint(1, 8)):
        flipped[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def _overwrite(data: bytes, rng: random.Random) -> bytes:
    return _put(data, _place(data, rng), rng.randbytes(rng.randint(1, 16)))


def _lie_in_an_integer(data: bytes, rng: random.Random) -> bytes:
    kind = rng.choice("BHIQ")
    number = rng.choice(INTEGERS) % (1 << 8 * struct.calcsize(kind))
    return _put(
        data, _place(data, rng) & rng.choice((~0, ~3)), struct.pack(rng.choice("<>") + kind, number)
    )


def _lie_in_a_real(data: bytes, rng: random.Random) -> bytes:
    kind, number = rng.choice("fd"), rng.choice(REALS)
    if kind == "f" and 3.4e38 < abs(number) < math.inf:
        number = 3e38
    piece = struct.pack(rng.choice("<>") + kind, number)
    return _put(data, _place(data, rng) & rng.choice((~0, ~3)), piece)


def _lie_in_a_written_number(data: bytes, rng: random.Random) -> bytes:
    return _replace(data, rb"[-+.\deE]*\d[-+.\deE]*", rng.choice(NUMBERS), rng)


def _replace(data: bytes, pattern: bytes, piece: bytes, rng: random.Random) -> bytes:
    """One of the first hundred matches of `pattern` replaced."""
    found = [match.span() for match in islice(re.finditer(pattern, data), 100)]
    if not found:
        return _flip_bits(data, rng)
    begin, end = rng.choice(found)
    return data[:begin] + piece + data[end:]


def _swap_words(data: bytes, rng: random.Random) -> bytes:
    words = re.findall(rb"[A-Za-z_]{3,20}", data[: 4 * HEADER])
    return (
        _replace(data[: 4 * HEADER], rb"[A-Za-z_]{3,20}", rng.choice(words or [b"x"]), rng)
        + data[4 * HEADER :]
    )


def _truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: _place(data, rng)]


def _delete(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + rng.choice((1, 2, 4, 8, 64, 1024)) :]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    at, length = _place(data, rng), rng.choice((1, 4, 16, 256, 4096))
    return (
        data[: at + length] + data[at : at + length] * rng.choice((1, 1, 50)) + data[at + length :]
    )


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return (
        data[:at]
        + rng.choice((b"\0", b"\n", b"[", b" ", b"{" * 2000, b"[" * 2000, rng.randbytes(9)))
        + data[at:]
    )


INJURIES = (
    _flip_bits, _flip_bits, _overwrite, _lie_in_an_integer, _lie_in_an_integer, _lie_in_a_real, _lie_in_a_written_number,
    _lie_in_a_written_number, _swap_words, _truncate, _delete, _repeat, _insert,
)  # fmt: skip
