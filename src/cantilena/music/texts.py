"""Text meta events (FF 01) of a MIDI file: read, added and taken out while every other event stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cantilena.errors import MidiError
from cantilena.music.chunks import Event, file_chunks, track_chunk, track_events, write_number

__all__ = ["printable", "read_texts", "write_texts"]

_TEXT = b"\xff\x01"


def read_texts(data: bytes, name: str) -> list[bytes]:
    """Every text event of a file, track after track. MidiError where the file's events cannot be followed."""
    events = (e for chunk in file_chunks(data, name)[:-1] for e in track_events(chunk, name))
    return [e.text for e in events if e.message[:2] == _TEXT]


def write_texts(data: bytes, new: Sequence[bytes], *, gone: Callable[[bytes], bool], name: str) -> bytes:
    """The file with the texts `new` in its first track, and without those that are `gone`.

    They stand at tick 0 behind the texts that the track has there: the first says what a karaoke file is. A chunk from
    which no text goes, and the first where it has none at tick 0, is copied byte for byte. Raises MidiError where the
    events cannot be followed.
    """
    added = [Event(0, _TEXT + write_number(len(text)) + text, False) for text in new]
    chunks = file_chunks(data, name)
    for i, chunk in enumerate(chunks[:-1]):
        if events := track_events(chunk, name):
            kept = [e for e in events if not (e.message[:2] == _TEXT and gone(e.text))]
            at = max((k for k, e in enumerate(kept, 1) if not e.tick and e.message[:2] == _TEXT), default=0)
            if len(kept) < len(events) or (added and at):
                chunks[i] = track_chunk([*kept[:at], *added, *kept[at:]])
            else:
                chunks[i] = track_chunk(added, chunk[8:])
            added = []
    if added:
        raise MidiError(f"{name}: has no track that a text could stand in")
    return b"".join(chunks)


def printable(text: str) -> str:
    r"""A text of a stranger's file, for the terminal: what would steer that is written out.

    >>> printable("\x1b[2Jhello")
    '\\x1b[2Jhello'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
