"""A file's whole time: all of it later, or one file behind another, event by event with nothing lost.

Like the splice, this works on bytes: no message changes, only when it comes and which chunk it stands in.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from math import gcd, lcm

from cantilena.errors import MidiError
from cantilena.music.channel import default_of, settings_of
from cantilena.music.chunks import Event, file_chunks, track_chunk, track_events
from cantilena.music.midi import Song, read_song
from cantilena.music.voices import weave

__all__ = ["append_file", "last_time_change", "later", "on_fine_ticks"]

_TEMPO, _SIGNATURE, _END = b"\xff\x51", b"\xff\x58", b"\xff\x2f"
_OF_THE_MUSIC = (b"\xff\x05", b"\xff\x06", b"\xff\x07")  # lyrics, markers, cue points
_MAX_DIVISION = 0x7FFF
_FINE = 12  # ticks a quarter that can say sixteenths and triplet eighths


def on_fine_ticks(song: Song) -> Song:
    """The song on ticks that can say sixteenths and triplets: itself, or, of under 12 ticks a quarter, on finer ones.

    Every event comes at its own time still. Raises MidiError where the events cannot be followed.
    """
    factor = _FINE // gcd(_FINE, song.ticks_per_quarter)
    if song.ticks_per_quarter >= _FINE:
        return song
    head, *chunks, rest = file_chunks(song.data, song.name)
    division = song.ticks_per_quarter * factor
    finer = [
        _chunk([e._replace(tick=e.tick * factor) for e in events], song.name) if events else chunk
        for chunk, events in ((chunk, track_events(chunk, song.name)) for chunk in chunks)
    ]
    data = b"".join([head[:12], division.to_bytes(2, "big"), head[14:], *finer, rest])
    return replace(read_song(data, name=song.name), qpm=song.qpm)


def later(data: bytes, ticks: int, name: str) -> bytes:
    """The file with all of it `ticks` later but its setup, which stays at tick 0.

    Setup is what stands at tick 0 and is not the music itself: tempo, signatures, names, texts, SysEx, programs,
    controllers. Of what stands there notes move, and lyrics, markers and cue points, and a program or controller that
    comes after a note of its channel in the same chunk: it is meant for what follows. A chunk of which nothing moves is
    copied byte for byte. Raises MidiError where the events cannot be followed, or one would come too late.
    """
    *chunks, rest = file_chunks(data, name)
    return b"".join([*(_later(chunk, ticks, name) for chunk in chunks), rest])


def append_file(data: bytes, other: bytes, tick: int, names: tuple[str, str]) -> bytes:
    """The file with all of the `other` behind it, from `tick` of the first on, as chunks of their own: format 1.

    Ticks are counted in a common part of a quarter, so that none is rounded. Tempo and metre of the other stand in the
    first chunk of the file, where every reader looks for them, and begin with it: 120 qpm and 4/4 where it says
    nothing. Programs and controllers that the file has set on a channel of the other are set back there. Raises
    MidiError where the two have no common ticks, or events cannot be followed.
    """
    ours, theirs = file_chunks(data, names[0]), file_chunks(other, names[1])
    divisions = [int.from_bytes(chunks[0][12:14], "big") for chunks in (ours, theirs)]
    division = lcm(*divisions)
    if division > _MAX_DIVISION:
        raise MidiError(
            f"{names[1]}: {divisions[1]} ticks a quarter and {names[0]}'s {divisions[0]} do not fit together"
        )
    scale, other_scale = (division // d for d in divisions)
    begin = tick * scale
    first: list[Event] = []  # what goes into the first chunk
    behind = []
    for chunk in theirs[1:-1]:
        events = [e._replace(tick=begin + e.tick * other_scale) for e in track_events(chunk, names[1])]
        first += [e for e in events if _sets_time(e)]
        behind.append(_chunk([e for e in events if not _sets_time(e)], names[1]) if events else chunk)
    for kind, default in ((_TEMPO, b"\x03\x07\xa1\x20"), (_SIGNATURE, b"\x04\x04\x02\x18\x08")):
        if not any(e.tick == begin and e.message[:2] == kind for e in first):
            first.append(Event(begin, kind + default, False))
    played = {e.status & 0xF for chunk in theirs[:-1] for e in track_events(chunk, names[1]) if e.status >> 4 == 0x9}
    first += _defaults([e for chunk in ours[:-1] for e in track_events(chunk, names[0])], played, begin)
    first.sort(key=lambda e: e.tick)
    before = []
    for chunk in ours[1:-1]:
        events = [e._replace(tick=e.tick * scale) for e in track_events(chunk, names[0])]
        if events and (first or scale != 1):
            chunk = _chunk(weave(events, behind=first), names[0])
            first = []
        before.append(chunk)
    tracks = sum(chunk[:4] == b"MTrk" for chunk in (*before, *behind))
    head = ours[0][:8] + b"".join(n.to_bytes(2, "big") for n in (1, tracks, division)) + ours[0][14:]
    return b"".join([head, *before, *behind, ours[-1], theirs[-1]])  # last: what follows the last tracks


def last_time_change(data: bytes, name: str) -> int:
    """Tick of the last change of tempo or metre in a file."""
    chunks = file_chunks(data, name)[:-1]
    return max((e.tick for chunk in chunks for e in track_events(chunk, name) if _sets_time(e)), default=0)


def _later(chunk: bytes, ticks: int, name: str) -> bytes:
    stay: list[Event] = []
    move: list[Event] = []
    played: set[int] = set()  # channels of which a note has moved
    for e in track_events(chunk, name):
        kind, channel = e.status >> 4, e.status & 0xF
        if kind in (0x8, 0x9, 0xA):
            played.add(channel)
        ours = kind in (0x8, 0x9, 0xA) or e.message[:2] in _OF_THE_MUSIC or (kind < 0xF and channel in played)
        ends = e.message[:2] == _END and bool(move)
        (move if e.tick or ours or ends else stay).append(e)
    return _chunk([*stay, *(e._replace(tick=e.tick + ticks) for e in move)], name) if move else chunk


def _chunk(events: Sequence[Event], name: str) -> bytes:
    try:
        return track_chunk(events)
    except ValueError as error:
        raise MidiError(f"{name}: its time cannot be changed so: {error}") from error


def _defaults(events: Sequence[Event], channels: Collection[int], tick: int) -> list[Event]:
    """What sets back the programs and controllers that `events` have set on some channels."""
    back: dict[bytes, bytes] = {}  # in the order in which they were set
    for e in sorted(events, key=lambda e: e.tick):
        if e.status < 0xF0 and e.status & 0xF in channels:
            back |= settings_of(e.message)
    return [Event(tick, default, False) for s, last in back.items() if last != (default := default_of(s))]


def _sets_time(event: Event) -> bool:
    return event.message[:2] in (_TEMPO, _SIGNATURE)
