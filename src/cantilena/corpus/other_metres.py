"""The same tune in another metre or notation: a reel in 2/4 and in 4/4, a shuffle in 12/8 and in triplets.

Melodies of one metre are compared by `tunes`, bar by bar. Bars say nothing across metres, and a quarter may be an
eighth: here melodies are compared by their intervals and by how the times between their notes relate to each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cantilena.corpus.tunes import MIN_INTERVALS, MIN_SHARE, MIN_SHARED, metres_in, mix, shared_contents
from cantilena.music.melody import Melody
from cantilena.music.metre import Metre

__all__ = ["again_in_another_metre", "kinds_of", "pairs_across_metres", "relative_key", "runs"]

RUN = 15  # moves from note to note


def kinds_of(table: NDArray[np.void]) -> tuple[list[Metre], NDArray[np.int64], NDArray[np.int64]]:
    """The metres of a table, and for each row the index of its metre and its kind: metres with the same bars have one.

    >>> from cantilena.corpus.tunes import METRE_FIELDS
    >>> rows = np.array([(4, 4, 4), (2, 2, 4), (3, 4, 4)], METRE_FIELDS)
    >>> kinds_of(rows)[2]
    array([1, 1, 0])
    """
    metres, of = metres_in(table)
    bars = [(metre.bar_steps, metre.quarter_steps) for metre in metres]
    number = {bar: k for k, bar in enumerate(sorted(set(bars)))}
    return metres, of, np.array([number[bar] for bar in bars], np.int64)[of]


def relative_key(melody: Melody) -> bytes:
    """16 bytes that are equal for melodies with the same intervals and relative times, in whatever metre and values."""
    start, _, pitch = melody.notes
    gap = np.diff(start)
    unit = max(int(np.gcd.reduce(gap)), 1) if gap.size else 1
    content = np.stack([gap // unit, np.diff(pitch)]).astype("<i4").tobytes()
    return hashlib.blake2b(content, digest_size=16).digest()


def runs(melody: Melody) -> NDArray[np.uint64]:
    """Sorted distinct fingerprints of the melody's runs of 15 moves: intervals, and times between notes in their unit.

    A run with fewer than 4 distinct intervals says too little and is left out.
    """
    start, _, pitch = melody.notes
    if start.size <= RUN:
        return np.zeros(0, np.uint64)
    gap, interval = sliding_window_view(np.diff(start), RUN), sliding_window_view(np.diff(pitch), RUN)
    place = np.arange(RUN, dtype=np.uint64) << np.uint64(40)
    times = (gap // np.gcd.reduce(gap, axis=1, keepdims=True)).astype(np.uint64) << np.uint64(8)
    total = mix(place + times + (interval + 100).astype(np.uint64)).sum(axis=1, dtype=np.uint64)
    distinct = 1 + (np.diff(np.sort(interval, axis=1), axis=1) != 0).sum(axis=1)
    return np.unique(total[distinct >= MIN_INTERVALS])


def again_in_another_metre(kinds: NDArray[np.int64], keys: Sequence[bytes]) -> NDArray[np.bool_]:
    """Which melodies are an earlier one in a metre of another kind, by their `relative_key`s: (melodies,)."""
    first: dict[bytes, int] = {}
    return np.array([kind != first.setdefault(key, kind) for kind, key in zip(kinds.tolist(), keys, strict=True)], bool)


def pairs_across_metres(
    files: NDArray[np.int64], kinds: NDArray[np.int64], keys: Sequence[bytes], found: Sequence[NDArray[np.uint64]]
) -> list[tuple[int, int]]:
    """Pairs of melodies of different kinds that are one tune: for `tunes.song_groups`.

    `files` and `kinds` (melodies,) number file and kind of each, `keys` are their `relative_key`s, `found` their
    `runs`. As there, one tune shares at least 4 runs and a quarter of the shorter's; runs found in more than 10 files
    do not count, unless the whole melody is the same.
    """
    earlier = {key: number for number, key in reversed(list(enumerate(keys)))}  # the first of each
    again = np.flatnonzero(again_in_another_metre(kinds, keys)).tolist()
    pairs = [(earlier[keys[i]], i) for i in again if len(found[i]) >= MIN_SHARED]
    one, other, shared = shared_contents(files, found)
    sizes = np.array([len(words) for words in found])
    same = (kinds[one] != kinds[other]) & (shared >= MIN_SHARED)
    same &= shared >= MIN_SHARE * np.minimum(sizes[one], sizes[other])
    return pairs + list(zip(one[same].tolist(), other[same].tolist(), strict=True))
