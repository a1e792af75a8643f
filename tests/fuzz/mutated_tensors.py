# SPDX-License-Identifier: Apache-2.0
"""Damage to what a safetensors file holds, its container left whole: what the reader of the container cannot notice."""

import json
import random
import struct

from mutations import INTEGERS, REALS, mutate

SAME_SIZE = {
    "F32": ("I32", "U32"),
    "F16": ("BF16", "I16"),
    "I64": ("F64", "U64"),
    "U8": ("I8", "BOOL"),
}
PACKED = {"F32": "<f", "F16": "<e", "I64": "<q"}
VALUES = (
    None,
    True,
    0,
    -1,
    1,
    3,
    1 << 16,
    1 << 40,
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "map",
    [],
    [0, 0, 0],
    [1e9] * 3,
    {},
    [[1]],
)


def mutate_tensors(data: bytes, rng: random.Random) -> bytes:
    """A safetensors file after one or two injuries to its tensors or its notes; every fourth time to its bytes instead."""
    if rng.random() < 0.25:
        return mutate(data, rng)
    notes, tensors = _opened(data)
    for _ in range(rng.choice((1, 1, 2))):
        rng.choice((_notes, _notes, _values, _values, _kind, _shape, _cut, _drop))(
            notes, tensors, rng
        )
    return _closed(notes, tensors)


def _opened(data: bytes) -> tuple[dict, dict]:
    """The notes (metadata), and (dtype, shape, bytes) of each tensor."""
    begin = 8 + struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:begin])
    notes = header.pop("__metadata__")
    return notes, {
        name: [
            row["dtype"],
            row["shape"],
            data[begin + row["data_offsets"][0] : begin + row["data_offsets"][1]],
        ]
        for name, row in header.items()
    }


def _closed(notes: dict, tensors: dict) -> bytes:
    header, at = {"__metadata__": notes}, 0
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(content)]}
        at += len(content)
    head = json.dumps(header).encode()
    return (
        struct.pack("<Q", len(head))
        + head
        + b"".join(content for _, _, content in tensors.values())
    )


def _notes(notes: dict, tensors: dict, rng: random.Random) -> None:
    name = rng.choice(sorted(notes))
    try:
        said = json.loads(notes[name])
    except ValueError:
        notes[name] = rng.choice(("", "{", "[1]", '"x"', "i2pmap-0"))
        return
    place = said
    while isinstance(place, dict) and place:
        key = rng.choice(sorted(place))
        if not isinstance(place[key], dict):
            place[key] = rng.choice(VALUES)
            if rng.random() < 0.2:
                del place[key]
            break
        place = place[key]
    notes[name] = json.dumps(said)


def _values(notes: dict, tensors: dict, rng: random.Random) -> None:
    row = tensors[rng.choice(sorted(tensors))]
    kind = PACKED.get(row[0], "<B")
    size, content = struct.calcsize(kind), bytearray(row[2])
    for _ in range(rng.choice((1, 3, 1000))):
        if not content:
            return
        number = rng.choice(INTEGERS if kind in ("<B", "<q") else REALS)
        if kind == "<B":
            number &= 255
        elif kind in ("<f", "<e") and 60000 < abs(number) < float("inf"):
            number = 60000.0
        struct.pack_into(kind, content, rng.randrange(len(content) // size) * size, number)
    row[2] = bytes(content)


def _kind(notes: dict, tensors: dict, rng: random.Random) -> None:
    row = tensors[rng.choice(sorted(tensors))]
    row[0] = rng.choice(SAME_SIZE.get(row[0], (row[0],)))


def _shape(notes: dict, tensors: dict, rng: random.Random) -> None:
    row = tensors[rng.choice(sorted(tensors))]
    total = 1
    for side in row[1]:
        total *= side
    row[1] = rng.choice(([total], row[1][::-1], [1, *row[1]], [total, 1]))


def _cut(notes: dict, tensors: dict, rng: random.Random) -> None:
    """Fewer rows."""
    row = tensors[rng.choice(sorted(tensors))]
    if row[1] and row[1][0]:
        kept = rng.randrange(row[1][0])
        row[2] = row[2][: len(row[2]) // row[1][0] * kept]
        row[1] = [kept, *row[1][1:]]


def _drop(notes: dict, tensors: dict, rng: random.Random) -> None:
    if len(tensors) > 1:
        del tensors[rng.choice(sorted(tensors))]
