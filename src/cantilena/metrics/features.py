"""Measures what the notes of melodies are like, and how far two sets of melodies differ in it.

Each feature is one number a piece (two are more, see `self_similarity` and `intervals`), and two sets are compared by
the Wasserstein-1 distance of their distributions, in the feature's own unit: a model whose mean is right and whose
pieces are all alike is still far away. Each docstring says what the feature means and how it can be fooled; all of
them together are fooled by copying, which `novelty` sees. A piece without notes has range, entropy and scale
consistency 0, and nothing that repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import nan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cantilena.metrics.pieces import Pieces
from cantilena.music.melody import HOLD, REST, VOCABULARY, is_silent, to_pitch
from cantilena.music.metre import COMMON, Metre
from cantilena.music.scales import in_one_scale

__all__ = [
    "FEATURES",
    "features",
    "groove_consistency",
    "intervals",
    "music_table",
    "notes_a_bar",
    "pitch_class_entropy",
    "pitch_range",
    "repeated_phrases",
    "rests",
    "scale_consistency",
    "self_similarity",
    "transposed_phrases",
    "wasserstein",
]

LARGEST_INTERVAL = 24  # semitones; larger leaps count as this
_BATCH = 1000  # melodies at a time, for memory

Events = NDArray[np.integer]  # (B, steps), as Melody.events, whole bars of one metre
Figures = NDArray[np.float64]


def pitch_range(events: Events) -> Figures:
    """Count the semitones from the lowest to the highest note: (B,). Fooled by one stray note."""
    on = events > REST
    highest = np.where(on, events, 0).max(axis=1).astype(np.float64)
    lowest = np.where(on, events, VOCABULARY).min(axis=1)
    span: Figures = np.where(on.any(axis=1), highest - lowest, 0)
    return span


def notes_a_bar(events: Events, metre: Metre = COMMON) -> Figures:
    """Count the notes that start, for each bar: (B,). Fooled by any notes at the right rate, such as a metronome's."""
    rate: Figures = (events > REST).sum(axis=1) / (events.shape[1] / metre.bar_steps)
    return rate


def rests(events: Events) -> Figures:
    """Return the share of steps in which nothing sounds: (B,). Fooled by one long silence in place of breaths."""
    silent: Figures = (_sounding(events) == 0).mean(axis=1)
    return silent


def pitch_class_entropy(events: Events) -> Figures:
    """Entropy of the 12 pitch classes of the notes, 0..3.58 bits: (B,). Fooled by the same notes in any order."""
    share = _pitch_classes(events)
    bits: Figures = -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=1) + 0.0  # no -0
    return bits


def scale_consistency(events: Events) -> Figures:
    """Share of notes in the major or natural minor scale that holds most (MusPy): (B,). Fooled by a scale up and down.

    A natural minor scale has the notes of its relative major, so twelve scales are tried for 24.
    """
    best: Figures = in_one_scale(_pitch_classes(events))
    return best


def groove_consistency(events: Events, metre: Metre = COMMON) -> Figures:
    """1 - mean Hamming distance per step of neighbouring bars' onsets (MusPy): (B,). Fooled by few notes, or one beat.

    1 for a rhythm that is the same in every bar, whatever the pitches, for silence, and for a single bar.
    """
    onset = (events > REST).reshape(len(events), -1, metre.bar_steps)
    if onset.shape[1] == 1:
        return np.ones(len(events))
    same: Figures = 1 - (onset[:, 1:] != onset[:, :-1]).mean(axis=(1, 2))
    return same


def self_similarity(events: Events, metre: Metre = COMMON) -> Figures:
    """Compare phrases some phrases apart: (B, phrases - 1), the means of the self-similarity matrix's diagonals.

    Entry i, j of the matrix is the share of steps at which phrases i and j start the same note, hold the same
    note or are both silent; column k - 1 is the mean over all j = i + k. Tokens themselves would be no use, most are
    HOLD. Fooled by silence, which is like silence, and blind to repeats at another pitch or shifted in time.
    """
    state = 2 * _sounding(events) + (events > REST)
    size = metre.phrase_steps
    phrases = state[:, : state.shape[1] // size * size].reshape(len(events), -1, size)
    found = np.zeros((len(events), max(phrases.shape[1] - 1, 0)))
    for k in range(1, phrases.shape[1]):
        found[:, k - 1] = (phrases[:, :-k] == phrases[:, k:]).mean(axis=(1, 2))
    return found


def intervals(events: Events) -> Figures:
    """Semitones from each note to the next, unsigned, 24 at most, pooled over pieces: (m,). Fooled by a random walk.

    0 is a note struck again, 1 and 2 steps, more a leap; rests between the two notes count for nothing.
    """
    piece, step = np.nonzero(events > REST)
    pitch = np.asarray(events, np.int64)[piece, step]
    size: Figures = np.abs(np.diff(pitch))[piece[1:] == piece[:-1]].astype(np.float64)
    return np.minimum(size, LARGEST_INTERVAL)


def repeated_phrases(events: Events, metre: Metre = COMMON) -> Figures:
    """Share of the phrases, silent ones aside, that came before in the piece exactly: (B,). Fooled by a loop."""
    return _repeats(_phrases(events, metre))


def transposed_phrases(events: Events, metre: Metre = COMMON) -> Figures:
    """Return the same share as `repeated_phrases`, at any pitch: (B,). Fooled by a loop, and by phrases of one note."""
    phrases = _phrases(events, metre).astype(np.int64)
    on = phrases > REST
    first = np.take_along_axis(phrases, on.argmax(axis=2)[..., None], axis=2)
    return _repeats(np.where(on, phrases - first + VOCABULARY, phrases))


FEATURES: dict[str, Callable[..., Figures]] = {
    "pitch_range": pitch_range,
    "notes_a_bar": notes_a_bar,
    "rests": rests,
    "pitch_class_entropy": pitch_class_entropy,
    "scale_consistency": scale_consistency,
    "groove_consistency": groove_consistency,
    "self_similarity": self_similarity,
    "intervals": intervals,
    "repeated_phrases": repeated_phrases,
    "transposed_phrases": transposed_phrases,
}
_OF_BARS = {notes_a_bar, groove_consistency, self_similarity, repeated_phrases, transposed_phrases}  # and of the metre


def features(pieces: Pieces) -> dict[str, Figures]:
    """Measure every feature of `FEATURES`: (n,) in the order of `pieces`.

    `self_similarity` is (n, longest - 1), NaN at lags that a shorter piece does not have; `intervals` is pooled, (m,).
    """
    phrases = (row.size // metre.phrase_steps for row, metre in zip(pieces.events, pieces.metres, strict=True))
    lags = max(1, *phrases) - 1
    found = {name: np.zeros(len(pieces)) for name in FEATURES}
    found["self_similarity"] = np.full((len(pieces), lags), np.nan)
    pooled = [np.zeros(0)]
    for every, rows in pieces.batches():
        metre = pieces.metres[every[0]]
        for begin in range(0, len(every), _BATCH):
            indices, events = every[begin : begin + _BATCH], rows[begin : begin + _BATCH]
            for name, feature in FEATURES.items():
                value = feature(events, metre) if feature in _OF_BARS else feature(events)
                if name == "intervals":
                    pooled.append(value)
                elif value.ndim == 2:
                    found[name][indices, : value.shape[1]] = value
                else:
                    found[name][indices] = value
    found["intervals"] = np.concatenate(pooled)
    return found


def wasserstein(a: ArrayLike, b: ArrayLike) -> float:
    """Wasserstein-1 distance of two samples (n,) and (m,): the area between their distribution functions.

    >>> wasserstein([0, 1, 3], [5, 6, 8])
    5.0
    """
    a, b = np.sort(np.asarray(a, np.float64)), np.sort(np.asarray(b, np.float64))
    if a.ndim != 1 or b.ndim != 1 or not a.size or not b.size:
        raise ValueError(f"samples are (n,), n 1 or more, not {a.shape} and {b.shape}")
    both = np.sort(np.concatenate([a, b]))
    below_a, below_b = (np.searchsorted(s, both[:-1], side="right") / s.size for s in (a, b))
    return float(np.abs(below_a - below_b) @ np.diff(both))


def music_table(
    generated: Pieces | Mapping[str, Figures], reference: Pieces | Mapping[str, Figures]
) -> dict[str, dict[str, float]]:
    """Compare each feature: the "mean" of `generated`, that of the "reference", and the "distance" of the two.

    Either may be pieces or their `features`, measured once. The distance is Wasserstein-1; of `self_similarity` the
    mean over lags (those both sides have, or NaN) of each lag's.
    Raises ValueError where a side has no two notes in a piece.
    """
    ours, theirs = (features(side) if isinstance(side, Pieces) else side for side in (generated, reference))
    table = {}
    for name in FEATURES:
        a, b = ours[name], theirs[name]
        if a.ndim == 2 and not min(a.shape[1], b.shape[1]):
            table[name] = dict.fromkeys(("mean", "reference", "distance"), nan)  # phrases that have no other
            continue
        if not a.size or not b.size:
            raise ValueError(f"{name}: nothing to compare; give one piece or more with two notes or more")
        if a.ndim == 1:
            distance = wasserstein(a, b)
        else:
            lags = zip(a.T, b.T, strict=False)  # up to the shorter of the longest
            distance = float(np.mean([wasserstein(x[~np.isnan(x)], y[~np.isnan(y)]) for x, y in lags]))
        table[name] = {"mean": float(np.nanmean(a)), "reference": float(np.nanmean(b)), "distance": distance}
    return table


def _sounding(events: Events) -> NDArray[np.int8]:
    """The token of the note that sounds at each step, 0 in silence: (B, steps)."""
    change = np.maximum.accumulate(np.where(events != HOLD, np.arange(events.shape[1]), 0), axis=1)
    token = np.take_along_axis(events, change, axis=1)
    return np.where(token > REST, token, 0).astype(np.int8)


def _pitch_classes(events: Events) -> Figures:
    """Share of each pitch class among the notes, 0 where there are none: (B, 12)."""
    piece, step = np.nonzero(events > REST)
    pitch = to_pitch(np.asarray(events, np.int64)[piece, step])
    count = np.bincount(12 * piece + pitch % 12, minlength=12 * len(events)).reshape(-1, 12)
    share: Figures = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    return share


def _phrases(events: Events, metre: Metre = COMMON) -> NDArray[np.int8]:
    """The whole phrases of melodies, as `Melody.phrases` writes them: (B, phrases, 32)."""
    size = metre.phrase_steps
    whole = events[:, : events.shape[1] // size * size]
    phrases = np.array(metre.cut(whole), np.int8)
    silent = np.ones(phrases.shape[:2], bool)  # before the phrase
    silent[:, 1:] = metre.cut(_sounding(whole))[:, :-1, size - 1] == 0
    phrases[..., 0] = np.where(silent & (phrases[..., 0] == HOLD), REST, phrases[..., 0])
    phrases[..., size : size + 1] = REST
    return phrases


def _repeats(phrases: NDArray[np.integer]) -> Figures:
    """Share of the phrases of each piece, silent ones aside, equal to an earlier one: (B, phrases, 32) -> (B,)."""
    piece, number = np.nonzero(~is_silent(phrases))
    words = np.ascontiguousarray(phrases[piece, number], np.uint8).view(np.uint64)  # (m, 4)
    order = np.lexsort((*words.T, piece))
    words, piece = words[order], piece[order]
    again = (words[1:] == words[:-1]).all(axis=1) & (piece[1:] == piece[:-1])
    repeats = np.bincount(piece[1:][again], minlength=len(phrases))
    share: Figures = repeats / np.maximum(np.bincount(piece, minlength=len(phrases)), 1)
    return share
