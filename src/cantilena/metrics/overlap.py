"""Measures framewise self-similarity: how much neighbouring windows of a melody overlap (Mittal et al. 2021, 5.1).

Windows of 4 bars, hop 2 (31 in a melody of 64 bars). In each, pitch and duration are summed up as a normal
distribution; the figure is the overlapping area of the normals of adjacent windows. Close to 1: the melody stays what
it was; close to 0: it jumps.

The paper prints the area with erf but without its factor 1/2, and with sigma squared in the denominator; what it must
be, and is here, is Phi((c - mu) / sigma) at the points c where the two densities cross.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import REST, to_pitch
from cantilena.music.metre import COMMON, Metre

__all__ = [
    "ATTRIBUTES", "HOP_BARS", "MIN_BARS", "WINDOW_BARS", "Formula", "Overlap", "framewise_overlap", "magenta_overlap",
    "normal_overlap", "window_moments",
]  # fmt: skip

Formula: TypeAlias = Literal["exact", "magenta"]

WINDOW_BARS, HOP_BARS = 4, 2
MIN_BARS = WINDOW_BARS + HOP_BARS  # of two windows
ATTRIBUTES = ("pitch", "duration")  # what windows are compared by: the fields of `Overlap`
_TINY = 1e-6  # added to variances by the authors' code
_FLOOR = 1e-6  # added to every deviation; an empty window is N(1, 1e-6)

_erf = np.frompyfunc(math.erf, 1, 1)


class Overlap(NamedTuple):
    """Overlapping area of each pair of adjacent windows: (B, windows - 1), 0..1."""

    pitch: NDArray[np.float64]
    duration: NDArray[np.float64]


def framewise_overlap(events: NDArray[np.integer], formula: Formula = "exact", metre: Metre = COMMON) -> Overlap:
    """Return the overlapping areas of `Melody.events` (B, steps); a note belongs to the bar in which it starts.

    Bars are those of `metre`. A melody without a note has 0, as in the evaluation of SCHmUBERT (Plasser et al. 2023):
    two empty windows are not alike, they are nothing. `formula` is that of the area: see `normal_overlap` and
    `magenta_overlap`.
    """
    area = {"exact": normal_overlap, "magenta": magenta_overlap}[formula]
    sounds = np.any(np.asarray(events) > REST, axis=1, keepdims=True)
    moments = window_moments(events, metre)
    return Overlap(*(sounds * area(m[:, :-1, 0], m[:, :-1, 1], m[:, 1:, 0], m[:, 1:, 1]) for m in moments))


def window_moments(
    events: NDArray[np.integer], metre: Metre = COMMON
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation of pitch (MIDI number) and duration (sixteenths) by window: (B, windows, 2) each."""
    events = np.asarray(events)
    batch, steps = events.shape
    bars = steps // metre.bar_steps
    if steps % metre.bar_steps or bars < MIN_BARS:
        raise ValueError(f"melodies are whole bars, {MIN_BARS} or more, not {steps} steps")
    on = events > REST
    # steps from each onset to the next change: the index of the next non-zero token minus its own
    index = np.where(events != 0, np.arange(steps), steps)
    following = np.minimum.accumulate(index[:, ::-1], axis=1)[:, ::-1]
    after = np.concatenate([following[:, 1:], np.full((batch, 1), steps)], axis=1)
    found = []
    for value in (to_pitch(events).astype(np.float64), (after - np.arange(steps)) * (4 / metre.quarter_steps)):
        value = np.where(on, value, 0.0)
        sums = [a.reshape(batch, bars, metre.bar_steps).sum(-1) for a in (on.astype(np.float64), value, value * value)]
        edges = np.arange(0, bars - WINDOW_BARS + 1, HOP_BARS)
        count, total, squares = (np.stack([s[:, e : e + WINDOW_BARS].sum(1) for e in edges], 1) for s in sums)
        full = np.maximum(count, 1)
        mean = total / full
        deviation = np.sqrt(np.maximum(squares / full - mean * mean, 0)) + _FLOOR
        empty = count == 0
        found.append(np.stack([np.where(empty, 1.0, mean), np.where(empty, _FLOOR, deviation)], axis=-1))
    return found[0], found[1]


def normal_overlap(
    mean1: NDArray[np.float64], std1: NDArray[np.float64], mean2: NDArray[np.float64], std2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the exact overlapping area of N(mean1, std1) and N(mean2, std2), elementwise: integral of min(p, q).

    >>> normal_overlap(*(np.array([v]) for v in (0.0, 1.0, 2.0, 1.0))).round(4)  # 2 Phi(-1)
    array([0.3173])
    """
    mean1, std1, mean2, std2 = (np.asarray(a, np.float64) for a in np.broadcast_arrays(mean1, std1, mean2, std2))
    swap = std1 > std2
    m, s = np.where(swap, mean2, mean1), np.where(swap, std2, std1)  # the narrower
    M, S = np.where(swap, mean1, mean2), np.where(swap, std1, std2)
    gap = np.abs(m - M)
    equal = np.isclose(s, S, rtol=1e-9, atol=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        same_width = 1 - _phi(gap / (2 * s)) + _phi(-gap / (2 * s))
        # N(0, 1) and N(d, r), r > 1: densities cross where (r^2 - 1) x^2 + 2 d x - (d^2 + 2 r^2 log r) = 0
        r, d = S / s, gap / s
        a, c = r * r - 1, d * d + 2 * r * r * np.log(r)
        root = r * np.sqrt(d * d + 2 * a * np.log(r))
        low, high = -(d + root) / a, c / (d + root)  # the second root without cancellation
        narrow, wide = _phi(high) - _phi(low), _phi((high - d) / r) - _phi((low - d) / r)
        crossing = 1 - (narrow - wide)
    return np.where(equal, same_width, crossing)


def magenta_overlap(
    mean1: NDArray[np.float64], std1: NDArray[np.float64], mean2: NDArray[np.float64], std2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the area as `overlapping_area` of the authors' code has it: one crossing of the two, variances + 1e-6.

    It is too large where the densities cross twice. The figures of the paper may be on this scale: it does not say.

    >>> some = [np.array([v]) for v in (0.0, 1.0, 0.5, 3.0)]
    >>> magenta_overlap(*some).round(4), normal_overlap(*some).round(4)
    (array([0.6973]), array([0.51]))
    """
    a, va, b, vb = (np.asarray(x, np.float64) for x in np.broadcast_arrays(mean1, std1, mean2, std2))
    va, vb = np.square(va), np.square(vb)
    swap = b < a
    a, b, va, vb = np.where(swap, b, a), np.where(swap, a, b), np.where(swap, vb, va), np.where(swap, va, vb)
    root = np.square(a - b) + 2 * (va - vb) * np.log(np.sqrt(va + _TINY) / np.sqrt(vb + _TINY))
    c = b * va - np.sqrt(vb) * (a * np.sqrt(vb) + np.sqrt(va) * np.sqrt(np.maximum(root, 0)))
    c = c / (va - vb + _TINY)
    return 1 - _phi((c - a) / np.sqrt(va + _TINY)) + _phi((c - b) / np.sqrt(vb + _TINY))


def _phi(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 * (1 + np.asarray(_erf(x / math.sqrt(2)), np.float64))
