"""A user's MIDI file, event by event: the notes of one track change, every other event stays as it is.

Libraries drop or rewrite what they do not model when they save a file: texts, SysEx escapes, odd key signatures,
channels. So a file is edited here as bytes: chunks that are not touched are copied, and in the edited chunk every
message keeps its bytes, tick and order; only the notes that go, and the new ones, differ.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cantilena.errors import MidiError
from cantilena.music.chunks import Event, file_chunks, track_chunk, track_events
from cantilena.music.midi import Song, Track

__all__ = [
    "DRUM_CHANNEL",
    "Part",
    "PartNote",
    "TickNote",
    "find_part",
    "read_notes",
]

DRUM_CHANNEL = 9  # counted from 0


class TickNote(NamedTuple):
    """A note in ticks."""

    start: int
    end: int
    pitch: int
    velocity: int


class PartNote(NamedTuple):
    """A note of a file, with the events that make it."""

    start: int
    end: int | None  # None where the file never ends it
    pitch: int
    velocity: int
    on: int  # index of its note-on in the chunk's events
    off: int | None


class _Voice(NamedTuple):
    """What symusic calls a track: the notes of a chunk on one channel, started under one program."""

    chunk: int
    channel: int
    program: int


@dataclass(frozen=True, eq=False)
class Part:
    """One track of a song, in the events of its file. `find_part` makes it."""

    chunks: tuple[bytes, ...]  # all of the file's, with their heads
    chunk: int  # index of the one that holds this track
    channel: int  # 0..15
    events: tuple[Event, ...]  # of that chunk
    notes: tuple[PartNote, ...]  # this track's, in the order of their note-ons
    others: tuple[PartNote, ...]  # notes of other programs on the same channel of the chunk

    def replace(self, gone: Collection[PartNote], new: Sequence[TickNote]) -> bytes:
        """The file without the notes `gone`, and with the notes `new` on the track's channel.

        Raises ValueError for a new note that is empty or overlaps one of its own pitch on the channel: the file's
        note-offs could then not say which one they end.
        """
        stay = [(n.start, n.end, n.pitch) for n in (*self.notes, *self.others) if n not in set(gone)]
        _check([*stay, *(note[:3] for note in new)], new)
        drop = {i for note in gone for i in (note.on, note.off)}
        *kept, last = (e for i, e in enumerate(self.events) if i not in drop)
        ons = [Event(n.start, bytes([0x90 | self.channel, n.pitch, n.velocity]), False) for n in new]
        offs = [Event(n.end, bytes([0x80 | self.channel, n.pitch, 64]), False) for n in new]
        # at one tick: what ends, then the file's own events in their order, then what begins
        ranked = [(offs, 0), (kept, 1), (ons, 2)]
        events = [(e.tick, rank, i, e) for some, rank in ranked for i, e in enumerate(some)]
        ordered = [e for *_, e in sorted(events, key=lambda item: item[:3])]
        end = last._replace(tick=max([last.tick, *(e.tick for e in offs)]))
        edited = track_chunk([*ordered, end])
        return b"".join(edited if i == self.chunk else chunk for i, chunk in enumerate(self.chunks))


def find_part(song: Song, track: int) -> Part:
    """Track `track` of `song` in the events of its file.

    Raises MidiError where the events of the file cannot be followed.
    """
    chunks, voices = _voices(song)
    notes = _tuples(song.tracks[track])
    same = [v for v, found in voices.items() if sorted(n[:3] for n in found if n.end is not None) == notes]
    if not same:
        raise MidiError(f"{song.name}: track {track} cannot be edited: its notes are not in the file's events as read")
    equal = [i for i, t in enumerate(song.tracks) if _tuples(t) == notes]  # they stand in the file in this order
    voice = same[min(equal.index(track), len(same) - 1)]
    others = tuple(n for v, found in voices.items() if v != voice and v[:2] == voice[:2] for n in found)
    events = tuple(track_events(chunks[voice.chunk], song.name))
    return Part(tuple(chunks), voice.chunk, voice.channel, events, tuple(voices[voice]), others)


def _tuples(track: Track) -> list[tuple[int, int, int]]:
    return sorted(zip(track.start.tolist(), track.end.tolist(), track.pitch.tolist(), strict=True))


def read_notes(song: Song) -> list[TickNote]:
    """All notes of a song's file but the drums', in ticks, sorted."""
    _, voices = _voices(song)
    found = (n for voice, notes in voices.items() if voice.channel != DRUM_CHANNEL for n in notes)
    return sorted(TickNote(n.start, n.end, n.pitch, n.velocity) for n in found if n.end is not None)


def _voices(song: Song) -> tuple[list[bytes], dict[_Voice, list[PartNote]]]:
    """The chunks of a file, and its notes as symusic divides them into tracks, in its order."""
    chunks = file_chunks(song.data, song.name)
    voices: dict[_Voice, list[PartNote]] = {}
    for index, chunk in enumerate(chunks):
        found = _notes(track_events(chunk, song.name))
        voices |= {_Voice(index, *key): sorted(notes, key=lambda n: n.on) for key, notes in sorted(found.items())}
    return chunks, voices


def _notes(events: Sequence[Event]) -> dict[tuple[int, int], list[PartNote]]:
    """Notes by (channel, program at their start). A note-off ends the oldest note of its pitch, as symusic reads it."""
    notes: dict[tuple[int, int], list[PartNote]] = defaultdict(list)
    program = [0] * 16
    open_: dict[tuple[int, int], deque[tuple[int, int]]] = defaultdict(deque)  # (channel, pitch) -> (program, on)
    for i, (tick, message, _) in enumerate(events):
        kind, channel = message[0] >> 4, message[0] & 0xF
        if kind == 0xC:
            program[channel] = message[1]
        elif kind == 0x9 and message[2]:
            open_[channel, message[1]].append((program[channel], i))
        elif kind in (0x8, 0x9) and open_[channel, message[1]]:
            played, on = open_[channel, message[1]].popleft()
            start, (_, pitch, velocity) = events[on].tick, events[on].message
            notes[channel, played].append(PartNote(start, tick, pitch, velocity, on, i))
    for (channel, pitch), left in open_.items():
        for played, on in left:
            velocity = events[on].message[2]
            notes[channel, played].append(PartNote(events[on].tick, None, pitch, velocity, on, None))
    return notes


def _check(notes: Sequence[tuple[int, int | None, int]], new: Sequence[TickNote]) -> None:
    """No new note is empty or overlaps one of its pitch; the new ones stand last in `notes`."""
    if any(n.end <= n.start or n.start < 0 for n in new):
        raise ValueError("new notes begin at tick 0 or later and end after they begin")
    first = len(notes) - len(new)
    reach: dict[tuple[int, bool], float] = {}  # how far notes of (pitch, whether new) sound
    for (start, end, pitch), k in sorted((note, k) for k, note in enumerate(_ended(notes))):
        fresh = k >= first
        if start < reach.get((pitch, True), 0) or (fresh and start < reach.get((pitch, False), 0)):
            raise ValueError(f"a new note of pitch {pitch} overlaps another of that pitch at tick {start}")
        reach[pitch, fresh] = max(reach.get((pitch, fresh), 0), end)


def _ended(notes: Sequence[tuple[int, int | None, int]]) -> list[tuple[int, float, int]]:
    return [(start, float("inf") if end is None else end, pitch) for start, end, pitch in notes]
