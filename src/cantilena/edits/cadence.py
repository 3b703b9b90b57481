"""Where a melody comes to rest: what a cadence is, and how a melody without one gets it."""

from __future__ import annotations

import numpy as np

from cantilena.music.melody import BAR_STEPS, HOLD, MAX_PITCH, MIN_PITCH, REST, Melody
from cantilena.rules import Key, estimate_key

__all__ = ["come_to_rest", "has_cadence", "key_before"]

_HALF_NOTE = 8  # steps


def has_cadence(melody: Melody) -> bool:
    """Whether it ends at rest: a half note or longer that fills the last bar, on a stable degree of its key.

    The key is that of all the notes before: the last has no say in what it is judged by.
    """
    start, end, pitch = melody.notes
    if not start.size or end[-1] != melody.events.size or end[-1] - start[-1] < _HALF_NOTE:
        return False
    return int(pitch[-1]) % 12 in _stable(melody, int(start[-1]))


def come_to_rest(melody: Melody) -> Melody:
    """The melody with a cadence, and only as much of its last bar changed as that takes.

    The last note that leaves room for a half note (one held into the bar, if none begins so early) stays, fills the
    bar and moves to the nearest stable pitch. In a bar with later notes alone, the first of them comes in the middle;
    in a silent one, the pitch before is taken up. ValueError for a melody without notes.
    """
    if has_cadence(melody):
        return melody
    start, end, pitch = melody.notes
    if not start.size:
        raise ValueError("a melody without notes cannot come to rest")
    bar = melody.events.size - BAR_STEPS
    early = np.flatnonzero((start <= bar + BAR_STEPS - _HALF_NOTE) & (end > bar))
    late = np.flatnonzero(start > bar + BAR_STEPS - _HALF_NOTE)
    if early.size:
        begin, old = int(start[early[-1]]), int(pitch[early[-1]])
    elif late.size:
        begin, old = bar + BAR_STEPS - _HALF_NOTE, int(pitch[late[0]])
    else:
        begin, old = bar, int(pitch[-1])
    stable = _stable(melody, begin)
    new = min((p for p in range(MIN_PITCH, MAX_PITCH + 1) if p % 12 in stable), key=lambda p: abs(p - old))
    events = melody.events.copy()
    events[begin:] = HOLD
    events[begin] = new - MIN_PITCH + 2
    return Melody.from_tokens(events, melody.qpm)


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
