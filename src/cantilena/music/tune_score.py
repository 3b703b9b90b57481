"""`tune_score`: how much notes are like a tune that is sung or fiddled, rather than an accompaniment or a bass.

    score = w . phi(x) + b,  phi(x) = the features and their squares, each in standard deviations, at most 3

A logistic regression: the score is the logarithm of the odds that the notes are those of a tune. It is learnt from
tunes, accompaniments and basses of openly licensed songs (benchmarks/tune_score.py trains it and prints how well it
does on songs that it has not met). A score above 0 says "a tune"; it knows nothing of what comes again when, or why.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import Melody
from cantilena.music.scales import in_one_scale

__all__ = ["FEATURES", "NONE", "WEIGHTS", "expand", "longest_run", "silences", "tune_features", "tune_score"]

FEATURES = (
    "median pitch", "range", "notes a bar", "repeated notes", "steps", "thirds", "leaps", "turns", "longest run",
    "in scale", "pitches a bar", "short notes", "long notes", "silence", "longest hole", "rhythms a bar",
    "bars that come again", "rhythms that come again", "on the beat", "length of a note", "spread of lengths",
    "ends long", "entropy of pitch",
)  # fmt: skip
WEIGHTS = "tune_score.json"
NONE = -20.0  # the score of hardly a note
_FEW = 4  # notes
_MOST = 3.0  # standard deviations


def tune_score(melody: Melody) -> float:
    """The log-odds that a melody is a tune; `NONE` for one with fewer than four notes.

    >>> scale = Melody.from_notes(range(0, 64, 4), range(4, 68, 4), [60, 62, 64, 65, 67, 65, 64, 62] * 2)
    >>> drone = Melody.from_notes(range(0, 64, 4), range(4, 68, 4), [33] * 16)
    >>> tune_score(scale) > tune_score(drone)
    True
    """
    found = tune_features(melody)
    if found is None:
        return NONE
    weights = _weights()
    return float(expand(found[None], weights["mean"], weights["deviation"])[0] @ weights["weight"] + weights["bias"])


def silences(melody: Melody) -> NDArray[np.int64]:
    """Steps without a note before each note of a melody, and after the last: (n + 1,)."""
    start, end, _ = melody.notes
    return np.asarray(np.append(start, melody.events.size) - np.append(0, end), np.int64)


def tune_features(melody: Melody) -> NDArray[np.float64] | None:
    """The FEATURES of a melody, (23,); None where it has fewer than four notes."""
    start, end, pitch = melody.notes
    n = pitch.size
    if n < _FEW:
        return None
    metre, bars = melody.metre, melody.bars
    sixteenths = 4 / metre.quarter_steps  # of a step
    wholes = melody.events.size * sixteenths / 16
    interval = np.diff(pitch)
    size, moves = np.abs(interval), np.sign(interval[interval != 0])
    length = (end - start) * sixteenths
    silence = silences(melody)
    classes = np.bincount(pitch % 12, minlength=12) / n
    counts = np.bincount(pitch)
    share = counts[counts > 0] / n
    onsets = (melody.events > 1).reshape(bars, -1)
    tokens = np.where(onsets, melody.events.reshape(bars, -1), 0)
    full = onsets.any(axis=1)
    rhythms, figures = (len({row.tobytes() for row in rows[full]}) for rows in (onsets, tokens))
    filled = max(1, int(full.sum()))
    return np.array([
        np.median(pitch),
        np.ptp(pitch),
        n / wholes,
        (size == 0).mean(),
        ((size > 0) & (size <= 2)).mean(),
        ((size > 2) & (size <= 4)).mean(),
        (size > 7).mean(),
        (moves[1:] != moves[:-1]).mean() if moves.size > 2 else 0.5,
        np.log(longest_run(pitch)),
        in_one_scale(classes),
        share.size / np.sqrt(wholes),
        (length <= 1).mean(),
        (length >= 8).mean(),
        silence.sum() / melody.events.size,
        np.log1p(silence.max() * sixteenths / 16),
        len(set(np.diff(start).tolist())),
        1 - figures / filled,
        1 - rhythms / filled,
        (start % metre.beat_steps == 0).mean(),
        np.log(np.mean(length)),
        np.std(np.log(length)),
        float((melody.events.size - start[-1]) * sixteenths >= 8),
        -(share * np.log(share)).sum(),
    ])  # fmt: skip


def longest_run(pitch: NDArray[np.integer]) -> int:
    """How often one pitch comes running, at most.

    >>> longest_run(np.array([60, 62, 62, 62, 60])), longest_run(np.array([60]))
    (3, 1)
    """
    changes = np.flatnonzero(np.concatenate([[True], pitch[1:] != pitch[:-1], [True]]))
    return int(np.diff(changes).max(initial=0)) if pitch.size else 0


def expand(
    features: NDArray[np.float64], mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Features (n, F) in standard deviations, and their squares: (n, 2 F)."""
    z = np.clip((features - mean) / deviation, -_MOST, _MOST)
    return np.concatenate([z, z * z], axis=1)


@cache
def _weights() -> dict[str, Any]:
    told = json.loads(files("cantilena.music").joinpath(WEIGHTS).read_text())
    return {name: np.array(told[name], np.float64) for name in ("mean", "deviation", "weight", "bias")}
