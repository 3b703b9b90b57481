"""How loud new notes are: as the song's around them, and accented where the song accents.

velocity = level + accent    level   the median of the nearest notes, each without its accent
                             accent  how much louder than their neighbours notes on such steps are, on average
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import fmean, median

from cantilena.music.splice import TickNote

__all__ = ["Dynamics"]

_NEIGHBOURS = 8  # notes on either side that say how loud it is there
_FEW = 2  # notes on steps of one weight say little: an accent is n / (n + _FEW) of their mean
_ALONE = {0: 90, -1: 84, -2: 80}  # where there is no other note, by the weight of the step; elsewhere the least


class Dynamics:
    """The loudness of the notes of a track. `weight` says of a tick how strong its step is in the bar: 0, -1, ..."""

    def __init__(self, notes: Sequence[TickNote], weight: Callable[[int], int]) -> None:
        self.weight = weight
        self.starts = [note.start for note in notes]
        velocities = [note.velocity for note in notes]
        louder = defaultdict[int, list[float]](list)
        for i, note in enumerate(notes):
            around = velocities[max(0, i - _NEIGHBOURS) : i + _NEIGHBOURS + 1]
            louder[weight(note.start)].append(note.velocity - median(around))
        self.accents = {step: fmean(found) * len(found) / (len(found) + _FEW) for step, found in louder.items()}
        self.levels = [note.velocity - self.accents[weight(note.start)] for note in notes]

    def velocity(self, start: int) -> int:
        """How loud a new note is that begins at this tick: 1..127."""
        weight = self.weight(start)
        at = bisect_left(self.starts, start)
        around = self.levels[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS]
        if not around:
            return _ALONE.get(weight, min(_ALONE.values()) - 4)
        return min(127, max(1, round(median(around) + self.accents.get(weight, 0.0))))
