"""Bars as a DAW counts them: from 1, from the start of the file, through every change of metre."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from cantilena.errors import MidiError
from cantilena.music.extract import regions
from cantilena.music.metre import Metres, not_known
from cantilena.music.midi import Song

__all__ = [
    "Bar",
    "Bars",
    "Stretch",
    "bar_lines",
    "bars_are",
    "find_stretch",
    "parse_bars",
    "stretches",
    "unknown_metre",
]

Bars: TypeAlias = tuple[tuple[int, int], ...]  # (first, last), counted from 1, inclusive, in order and apart

_SHORTEST = 128  # the denominator of the shortest beat
_SPAN = re.compile(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?")


class Bar(NamedTuple):
    """A bar of a song: from `begin` to `end` ticks, in numerator/denominator."""

    begin: int
    end: int
    metre: str


class Stretch(NamedTuple):
    """Neighbouring bars in one metre."""

    region: int  # its index, as `Candidate.region`
    first: int  # number of its first bar in the song
    bars: int  # how many there are
    begin: int  # tick of its first bar line
    end: int  # tick at which it, or the song, ends
    bar: Fraction  # ticks that a bar lasts

    def tick(self, bars: int) -> int:
        """The tick of the bar line after so many of its bars, or more."""
        return self.begin + round(self.bar * bars)


def parse_bars(bars: str | Iterable[tuple[int, int]]) -> Bars:
    """Bars to edit, in order, neighbours joined: "17-32,41-44", "7", or pairs (first, last).

    Raises ValueError for anything else.

    >>> parse_bars("41-44, 17-30, 31, 32")
    ((17, 32), (41, 44))
    """
    if isinstance(bars, str):
        parts = [_SPAN.fullmatch(part) for part in bars.split(",")]
        if not all(parts):
            raise ValueError(f"bars are written like 17-32,41-44 (counted from 1), not {bars!r}")
        spans = [(int(part[1]), int(part[2] or part[1])) for part in parts if part]
    else:
        spans = [(int(first), int(last)) for first, last in bars]
    if not spans:
        raise ValueError("no bars are given: they are written like 17-32,41-44 (counted from 1)")
    for first, last in spans:
        if not 1 <= first <= last:
            raise ValueError(f"bars are counted from 1, the first before the last: not {first}-{last}")
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def bars_are(first: int, last: int) -> str:
    """The beginning of a sentence about bars.

    >>> bars_are(3, 3), bars_are(3, 5)
    ('bar 3 is', 'bars 3-5 are')
    """
    return f"bar {first} is" if first == last else f"bars {first}-{last} are"


def bar_lines(song: Song) -> list[Bar]:
    """Every bar of a song up to its last note; a change of metre begins a new one, as in a DAW.

    Raises MidiError (one line) where bars cannot be counted: a metre without beats, or of less than 128ths.
    """
    whole = 4 * song.ticks_per_quarter
    changes = song.time_signatures
    ends = [*(change.tick for change in changes[1:]), max(song.end, 1)]
    bars: list[Bar] = []
    for (tick, numerator, denominator), change in zip(changes, ends, strict=True):
        if tick >= (end := min(change, song.end)):
            continue
        metre = f"{numerator}/{_written(denominator)}"
        if not numerator or denominator > _SHORTEST:
            where = f"its bars cannot be counted: from bar {len(bars) + 1} on its metre is {metre}"
            raise MidiError(f"{song.name}: {where}; a metre is 1 to 255 beats of {_SHORTEST}ths or longer")
        count = -(-(end - tick) * denominator // (whole * numerator))
        lines = [tick + k * whole * numerator // denominator for k in range(count + 1)]
        bars += [Bar(begin, max(stop, begin + 1), metre) for begin, stop in pairwise(lines)]
    return bars


def _written(denominator: int) -> str:
    """A denominator as people read it; a large one as a power of two."""
    return f"{denominator}" if denominator < 1 << 20 else f"2^{denominator.bit_length() - 1}"


def stretches(song: Song, metres: Metres = None) -> list[Stretch]:
    """The stretches of a song in one metre, in the order of `regions`. MidiError where bars cannot be counted."""
    number = {bar.begin: number for number, bar in enumerate(bar_lines(song), 1)}
    found = []
    for index, (begin, end, numerator, denominator) in enumerate(regions(song, metres)):
        bar = Fraction(4 * song.ticks_per_quarter * numerator, denominator)
        if begin in number:
            found.append(Stretch(index, number[begin], math.ceil((end - begin) / bar), begin, end, bar))
    return found


def find_stretch(song: Song, bars: Bars, metres: Metres = None) -> Stretch:
    """The bars in one metre around those that are asked for; the metre is one of `metres`, if some are given.

    Raises MidiError (one line) where a bar is outside the song, in another metre, or beyond a change of metre.
    """
    lines = bar_lines(song)
    for first, last in bars:
        if last > len(lines):
            raise MidiError(f"{song.name}: {bars_are(first, last)} outside the song, which has {len(lines)} bars")
    asked = [(number, lines[number - 1]) for first, last in bars for number in range(first, last + 1)]
    every = stretches(song, metres)
    for number, bar in asked:
        if not any(stretch.begin <= bar.begin < stretch.end for stretch in every):
            raise unknown_metre(song, f"bar {number} is", bar.metre, metres)
    for stretch in every:
        inside = [stretch.begin <= bar.begin < stretch.end for _, bar in asked]
        if all(inside):
            return stretch
        if any(inside):
            break
    raise MidiError(f"{song.name}: there is a change of metre between the bars; edit them one after the other")


def unknown_metre(song: Song, what: str, metre: str, metres: Metres) -> MidiError:
    """The error of bars in a metre that is not known; `what` is the beginning of the sentence."""
    return MidiError(f"{song.name}: {what} {not_known(metre, metres)}")
