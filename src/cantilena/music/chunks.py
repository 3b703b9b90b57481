"""A MIDI file as bytes: its chunks, and the events of a track, so that what is not changed can be copied.

`file_chunks` and `track_events` take a file apart, `track_chunk` puts a track together; no byte is lost between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cantilena.errors import MidiError

__all__ = ["Event", "file_chunks", "read_number", "track_chunk", "track_events", "write_number"]

_META, _END_OF_TRACK = 0xFF, 0x2F


class Event(NamedTuple):
    """A message of a chunk and when it comes."""

    tick: int
    message: bytes  # with its status byte
    running: bool  # whether the file left the status byte out

    @property
    def status(self) -> int:
        """The first byte of the message."""
        return self.message[0]


def file_chunks(data: bytes, name: str) -> list[bytes]:
    """The file's chunks with their heads, whatever they are, and last what follows its last track, often nothing.

    What wraps an .rmi is left out. Raises MidiError for what is not a MIDI file, or not a whole one.
    """
    if not data:
        raise MidiError(f"{name}: the file is empty")
    at = data.find(b"MThd") if data[:4] == b"RIFF" else 0
    if at < 0 or data[at : at + 4] != b"MThd":
        raise MidiError(f"{name}: not a MIDI file (it begins with {data[:4]!r}, not b'MThd')")
    wanted = int.from_bytes(data[at + 10 : at + 12], "big")
    chunks: list[bytes] = []
    while len(data) - at >= 8 and (not chunks or wanted):
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        chunks.append(data[at : at + 8 + size])
        wanted -= data[at : at + 4] == b"MTrk"
        at += 8 + size
    if len(data) < at:
        raise MidiError(f"{name}: cannot be edited: it ends before its last track does")
    return [*chunks, data[at:]]


def track_events(chunk: bytes, name: str) -> list[Event]:
    """The events of an MTrk chunk, of which the last is its end; none of another chunk."""
    if chunk[:4] != b"MTrk":
        return []
    events: list[Event] = []
    at, tick, status = 8, 0, 0
    try:
        while at < len(chunk):
            delta, at = read_number(chunk, at)
            tick += delta
            running = chunk[at] < 0x80
            if running:
                if not 0x80 <= status < 0xF0:
                    raise ValueError("a data byte where an event begins")
                head, size = bytes([status]), _data_bytes(status)
            else:
                first = chunk[at]
                head, at = chunk[at : at + 1], at + 1
                if first in (_META, 0xF0, 0xF7):
                    begin = at + (first == _META)
                    length, body = read_number(chunk, begin)
                    head, at, size = head + chunk[at:body], body, length
                elif first < 0xF0:
                    status, size = first, _data_bytes(first)
                else:
                    raise ValueError(f"the byte {first:#x} where an event begins")
            if at + size > len(chunk):
                raise IndexError
            events.append(Event(tick, head + chunk[at : at + size], running))
            at += size
            if events[-1].message[:2] == bytes([_META, _END_OF_TRACK]):
                return events
    except (IndexError, ValueError) as error:
        raise MidiError(f"{name}: cannot be edited: broken events ({str(error) or 'a track is cut off'})") from error
    return [*events, Event(tick, bytes([_META, _END_OF_TRACK, 0]), False)]


def track_chunk(events: Sequence[Event], rest: bytes = b"") -> bytes:
    """The MTrk chunk of these events, by tick, the end of the track last: the inverse of `track_events`.

    A status byte is left out where the file left it out and it still is the last. `rest` are events as bytes that
    stand behind them.
    """
    body, now, status = bytearray(), 0, 0
    for tick, message, running in events:
        body += write_number(tick - now)
        body += message[1:] if running and message[0] == status else message
        now, status = tick, message[0] if message[0] < 0xF0 else 0
    body += rest
    return b"MTrk" + len(body).to_bytes(4, "big") + bytes(body)


def write_number(number: int) -> bytes:
    """A number of variable length: groups of seven bits, the highest first."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """The number of variable length that begins at `at`, and where it ends."""
    number = 0
    while True:
        byte = data[at]
        number, at = number << 7 | byte & 0x7F, at + 1
        if byte < 0x80:
            return number, at


def _data_bytes(status: int) -> int:
    return 1 if status >> 4 in (0xC, 0xD) else 2
