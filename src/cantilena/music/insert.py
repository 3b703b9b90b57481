"""Room for new bars: after a melody, before it, or between two; of a file, with all that it holds.

What was there is never rewritten, only moved: see `music.timeline`. The new bars are a `Passage` of the file with the
room in it, as bars to edit are.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from numbers import Integral
from pathlib import Path

import numpy as np

from cantilena.errors import MidiError
from cantilena.music.bars import Stretch, bar_lines, stretches, unknown_metre
from cantilena.music.channel import set_channel
from cantilena.music.extract import Candidate, extract, to_steps
from cantilena.music.locks import Locks
from cantilena.music.melody import Melody, Notes
from cantilena.music.metre import Metres
from cantilena.music.midi import MAX_QUARTERS, Song, read_song
from cantilena.music.passage import Passage, melody_in, metre_of
from cantilena.music.splice import find_part
from cantilena.music.timeline import append_file, last_time_change, later, on_fine_ticks

__all__ = ["MAX_NEW", "free_bars", "insert_after", "insert_before", "insert_between"]

MAX_NEW = 1000  # bars


def free_bars(bars: int, *, after: Melody | None = None, before: Melody | None = None) -> Locks:
    """`bars` free bars after one melody and before the other, which are held; either may be missing.

    Raises ValueError for bars outside 1..1000, for a melody without notes, and for melodies in two metres.

    >>> tune = Melody.from_notes([0, 8], [8, 16], [60, 62])
    >>> (~free_bars(2, after=tune).locked).reshape(-1, 16).any(1).tolist()
    [False, True, True]
    """
    bars = _new(bars)
    parts = [melody for melody in (after, before) if melody is not None]
    if not all(melody.notes.pitch.size for melody in parts):
        raise ValueError("a melody without notes has nothing that could go on")
    metre = parts[0].metre
    if any(melody.metre != metre for melody in parts):
        raise ValueError(f"new bars lead from one melody to another of its metre, not from {metre} to {parts[1].metre}")
    first = 0 if after is None else after.events.size
    behind = first + bars * metre.bar_steps
    free = np.zeros(behind + (0 if before is None else before.events.size), np.bool_)
    free[first:behind] = True
    shifted = [
        Notes(melody.notes.start + at, melody.notes.end + at, melody.notes.pitch)
        for melody, at in ((after, 0), (before, behind))
        if melody is not None
    ]
    return Locks.around(Notes(*(np.concatenate(some) for some in zip(*shifted, strict=True))), free, metre=metre)


def insert_after(
    source: str | Path | bytes | Song, bars: int, *, track: int | None = None, metres: Metres = None
) -> Passage:
    """A song with `bars` new bars behind the last bar in which the melody's track sounds.

    Other tracks that go on longer stay as they are, beneath the new bars. Raises MidiError (one line) where the song
    cannot be continued so, ValueError for a wrong argument.
    """
    (song, index), bars = _read(source, track, metres), _new(bars)
    last = min(int(song.tracks[index].start.max()), song.end - 1)
    found, stretch = _melody_at(song, index, last, f"track {index} ends", metres)
    melody = _whole(found)
    room = free_bars(bars, after=melody)
    begin, end = stretch.tick(melody.bars), stretch.tick(melody.bars + bars)
    _stays_in_metre(song, stretch, end)
    data = set_channel(song, index, begin, end)
    return _passage(data, song, found, stretch, room, melody, melody.bars, bars)


def insert_before(
    source: str | Path | bytes | Song, bars: int, *, track: int | None = None, metres: Metres = None
) -> Passage:
    """A song with `bars` new bars before its first: everything in it comes so much later, as `later` has it.

    Raises MidiError (one line) where it does not begin in a metre that is known or has no melody there, ValueError for
    a wrong argument.
    """
    (song, index), bars = _read(source, track, metres), _new(bars)
    found, stretch = _melody_at(song, index, 0, "it begins", metres)
    melody = _whole(found, stretch.bars)
    room = free_bars(bars, before=melody)
    end = stretch.tick(bars)
    moved = replace(read_song(later(song.data, end, song.name), name=song.name), qpm=song.qpm)
    data = set_channel(moved, index, 0, end)
    return _passage(data, moved, found, stretch, room, melody, 0, bars)


def insert_between(
    a: str | Path | bytes | Song, b: str | Path | bytes | Song, bars: int, *, track: int | None = None,
    track_b: int | None = None, metres: Metres = None,
) -> Passage:  # fmt: skip
    """Song `b` behind song `a`, with `bars` new bars of a's melody track between them.

    The new bars begin at the bar line after the last note, and the last change of tempo, of all tracks of a; b's
    tracks and time stand behind them as `append_file` has it. Raises MidiError (one line) where a does not end or b
    does not begin with a melody, both in one metre that is known, ValueError for a wrong argument.
    """
    (song, index), (other, index_b), bars = _read(a, track, metres), _read(b, track_b, metres), _new(bars)
    found, stretch = _melody_at(song, index, song.end - 1, "it ends", metres)
    found_b, stretch_b = _melody_at(other, index_b, 0, "it begins", metres)
    metre = metre_of(found)
    if not metre.alike(metre_of(found_b)):
        raise MidiError(f"{song.name} ends in {metre}, {other.name} begins in {metre_of(found_b)}: a bridge needs one")
    end = max(song.end, last_time_change(song.data, song.name))
    steps = int(to_steps(np.array([end - stretch.begin]), song.ticks_per_quarter, metre)[0])
    melody = _whole(found, -(-steps // metre.bar_steps))
    melody_b = replace(_whole(found_b, stretch_b.bars), metre=metre)
    room = free_bars(bars, after=melody, before=melody_b)
    joint = stretch.tick(melody.bars), stretch.tick(melody.bars + bars)
    _stays_in_metre(song, stretch, joint[1])
    data = set_channel(song, index, *joint)
    both = append_file(data, other.data, joint[1], (song.name, other.name))
    joined = replace(read_song(both, name=f"{song.name} and {other.name}"), qpm=song.qpm)
    scale = joined.ticks_per_quarter // song.ticks_per_quarter
    stretch = stretch._replace(begin=stretch.begin * scale, bar=stretch.bar * scale)
    return _passage(both, joined, found, stretch, room, melody, melody.bars, bars)


def _new(bars: int) -> int:
    """How many new bars, as an int of Python; ValueError for what is no number of them."""
    if isinstance(bars, bool) or not (isinstance(bars, Integral) and 1 <= bars <= MAX_NEW):
        raise ValueError(f"1 to {MAX_NEW} new bars are composed, not {bars}")
    return int(bars)


def _read(source: str | Path | bytes | Song, track: int | None, metres: Metres) -> tuple[Song, int]:
    song = on_fine_ticks(source if isinstance(source, Song) else read_song(source))
    return song, extract(song, track, metres).track


def _melody_at(song: Song, track: int, tick: int, what: str, metres: Metres) -> tuple[Candidate, Stretch]:
    """The melody of a track in the stretch in one metre around a tick; MidiError where there is none."""
    stretch = next((one for one in stretches(song, metres) if one.begin <= tick < one.end), None)
    if stretch is None:
        metre = next(bar.metre for bar in reversed(bar_lines(song)) if bar.begin <= tick)
        raise unknown_metre(song, what, metre, metres)
    return melody_in(song, track, stretch, metres), stretch


def _stays_in_metre(song: Song, stretch: Stretch, end: int) -> None:
    """MidiError where the metre changes between the stretch's first bar line and tick `end`."""
    length = stretch.bar / song.ticks_per_quarter / 4  # of a bar, in whole notes
    for tick, numerator, denominator in song.time_signatures:
        if not stretch.begin < tick < end:
            continue
        where = f"bar {stretch.first + int((tick - stretch.begin) / stretch.bar)}, which the new bars would reach,"
        if Fraction(numerator, denominator) != length:
            raise MidiError(f"{song.name}: {where} is in {numerator}/{denominator}: the new bars need one metre")
        if (tick - stretch.begin) % stretch.bar:
            raise MidiError(f"{song.name}: {where} is cut short by a change of metre")


def _whole(found: Candidate, bars: int = 0) -> Melody:
    """The melody of a candidate with the silence before it, and behind it up to `bars`."""
    assert found.melody is not None
    start, end, pitch = found.melody.notes
    metre = found.melody.metre
    silence = found.first_bar * metre.bar_steps
    bars = max(bars, found.first_bar + found.melody.bars)
    return Melody.from_notes(start + silence, end + silence, pitch, bars=bars, qpm=found.melody.qpm, metre=metre)


def _passage(
    data: bytes, song: Song, found: Candidate, stretch: Stretch, room: Locks, before: Melody, first: int, bars: int
) -> Passage:
    """`bars` new bars of `song`, whose file is `data` now, behind the `first` bars of the stretch."""
    count = room.locked.size // room.metre.bar_steps
    stretch = stretch._replace(bars=count, end=stretch.tick(count))
    if stretch.end > MAX_QUARTERS * song.ticks_per_quarter:
        raise MidiError(f"{song.name}: with the new bars it would be longer than {MAX_QUARTERS // 4:,} bars")
    new = (stretch.first + first, stretch.first + first + bars - 1)
    song = replace(song, data=data)
    return Passage(song, found, (new,), stretch, find_part(song, found.track), frozenset(), (), before, room)
