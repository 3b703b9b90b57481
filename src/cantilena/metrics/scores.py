"""Consistency and Variance of Mittal et al. 2021 (section 5.1), each with a 95 % bootstrap interval.

    Consistency = max(0, 1 - |mu - mu_GT| / mu_GT)        Variance = max(0, 1 - |s2 - s2_GT| / s2_GT)

mu is the mean overlap of adjacent windows (`overlap`) over all pairs of windows of all pieces, GT the reference. The
paper does not say over what s2 is taken. Two readings: over the means of the pieces (`var_pieces`), over all pairs of
windows pooled (`var_pooled`); both with ddof 0, and both are given.

The interval resamples songs (`Pieces.groups`), not pieces, for windows of one song are alike; the reference is kept
fixed, so it tells how sure the score is against this reference and not against all music. Percentiles are taken of
mu and s2, and the score of that interval is given: a score is at most 1, reached where mu = mu_GT, and percentiles of
the score itself would never reach it. With 150 songs the intervals hold the truth 92 to 95 times in 100; with very
few they are too narrow.

How it is fooled: two numbers a piece see neither melody nor harmony. Random notes, drawn so that mu and s2 come out
right, score near 1.00.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cantilena.metrics.overlap import MIN_BARS, Formula, framewise_overlap
from cantilena.metrics.pieces import Pieces

__all__ = ["Estimate", "Moments", "Overlaps", "consistency", "moments", "overlaps", "scores", "variance"]

_LEVELS = (2.5, 97.5)
_BATCH = 1000  # melodies at a time, for memory


class Estimate(NamedTuple):
    """A score and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


class Moments(NamedTuple):
    """What the scores compare: mean overlap, its variance over pieces and over pairs of windows."""

    mean: float
    var_pieces: float
    var_pooled: float


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Overlap of adjacent windows of each piece that has two, 0..1, and the songs that these pieces belong to."""

    pitch: list[NDArray[np.float64]]  # each (windows - 1,)
    duration: list[NDArray[np.float64]]
    groups: NDArray[np.int64]  # (n,)

    @property
    def moments(self) -> dict[str, Moments]:
        """The moments of "pitch" and "duration"; those of a reference may be given to `scores`."""
        return {"pitch": moments(self.pitch), "duration": moments(self.duration)}


def overlaps(pieces: Pieces, formula: Formula = "exact") -> Overlaps:
    """Measure the framewise overlap of every piece of two windows (6 bars) or more, in the order of `pieces`.

    `formula` is that of the overlapping area: see `framewise_overlap`.

    >>> from cantilena.metrics.pieces import Pieces
    >>> overlaps(Pieces.of(np.zeros((1, 128), np.int8))).pitch  # a piece without a note is like nothing
    [array([0., 0.])]
    """
    pitch: dict[int, NDArray[np.float64]] = {}
    duration: dict[int, NDArray[np.float64]] = {}
    for indices, events in pieces.batches():
        metre = pieces.metres[indices[0]]
        if events.shape[1] < MIN_BARS * metre.bar_steps:
            continue
        for begin in range(0, len(indices), _BATCH):
            found = framewise_overlap(events[begin : begin + _BATCH], formula, metre)
            few = indices[begin : begin + _BATCH].tolist()
            pitch.update(zip(few, found.pitch, strict=True))
            duration.update(zip(few, found.duration, strict=True))
    every = sorted(pitch)
    return Overlaps([pitch[i] for i in every], [duration[i] for i in every], pieces.groups[np.array(every, np.int64)])


def moments(values: list[NDArray[np.float64]]) -> Moments:
    """Return the moments of overlaps, one array (windows - 1,) for each piece; ValueError where there is none.

    >>> moments([np.array([0.25, 0.75]), np.array([1.0, 1.0])])
    Moments(mean=0.75, var_pieces=0.0625, var_pooled=0.09375)
    """
    if not values:
        raise ValueError(f"no pieces to measure: give one or more of {MIN_BARS} bars")
    means = np.array([v.mean() for v in values])
    pooled = np.concatenate(values)
    return Moments(float(pooled.mean()), float(means.var()), float(pooled.var()))


def consistency(mu: float, mu_gt: float) -> float:
    """Return max(0, 1 - |mu - mu_GT| / mu_GT), 1 where the mean overlap is the reference's. ValueError if mu_GT <= 0.

    It falls alike for melodies that wander more and that wander less than the reference.
    """
    return _closeness(mu, mu_gt)


def variance(s2: float, s2_gt: float) -> float:
    """Return max(0, 1 - |s2 - s2_GT| / s2_GT), 1 where the overlap varies as the reference's. ValueError if s2_GT <= 0.

    A model of which every third piece fails can have the right variance.
    """
    return _closeness(s2, s2_gt)


def scores(
    pieces: Pieces | Overlaps,
    reference: Pieces | Overlaps | Mapping[str, Moments],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, Estimate]]:
    """Score `pieces` against `reference`: `["pitch" or "duration"]["C", "var_pieces" or "var_pooled"]`.

    `reference` may be pieces, their overlaps, or `Overlaps.moments`. Intervals come of `resamples` draws of as many
    songs as there are, with replacement, by `seed`; pieces of one song only give an interval of no width. Raises
    ValueError where there is no piece, and for a reference that does not vary (one piece, or all alike).
    """
    if resamples < 1:
        raise ValueError(f"resamples must be 1 or more, not {resamples}")
    found = overlaps(pieces) if isinstance(pieces, Pieces) else pieces
    if isinstance(reference, Pieces):
        reference = overlaps(reference)
    target = reference.moments if isinstance(reference, Overlaps) else reference
    value = found.moments
    song = np.unique(found.groups, return_inverse=True)[1]
    sums = np.concatenate([_sums(found.pitch, song), _sums(found.duration, song)], axis=1)  # (songs, 12)
    drawn = _resample(sums, resamples, np.random.default_rng(seed))
    table = {}
    for kind, columns in (("pitch", drawn[:, :6]), ("duration", drawn[:, 6:])):
        of = (consistency, variance, variance)
        rows = zip(("C", "var_pieces", "var_pooled"), value[kind], _of_sums(columns), target[kind], of, strict=True)
        table[kind] = {name: _estimate(v, draws, gt, score) for name, v, draws, gt, score in rows}
    return table


def _closeness(x: float, target: float) -> float:
    if not target > 0:
        raise ValueError(f"mean and variance of the reference must be above 0, not {target}: give more pieces")
    return max(0.0, 1 - abs(x - target) / target)


def _estimate(
    value: float, draws: NDArray[np.float64], target: float, score: Callable[[float, float], float]
) -> Estimate:
    """The score of a moment and the scores that its percentile interval, widened to hold it, takes."""
    low, high = (float(v) for v in np.percentile(draws, _LEVELS))
    low, high = min(low, value), max(high, value)
    ends = score(low, target), score(high, target)
    return Estimate(score(value, target), min(ends), 1.0 if low <= target <= high else max(ends))


def _sums(values: list[NDArray[np.float64]], song: NDArray[np.intp]) -> NDArray[np.float64]:
    """Of each song: pieces, sum of their means and of its squares; pairs of windows, sum and sum of squares."""
    length = np.array([v.size for v in values], np.float64)
    total = np.array([v.sum() for v in values])
    squares = np.array([v @ v for v in values])
    mean = total / length
    columns = (np.ones(len(values)), mean, mean * mean, length, total, squares)
    return np.stack([np.bincount(song, column) for column in columns], axis=1)


def _of_sums(sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The three moments of rows of sums (resamples, 6)."""
    pieces, mean, mean_squares, pairs, total, squares = sums.T
    pooled = total / pairs
    return pooled, mean_squares / pieces - (mean / pieces) ** 2, squares / pairs - pooled**2


def _resample(sums: NDArray[np.float64], resamples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Sums over songs drawn with replacement: (songs, c) -> (resamples, c), through how often each was drawn."""
    songs = len(sums)
    block = max(1, 2_000_000 // songs)
    found = []
    for begin in range(0, resamples, block):
        rows = min(block, resamples - begin)
        drawn = random.integers(songs, size=(rows, songs)) + songs * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * songs).reshape(rows, songs)
        found.append(counts.astype(np.float64) @ sums)
    return np.concatenate(found)
