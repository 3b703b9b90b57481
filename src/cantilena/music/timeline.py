"""A file's whole time: all of it later, or one file behind another, event by event with nothing lost.

Like the splice, this works on bytes: no message changes, only when it comes and which chunk it stands in.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from math import lcm

from cantilena.errors import MidiError
from cantilena.music.chunks import Event, file_chunks, track_chunk, track_events
from cantilena.music.midi import Song
from cantilena.music.splice import find_part

__all__ = ["append_file", "last_time_change", "later", "set_program"]

_TEMPO, _SIGNATURE, _END = b"\xff\x51", b"\xff\x58", b"\xff\x2f"
_OF_THE_MUSIC = (b"\xff\x05", b"\xff\x06", b"\xff\x07")  # lyrics, markers, cue points
_MAX_DIVISION = 0x7FFF
_RESET_ALL = 121
_DEFAULTS = {0: 0, 7: 100, 10: 64, 32: 0}  # controllers that RESET_ALL leaves alone: bank, volume, pan


def later(data: bytes, ticks: int, name: str) -> bytes:
    """The file with all of it `ticks` later but its setup, which stays at tick 0.

    Setup is what stands at tick 0 and is not the music itself: tempo, signatures, names, texts, SysEx, programs,
    controllers. Of what stands there notes move, and lyrics, markers and cue points, and a program or controller that
    comes after a note of its channel in the same chunk: it is meant for what follows. A chunk of which nothing moves is
    copied byte for byte. Raises MidiError where the events cannot be followed.
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
        behind.append(track_chunk([e for e in events if not _sets_time(e)]) if events else chunk)
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
            end = events[-1]._replace(tick=max(e.tick for e in (events[-1], *first)))
            chunk = track_chunk([*sorted([*events[:-1], *first], key=lambda e: e.tick), end])
            first = []
        before.append(chunk)
    tracks = sum(chunk[:4] == b"MTrk" for chunk in (*before, *behind))
    head = ours[0][:8] + b"".join(n.to_bytes(2, "big") for n in (1, tracks, division)) + ours[0][14:]
    return b"".join([head, *before, *behind, ours[-1], theirs[-1]])  # last: what follows the last tracks


def last_time_change(data: bytes, name: str) -> int:
    """Tick of the last change of tempo or metre in a file."""
    chunks = file_chunks(data, name)[:-1]
    return max((e.tick for chunk in chunks for e in track_events(chunk, name) if _sets_time(e)), default=0)


def set_program(song: Song, track: int, begin: int, end: int) -> bytes:
    """The file of `song` with program changes where they are needed: a note from tick `begin` to `end` is the track's.

    Where the track's own program holds there already, it is the file as it is. Raises MidiError where its channel has
    another one there that is in use.
    """
    part = find_part(song, track)
    changes = [e for e in part.events if e.message[0] == 0xC0 | part.channel]

    def holds(at: int) -> int:  # the program at a tick, after what stands there
        return next((e.message[1] for e in reversed(changes) if e.tick <= at), 0)

    first = min(part.notes, key=lambda n: n.on)
    own = next((e.message[1] for e in reversed(part.events[: first.on]) if e in changes), 0)
    inside = [e for e in changes if begin < e.tick < end]
    if holds(begin) == own and not inside:
        return song.data
    if inside or any(begin <= n.start < end for n in part.others):
        raise MidiError(f"{song.name}: track {track} shares its channel with another instrument in the new bars")
    events = list(part.events)
    ticks = [e.tick for e in events]
    at = bisect_left(ticks, end)
    heard = {0x90 | part.channel, 0xC0 | part.channel}
    if next((e.status for e in events[at:] if e.status in heard), None) == 0x90 | part.channel:  # before it is set anew
        events.insert(at, Event(end, bytes([0xC0 | part.channel, holds(begin)]), False))
    change = Event(begin, bytes([0xC0 | part.channel, own]), False)
    events.insert(min(bisect_right(ticks, begin), len(ticks) - 1), change)
    events[-1] = events[-1]._replace(tick=max(events[-1].tick, begin))
    chunks = list(part.chunks)
    chunks[part.chunk] = track_chunk(events)
    return b"".join(chunks)


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
    return track_chunk([*stay, *(e._replace(tick=e.tick + ticks) for e in move)]) if move else chunk


def _defaults(events: Sequence[Event], channels: Collection[int], tick: int) -> list[Event]:
    """What sets back the programs and controllers that `events` have set on some channels."""
    back: dict[tuple[int, ...], None] = {}  # in the order in which they were set
    for message in (e.message for e in events if e.status < 0xF0 and e.status & 0xF in channels):
        kind, channel = message[0] >> 4, message[0] & 0xF
        if kind == 0xC and message[1]:
            back[message[0], 0] = None
        elif kind == 0xB and message[1] in _DEFAULTS:
            back[message[0], message[1], _DEFAULTS[message[1]]] = None
        elif kind in (0xB, 0xD, 0xE):
            back[0xB0 | channel, _RESET_ALL, 0] = None
    return [Event(tick, bytes(message), False) for message in back]


def _sets_time(event: Event) -> bool:
    return event.message[:2] in (_TEMPO, _SIGNATURE)
