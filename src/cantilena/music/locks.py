"""`Locks`: which steps of a melody are held and which are composed anew, note by note."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cantilena.music.bars import Bars, bars_are
from cantilena.music.melody import HOLD, REST, Melody, Notes, pitch_name, to_token
from cantilena.music.metre import COMMON, Metre

__all__ = ["Locks", "lock_melody"]

_NO_NOTES = Notes(*(np.zeros(0, np.int64) for _ in Notes._fields))


@dataclass(frozen=True, eq=False)
class Locks:
    """A melody of which some steps are held: `paste` puts the held notes into any other.

    `tokens` hold the locked notes, with a REST wherever a new note must have ended; on free steps they are the melody
    as it was. `known` are the locked steps that say something about the music: not the silence before the
    first note and after the last, which is where the melody's song is silent or over.

    >>> notes = Notes(*map(np.array, ([0, 8], [4, 16], [60, 62])))
    >>> free = np.arange(16) < 8
    >>> locks = Locks.around(notes, free)
    >>> locks.paste(np.array([50] + 15 * [0])).tolist()  # the new note ends where the locked one begins
    [50, 0, 0, 0, 0, 0, 0, 0, 43, 0, 0, 0, 0, 0, 0, 0]
    """

    tokens: NDArray[np.int8]  # (steps,)
    locked: NDArray[np.bool_]  # (steps,)
    known: NDArray[np.bool_]  # (steps,)
    metre: Metre = COMMON

    @classmethod
    def around(
        cls, notes: Notes, free: NDArray[np.bool_], kept: Notes = _NO_NOTES, *, metre: Metre = COMMON
    ) -> Locks:  # fmt: skip
        """Hold the `notes` that begin outside the steps `free` (steps,), and the `kept` ones inside.

        A held note that rings into free steps is held to its end. A note that goes but rang out of the free steps
        leaves its place to the new one that sounds there: that may ring as long, no longer.
        """
        steps = free.size
        goes = free[notes.start]
        start, end, pitch = (
            np.concatenate([ours[~goes], theirs]) for ours, theirs in zip(notes, kept, strict=True)
        )  # fmt: skip
        order = np.argsort(start, kind="stable")
        start, end, pitch = start[order], end[order], pitch[order]
        end = np.minimum(end, np.append(start[1:], steps))
        tokens = _tokens(Notes(start, end, pitch), steps)
        sounds = _sounding(start, end, steps)
        tails = _sounding(notes.start[goes], notes.end[goes], steps)  # where a note rang that goes
        locked = ~free | sounds
        after_free = np.append(False, locked[1:] & ~locked[:-1])
        after_tail = np.append(False, tails[:-1] & ~tails[1:]) & locked
        stop = locked & ~sounds & (tokens == HOLD) & ((after_free & ~tails) | after_tail)
        tokens[stop] = REST
        tokens = np.where(locked, tokens, _tokens(notes, steps))
        matters = np.concatenate([np.flatnonzero(free), notes.start, notes.end - 1, kept.start])
        bar, bars = np.arange(steps) // metre.bar_steps, matters // metre.bar_steps
        known = locked & (bar >= bars.min(initial=steps)) & (bar <= bars.max(initial=0))
        for array in (tokens, locked, known):
            array.setflags(write=False)
        return cls(tokens, locked, known, metre)

    def paste(self, tokens: NDArray[np.integer]) -> NDArray[np.int8]:
        """The locked steps put into `tokens` (..., steps); a hold after a locked step becomes a rest, not its echo."""
        after_locked = np.append(False, self.locked[:-1] & ~self.locked[1:])
        free = np.where(after_locked & (tokens == HOLD), REST, tokens)
        return np.where(self.locked, self.tokens, free).astype(np.int8)


def lock_melody(melody: Melody, bars: Bars, keep: Melody | None = None) -> Locks:
    """Hold all of a melody but its `bars`, and in these the notes of `keep`.

    Raises ValueError for bars outside the melody, and for a kept note that is neither in it nor in the bars.
    """
    if bars[-1][1] > melody.bars:
        raise ValueError(f"{bars_are(*bars[-1])} outside the melody, which has {melody.bars} bars")
    bar, free = melody.metre.bar_steps, np.zeros(melody.events.size, np.bool_)
    for first, last in bars:
        free[(first - 1) * bar : last * bar] = True
    if keep is None:
        return Locks.around(melody.notes, free, metre=melody.metre)
    if keep.metre.quarter_steps != melody.metre.quarter_steps:
        raise ValueError(f"the notes to keep are in {keep.metre}, and the melody in {melody.metre}")
    kept = keep.notes
    have = set(zip(*(a.tolist() for a in melody.notes), strict=True))
    inside = (kept.end <= free.size) & free[np.minimum(kept.start, free.size - 1)]
    for note, within in zip(zip(*(a.tolist() for a in kept), strict=True), inside.tolist(), strict=True):
        if not within and note not in have:
            where = f"{pitch_name(note[2])} in bar {note[0] // bar + 1}"
            raise ValueError(f"the note to keep, {where}, is neither in the melody nor in the bars")
    return Locks.around(melody.notes, free, Notes(*(a[inside] for a in kept)), metre=melody.metre)


def _tokens(notes: Notes, steps: int) -> NDArray[np.int8]:
    tokens = np.zeros(steps + 1, np.int8)
    tokens[notes.end] = REST
    tokens[notes.start] = to_token(notes.pitch)
    return tokens[:-1]


def _sounding(start: NDArray[np.int64], end: NDArray[np.int64], steps: int) -> NDArray[np.bool_]:
    """Which steps lie in one of the spans."""
    change = np.bincount(start, minlength=steps + 1) - np.bincount(end, minlength=steps + 1)
    sounding: NDArray[np.bool_] = change.cumsum()[:-1] > 0
    return sounding
