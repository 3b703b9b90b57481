"""`Passage`: the bars of a song that are composed anew, with all that must stay as it is.

A note belongs to the bar of its nearest step, as the extractor reads it: one that is played a little before the
bar line is the next bar's. What stays is never rewritten: locked notes keep their own ticks, on the grid or off it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cantilena.errors import MidiError
from cantilena.music.bars import Bars, Stretch, bar_lines, find_stretch
from cantilena.music.dynamics import Dynamics
from cantilena.music.extract import Candidate, candidates, extract, skyline, to_steps
from cantilena.music.locks import Locks
from cantilena.music.melody import MAX_PITCH, MIN_PITCH, Melody, Notes, pitch_name
from cantilena.music.metre import Metre, Metres
from cantilena.music.midi import Song, read_song
from cantilena.music.splice import Part, TickNote, find_part, read_notes
from cantilena.music.timeline import on_fine_ticks
from cantilena.music.voices import PartNote

__all__ = ["Passage", "melody_in", "metre_of", "read_passage"]


@dataclass(frozen=True, eq=False)
class Passage:
    """Bars of one track of a song, on the grid of the melody around them. `read_passage` makes it."""

    song: Song
    candidate: Candidate  # the track as the extractor sees it
    bars: Bars
    stretch: Stretch  # the bars in one metre around them
    part: Part
    gone: frozenset[PartNote]  # the bars' own notes
    planted: tuple[TickNote, ...]  # kept notes that the song does not have
    before: Melody  # of the whole stretch
    locks: Locks  # (steps of the stretch,)

    def melody(self, tokens: NDArray[np.integer]) -> Melody:
        """Tokens of the whole stretch as a melody with the locked notes in it."""
        return self.before.like(self.locks.paste(tokens))

    def write(self, melody: Melody) -> bytes:
        """The song's file with the new notes of `melody` in place of the bars' own; nothing else differs."""
        per_step = self.song.ticks_per_quarter / self.before.metre.quarter_steps
        stays = [n for n in self.part.notes if n not in self.gone]
        locked = sorted([*(TickNote(*n[:4]) for n in stays), *self.planted])
        dynamics, new = Dynamics(locked, self._weight), []
        for step, end, pitch in zip(*(a.tolist() for a in melody.notes), strict=True):
            if not self.locks.locked[step]:
                start, stop = (self.stretch.begin + round(s * per_step) for s in (step, end))
                if span := _fit(start, stop, pitch, locked, per_step):
                    new.append(TickNote(*span, pitch, dynamics.velocity(span[0])))
        return self.part.replace(self.gone, [*self.planted, *new])

    def _weight(self, tick: int) -> int:
        """How strong the step of a tick is in its bar: 0, the first, -1, ..."""
        metre = self.before.metre
        step = int(to_steps(np.array([tick - self.stretch.begin]), self.song.ticks_per_quarter, metre)[0])
        return int(metre.weights[step % metre.bar_steps])


def read_passage(
    source: str | Path | bytes | Song,
    bars: Bars,
    *,
    track: int | None = None,
    keep: str | Path | bytes | Song | None = None,
    name: str | None = None,
    metres: Metres = None,
) -> Passage:
    """The `bars` of a song's melody, or of track number `track`, ready to be composed anew.

    The notes of the file `keep` stand in the result as they are: those that the song has there stay, others are
    added. The bars are in one of `metres`, if some are given. Raises MidiError (one line) where the song, its melody or
    a bar is not as it must be; ValueError where a kept note lies outside the bars.
    """
    song = on_fine_ticks(source if isinstance(source, Song) else read_song(source, name=name))
    stretch = find_stretch(song, bars, metres)
    index = extract(song, track, metres).track
    candidate = melody_in(song, index, stretch, metres)
    metre = metre_of(candidate)
    part, bar = find_part(song, index), metre.bar_steps
    free = np.zeros(stretch.bars * bar, np.bool_)
    for first, last in bars:
        free[(first - stretch.first) * bar : (last + 1 - stretch.first) * bar] = True
    kept = [] if keep is None else _read_kept(keep, song)
    inside = {n for n in part.notes if _is_free(n.start, free, song, stretch, metre)}
    have = {(n.start, n.pitch): n for n in part.notes}
    spared = {have[n.start, n.pitch] for n in kept if (n.start, n.pitch) in have}
    planted = tuple(n for n in kept if (n.start, n.pitch) not in have)
    for n in planted:
        if not _is_free(n.start, free, song, stretch, metre):
            number = sum(line.begin <= n.start for line in bar_lines(song))
            where = f"{pitch_name(n.pitch)} in bar {number}"
            raise ValueError(f"{song.name}: the note to keep, {where}, is neither in track {index} nor in the bars")
    melody = _on_grid([n[:3] for n in part.notes], song, stretch, metre)
    held = [*(n[:3] for n in spared & inside), *(n[:3] for n in planted)]
    before = Melody.from_notes(*melody, bars=stretch.bars, qpm=song.qpm, metre=metre)
    locks = Locks.around(melody, free, _on_grid(held, song, stretch, metre), metre=metre)
    return Passage(song, candidate, bars, stretch, part, frozenset(inside - spared), planted, before, locks)


def metre_of(found: Candidate) -> Metre:
    """The metre of a candidate that is a melody."""
    assert found.melody is not None
    return found.melody.metre


def melody_in(song: Song, track: int, stretch: Stretch, metres: Metres = None) -> Candidate:
    """The melody of a track in a stretch of bars; MidiError where there is none."""
    found = next(c for c in candidates(song, metres) if (c.track, c.region) == (track, stretch.region))
    if found.melody is None:
        where = f"bars {stretch.first}-{stretch.first + stretch.bars - 1}"
        raise MidiError(f"{song.name}: track {track} has no melody in {where}: {found.reason}")
    return found


def _read_kept(keep: str | Path | bytes | Song, song: Song) -> list[TickNote]:
    """The notes of a file, on the ticks of `song`."""
    other = keep if isinstance(keep, Song) else read_song(keep)
    ratio = song.ticks_per_quarter / other.ticks_per_quarter
    notes = read_notes(other)
    if not notes:
        raise MidiError(f"{other.name}: no notes to keep but drums")
    scaled = [n._replace(start=round(n.start * ratio), end=round(n.end * ratio)) for n in notes]
    once = {(n.start, n.pitch): n._replace(end=max(n.end, n.start + 1)) for n in scaled}
    return list(once.values())


def _is_free(tick: int, free: NDArray[np.bool_], song: Song, stretch: Stretch, metre: Metre) -> bool:
    step = int(to_steps(np.array([tick - stretch.begin]), song.ticks_per_quarter, metre)[0])
    return stretch.begin <= tick < stretch.end and bool(free[min(step, free.size - 1)])


def _on_grid(notes: Sequence[tuple[int, int, int]], song: Song, stretch: Stretch, metre: Metre) -> Notes:
    """The melody of notes (start, end, pitch) in ticks, in steps of the stretch, as `extract` reads it."""
    table = np.array(notes, np.int64).reshape(-1, 3)
    start, end, pitch = table[
        (stretch.begin <= table[:, 0]) & (table[:, 0] < stretch.end)
        & (table[:, 2] >= MIN_PITCH) & (table[:, 2] <= MAX_PITCH)
    ].T  # fmt: skip
    steps = stretch.bars * metre.bar_steps
    on = to_steps(start - stretch.begin, song.ticks_per_quarter, metre)
    off = np.minimum(to_steps(end - stretch.begin, song.ticks_per_quarter, metre), steps)
    if not on.size:
        return Notes(on, off, pitch)
    fits = on < steps  # a note played just before the stretch ends has no step of its own
    return skyline(on[fits], off[fits], pitch[fits])[0]


def _fit(start: int, end: int, pitch: int, locked: Sequence[TickNote], sixteenth: float) -> tuple[int, int] | None:
    """Where a new note can sound among locked ones, in ticks; None where nothing worth hearing is left of it.

    It waits for a locked note that still sounds for less than a sixteenth (rounded, or played legato) and ends where
    the next begins. Over a long one, as in chords, it sounds if it has another pitch.
    """
    for begins, ends, other, _ in locked:
        if begins <= start < ends and (other == pitch or ends - start < sixteenth):
            start = ends
    if any(begins <= start < ends and other == pitch for begins, ends, other, _ in locked):
        return None
    end = min([end, *(begins for begins, *_ in locked if begins >= start)])
    return (start, end) if end - start >= max(sixteenth / 4, 1) else None
