"""When are two melodies the same tune? Keys that ignore transposition, and song groups that no split may cut.

Collections of MIDI hold many covers. A split by file would leak the same song into training and test, so the split
is by *song group*: melodies of one file, and melodies that share enough 4-bar contents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import Melody
from cantilena.music.metre import Metre

__all__ = [
    "METRE_FIELDS", "MIN_INTERVALS", "MIN_SHARE", "MIN_SHARED", "SPLITS", "Split", "contents", "metres_in", "mix",
    "shared_contents", "song_groups", "split_of", "tune_key",
]  # fmt: skip

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_SHARES = (0.94, 0.96, 1.0)  # cumulative
METRE_FIELDS = [("numerator", "i1"), ("denominator", "i1"), ("quarter_steps", "i1")]  # of a table of melodies
WINDOW_BARS = 4
MIN_ONSETS, MIN_INTERVALS, MAX_FILES = 8, 4, 10
MIN_SHARED, MIN_SHARE = 4, 0.25


def metres_in(table: NDArray[np.void]) -> tuple[list[Metre], NDArray[np.int64]]:
    """The metres in a table of melodies, ascending, and of each row the index of its metre."""
    fields = [table[name].astype(np.int64) for name, _ in METRE_FIELDS]
    found, of = np.unique(np.stack(fields, axis=1), axis=0, return_inverse=True)
    return [Metre(*row) for row in found.tolist()], of.reshape(len(table)).astype(np.int64)


def tune_key(melody: Melody) -> bytes:
    """16 bytes that are equal for melodies with the same onsets and intervals, whatever their key and lengths."""
    start, _, pitch = melody.notes
    content = np.stack([np.diff(start), np.diff(pitch)]).astype("<i4").tobytes()
    return hashlib.blake2b(content, digest_size=16).digest()


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64: one well-scattered word for each input word (wrapping arithmetic)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def contents(melody: Melody) -> NDArray[np.uint64]:
    """Sorted distinct fingerprints of the melody's 4-bar contents, one begun at every bar, up to transposition.

    A content is the set of (onset in the window, interval to the next note in it); those with fewer than 8 onsets or
    4 distinct intervals say too little and are left out. A fingerprint is the sum of its notes' hashes modulo 2^64.
    """
    start, _, pitch = melody.notes
    bar_steps = melody.metre.bar_steps
    windows = max(melody.bars - WINDOW_BARS + 1, 0)
    edges = np.searchsorted(start, np.arange(windows + WINDOW_BARS) * bar_steps)  # first note of each bar
    interval = np.append(np.diff(pitch), 0).astype(np.int64)
    total = np.zeros(windows, np.uint64)
    note = (start % bar_steps).astype(np.uint64) << np.uint64(8)
    for k in range(WINDOW_BARS):  # notes in the window's k-th bar
        words = mix(note + np.uint64(k << 16) + (interval + 100).astype(np.uint64))
        sums = np.append(np.uint64(0), np.cumsum(words, dtype=np.uint64))
        first, last = edges[k : k + windows], np.append(edges[k + 1 :], start.size)[:windows]
        total += sums[last] - sums[first]
    begin = edges[:windows]
    stop = np.append(edges, start.size)[WINDOW_BARS : WINDOW_BARS + windows]
    full = stop - begin >= MIN_ONSETS
    begin, stop, total, bar = begin[full], stop[full], total[full], np.arange(windows)[full]
    if not begin.size:
        return np.zeros(0, np.uint64)
    last_note = stop - 1  # its interval leads out of the window
    inside = (start[last_note] - bar * bar_steps).astype(np.uint64)
    where = ((inside // np.uint64(bar_steps)) << np.uint64(16)) + note[last_note]
    total -= mix(where + (interval[last_note] + 100).astype(np.uint64))
    total += mix(where + np.uint64(255))
    bits = np.uint64(1) << (interval % 64).astype(np.uint64)  # intervals, modulo 64 semitones, as a set of bits
    spans = np.stack([begin, last_note], axis=1).ravel()  # reduceat: begin to last_note, then to the next begin
    sets = np.bitwise_or.reduceat(bits, spans)[::2].copy()
    distinct = np.unpackbits(sets.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1)
    return np.unique(total[distinct >= MIN_INTERVALS])


def song_groups(
    files: NDArray[np.int64],
    keys: Sequence[bytes],
    found: Sequence[NDArray[np.uint64]],
    pairs: Iterable[tuple[int, int]] = (),
) -> NDArray[np.int64]:
    """Group number of each melody: melodies of one file, and of one tune, are together.

    `files` (melodies,) numbers the file of each melody, `keys` are their `tune_key`s and `found` their `contents`.
    Two melodies are one tune when they share at least 4 contents and a quarter of the shorter's; contents found in
    more than 10 files are too common to count, unless the whole melody is the same. So are `pairs` that are found
    otherwise. The group number is the smallest index of a melody in it, so it does not depend on anything but the
    order of the melodies.
    """
    count = len(files)
    parent = np.arange(count)

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    def link(i: int, j: int) -> None:
        a, b = root(i), root(j)
        parent[max(a, b)] = min(a, b)

    first_of_file: dict[int, int] = {}
    first_of_key: dict[bytes, int] = {}
    for i in range(count):
        link(i, first_of_file.setdefault(int(files[i]), i))
        if len(found[i]) >= MIN_SHARED:
            link(i, first_of_key.setdefault(keys[i], i))

    first, second, shared = shared_contents(files, found)
    sizes = np.array([len(f) for f in found])
    same = (shared >= MIN_SHARED) & (shared >= MIN_SHARE * np.minimum(sizes[first], sizes[second]))
    for i, j in zip(first[same].tolist(), second[same].tolist(), strict=True):
        link(i, j)
    for i, j in pairs:
        link(i, j)
    return np.array([root(i) for i in range(count)], np.int64)


def shared_contents(
    files: NDArray[np.int64], found: Sequence[NDArray[np.uint64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of melodies (first < second) of different files and how many contents they share."""
    melody = np.repeat(np.arange(len(found)), [len(f) for f in found])
    if not melody.size:
        return (np.zeros(0, np.int64),) * 3
    word = np.concatenate(list(found))
    order = np.lexsort((melody, word))
    word, melody = word[order], melody[order]
    begin = np.flatnonzero(np.append(True, word[1:] != word[:-1]))
    size = np.diff(np.append(begin, word.size))
    # contents in more than 10 files: count distinct files in each run of equal words
    pair_order = np.lexsort((files[melody], word))
    w, f = word[pair_order], files[melody[pair_order]]
    new_file = np.append(True, (w[1:] != w[:-1]) | (f[1:] != f[:-1]))
    files_of_word = np.add.reduceat(new_file.astype(np.int64), begin)
    useful = (files_of_word > 1) & (files_of_word <= MAX_FILES)
    pairs: list[NDArray[np.int64]] = []
    for n in np.unique(size[useful]):
        rows = melody[begin[useful & (size == n)][:, None] + np.arange(n)]  # (words, n) melodies, ascending
        i, j = np.triu_indices(n, 1)
        pairs.append(np.stack([rows[:, i].ravel(), rows[:, j].ravel()]))
    if not pairs:
        return (np.zeros(0, np.int64),) * 3
    both = np.concatenate(pairs, axis=1)
    both = both[:, files[both[0]] != files[both[1]]]
    code, shared = np.unique(both[0] * len(found) + both[1], return_counts=True)
    return code // len(found), code % len(found), shared


def split_of(group_name: bytes) -> Split:
    """The split of a song group: about 94 / 2 / 4 %, decided by a hash of its name alone."""
    share = int.from_bytes(hashlib.blake2b(group_name, digest_size=8).digest(), "big") / 2**64
    return SPLITS[sum(share >= edge for edge in _SHARES[:-1])]
