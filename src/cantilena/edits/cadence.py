"""Where a melody comes to rest: what a cadence is, and how a melody without one gets it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import BAR_STEPS, HOLD, MIN_PITCH, REST, VOCABULARY, Melody
from cantilena.rules import Key, estimate_key
from cantilena.writing import Bounds

__all__ = ["Write", "come_to_rest", "has_cadence", "key_before"]

Write: TypeAlias = Callable[[Bounds], NDArray[np.int8]]  # latents that are there, written within bounds: (P, 32)
_HALF_NOTE = 8  # steps


def has_cadence(melody: Melody) -> bool:
    """Whether it ends at rest: a half note or longer that fills the last bar, on a stable degree of its key.

    The key is that of all the notes before: the last has no say in what it is judged by.
    """
    return _last(melody) in _stable(melody, int(melody.notes.start[-1]) if melody.notes.start.size else 0)


def _last(melody: Melody) -> int | None:
    """The pitch class that a melody ends on at rest, for a half note or longer; None where it does not."""
    start, end, pitch = melody.notes
    if not start.size or end[-1] != melody.events.size or end[-1] - start[-1] < _HALF_NOTE:
        return None
    return int(pitch[-1]) % 12


def come_to_rest(
    write: Write, tokens: NDArray[np.int8], begin: int, end: int, *, tonic: bool = False
) -> NDArray[np.int8]:
    """Phrases (P, 32) whose steps `begin` to `end` are a melody, with a cadence: its last bar is written anew.

    The bar's second half, or where that leaves it without a cadence all of it, is one note that is not to end, on a
    pitch to rest on: which one, and what leads to it, is left to the music. `write` gives the tokens that keep its
    bounds; where they forbid every stable pitch, another stands there. A melody that has a cadence stays as it is; with
    `tonic` only that pitch class is one to rest on, as long as it may be.
    """
    steps, bar = np.arange(tokens.size), end - BAR_STEPS
    key = key_before(_part(tokens, begin, end), bar - begin)
    home = frozenset([key.tonic]) if key and tonic else key.stable if key else frozenset(range(12))
    stable, any_ = _sounding(home), _sounding(frozenset(range(12)))
    for first, pitches in ((end - _HALF_NOTE, stable), (bar, stable), (bar, any_)):
        ends = _part(tokens, begin, end)
        if has_cadence(ends) if not (key and tonic) else _last(ends) in home:
            break
        bounds = Bounds.fixing(tokens, ((steps < bar) | (steps >= end)).reshape(tokens.shape))
        sounding, fixed = (a.reshape(tokens.size, -1) for a in (bounds.sounding, bounds.fixed))
        sounding[first:end] = pitches
        fixed[first + 1 : end] = HOLD
        tokens = write(replace(bounds, rings=first > bar))  # a note that rings into the bar may be the last
    return tokens


def _part(tokens: NDArray[np.int8], begin: int, end: int) -> Melody:
    return Melody.from_tokens(tokens.reshape(-1)[begin:end])


def _sounding(classes: frozenset[int]) -> NDArray[np.bool_]:
    """The pitches of some classes, by token (90,); silence is none of them."""
    tokens = np.arange(VOCABULARY)
    return np.isin((tokens + MIN_PITCH - 2) % 12, list(classes)) & (tokens > REST)


def key_before(melody: Melody, step: int) -> Key | None:
    """The key of the notes that begin before a step; None where there are none."""
    events = np.where(np.arange(melody.events.size) < step, melody.events, HOLD)
    if step < events.size:
        events[step] = REST
    return estimate_key(Melody.from_tokens(events)) if (events > REST).any() else None


def _stable(melody: Melody, before: int) -> frozenset[int]:
    """The pitch classes to rest on after the notes that begin `before` a step: any, after none."""
    key = key_before(melody, before)
    return key.stable if key else frozenset(range(12))
