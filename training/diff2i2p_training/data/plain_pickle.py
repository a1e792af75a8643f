# SPDX-License-Identifier: Apache-2.0
"""Pickle files of plain data, read without running what they name: numbers, text, containers and numpy arrays, nothing else."""

import pickle
from pathlib import Path

import numpy as np

_RECONSTRUCT = np.zeros(1).__reduce__()[0]
_FROM_BUFFER = np.zeros(1).__reduce_ex__(5)[0]
_SCALAR = np.float64(0).__reduce__()[0]
_NUMPY = {
    "_reconstruct": _RECONSTRUCT,
    "_frombuffer": _FROM_BUFFER,
    "scalar": _SCALAR,
    "ndarray": np.ndarray,
    "dtype": np.dtype,
}
_HOMES = {
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
}  # numpy 1 and 2


class PlainPickleError(ValueError):
    """A pickle that is damaged, or wants more than plain data."""


class _PlainUnpickler(pickle.Unpickler):
    """Everything but arrays is made by opcodes; whatever else a pickle asks for by name is refused."""

    def find_class(self, module: str, name: str):
        if module in _HOMES and name in _NUMPY:
            return _NUMPY[name]
        if (module, name) == ("_codecs", "encode"):  # how protocol 2 writes bytes
            return _latin1
        raise PlainPickleError(f"it asks for {module}.{name}")


def read_plain_pickle(path: Path | str):
    """What the pickle `path` holds. Raises PlainPickleError naming the file, OSError when it is missing."""
    with open(path, "rb") as file:
        try:
            return _PlainUnpickler(file).load()
        except PlainPickleError as error:
            raise PlainPickleError(
                f"{path} is not read: {error}, but only plain data and numpy arrays are taken from a pickle"
            ) from error
        except Exception as error:  # a damaged pickle may raise anything
            raise PlainPickleError(
                f"{path} is damaged or no pickle ({type(error).__name__}: {error}): copy it again"
            ) from error


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise PlainPickleError(f"it asks for the codec {encoding}")
    return text.encode("latin1")
