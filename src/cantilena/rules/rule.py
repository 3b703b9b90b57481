"""`Rule`: what a melody is asked to be, as a function from a melody to the cost of each of its bars.

    def no_leaps(melody):  # a rule of your own
        start, _, pitch = melody.notes
        cost = np.zeros(melody.bars)
        np.maximum.at(cost, start[1:] // melody.metre.bar_steps, np.minimum(np.abs(np.diff(pitch)) / 12, 1))
        return cost

The rules that come with Cantilena are `MusicRule`s: they say besides what was asked and what they measured. A rule
that forbids notes ("all in D dorian") asks nothing of a bar without any; one that wants something to be there
("syncopated", "4..6" notes) is not met by silence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import MIN_PITCH, REST, VOCABULARY, Melody, to_pitch
from cantilena.music.metre import COMMON, Metre

__all__ = ["Costs", "HardRule", "MusicRule", "Rule", "bar_notes", "onsets", "pitch_tokens", "share", "sounding"]

Costs: TypeAlias = NDArray[np.float64]  # (bars,) 0 = met .. 1
Rule: TypeAlias = Callable[[Melody], Costs]


@dataclass(frozen=True)
class MusicRule(ABC):
    """A rule that can be asked for in words, and says of each bar what it measured.

    `asked` is the text that the command line takes, in one spelling: rules that ask the same are equal. Raises
    ValueError, one line that begins with the rule's name, for a text that it does not understand.
    """

    asked: str
    name: ClassVar[str]

    def __str__(self) -> str:
        return self.asked

    @abstractmethod
    def __call__(self, melody: Melody) -> Costs:
        """The cost of each bar."""

    @abstractmethod
    def measure(self, melody: Melody) -> list[str]:
        """What was found in each bar, in a few characters."""

    def met(self, melody: Melody) -> NDArray[np.bool_]:
        """Whether each bar is as asked: (bars,)."""
        met: NDArray[np.bool_] = self(melody) == 0
        return met

    def _set(self, **values: object) -> None:
        """What `__post_init__` found in the text."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


class HardRule(MusicRule):
    """A rule that single notes keep or break, so that a decoder can hold to it."""

    @abstractmethod
    def allowed(self, steps: int, metre: Metre = COMMON) -> NDArray[np.bool_]:
        """Which note may sound at each step of a melody in this metre: (steps, 90) by token.

        A note may begin there, or ring through from before, if it is allowed; where it is not, it must have ended.
        HOLD and REST are always allowed.
        """


def sounding(melody: Melody) -> NDArray[np.int64]:
    """The MIDI pitch that sounds at each step, 0 in silence: (bars, bar_steps)."""
    events = melody.events
    change = np.maximum.accumulate(np.where(events != 0, np.arange(events.size), 0))
    token = events[change].astype(np.int64)
    return np.where(token > REST, to_pitch(token), 0).reshape(melody.bars, -1)


def onsets(melody: Melody) -> NDArray[np.bool_]:
    """Where notes begin: (bars, bar_steps)."""
    on: NDArray[np.bool_] = melody.events.reshape(melody.bars, -1) > REST
    return on


def bar_notes(melody: Melody) -> list[NDArray[np.int64]]:
    """The pitches of the notes that sound in each bar, one held into it among them."""
    start, end, pitch = melody.notes
    begins = melody.metre.bar_steps * np.arange(melody.bars)
    first = np.searchsorted(end, begins, side="right")
    last = np.searchsorted(start, begins + melody.metre.bar_steps)
    return [pitch[a:b] for a, b in zip(first.tolist(), last.tolist(), strict=True)]


def share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> Costs:
    """How much of the `whole` is `part` in each bar, both (bars, bar_steps); 0 where the whole is nothing: (bars,)."""
    found: Costs = (part & whole).sum(axis=1) / np.maximum(whole.sum(axis=1), 1)
    return found


def pitch_tokens(pitches: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A choice of MIDI pitches (..., 128) as a choice of tokens (..., 90), HOLD and REST among them."""
    tokens = np.ones((*pitches.shape[:-1], VOCABULARY), np.bool_)
    tokens[..., 2:] = pitches[..., MIN_PITCH : MIN_PITCH + VOCABULARY - 2]
    return tokens
