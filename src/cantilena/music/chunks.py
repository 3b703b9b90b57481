"""A MIDI file as bytes: its chunks, and the events of a track, so that what is not changed can be copied.

`file_chunks` and `track_events` take a file apart, `track_chunk` puts a track together; no byte is lost between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cantilena.errors import MidiError

__all__ = ["Event", "file_chunks", "read_number", "track_chunk", "track_events", "write_number"]

_META, _END_OF_TRACK = 0xFF, 0x2F
_PACKETS = (_META, 0xF0, 0xF7)  # with a length: a meta event, a SysEx (or its first packet), a packet or an escape
_MAX_EVENTS = 2_000_000  # in a track: more is a broken file
_MAX_NUMBER = 0x0FFFFFFF

# How many data bytes follow a status byte. 0xF1 to 0xFE have no place in a file; where one stands, it is stepped over.
_DATA_BYTES = [1 if s >> 4 in (0xC, 0xD) or s in (0xF1, 0xF3) else 0 if s > 0xF3 else 2 for s in range(0x100)]


class Event(NamedTuple):
    """A message of a chunk and when it comes."""

    tick: int
    message: bytes  # with its status byte
    running: bool  # whether the file left the status byte out

    @property
    def status(self) -> int:
        """The first byte of the message."""
        return self.message[0]

    @property
    def text(self) -> bytes:
        """What a meta event says, behind its kind and length."""
        _, begin = read_number(self.message, 2)
        return self.message[begin:]


def file_chunks(data: bytes, name: str) -> list[bytes]:
    """The file's chunks with their heads, whatever they are, and last what follows its last track, often nothing.

    What wraps an .rmi is left out. Raises MidiError for what is not a MIDI file, or not a whole one.
    """
    if not data:
        raise MidiError(f"{name}: the file is empty")
    at = data.find(b"MThd") if data[:4] == b"RIFF" else 0
    if at < 0 or data[at : at + 4] != b"MThd" or len(data) < at + 14:
        raise MidiError(f"{name}: not a MIDI file (it begins with {data[:4]!r}, not b'MThd')")
    if (size := int.from_bytes(data[at + 4 : at + 8], "big")) < 6:
        raise MidiError(f"{name}: broken MIDI: its head has {size} bytes, and 6 are needed")
    wanted = int.from_bytes(data[at + 10 : at + 12], "big")
    chunks: list[bytes] = []
    while len(data) - at >= 8 and (not chunks or wanted):
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        chunks.append(data[at : at + 8 + size])
        wanted -= data[at : at + 4] == b"MTrk"
        at += 8 + size
    if len(data) < at:
        missing = at - len(data)
        raise MidiError(f"{name}: broken MIDI: it ends before its last track does ({missing:,} bytes are missing)")
    return [*chunks, data[at:]]


def track_events(chunk: bytes, name: str) -> list[Event]:
    """The events of an MTrk chunk, of which the last is its end; none of another chunk.

    Every SysEx packet and escape (F0, F7) is an event of its own, however a message is spread over them, and a status
    runs on over them and over meta events, as sequencers read it. Raises MidiError for bytes that are no events.
    """
    if chunk[:4] != b"MTrk":
        return []
    events: list[Event] = []
    at, tick, status, whole = 8, 0, 0, len(chunk)
    try:
        for _ in range(_MAX_EVENTS):
            if at >= whole:
                return [*events, Event(tick, bytes([_META, _END_OF_TRACK, 0]), False)]
            if (delta := chunk[at]) < 0x80:
                at += 1
            else:
                delta, at = read_number(chunk, at)
            tick += delta
            first = chunk[at]
            if running := first < 0x80:
                if not status:
                    raise ValueError("an event begins without a status byte", f"{first:#04x}")
                end = at + _DATA_BYTES[status]
                message = bytes([status]) + chunk[at:end]
            elif first in _PACKETS:
                length, body = read_number(chunk, at + 1 + (first == _META))
                end = body + length
                message = chunk[at:end]
            else:
                end = at + 1 + _DATA_BYTES[first]
                message = chunk[at:end]
                status = first if first < 0xF0 else status
            if end > whole:
                raise IndexError
            if first < 0xF0 and message[1] | message[-1] > 0x7F:
                raise ValueError("a data byte of more than 127", f"{max(message[1:])}")
            events.append(Event(tick, message, running))
            at = end
            if first == _META and message[1] == _END_OF_TRACK:
                return events
        raise ValueError(f"more than {_MAX_EVENTS:,} events in a track")
    except IndexError as error:
        raise MidiError(f"{name}: broken MIDI: the events of a track are cut off") from error
    except ValueError as error:
        what, *which = error.args  # what differs from file to file stands in brackets: a corpus counts the rest
        place = ", ".join([*which, f"at byte {at:,} of a track"])
        raise MidiError(f"{name}: broken MIDI: {what} ({place})") from error


def track_chunk(events: Sequence[Event], rest: bytes = b"") -> bytes:
    """The MTrk chunk of these events, by tick, the end of the track last: the inverse of `track_events`.

    A status byte is left out where the file left it out and it still is the last. `rest` are events as bytes that
    stand behind them. Raises ValueError for an event that comes later after another than a file can say.
    """
    body, now, status = bytearray(), 0, 0
    for tick, message, running in events:
        if tick - now > _MAX_NUMBER:
            raise ValueError(f"an event would come {tick - now:,} ticks after another, and {_MAX_NUMBER:,} is the most")
        body += write_number(tick - now)
        body += message[1:] if running and message[0] == status else message
        now, status = tick, message[0] if message[0] < 0xF0 else 0
    body += rest
    return b"MTrk" + len(body).to_bytes(4, "big") + bytes(body)


def write_number(number: int) -> bytes:
    """A number of variable length: groups of seven bits, the highest first. ValueError for one below 0."""
    if number < 0:
        raise ValueError(f"a file says no number below 0, such as {number}")
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """The number of variable length that begins at `at`, and where it ends. ValueError for more than four bytes."""
    number = 0
    for place in range(at, at + 4):
        byte = data[place]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place + 1
    raise ValueError("a number of more than four bytes")
