"""Finds what a melody copies: the longest run of copied notes, and the share of its phrases that are found whole.

A run is copied where the intervals *and* the onset differences between its notes, one after the other, are those of a
run inside one known melody: up to transposition, wherever the bar lines are, however long the notes are held. Music is
full of common turns, so a figure says something only beside its natural level: real melodies that nobody trained on,
against the same index.

Everything is exact; no hash decides. Each run of 1, 2, 4, 8... steps between notes that occurs in the melodies asked
about gets a number, the known melodies are renumbered alike (a run of 2k is a pair of numbers of runs of k: Karp,
Miller and Rosenberg 1972), and a run of any length between is a pair of two that overlap.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from cantilena.corpus.store import Corpus
from cantilena.corpus.tunes import Split
from cantilena.metrics.pieces import Pieces, open_split, read_pieces
from cantilena.music.melody import MAX_PITCH, MIN_PITCH, REST, Melody
from cantilena.music.metre import COMMON, TOKENS, Metre
from cantilena.music.midi import MAX_QUARTERS

__all__ = ["NoveltyIndex", "novelty_table"]

_APART = -1  # where a melody ends, and what occurs nowhere among the others
_QUARTER = 12  # units that a move's time is counted in: sixteenths and triplets have whole numbers of them
_SPAN = 2 * (MAX_PITCH - MIN_PITCH) + 1  # intervals
_BLOCK = 1 << 20  # notes looked up at a time: temporary arrays stay small
_TABLE = 1 << 24  # entries of a table of all pairs; a larger one is searched instead


@dataclass(frozen=True, eq=False)
class NoveltyIndex:
    """Holds known melodies, and finds what other melodies copy from them."""

    moves: NDArray[np.int32]  # (notes,) interval and time to the next note as one number; _APART at ends
    phrases: frozenset[bytes]  # the distinct phrases in which a note starts
    shapes: frozenset[bytes]  # the same up to transposition

    @classmethod
    def build(cls, corpus: Corpus, split: Split = "train") -> NoveltyIndex:
        """Index all melodies of a split, whole."""
        melodies = corpus.indices(split).tolist()
        events, metres = [corpus.events(i) for i in melodies], [corpus.metre(i) for i in melodies]
        return cls._of(events, metres, corpus.unique_phrases(split)[0])

    @classmethod
    def read(cls, source: str | Path) -> NoveltyIndex:
        """Index everything in a source that `read_pieces` reads: all melodies, whole, not only windows of pieces."""
        if found := open_split(source):
            return cls.build(*found)
        pieces = read_pieces(source, bars=MAX_QUARTERS // 4, most=sys.maxsize)
        return cls.of(pieces.events, pieces.metres)

    @classmethod
    def of(cls, events: Sequence[NDArray[np.integer]], metres: Sequence[Metre] = ()) -> NoveltyIndex:
        """Index melodies, each (steps,) as `Melody.events`, in `metres` (4/4 if not given).

        >>> tune = Melody.from_notes([0, 4, 8, 12], [4, 8, 12, 16], [60, 62, 64, 60], bars=2)
        >>> index = NoveltyIndex.of([tune.events])
        >>> index.longest_runs([tune.transpose(5).events]), index.share_found([tune.transpose(5).events])
        (array([4]), array([0.]))
        >>> index.share_found([tune.transpose(5).events], transposed=True)
        array([1.])
        """
        return cls._of(events, metres, _phrases(events, metres)[0])

    @classmethod
    def _of(
        cls, events: Sequence[NDArray[np.integer]], metres: Sequence[Metre], phrases: NDArray[np.int8]
    ) -> NoveltyIndex:
        phrases = phrases[(phrases > REST).any(axis=1)]
        return cls(_moves(events, metres)[0], frozenset(_words(phrases)), frozenset(_words(_shapes(phrases))))

    def longest_runs(self, events: Sequence[NDArray[np.integer]], metres: Sequence[Metre] = ()) -> NDArray[np.int64]:
        """Find the longest copied run of each melody, in notes: (n,). A single note is always a copy; no note is 0."""
        moves, owner = _moves(events, metres)
        longest = np.bincount(owner, minlength=len(events)).clip(max=min(self.moves.size, 1))  # notes
        names, asked = np.unique(moves, return_inverse=True)
        asked = np.where(moves == _APART, _APART, asked)
        known = _lookup(self.moves.astype(np.int64), names.astype(np.int64))
        known[self.moves == _APART] = _APART
        asked, size = _only(asked, known), 1
        while (here := np.unique(owner[asked != _APART])).size:  # melodies with a copied run of `size` moves
            twice_asked, twice_known = _doubled(asked, known, size)
            twice_asked = _only(twice_asked, twice_known)
            last = np.setdiff1d(here, owner[twice_asked != _APART])
            longest[last] = _between(asked, known, size, owner, last) + 1
            asked, known, size = twice_asked, twice_known, 2 * size
        return longest

    def share_found(
        self, events: Sequence[NDArray[np.integer]], metres: Sequence[Metre] = (), *, transposed: bool = False
    ) -> NDArray[np.float64]:
        """Return the share of each melody's phrases that are known, exactly or up to transposition: (n,), 0..1.

        Phrases in which no note starts do not count; a melody without any other has the share 0.
        """
        phrases, owner = _phrases(events, metres)
        counts = (phrases > REST).any(axis=1)
        phrases, owner = phrases[counts], owner[counts]
        known, words = (self.shapes, _words(_shapes(phrases))) if transposed else (self.phrases, _words(phrases))
        found = np.fromiter((word in known for word in words), bool, len(phrases))
        every, hits = (np.bincount(which, minlength=len(events)) for which in (owner, owner[found]))
        return hits / np.maximum(every, 1)


def novelty_table(pieces: Pieces, index: NoveltyIndex) -> dict[str, float]:
    """Return median and 95th percentile of the longest copied runs (notes), and mean shares of known phrases."""
    longest = index.longest_runs(pieces.events, pieces.metres)
    return {
        "longest_median": float(np.median(longest)),
        "longest_95": float(np.percentile(longest, 95)),
        "share_found": float(index.share_found(pieces.events, pieces.metres).mean()),
        "share_found_transposed": float(index.share_found(pieces.events, pieces.metres, transposed=True).mean()),
    }


# -- runs of notes -----------------------------------------------------------------------------


def _moves(
    events: Sequence[NDArray[np.integer]], metres: Sequence[Metre]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """From each note to the next (notes,), as `NoveltyIndex.moves`, and the melody that each note is in (notes,)."""
    steps = np.array([row.size for row in events], np.int64)
    tokens = np.concatenate([np.zeros(0, np.int8), *events])
    at = np.flatnonzero(tokens > REST)
    owner = np.searchsorted(np.cumsum(steps), at, side="right")
    interval = np.diff(tokens[at].astype(np.int32)) + (_SPAN // 2)
    unit = np.array([_QUARTER // metre.quarter_steps for metre in metres or [COMMON] * len(events)], np.int64)
    moves = np.append((np.diff(at) * unit[owner[1:]] * _SPAN + interval).astype(np.int32), np.int32(_APART))[: at.size]
    moves[:-1][np.diff(owner) != 0] = _APART
    return moves, owner


def _lookup(keys: NDArray[np.int64], names: NDArray[np.int64]) -> NDArray[np.int32]:
    """The place of each key (n,) in ascending `names`, _APART where it is not there."""
    found = np.full(keys.size, _APART, np.int32)
    if names.size and names[-1] < _TABLE:
        table = np.full(names[-1] + 1, _APART, np.int32)
        table[names[names >= 0]] = np.flatnonzero(names >= 0)
        inside = (keys >= 0) & (keys <= names[-1])
        found[inside] = table[keys[inside]]
    elif names.size:
        place = np.minimum(np.searchsorted(names, keys), names.size - 1).astype(np.int32)
        found = np.where(names[place] == keys, place, np.int32(_APART))
    return found


def _only(asked: NDArray[np.int64], known: NDArray[np.int32]) -> NDArray[np.int64]:
    """`asked` without the runs that are not known."""
    seen = np.zeros(int(asked.max(initial=0)) + 2, bool)  # the last entry is _APART's
    seen[known] = True
    return np.where(seen[asked], asked, _APART)


def _pairs(
    names: NDArray[np.integer], at: NDArray[np.int64], apart: int, base: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Those of the places `at` where a run begins and another `apart` notes on, and the number of the pair."""
    at = at[at < names.size - apart]
    second = names[at + apart]
    both = (names[at] != _APART) & (second != _APART)
    at = at[both]
    return at, names[at].astype(np.int64) * base + second[both]


def _blocks(size: int) -> Iterator[NDArray[np.int64]]:
    return (np.arange(first, min(first + _BLOCK, size)) for first in range(0, size, _BLOCK))


def _doubled(
    asked: NDArray[np.int64], known: NDArray[np.int32], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Numbers of runs of 2 size moves from those of size."""
    base = int(asked.max()) + 1
    at, keys = _pairs(asked, np.arange(asked.size), size, base)
    names, number = np.unique(keys, return_inverse=True)
    next_asked, next_known = np.full(asked.size, _APART, np.int64), np.full(known.size, _APART, np.int32)
    next_asked[at] = number
    for block in _blocks(known.size):
        at, keys = _pairs(known, block, size, base)
        next_known[at] = _lookup(keys, names)
    return next_asked, next_known


def _between(
    asked: NDArray[np.int64],
    known: NDArray[np.int32],
    size: int,
    owner: NDArray[np.int64],
    melodies: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The longest known run of each of `melodies`, in moves, where it has one of `size` and none of 2 size."""
    least, most = np.full(melodies.size, size), np.full(melodies.size, 2 * size)  # the first is known, the last not
    base = int(asked.max()) + 1  # `known` has the numbers that are left in `asked`, and no other
    mine = np.flatnonzero((asked != _APART) & np.isin(owner, melodies))
    places = np.flatnonzero(_wanted(asked[mine], base)[known])
    while (open_ := np.flatnonzero(most - least > 1)).size:
        middle = (least[open_] + most[open_]) // 2
        for length in np.unique(middle).tolist():
            which = open_[middle == length]
            at = mine[np.isin(owner[mine], melodies[which])]
            at, keys = _pairs(asked, at, length - size, base)
            there = places[_wanted(asked[at], base)[known[places]]]
            names = np.unique(_pairs(known, there, length - size, base)[1])
            copied = np.isin(melodies[which], owner[at[np.isin(keys, names)]])
            least[which[copied]] = length
            most[which[~copied]] = length
    return least


def _wanted(numbers: NDArray[np.int64], base: int) -> NDArray[np.bool_]:
    """Which of 0..base - 1 are among `numbers`; the last entry, which _APART finds, is False."""
    wanted = np.zeros(base + 1, bool)
    wanted[numbers] = True
    return wanted


# -- phrases -----------------------------------------------------------------------------------


def _phrases(
    events: Sequence[NDArray[np.integer]], metres: Sequence[Metre]
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """All phrases (phrases, 32) of melodies and the melody of each; bars that are no whole one are left out."""
    of = metres or [COMMON] * len(events)
    each = [
        Melody.from_tokens(row, metre=metre).phrases()[: row.size // metre.phrase_steps]
        for row, metre in zip(events, of, strict=True)
    ]
    owner = np.repeat(np.arange(len(each)), [len(rows) for rows in each])
    return np.concatenate([np.zeros((0, TOKENS), np.int8), *each]), owner


def _shapes(phrases: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Phrases (n, 32) with a note, transposed so that all first notes are the same."""
    first = np.take_along_axis(phrases, (phrases > REST).argmax(axis=1)[:, None], axis=1).astype(np.int16)
    moved = phrases - first + (REST + 1 + MAX_PITCH - MIN_PITCH)
    return np.where(phrases > REST, moved, phrases).astype(np.uint8)


def _words(phrases: NDArray[np.integer]) -> list[bytes]:
    return cast("list[bytes]", np.ascontiguousarray(phrases).view(f"V{TOKENS}").ravel().tolist())
