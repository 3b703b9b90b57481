"""Checks of a model folder that come before its files are trusted: a stranger may have made it."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from numpy.lib import format as npy

from cantilena.errors import ModelError

__all__ = ["check_arrays", "check_network"]

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


def check_arrays(path: Path, most: int = _MOST_ARRAYS, what: str = "the arrays of a latent space") -> None:
    """ModelError (one line) where the arrays of an .npz would not fit into `most` bytes, by the headers alone."""
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
                if size > most or min(shape, default=0) < 0:
                    raise ValueError(f"arrays of over {most:,} bytes")
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(f"{path}: not {what} ({' '.join(str(error).split())[:160]})") from error


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
        inside = _INSIDE[message]
        while at < end:
            left -= 1
            if not left:
                raise ValueError(f"over {_MOST_FIELDS:,} fields")
            key, at = (data[at], at + 1) if data[at] < 128 else _varint(data, at)  # nearly all are one byte
            number, wire = key >> 3, key & 7
            value = 0
            if wire in (0, 2):
                value, at = (data[at], at + 1) if data[at] < 128 else _varint(data, at)
            if wire == 0:
                pass
            elif wire == 2:
                if number in inside:
                    todo.append((inside[number], at, at + value))
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
