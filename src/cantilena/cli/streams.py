"""`-`: a song comes from standard input, and a file goes to standard output, with nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from cantilena.sources import Source

__all__ = ["STREAM", "check_stream", "is_stream", "song_at", "write_stream"]

STREAM = "-"
_STDIN = "standard input"


def is_stream(given: str | Path | None) -> bool:
    """Whether what is given as a file's name is `-`."""
    return given is not None and str(given) == STREAM


def song_at(given: str | Path) -> Source:
    """The song in a file, or that of standard input, to its end. Raises MidiError where it cannot be read."""
    if not is_stream(given):
        return Source.of(given)
    source = Source.of(sys.stdin.buffer.read())
    return Source(_STDIN, source.sha256, source.content)


def check_stream() -> None:
    """Raise ValueError where standard output is a terminal: a MIDI file is nothing to look at."""
    if sys.stdout.isatty():
        raise ValueError("-o -: standard output is a terminal; lead it to a file or a program")


def write_stream(data: bytes | Iterable[bytes]) -> None:
    """Write data, or its blocks, to standard output, now: a pipe that is closed is an OSError here, not at the end."""
    sys.stdout.flush()
    sys.stdout.buffer.writelines([data] if isinstance(data, bytes) else data)
    sys.stdout.buffer.flush()
