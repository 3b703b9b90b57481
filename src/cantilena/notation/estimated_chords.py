"""Chords guessed from the notes of a song, one a bar or half a bar: triads and sevenths that fit what sounds (Viterbi).

How well a bar's notes fit a chord is the share of their time that its tones have, less what its other tones lack, and
the lowest note speaks for a root. Which chord follows which is judged as well: staying, and moves along the circle of
fifths, are likelier than others. `benchmarks/chords.py` says how often it is right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cantilena.music.bars import Bar
from cantilena.music.metre import Metre
from cantilena.music.midi import Song
from cantilena.rules.chord_names import QUALITIES

__all__ = ["estimate_chords"]

_KINDS = ("", "m", "7", "m7", "maj7", "dim", "m7b5", "sus4", "aug")
_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_RARE = {"": 0.0, "m": 0.0, "7": 0.05, "m7": 0.08, "maj7": 0.1, "dim": 0.1, "m7b5": 0.12, "sus4": 0.16, "aug": 0.18}
_BASS = 0.3  # the lowest notes' share of the evidence
_MOVE = np.array([0, 0.09, 0.06, 0.07, 0.07, 0.03, 0.1, 0.03, 0.07, 0.07, 0.06, 0.09])  # by the root's step upwards
_OTHER_KIND = 0.04  # the root stays and its chord does not
_INSIDE = 0.16  # a change within a bar
_LEAST = 1e-6


def estimate_chords(song: Song, bars: Sequence[Bar]) -> list[list[str]]:
    """The names of the likeliest chords of each bar: one, or two in halves; "" where nothing but drums sounds.

    All tracks but drums are heard.
    """
    parts = [part for bar in bars for part in _parts(bar)]
    within = np.array([k > 0 for bar in bars for k, _ in enumerate(_parts(bar))])
    heard, low = _heard(song, parts)
    fit = _fit(heard, low)  # (parts, chords)
    silent = heard.sum(axis=1) < _LEAST
    fit[silent] = 0
    path = _path(fit, within) if parts else []
    names = iter(["" if none else _name(k) for k, none in zip(path, silent.tolist(), strict=True)])
    found = [[next(names) for _ in _parts(bar)] for bar in bars]
    return [[next(filter(None, names), "")] if len({*filter(None, names)}) < 2 else names for names in found]


def _parts(bar: Bar) -> list[Bar]:
    """A bar, or its two halves where the second begins on a strong beat."""
    try:
        strong = Metre.parse(bar.metre).strong_steps
    except ValueError:
        return [bar]
    middle = (bar.begin + bar.end) // 2
    return [bar] if len(strong) == 1 else [bar._replace(end=middle), bar._replace(begin=middle)]


def _heard(song: Song, bars: Sequence[Bar]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How long each pitch class sounds in each part, and how long it is the lowest note: (parts, 12), rows sum to 1."""
    notes = [track for track in song.tracks if not track.is_drum and track.start.size]
    heard, low = np.zeros((len(bars), 12)), np.zeros((len(bars), 12))
    if not notes:
        return heard, low
    start, end, pitch = (np.concatenate([getattr(t, name) for t in notes]) for name in ("start", "end", "pitch"))
    order = np.argsort(start, kind="stable")
    start, end, pitch = start[order], end[order], pitch[order]
    for k, bar in enumerate(bars):
        inside = np.flatnonzero((start < bar.end) & (end > bar.begin))
        if not inside.size:
            continue
        begin, stop = np.maximum(start[inside], bar.begin), np.minimum(end[inside], bar.end)
        time = np.sqrt((stop - begin) / (bar.end - bar.begin))  # a long note does not drown the others
        heard[k] = np.bincount(pitch[inside] % 12, weights=time, minlength=12)
        edges = np.unique(np.concatenate([begin, stop]))
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            sounds = (begin <= a) & (stop >= b)
            if sounds.any():
                early = 2.0 if a == bar.begin else 1.0
                low[k, pitch[inside][sounds].min() % 12] += early * (b - a)
    return _shares(heard), _shares(low)


def _fit(heard: NDArray[np.float64], low: NDArray[np.float64]) -> NDArray[np.float64]:
    """How well each chord, root by root and kind by kind, fits each bar: (bars, 12 * kinds)."""
    found = []
    for root in range(12):
        for kind in _KINDS:
            tones = [(root + s) % 12 for s in QUALITIES[kind]]
            each = heard[:, tones]
            lacking = np.maximum(0.1 - each, 0).sum(axis=1)
            bass = low[:, root] + 0.3 * low[:, tones[1:]].sum(axis=1)
            found.append((1 - _BASS) * (each.sum(axis=1) - lacking) + _BASS * bass - _RARE[kind])
    return np.stack(found, axis=1)


def _path(fit: NDArray[np.float64], within: NDArray[np.bool_]) -> list[int]:
    """The chords that fit best together, one a row; a change is rarer where a row begins `within` a bar."""
    count, kinds = fit.shape[1], len(_KINDS)
    root = np.arange(count) // kinds
    cost = _MOVE[(root[None] - root[:, None]) % 12]
    cost = np.where(
        (root[None] == root[:, None]) & (np.arange(count)[None] != np.arange(count)[:, None]), _OTHER_KIND, cost
    )
    best, came = fit[:1].reshape(-1), []
    for row, inside in zip(fit[1:], within[1:].tolist(), strict=True):
        ways = best[:, None] - cost - (_INSIDE * (cost > 0) if inside else 0)
        came.append(ways.argmax(axis=0))
        best = ways.max(axis=0) + row
    path = [int(best.argmax())] if len(fit) else []
    for where in reversed(came):
        path.append(int(where[path[-1]]))
    return path[::-1]


def _name(chord: int) -> str:
    root, kind = divmod(chord, len(_KINDS))
    return _NAMES[root] + _KINDS[kind]


def _shares(time: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(time / np.maximum(time.sum(axis=1, keepdims=True), _LEAST))
