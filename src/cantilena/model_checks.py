"""Checks of a model folder that come before its files are trusted: a stranger may have made it."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from numpy.lib import format as npy

from cantilena.errors import ModelError

__all__ = ["check_arrays", "check_input", "check_network", "read_about"]

_MOST_JSON = 1 << 20  # bytes of model.json; ours are 2 KB
_MOST_ARRAYS = 1 << 24  # bytes of latent.npz, unpacked; ours are 2 KB
_MOST_NETWORK = 1 << 31  # bytes: protobuf's own limit
_MOST_FIELDS = 1_000_000  # of a graph; ours have a few thousand

# ONNX's messages that lead to a tensor: message -> field number -> message
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "tensor": {},
}
_EXTERNAL = (13, 14)  # external_data, and data_location where it is not 0


def read_about(path: Path) -> Any:
    """The JSON of model.json; ModelError (one line) where it is too large, nested too deeply or no JSON."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_JSON:
            raise ValueError(f"not a file of up to {_MOST_JSON:,} bytes")
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else f"{type(error).__name__}: {error}"
        raise ModelError(f"{path}: cannot be understood ({said})") from error


def check_arrays(path: Path) -> None:
    """ModelError (one line) where the arrays of an .npz would not fit into 16 MiB, by the headers alone."""
    try:
        size = 0
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                with archive.open(info) as member:
                    read = npy.read_array_header_1_0 if npy.read_magic(member) == (1, 0) else npy.read_array_header_2_0
                    shape, _, dtype = read(member)
                claimed = dtype.itemsize
                for length in shape:
                    claimed *= length
                size += max(claimed, info.file_size)
                if size > _MOST_ARRAYS or min(shape, default=0) < 0:
                    raise ValueError(f"arrays of over {_MOST_ARRAYS:,} bytes")
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(f"{path}: not the arrays of a latent space ({' '.join(str(error).split())[:160]})") from error


def check_network(path: Path) -> None:
    """ModelError (one line) where an ONNX file keeps weights in other files, or is no protobuf.

    onnxruntime would open what such a weight names, anywhere on the machine.
    """
    try:
        if not path.is_file():
            raise ModelError(f"{path}: missing from the folder")
        if path.stat().st_size > _MOST_NETWORK:
            raise ModelError(f"{path}: larger than {_MOST_NETWORK:,} bytes")
        external = _has_external(path.read_bytes())
    except (OSError, ValueError, IndexError) as error:
        raise ModelError(f"{path}: not a network that onnxruntime can run ({error})") from error
    if external:
        raise ModelError(f"{path}: keeps weights in other files; a model's networks hold their own")


def _has_external(data: bytes) -> bool:
    """Whether a tensor anywhere in a serialised ModelProto names external data; ValueError where it is none."""
    left, todo = _MOST_FIELDS, [("model", 0, len(data))]
    while todo:
        message, at, end = todo.pop()
        while at < end:
            left -= 1
            if not left:
                raise ValueError(f"over {_MOST_FIELDS:,} fields")
            key, at = _varint(data, at)
            number, wire = key >> 3, key & 7
            value = 0
            if wire == 0:
                value, at = _varint(data, at)
            elif wire == 2:
                value, at = _varint(data, at)
                if number in _INSIDE[message]:
                    todo.append((_INSIDE[message][number], at, at + value))
                at += value
            elif wire in (1, 5):
                at += 8 if wire == 1 else 4
            else:
                raise ValueError("no protobuf")
            if message == "tensor" and number in _EXTERNAL and (number == 13 or value):
                return True
        if at != end:
            raise ValueError("a protobuf that is cut off")
    return False


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("no protobuf")


def check_input(session: Any, name: str, size: int, place: str) -> None:
    """ModelError where an open network has an input of this name whose last dimension is another than `size`."""
    for given in session.get_inputs():
        last = given.shape[-1] if given.shape else None
        if given.name == name and isinstance(last, int) and last != size:
            raise ModelError(f"{place}: its {name} has {last} numbers, and model.json and latent.npz speak of {size}")
