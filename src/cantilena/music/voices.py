"""What sounds in a MIDI file: the notes of every chunk on every channel, as a sequencer shows tracks.

One reader says this for all: `midi` makes the tracks of a song of it, and `splice` edits their notes where they stand.
A program change inside a track changes how it sounds, not which track it is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Sequence
from typing import NamedTuple

from cantilena.music.chunks import Event

__all__ = ["DRUM_CHANNEL", "PartNote", "Voice", "read_voices", "weave"]

DRUM_CHANNEL = 9  # counted from 0
_TRACK_NAME = b"\xff\x03"


class _Change(NamedTuple):
    """A program change."""

    tick: int
    place: int  # index in the chunk's events
    program: int


_Changes = list[_Change]  # in order


class PartNote(NamedTuple):
    """A note of a file, with the events that make it."""

    start: int
    end: int
    pitch: int
    velocity: int
    on: int  # index of its note-on in the chunk's events
    off: int | None  # None where no note-off is its own: it sounds until its key is released, or its chunk ends


class Voice(NamedTuple):
    """The notes of one chunk on one channel."""

    chunk: int  # index into the file's chunks
    channel: int  # 0..15
    name: str
    program: int | None  # the one that most of the notes are played with; None where the file names none
    notes: list[PartNote]  # in the order of their note-ons


def read_voices(tracks: Sequence[Sequence[Event]], *, apart: bool = False) -> list[Voice]:
    """The voices of a file in its order, from the events of each of its chunks; `apart`: each is a piece by itself.

    A note is played with the program that its own chunk has set on its channel, or, where that has set none yet, with
    the one that a chunk without notes of the channel has set, as a conductor track does.
    """
    found = [(chunk, *_listen(events), _name(events)) for chunk, events in enumerate(tracks)]
    set_up: dict[int, _Changes] = defaultdict(list)
    for _, notes, programs, _ in found if not apart else ():
        for channel in programs.keys() - notes.keys():
            set_up[channel] += programs[channel]
    for changes in set_up.values():
        changes.sort(key=lambda change: change.tick)
    return [
        Voice(chunk, channel, name, _program(notes[channel], programs[channel], set_up[channel]), notes[channel])
        for chunk, notes, programs, name in found
        for channel in sorted(notes)
    ]


def weave(
    events: Sequence[Event],
    *,
    before: Sequence[Event] = (),
    behind: Sequence[Event] = (),
    gone: Collection[int | None] = (),
) -> list[Event]:
    """The events of a chunk with others at their ticks, `before` its own ones there or `behind` them; `gone` go.

    A note that the chunk never ends gets its note-off where it would otherwise last longer: because the chunk does, or
    because a note-off of its key comes in.
    """
    added = [*before, *behind]
    *own, last = (e for i, e in enumerate(events) if i not in gone)
    end = last._replace(tick=max([last.tick, *(e.tick for e in added)]))
    ends = [
        e
        for on, e in _hung_ends(events).items()
        if on not in gone and (end != last or any(e.message[:2] == other.message[:2] for other in added))
    ]
    ranked = [(e.tick, rank, i, e) for rank, some in enumerate((before, own, ends, behind)) for i, e in enumerate(some)]
    return [*(e for *_, e in sorted(ranked, key=lambda item: item[:3])), end]


def _hung_ends(events: Sequence[Event]) -> dict[int, Event]:
    """The note-offs that would end the notes that have none where these end now, by index of the note-on."""
    notes, _ = _listen(events)
    return {
        n.on: Event(n.end, bytes([0x80 | channel, n.pitch, 64]), False)
        for channel, some in notes.items()
        for n in some
        if n.off is None
    }


def _listen(events: Sequence[Event]) -> tuple[dict[int, list[PartNote]], dict[int, _Changes]]:
    """The notes and the programs of a chunk, by channel. A note-off ends the oldest note of its key."""
    notes: dict[int, list[PartNote]] = defaultdict(list)
    programs: dict[int, _Changes] = defaultdict(list)
    sounding: dict[int, deque[int]] = defaultdict(deque)  # note-ons that wait for their end, by key
    released: dict[int, int] = {}  # when each key was let go last
    for i, (tick, message, _) in enumerate(events):
        kind = message[0] & 0xF0
        if kind == 0x90 and message[2]:
            sounding[_key(message)].append(i)
        elif kind in (0x80, 0x90):
            key = _key(message)
            if ons := sounding[key]:
                on = ons.popleft()
                start, (_, pitch, velocity), _ = events[on]
                notes[key >> 7].append(PartNote(start, tick, pitch, velocity, on, i))
                released[key] = tick
        elif kind == 0xC0:
            programs[message[0] & 0xF].append(_Change(tick, i, message[1]))
    for key, ons in sounding.items():
        for on in ons:
            start, (_, pitch, velocity), _ = events[on]
            end = released.get(key, 0) if released.get(key, 0) > start else events[-1].tick
            notes[key >> 7].append(PartNote(start, end, pitch, velocity, on, None))
    for some in notes.values():
        some.sort(key=lambda note: note.on)
    return notes, programs


def _key(message: bytes) -> int:
    return (message[0] & 0xF) << 7 | message[1]


def _program(notes: Sequence[PartNote], own: _Changes, set_up: _Changes) -> int | None:
    """The program of most notes: the last one set in their chunk, or else by others."""
    counted: Counter[int | None] = Counter()
    for note in notes:
        before = own[: bisect_left(own, note.on, key=lambda change: change.place)]
        before = before or set_up[: bisect_right(set_up, note.start, key=lambda change: change.tick)]
        counted[before[-1].program if before else None] += 1
    return counted.most_common(1)[0][0]


def _name(events: Sequence[Event]) -> str:
    """The first name that a chunk gives itself."""
    return next((e.text.decode("utf-8", "replace") for e in events if e.message[:2] == _TRACK_NAME), "")
