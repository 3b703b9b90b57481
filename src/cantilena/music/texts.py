"""Text meta events (FF 01) of a MIDI file: read, added and taken out while every other event stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cantilena.errors import MidiError
from cantilena.music.splice import Event, chunk_events, file_chunks, write_events

__all__ = ["printable", "read_texts", "write_texts"]

_TEXT = b"\xff\x01"


def read_texts(data: bytes, name: str) -> list[bytes]:
    """Every text event of a file, track after track. MidiError where the file's events cannot be followed."""
    events = (e for chunk in _tracks(data, name) if chunk[:4] == b"MTrk" for e in chunk_events(chunk, name))
    return [_text(e) for e in events if e.message[:2] == _TEXT]


def write_texts(data: bytes, new: Sequence[bytes], *, gone: Callable[[bytes], bool], name: str) -> bytes:
    """The file with the texts `new` at the start of its first track, and without those that are `gone`.

    A chunk from which none goes is copied byte for byte. Raises MidiError where the events cannot be followed.
    """
    added = write_events([Event(0, _TEXT + _variable_length(len(text)) + text, False) for text in new])
    chunks = _tracks(data, name)
    for i, chunk in enumerate(chunks):
        if chunk[:4] == b"MTrk":
            events = chunk_events(chunk, name)
            kept = [e for e in events if not (e.message[:2] == _TEXT and gone(_text(e)))]
            body = chunk[8:] if len(kept) == len(events) else write_events(kept)
            chunks[i] = b"MTrk" + len(added + body).to_bytes(4, "big") + added + body
            added = b""
    if added:
        raise MidiError(f"{name}: has no track that a text could stand in")
    return b"".join(chunks)


def printable(text: str) -> str:
    r"""A text of a stranger's file, for the terminal: what would steer that is written out.

    >>> printable("\x1b[2Jhello")
    '\\x1b[2Jhello'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _tracks(data: bytes, name: str) -> list[bytes]:
    if data[:4] != b"MThd" and not (data[:4] == b"RIFF" and b"MThd" in data):
        raise MidiError(f"{name}: not a MIDI file (it begins with {data[:4]!r}, not b'MThd')")
    return file_chunks(data, name)


def _text(event: Event) -> bytes:
    """What follows the length, a number whose last byte alone is below 128."""
    last = next(i for i in range(2, len(event.message)) if event.message[i] < 0x80)
    return event.message[last + 1 :]


def _variable_length(number: int) -> bytes:
    """The inverse of the splice's: groups of seven bits, the highest first."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))
