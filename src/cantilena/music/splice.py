"""A user's MIDI file, event by event: the notes of one track change, every other event stays as it is.

Libraries drop or rewrite what they do not model when they save a file: texts, SysEx escapes, odd key signatures,
channels. So a file is edited here as bytes: chunks that are not touched are copied, and in the edited chunk every
message keeps its bytes, tick and order; only the notes that go, and the new ones, differ.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cantilena.music.chunks import Event, file_chunks, track_chunk, track_events
from cantilena.music.midi import Song
from cantilena.music.voices import DRUM_CHANNEL, PartNote, read_voices, weave

__all__ = ["Part", "TickNote", "find_part", "read_notes"]


class TickNote(NamedTuple):
    """A note in ticks."""

    start: int
    end: int
    pitch: int
    velocity: int


@dataclass(frozen=True, eq=False)
class Part:
    """One track of a song, in the events of its file. `find_part` makes it."""

    chunks: tuple[bytes, ...]  # all of the file's, with their heads, and what follows the last track
    chunk: int  # index of the one that holds this track
    channel: int  # 0..15
    events: tuple[Event, ...]  # of that chunk
    notes: tuple[PartNote, ...]  # this track's, in the order of their note-ons

    def replace(self, gone: Collection[PartNote], new: Sequence[TickNote]) -> bytes:
        """The file without the notes `gone`, and with the notes `new` on the track's channel.

        A note that the file never ends gets its note-off where a new one would make it longer. Raises ValueError for
        a new note that is empty or overlaps one of its own pitch: note-offs could not say which one they end.
        """
        stay = [n[:3] for n in self.notes if n not in set(gone)]
        _check([*stay, *(note[:3] for note in new)], new)
        drop = {i for note in gone for i in (note.on, note.off)}
        ons = [Event(n.start, bytes([0x90 | self.channel, n.pitch, n.velocity]), False) for n in new]
        offs = [Event(n.end, bytes([0x80 | self.channel, n.pitch, 64]), False) for n in new]
        edited = track_chunk(weave(self.events, before=offs, behind=ons, gone=drop))
        return b"".join(edited if i == self.chunk else chunk for i, chunk in enumerate(self.chunks))


def find_part(song: Song, track: int) -> Part:
    """Track `track` of `song` in the events of its file. Raises MidiError where these cannot be followed."""
    chunks = file_chunks(song.data, song.name)
    events = [track_events(chunk, song.name) for chunk in chunks[:-1]]
    voice = read_voices(events)[track]
    return Part(tuple(chunks), voice.chunk, voice.channel, tuple(events[voice.chunk]), tuple(voice.notes))


def read_notes(song: Song) -> list[TickNote]:
    """All notes of a song's file but the drums', in ticks, sorted."""
    *chunks, _ = file_chunks(song.data, song.name)
    voices = read_voices([track_events(chunk, song.name) for chunk in chunks])
    return sorted(TickNote(*n[:4]) for voice in voices if voice.channel != DRUM_CHANNEL for n in voice.notes)


def _check(notes: Sequence[tuple[int, int, int]], new: Sequence[TickNote]) -> None:
    """No new note is empty or overlaps one of its pitch; the new ones stand last in `notes`."""
    if any(n.end <= n.start or n.start < 0 for n in new):
        raise ValueError("new notes begin at tick 0 or later and end after they begin")
    first = len(notes) - len(new)
    reach: dict[tuple[int, bool], int] = {}  # how far notes of (pitch, whether new) sound
    for (start, end, pitch), k in sorted((note, k) for k, note in enumerate(notes)):
        fresh = k >= first
        if start < reach.get((pitch, True), 0) or (fresh and start < reach.get((pitch, False), 0)):
            raise ValueError(f"a new note of pitch {pitch} overlaps another of that pitch at tick {start}")
        reach[pitch, fresh] = max(reach.get((pitch, fresh), 0), end)
