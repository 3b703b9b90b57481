"""`Form`: what comes again in a melody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import HOLD, REST, Melody
from cantilena.music.metre import COMMON, Metre
from cantilena.rules.rule import Costs, MusicRule, sounding

__all__ = ["SAME", "Form", "similarity"]

SAME = 0.75  # similarity above which two bars of a song are the same, and are drawn as one


@dataclass(frozen=True)
class Form(MusicRule):
    """What comes again: "AABA", "ABAB'" (a prime: varied), or with `Form.of` whatever comes again in a song.

    Letters are parts of equal length, a whole number of phrases (of two bars in 4/4); bars that remain at the end are
    free. Two bars at the same place of two parts are asked a `similarity` of 1 for equal letters, 0.5 where the primes
    differ, 0 for other letters. Of a song the similarities of all its bars are asked, over and over where the melody is
    longer. The cost of a bar is the mean distance of its similarities from what is asked. It meets the form where its
    mean similarity to the bars that should be the same is above 0.5, that to the varied ones (asked 0.5) is neither 0
    nor 1, and that to every other bar is below 0.5. Of a song those asked more than SAME are the same, those asked less
    than 0.5 others, and what lies between is free. Raises ValueError, when called, for a melody too short to have parts
    of a phrase.

    >>> twice = Melody.from_notes([0, 4, 32, 36], [4, 8, 36, 40], [60, 62, 60, 62], bars=4)
    >>> Form("AA")(twice), Form("AB").measure(twice)
    (array([0., 0., 0., 0.]), ['other 1.00', 'other 1.00', 'other 1.00', 'other 1.00'])
    """

    song: Melody | None = None
    name: ClassVar[str] = "form"

    def __post_init__(self) -> None:
        if self.song is None:
            if not re.fullmatch(r"([A-Z]'*){2,}", self.asked.strip()):
                raise ValueError(f"form: {self.asked!r} is not a form; for example AABA, or ABAB' (a prime: varied)")
            self._set(asked=self.asked.strip())

    @classmethod
    def of(cls, song: Melody, name: str = "a song") -> Form:
        """The form of `song`; the receipt calls it `name`."""
        return cls(name, song)

    def target(self, bars: int, metre: Metre = COMMON) -> NDArray[np.float64]:
        """The similarities that are asked of a melody of `bars`, NaN where nothing is: (bars, bars), read-only."""
        if self.song is not None:
            return _song_target(self.song, bars)
        return _letter_target(self.asked, bars, metre.phrase_bars)

    def same(self, bars: int, metre: Metre = COMMON) -> NDArray[np.bool_]:
        """Which bars of a melody are to be the same as which: (bars, bars); each is as itself."""
        return np.asarray(np.nan_to_num(self.target(bars, metre)) > SAME) | np.eye(bars, dtype=np.bool_)

    def letters(self, bars: int, metre: Metre = COMMON) -> list[int]:
        """A number for each phrase of a melody, equal where phrases are to be the same.

        Of parts that differ in their primes the last phrases differ. What remains at the end is like nothing else. Of a
        song a phrase is as the first one of which all bars are to be the same.

        >>> Form("AA'B").letters(12)
        [0, 1, 0, 2, 3, 4]
        """
        if self.song is not None:
            size, whole = metre.phrase_bars, bars // metre.phrase_bars
            same = self.same(bars, metre)[: whole * size, : whole * size]
            first = _firsts(np.all([same[k::size, k::size] for k in range(size)], axis=0))
            first += range(whole, metre.phrases_of(bars))
            numbers = {one: number for number, one in enumerate(dict.fromkeys(first))}
            return [numbers[one] for one in first]
        parts = re.findall("[A-Z]'*", self.asked)
        size = bars // len(parts) // metre.phrase_bars
        named = [(part if k == size - 1 else part[0], k) for part in parts for k in range(size)]
        named += [("", k) for k in range(metre.phrases_of(bars) - len(named))]
        order = {name: number for number, name in enumerate(dict.fromkeys(named))}
        return [order[name] for name in named]

    def firsts(self, bars: int, metre: Metre = COMMON) -> NDArray[np.int64]:
        """The first bar that each bar of a melody is to be the same as, itself where there is none: (bars,), from 0."""
        return np.array(_firsts(self.same(bars, metre)), np.int64)

    def come_again(self, melody: Melody) -> Melody:
        """The melody with every bar that is to be the same as one before it as the first such one.

        >>> song = Melody.from_notes([0, 8, 16, 32], [8, 16, 32, 48], [60, 62, 64, 60])
        >>> Form.of(song).come_again(song.transpose(5)) == song.transpose(5)
        True
        """
        first = self.firsts(melody.bars, melody.metre)
        again = melody.events.reshape(melody.bars, -1)[first]
        silent = sounding(melody)[first, 0] == 0  # what rings into a bar that begins in silence is ended there
        again[silent & (again[:, 0] == HOLD) & (first != np.arange(melody.bars)), 0] = REST
        return melody.like(again.reshape(-1))

    def too_alike(self, melody: Melody) -> NDArray[np.bool_]:
        """Which bars are alike, 0.5 or more, and should not be: (bars, bars)."""
        return np.asarray((similarity(melody) >= 0.5) & (self.target(melody.bars, melody.metre) < 0.5))

    def __call__(self, melody: Melody) -> Costs:  # noqa: D102
        off = self._off(melody)
        there = ~np.isnan(off)
        return np.asarray(np.where(there, off, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1))

    def distance(self, melody: Melody) -> float:
        """Mean distance of all similarities of the melody's bars from what is asked, 0..1."""
        off = self._off(melody)
        return float(np.nanmean(off)) if not np.isnan(off).all() else 0.0

    def measure(self, melody: Melody) -> list[str]:
        """How like each bar is to the same and the varied ones (mean), and to the most similar of the others."""
        columns = self._compare(melody)
        rows = ([f"{kind} {of[i]:.2f}" for kind, of in columns.items() if of[i] >= 0] for i in range(melody.bars))
        return [", ".join(row) or "free" for row in rows]

    def met(self, melody: Melody) -> NDArray[np.bool_]:
        """Whether each bar is like the same ones, like and unlike the varied ones, and unlike all others."""
        same, varied, other = self._compare(melody).values()
        met: NDArray[np.bool_] = ~((same <= 0.5) | (varied <= 0) | (varied >= 1) | (other >= 0.5))  # NaN is neither
        return met

    def _compare(self, melody: Melody) -> dict[str, NDArray[np.float64]]:
        """Similarity of each bar to the same, the varied (means) and the other ones (highest); NaN without such."""
        found, target = similarity(melody), self.target(melody.bars, melody.metre)
        compared = {}
        varied = (target == 0.5) & (self.song is None)
        for kind, which in (("same", target > SAME), ("varied", varied), ("other", target < 0.5)):
            like = np.where(which, found, 0)
            value = like.max(axis=1) if kind == "other" else like.sum(axis=1) / np.maximum(which.sum(axis=1), 1)
            compared[kind] = np.where(which.any(axis=1), value, np.nan)
        return compared

    def _off(self, melody: Melody) -> NDArray[np.float64]:
        off: NDArray[np.float64] = np.abs(similarity(melody) - self.target(melody.bars, melody.metre))
        return off


def _firsts(same: NDArray[np.bool_]) -> list[int]:
    """The first that each of some things (n, n) is the same as, by way of others, too."""
    found: list[int] = []
    for k, first in enumerate(same.argmax(axis=1).tolist()):
        found.append(k if first == k else found[first])
    return found


def similarity(melody: Melody) -> NDArray[np.float64]:
    """How alike the bars of a melody are, 0..1: (bars, bars), 1 on the diagonal.

    Dice's coefficient of their notes: twice the notes that start at the same step on the same pitch, divided by
    the notes of both. Bars in which nothing starts are alike. A repeat at another pitch or shifted in time is none,
    and how long notes last is not heard.

    >>> similarity(Melody.from_notes([0, 4, 16, 20], [4, 8, 20, 24], [60, 62, 60, 64]))
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    bars = melody.events.reshape(melody.bars, -1).T
    on = bars > REST
    both = ((bars[:, :, None] == bars[:, None]) & on[:, None]).sum(axis=0, dtype=np.uint8)
    notes = on.sum(axis=0)
    of = notes[:, None] + notes
    return np.where(of > 0, 2.0 * both / np.maximum(of, 1), 1.0)


@lru_cache(16)
def _letter_target(letters: str, bars: int, phrase: int) -> NDArray[np.float64]:
    parts = re.findall("[A-Z]'*", letters)
    length = bars // len(parts) // phrase * phrase
    if not length:
        raise ValueError(f"form: {letters} has {len(parts)} parts of {phrase} bars or more, so {bars} bars are too few")
    asked = np.full((bars, bars), np.nan)
    place = np.arange(length)
    for i, one in enumerate(parts):
        for j, other in enumerate(parts):
            if i != j:
                alike = (one[0] == other[0]) / (1 if one == other else 2)
                asked[i * length + place, j * length + place] = alike
    asked.setflags(write=False)
    return asked


@lru_cache(16)
def _song_target(song: Melody, bars: int) -> NDArray[np.float64]:
    at = np.arange(bars) % song.bars
    asked = similarity(song)[np.ix_(at, at)]
    np.fill_diagonal(asked, np.nan)
    asked.setflags(write=False)
    return asked
