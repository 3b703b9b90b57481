"""A song as the page draws and plays it, and its file with some notes of a track changed.

Ticks are the file's own, bars those that a DAW counts, whatever the metre.
"""

from __future__ import annotations

from itertools import pairwise

from msgspec import Struct

from cantilena.errors import MidiError
from cantilena.music.bars import bar_lines
from cantilena.music.chunks import file_chunks, track_events
from cantilena.music.extract import extract
from cantilena.music.midi import Song
from cantilena.music.splice import TickNote, find_part
from cantilena.music.texts import printable

__all__ = ["Note", "Shown", "Track", "change_notes", "show"]

Note = tuple[int, int, int, int]  # start and end in ticks, MIDI pitch, velocity
_TEMPO = b"\xff\x51\x03"


class Track(Struct, frozen=True):
    """A track."""

    name: str
    program: int | None
    drums: bool
    notes: list[Note]


class Shown(Struct, frozen=True):
    """A song."""

    name: str
    quarter: int  # ticks
    bars: list[int]  # the tick of each bar line, and last that of the end
    metres: list[tuple[int, str]]  # the bar, from 1, in which each metre begins
    tempos: list[tuple[int, float]]  # tick, quarter notes a minute
    tracks: list[Track]
    melody: int | None  # index of the track that holds it
    why: str  # why there is none


def show(song: Song, track: int | None = None) -> Shown:
    """All that the page shows of a song; `track` holds its melody, or the one that is found there.

    Raises MidiError (one line) where the song's events or bars cannot be followed.
    """
    lines = bar_lines(song)
    metres = [(1, lines[0].metre)] if lines else []
    metres += [(n, b.metre) for n, (a, b) in enumerate(pairwise(lines), 2) if a.metre != b.metre]
    why = ""
    try:
        track = extract(song).track if track is None else track
    except MidiError as error:
        why = str(error)
    tracks = []
    for index, one in enumerate(song.tracks):
        notes = [(n.start, n.end, n.pitch, n.velocity) for n in sorted(find_part(song, index).notes)]
        tracks.append(Track(printable(one.name), one.program, one.is_drum, notes))
    ends = [bar.begin for bar in lines] + [lines[-1].end if lines else 0]
    return Shown(printable(song.name), song.ticks_per_quarter, ends, metres, _tempos(song), tracks, track, why)


def change_notes(song: Song, track: int, gone: list[Note], new: list[Note]) -> bytes:
    """The song's file without some notes of a track and with others; every other event stays as it is.

    Raises ValueError for a track or a note that is not there, and for a new one that overlaps another of its pitch.
    """
    if not 0 <= track < len(song.tracks):
        raise ValueError(f"{song.name}: a track is 0 to {len(song.tracks) - 1}, not {track}")
    part = find_part(song, track)
    there = {tuple(note[:3]): note for note in part.notes}
    missing = [note for note in gone if note[:3] not in there]
    if missing:
        start, _, pitch, _ = missing[0]
        raise ValueError(f"{song.name}: track {track} has no note of pitch {pitch} at tick {start} that could go")
    for start, end, pitch, velocity in new:
        if not (0 <= start < end < 1 << 28 and 0 <= pitch <= 127 and 1 <= velocity <= 127):
            raise ValueError(f"a note is start < end in ticks, pitch 0..127, velocity 1..127, not {start, end, pitch}")
    return part.replace([there[note[:3]] for note in gone], [TickNote(*note) for note in sorted(new)])


def _tempos(song: Song) -> list[tuple[int, float]]:
    """Every tempo in order, the first at tick 0."""
    found = {0: 120.0}
    for chunk in file_chunks(song.data, song.name)[:-1]:
        for event in track_events(chunk, song.name):
            if event.message[:3] == _TEMPO:
                found[event.tick] = 60e6 / max(int.from_bytes(event.text, "big"), 1)
    return sorted(found.items())
