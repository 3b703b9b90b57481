"""`Melody`: one voice on the grid of its metre, its vocabulary, and its cut into phrases.

The vocabulary has 90 tokens (MusicVAE's, Roberts et al. 2018, restricted to the piano's range):

    0         what was goes on: a sounding note, or silence        HOLD
    1         the sounding note ends                               REST
    2 .. 89   a note of MIDI pitch token + 19 (21..108) starts

A phrase alone must say whether it begins inside a held note or in silence, so as a *phrase* (see `Melody.phrases`)
music that begins in silence begins with REST, and music inside a held note with HOLD. A phrase of a metre whose bars
do not fill 32 tokens ends in silence, REST and then HOLD, which is no music: a note that rings past it goes on at the
first token of the next.
A `Melody` is canonical: a REST always ends a sounding note, and silence is written with HOLD.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cantilena.music.metre import COMMON, TOKENS, Metre

__all__ = [
    "HOLD",
    "MAX_PITCH",
    "MIN_PITCH",
    "REST",
    "VOCABULARY",
    "Melody",
    "Notes",
    "canonical",
    "check_tempo",
    "is_silent",
    "last_change",
    "phrases_of",
    "pitch_name",
    "to_pitch",
    "to_token",
    "transpose",
]

HOLD, REST = 0, 1
MIN_PITCH, MAX_PITCH = 21, 108
VOCABULARY = 2 + MAX_PITCH - MIN_PITCH + 1  # 90
_NOTE_ON = MIN_PITCH - 2  # pitch - token

Numbers = TypeVar("Numbers", int, NDArray[Any])


def to_pitch(token: Numbers) -> Numbers:
    """The MIDI pitch (21..108) of a note's token (2..89), or of an array of them; HOLD and REST have none.

    >>> to_pitch(2), to_pitch(np.array([41, 89])).tolist()
    (21, [60, 108])
    """
    return token + _NOTE_ON


def to_token(pitch: Numbers) -> Numbers:
    """The token of a note of this MIDI pitch, or of an array of them: the inverse of `to_pitch`."""
    return pitch - _NOTE_ON


class Notes(NamedTuple):
    """The notes of a melody in order; no two overlap."""

    start: NDArray[np.int64]  # (notes,) steps
    end: NDArray[np.int64]  # (notes,) steps, exclusive
    pitch: NDArray[np.int64]  # (notes,) MIDI numbers


def last_change(tokens: NDArray[np.integer]) -> NDArray[np.int64]:
    """Index of the last non-HOLD token *before* each step along the last axis, -1 where there is none.

    >>> last_change(np.array([5, 0, 1, 0]))
    array([-1,  0,  0,  2])
    """
    steps = np.arange(tokens.shape[-1])
    here = np.where(tokens != HOLD, steps, -1)
    before = np.full(tokens.shape, -1, np.int64)
    before[..., 1:] = np.maximum.accumulate(here, axis=-1)[..., :-1]
    return before


def _sounds_before(tokens: NDArray[np.integer]) -> NDArray[np.bool_]:
    before = last_change(tokens)
    token = np.take_along_axis(tokens, np.maximum(before, 0), axis=-1)
    return (before >= 0) & (token > REST)


def canonical(tokens: NDArray[np.integer]) -> NDArray[np.int8]:
    """Drop every REST that ends nothing; a hold with no note before it is then silence. (..., steps).

    >>> canonical(np.array([1, 0, 41, 0, 1, 1]))
    array([ 0,  0, 41,  0,  1,  0], dtype=int8)
    """
    return np.where((tokens == REST) & ~_sounds_before(tokens), HOLD, tokens).astype(np.int8)


def is_silent(phrases: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether nothing starts and nothing sounds in a phrase: (..., 32) -> (...).

    >>> is_silent(np.array([[1] + 31 * [0], 32 * [0]]))  # silence; a held note
    array([ True, False])
    """
    silent: NDArray[np.bool_] = (phrases[..., 0] == REST) & (phrases <= REST).all(axis=-1)
    return silent


def phrases_of(events: NDArray[np.integer], steps: int) -> NDArray[np.int8]:
    """Events as phrases of `steps` of their 32 steps: (n, 32), canonical; what is left of each is silence.

    A phrase that begins in silence begins with REST, one inside a held note with HOLD; a note that rings past a phrase
    shorter than 32 steps goes on in the next. What is missing of the last one is silent.
    """
    if missing := -events.size % steps:
        rest = np.zeros(missing, np.int8)
        rest[0] = REST
        events = np.concatenate([events, rest])
    events = canonical(events)
    phrases = np.zeros((events.size // steps, TOKENS), np.int8)
    phrases[:, :steps] = events.reshape(-1, steps)
    phrases[~_sounds_before(events)[::steps] & (phrases[:, 0] == HOLD), 0] = REST
    if steps < TOKENS:
        phrases[:, steps] = REST
    return phrases


def transpose(tokens: NDArray[np.integer], semitones: ArrayLike) -> NDArray[np.int8]:
    """Shift every note by `semitones` (broadcast); notes that would leave 21..108 move by an octave back.

    >>> transpose(np.array([1, 41, 0]), 2)
    array([ 1, 43,  0], dtype=int8)
    """
    shifted = np.asarray(tokens, np.int64) + np.asarray(semitones)
    shifted = np.where(shifted < 2, shifted + 12 * ((13 - shifted) // 12), shifted)
    over = shifted - (VOCABULARY - 1)
    shifted = np.where(over > 0, shifted - 12 * ((over + 11) // 12), shifted)
    return np.where(np.asarray(tokens) > REST, shifted, tokens).astype(np.int8)


@dataclass(frozen=True, eq=False)
class Melody:
    """A monophonic tune: `events` int8 (steps,), whole bars of its `metre`, and a tempo.

    `qpm` is quarter notes a minute. Raises ValueError for anything that is not a canonical melody;
    `Melody.from_tokens` makes one canonical, `Melody.from_notes` builds one from notes.

    >>> m = Melody.from_notes([0, 4, 8], [4, 8, 16], [60, 62, 64])
    >>> m
    Melody(1 bar, 3 notes, C4-E4, 120 qpm)
    >>> m.transpose(2).notes.pitch
    array([62, 64, 66])
    """

    events: NDArray[np.int8]
    qpm: float = 120.0
    metre: Metre = COMMON

    def __post_init__(self) -> None:
        events, bar = np.asarray(self.events), self.metre.bar_steps
        if events.ndim != 1 or events.size == 0 or events.size % bar:
            raise ValueError(f"a melody is whole bars of {bar} steps in one row, not an array of shape {events.shape}")
        if events.dtype.kind not in "iu":
            raise ValueError(f"melody events are integer tokens, not {events.dtype}")
        if events.min() < 0 or events.max() >= VOCABULARY:
            raise ValueError(f"melody tokens are 0..{VOCABULARY - 1}, not {events.min()}..{events.max()}")
        if not np.array_equal(events, canonical(events)):
            raise ValueError("not canonical: a REST (1) must end a sounding note; use Melody.from_tokens")
        check_tempo(self.qpm)
        events = events.astype(np.int8)
        events.setflags(write=False)
        object.__setattr__(self, "events", events)

    # -- making --------------------------------------------------------------------------------

    @classmethod
    def from_tokens(cls, tokens: ArrayLike, qpm: float = 120.0, metre: Metre = COMMON) -> Melody:
        """A melody from tokens (steps,) that need not be canonical."""
        return cls(canonical(np.asarray(tokens)), qpm, metre)

    @classmethod
    def from_phrases(cls, phrases: ArrayLike, qpm: float = 120.0, metre: Metre = COMMON) -> Melody:
        """The inverse of `phrases`: (phrases, 32) tokens, joined; redundant RESTs and orphan holds drop."""
        return cls.from_tokens(metre.join(np.asarray(phrases)), qpm, metre)

    @classmethod
    def from_notes(
        cls, start: ArrayLike, end: ArrayLike, pitch: ArrayLike, *, bars: int | None = None, qpm: float = 120.0,
        metre: Metre = COMMON,
    ) -> Melody:  # fmt: skip
        """A melody from notes in steps, sorted by start; the last ends in the last bar unless `bars` is given.

        Raises ValueError where notes overlap, are empty, or leave 21..108 or the bars.
        """
        start_, end_, pitch_ = (np.asarray(a, np.int64) for a in (start, end, pitch))
        steps = int(end_.max(initial=1)) if bars is None else bars * metre.bar_steps
        steps += -steps % metre.bar_steps
        if (start_ < 0).any() or (end_ <= start_).any() or (end_[:-1] > start_[1:]).any() or (end_ > steps).any():
            raise ValueError("notes of a melody are in order, not empty, do not overlap and lie inside its bars")
        if ((pitch_ < MIN_PITCH) | (pitch_ > MAX_PITCH)).any():
            raise ValueError(f"pitches are MIDI numbers {MIN_PITCH}..{MAX_PITCH}")
        events = np.zeros(steps + 1, np.int8)
        events[end_] = REST
        events[start_] = to_token(pitch_)
        return cls(events[:-1], qpm, metre)

    # -- looking -------------------------------------------------------------------------------

    @property
    def bars(self) -> int:
        """Length in bars of its metre."""
        return self.events.size // self.metre.bar_steps

    @property
    def seconds(self) -> float:
        """Length in seconds at the melody's tempo."""
        return self.events.size / self.metre.quarter_steps * 60 / self.qpm

    @property
    def notes(self) -> Notes:
        """Start and end in steps, and MIDI pitch, of every note."""
        change = np.flatnonzero(self.events)
        token = self.events[change].astype(np.int64)
        end = np.append(change[1:], self.events.size)
        on = token > REST
        return Notes(change[on], end[on], to_pitch(token[on]))

    def phrases(self) -> NDArray[np.int8]:
        """(phrases, 32) tokens; silence at a phrase's start is written REST, and fills up the last one.

        >>> Melody.from_notes([0], [40], [60], bars=6).phrases()[:, :10]
        array([[41,  0,  0,  0,  0,  0,  0,  0,  0,  0],
               [ 0,  0,  0,  0,  0,  0,  0,  0,  1,  0],
               [ 1,  0,  0,  0,  0,  0,  0,  0,  0,  0]], dtype=int8)
        """
        return phrases_of(self.events, self.metre.phrase_steps)

    def like(self, events: ArrayLike) -> Melody:
        """Another melody of the same metre and tempo, from tokens (steps,) that need not be canonical."""
        return Melody.from_tokens(events, self.qpm, self.metre)

    # -- changing ------------------------------------------------------------------------------

    def slice(self, first: int, last: int) -> Melody:
        """Bars `first` to `last`, counted from 1 and inclusive as in a DAW; a note held into them is left out."""
        if not 1 <= first <= last <= self.bars:
            raise ValueError(f"bars {first}-{last} are not inside 1-{self.bars}")
        bar = self.metre.bar_steps
        return self.like(self.events[(first - 1) * bar : last * bar])

    def transpose(self, semitones: int) -> Melody:
        """All notes moved by `semitones`; raises ValueError where one would leave 21..108."""
        pitch = self.notes.pitch + semitones
        if pitch.size and (pitch.min() < MIN_PITCH or pitch.max() > MAX_PITCH):
            raise ValueError(f"transposing by {semitones} leaves MIDI pitches {MIN_PITCH}..{MAX_PITCH}")
        return replace(self, events=transpose(self.events, semitones))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Melody):
            return NotImplemented
        return (self.qpm, self.metre) == (other.qpm, other.metre) and np.array_equal(self.events, other.events)

    def __hash__(self) -> int:
        return hash((self.events.tobytes(), self.qpm, self.metre))

    def __repr__(self) -> str:
        pitch = self.notes.pitch
        span = f"{pitch_name(pitch.min())}-{pitch_name(pitch.max())}, " if pitch.size else ""
        bars, notes = (f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((self.bars, "bar"), (pitch.size, "note")))
        metre = "" if self.metre == COMMON else f"{self.metre}, "
        return f"Melody({bars}, {notes}, {span}{metre}{self.qpm:g} qpm)"


def check_tempo(qpm: float) -> None:
    """ValueError for a tempo that no melody has; NaN is one."""
    if not 1 <= qpm <= 1000:
        raise ValueError(f"qpm (quarter notes a minute) must be 1..1000, not {qpm}")


def pitch_name(pitch: int) -> str:
    """The name of a MIDI pitch, middle C (60) being C4.

    >>> pitch_name(61)
    'C#4'
    """
    return f"{('C', 'C#', 'D', 'D#', 'E', 'F', 'F#', 'G', 'G#', 'A', 'A#', 'B')[pitch % 12]}{pitch // 12 - 1}"
