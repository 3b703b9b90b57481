"""The gate: what is no music does not leave the house. It is drawn again out of the same seed; the receipt says which.

A new melody is no music where it hardly has notes, falls silent or stays on one pitch. New bars of a song are held
against the bars that stand nearest to them: they are about as dense, and have no hole that the song has not. Rules are
kept in half of their bars. Where none of a few draws passes, the one that fails least is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from cantilena.edits.window import own_seed
from cantilena.music.melody import Melody
from cantilena.music.tune_score import longest_run
from cantilena.rules import Density, Rhythm, Rules
from cantilena.rules.rule import sounding
from cantilena.verbs.outcome import HALF, least_kept

__all__ = ["EDITS", "TRIES", "Drawn", "broken", "first_fit", "hardly_there", "thinned", "unfit", "unlike"]

TRIES = 8  # draws of a new melody
EDITS = 6  # draws of new bars
_REDRAWN = 200  # tells a seed's numbers for drawing again from others
_FEWEST = 0.5  # notes a bar of what is a melody at all
_RUNNING = 32  # notes of one pitch, one after another: four bars of eighths
_SILENT = 0.5  # of its bars, one after another
_THIRD, _QUARTER = 1 / 3, 1 / 4  # by which the density of new bars may differ, and of varied ones
_LONG = 8  # bars: of fewer the density may differ more
_HOLE = 1.0  # bars in which nothing sounds, one after another, that no song has to have

T = TypeVar("T")


class Drawn(NamedTuple, Generic[T]):
    """What was drawn, and which draw of its seed it is, from 1."""

    what: T
    number: int


def first_fit(
    draw: Callable[[int], T], fault: Callable[[T], float], seed: int, *, first: T | None = None, tries: int = TRIES,
    nothing: Callable[[T], bool] = lambda drawn: False,
) -> Drawn[T]:  # fmt: skip
    """The first draw without `fault`, or of so many `tries` the one with the least; the `first` may be drawn already.

    Where even that one is as good as `nothing`, there are twice as many tries.

    >>> first_fit(lambda seed: seed, lambda drawn: 0.0, 7)
    Drawn(what=7, number=1)
    """
    best: tuple[float, Drawn[T]] | None = None
    for k in range(2 * tries):
        if k >= tries and not (best and nothing(best[1].what)):
            break
        found = first if k == 0 and first is not None else draw(seed if k == 0 else own_seed(seed, _REDRAWN + k))
        worse = fault(found)
        if best is None or worse < best[0]:
            best = worse, Drawn(found, k + 1)
        if worse <= 0:
            break
    assert best is not None
    return best[1]


def unfit(melody: Melody) -> float:
    """How far a new melody is from being one: 0 where it is."""
    pitch = melody.notes.pitch
    if pitch.size < max(2, _FEWEST * melody.bars) or (pitch == pitch[0]).all():
        return 2.0
    holes = max(0.0, _longest_hole(melody) / melody.bars - _SILENT) * (melody.bars > 2)
    return holes + max(0, longest_run(pitch) - _RUNNING) / pitch.size


def broken(rules: Rules | None, melody: Melody) -> float:
    """How far the rule that is kept least is from being kept: 0 where all are, in half of their bars."""
    kept = 1.0 if rules is None else least_kept(rules.rows(melody))
    return 0.0 if kept >= HALF else 1 - kept


def unlike(new: Melody, near: Melody, rules: Rules | None = None) -> float:
    """How far new bars are from going on as those `near` them do, where `rules` do not ask for it: 0 where they do."""
    if not near.notes.pitch.size:
        return 0.0
    asked = () if rules is None else rules.rules
    fault = max(0.0, _longest_hole(new) - max(_HOLE, _longest_hole(near))) / new.bars
    fault += max(0, longest_run(new.notes.pitch) - max(_RUNNING, longest_run(near.notes.pitch))) / new.events.size
    if any(isinstance(rule, Density | Rhythm) for rule in asked):
        return fault
    return fault + max(0.0, _apart(new, near) - _THIRD * math.sqrt(max(1.0, _LONG / new.bars)))


def hardly_there(new: Melody, near: Melody, rules: Rules | None = None) -> bool:
    """Whether new bars have hardly a note for three of those `near` them, and no rule says how many.

    Beside a long rest of the song most draws of a seed are silent.
    """
    asked = () if rules is None else rules.rules
    if any(isinstance(rule, Density | Rhythm) for rule in asked):
        return False
    return new.notes.pitch.size / new.bars < _THIRD * near.notes.pitch.size / near.bars


def thinned(new: Melody, song: Melody) -> float:
    """How far the density of a variation is beyond a quarter from the song's: 0 where it is not."""
    return max(0.0, _apart(new, song) - _QUARTER) if song.notes.pitch.size else 0.0


def _apart(one: Melody, other: Melody) -> float:
    """By what share the density of one melody differs from the other's."""
    here, there = (melody.notes.pitch.size / melody.bars for melody in (one, other))
    return float(abs(here / there - 1))


def _longest_hole(melody: Melody) -> float:
    """The longest silence, in bars."""
    silent = (sounding(melody) == 0).reshape(-1)
    turns = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]]).astype(np.int8)))
    return float((turns[1::2] - turns[::2]).max(initial=0)) / melody.metre.bar_steps
