"""Where a melody comes to rest: what a cadence is, and how a melody without one gets it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import HOLD, REST, VOCABULARY, Melody, to_pitch, to_token
from cantilena.music.metre import COMMON, Metre
from cantilena.rules import Key, estimate_key
from cantilena.writing import FREE, Bounds

__all__ = ["Write", "come_to_rest", "has_cadence", "key_before", "long_note"]

Write: TypeAlias = Callable[[Bounds], NDArray[np.int8]]  # latents that are there, written within bounds: (P, 32)
_APPROACHES = (1, 2, 5, 7)  # semitones: by a step, or as the bass of V goes to I


def has_cadence(melody: Melody, key: Key | None = None) -> bool:
    """Whether it ends at rest: a note as long as `long_note`, or longer, that fills the last bar, on a stable degree.

    Unless a key is given, it is that of all the notes before: the last has no say in what it is judged by.
    """
    return _last(melody) in (key.stable if key else _stable(melody))


def long_note(metre: Metre) -> int:
    """The steps of a note that a tune may end on: half of a bar's beats, rounded up; a half note in 4/4 and 3/4."""
    beats = metre.bar_steps // metre.beat_steps
    return (beats + 1) // 2 * metre.beat_steps


def _last(melody: Melody) -> int | None:
    """The pitch class that a melody ends on at rest, for a `long_note` or longer; None where it does not."""
    start, end, pitch = melody.notes
    if not start.size or end[-1] != melody.events.size or end[-1] - start[-1] < long_note(melody.metre):
        return None
    return int(pitch[-1]) % 12


def come_to_rest(
    write: Write, tokens: NDArray[np.int8], begin: int, end: int, *, key: Key | None = None, tonic: bool = False,
    metre: Metre = COMMON,
) -> NDArray[np.int8]:  # fmt: skip
    """Phrases (P, 32) whose steps `begin` to `end` are a melody, with a cadence: its last bar is written anew.

    The bar's second half, or where that leaves it without a cadence all of it, is one note that is not to end, on a
    pitch to rest on, which is reached by a step or a fifth where it can be; what leads to it is left to the music.
    `write` gives the tokens that keep its bounds; where they forbid every stable pitch, another stands there. A melody
    that has a cadence stays as it is. The key is the one that is asked for, or that of the notes before the last bar;
    with `tonic` only that pitch class is one to rest on, and the note before it, if need be in the bar before, has the
    pitch of a step or a fifth to it.
    """
    steps, bar = np.arange(len(tokens) * metre.phrase_steps), end - metre.bar_steps
    asked, key = key, key or key_before(_part(tokens, begin, end, metre), bar - begin)
    every = frozenset(range(12))
    home = every if key is None else frozenset([key.tonic]) if tonic else key.stable
    for first, classes in ((end - long_note(metre), home), (bar, home), (bar, every)):
        rests = _part(tokens, begin, end, metre)
        if _last(rests) in home if tonic and key else has_cadence(rests, asked):
            break
        bounds = Bounds.fixing(tokens, metre.cut((steps < bar) | (steps >= end), True))
        tokens = write(_one_note(replace(bounds, rings=first > bar), first, end, _sounding(classes), metre))
    tokens = _approached(write, tokens, begin, end, home, asked, metre)
    return _led_in(write, tokens, begin, end, key.scale if key else every, metre) if tonic else tokens


def _one_note(bounds: Bounds, first: int, end: int, pitches: NDArray[np.bool_], metre: Metre) -> Bounds:
    """Bounds of which the steps `first` to `end` are one of these pitches, that does not end."""
    phrase, step = np.divmod(np.arange(first, end), metre.phrase_steps)
    bounds.sounding[phrase, step] = pitches  # a note that rings into the bar may be the last
    bounds.fixed[phrase[1:], step[1:]] = HOLD
    return bounds


def _approached(
    write: Write, tokens: NDArray[np.int8], begin: int, end: int, home: frozenset[int], key: Key | None, metre: Metre
) -> NDArray[np.int8]:
    """The same with a last note, of the last bar, that is a step or a fifth from the one before, if one may be.

    Where none may be, it is the nearest to it.
    """
    start, _, pitch = _part(tokens, begin, end, metre).notes
    late = start.size > 1 and begin + start[-1] >= end - metre.bar_steps
    if not late or int(abs(pitch[-1] - pitch[-2])) in _APPROACHES:
        return tokens
    before, last = int(pitch[-2]), int(pitch[-1])
    near = [before + sign * size for size in _APPROACHES for sign in (-1, 1)]
    by_step = sorted((p for p in near if p % 12 in home), key=lambda p: abs(p - last))
    nearer = sorted((p for p in range(before - 11, before + 12) if p % 12 in home), key=lambda p: abs(p - before))
    onset, steps = begin + int(start[-1]), np.arange(len(tokens) * metre.phrase_steps)
    for wanted in [*by_step, *(p for p in nearer if abs(p - before) < abs(last - before))]:
        bounds = Bounds.fixing(tokens, metre.cut((steps < onset) | (steps >= end), True))
        one = np.arange(VOCABULARY) == to_token(wanted)
        found = write(_one_note(bounds, onset, end, one, metre))
        ends = _part(found, begin, end, metre)
        if ends.notes.pitch.size and ends.notes.pitch[-1] == wanted and has_cadence(ends, key):
            return found
    return tokens


def _led_in(
    write: Write, tokens: NDArray[np.int8], begin: int, end: int, scale: frozenset[int], metre: Metre
) -> NDArray[np.int8]:
    """The same with a note before the last that is a step or a fifth from it, of a scale; its place stays."""
    start, _, pitch = _part(tokens, begin, end, metre).notes
    if start.size < 2 or int(abs(pitch[-1] - pitch[-2])) in _APPROACHES:
        return tokens
    at, token = begin + int(start[-2]), np.arange(VOCABULARY)
    step = np.arange(len(tokens) * metre.phrase_steps)
    near = np.isin(np.abs(to_pitch(token) - pitch[-1]), _APPROACHES)
    bounds = Bounds.fixing(tokens, metre.cut(step != at, True))
    bounds.sounding[divmod(at, metre.phrase_steps)] = near & _sounding(scale)
    onsets = metre.cut(np.where(step == at, 1, FREE).astype(np.int8), FREE)
    found = write(replace(bounds, onsets=onsets))
    moved = _part(found, begin, end, metre).notes
    kept = np.array_equal(moved.start, start) and moved.pitch[-1] == pitch[-1]
    return found if kept and int(abs(moved.pitch[-1] - moved.pitch[-2])) in _APPROACHES else tokens


def _part(tokens: NDArray[np.int8], begin: int, end: int, metre: Metre) -> Melody:
    return Melody.from_tokens(metre.join(tokens)[begin:end], metre=metre)


def _sounding(classes: frozenset[int]) -> NDArray[np.bool_]:
    """The pitches of some classes, by token (90,); silence is none of them."""
    tokens = np.arange(VOCABULARY)
    return np.isin(to_pitch(tokens) % 12, list(classes)) & (tokens > REST)


def key_before(melody: Melody, step: int) -> Key | None:
    """The key of the notes that begin before a step; None where there are none."""
    events = np.where(np.arange(melody.events.size) < step, melody.events, HOLD)
    if step < events.size:
        events[step] = REST
    return estimate_key(Melody.from_tokens(events, metre=melody.metre)) if (events > REST).any() else None


def _stable(melody: Melody) -> frozenset[int]:
    """The pitch classes to rest on after all notes but the last: any, after none."""
    start = melody.notes.start
    key = key_before(melody, int(start[-1])) if start.size else None
    return key.stable if key else frozenset(range(12))
