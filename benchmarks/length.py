"""Melodies of any length, loops and motifs: `python benchmarks/length.py CORPUS [MODEL] [NUMBER] [MOTIFS]`.

NUMBER (20) melodies of 256 bars, through windows whose estimates are averaged and by chaining (16 phrases held, the
next 16 composed), against the same number of real ones: the notes at the joints (every 32 bars) and at all other bar
lines between phrases; how alike the two bars on either side are; how far range and key have drifted after 64, 128 and
192 bars; what comes again, by distance; and the time. Then 2-bar to 32-bar melodies as crops of 64 bars and as their
first bars, NUMBER loops of each length at their joint, and tunes of MOTIFS (50) motifs of validation songs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.composer import RESAMPLE, Composer, load
from cantilena.corpus.store import Corpus
from cantilena.diffusion.shared_phrases import SharedPhrases
from cantilena.edits.cadence import has_cadence
from cantilena.edits.finish import finish
from cantilena.edits.length import WHOLE, Length, best_crop, chain, lead_round
from cantilena.edits.motif import develop, first_phrase, likeness
from cantilena.metrics.overlap import normal_overlap, window_moments
from cantilena.model import RESEARCH_MODEL
from cantilena.music.extract import ROLES
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON
from cantilena.rules import estimate_key, similarity
from cantilena.sampling import Sampling, Voice

BARS = 256
JOINT = 32  # bars from one joint to the next, of windows and of chains
HEAD = ("interval", "> 12, %", "silence", ">= 8, %", "tied, %", "pitch", "duration", "joints")
FREE: Sampling = {"voice": Voice(purity=0)}


def joints(melody: Melody, bars: Sequence[int]) -> NDArray[np.float64]:
    """At the end of each of the `bars`: |interval| across it, silence across it, whether a note sounds over it, and
    the overlapping area (Mittal et al. 2021) of the pitches and of the durations in the four bars on either side."""
    start, end, pitch = melody.notes
    moments = [m[0] for m in window_moments(melody.events[None])]  # (windows, 2), a window every two bars
    found = []
    for bar in bars:
        step = bar * COMMON.bar_steps
        k = int(np.searchsorted(start, step))
        if not 0 < k < start.size or not 4 <= bar <= melody.bars - 4:
            continue
        areas = [normal_overlap(*m[bar // 2 - 2], *m[bar // 2]).item() for m in moments]
        gap = max(0, start[k] - end[k - 1])
        found.append([abs(pitch[k] - pitch[k - 1]), gap, float(end[k - 1] > step), *areas])
    return np.array(found).reshape(-1, 5)


def row(label: str, found: Sequence[NDArray[np.float64]]) -> str:
    """Means of what `joints` found, and the share of large intervals and long silences."""
    interval, gap, over, pitch, duration = np.concatenate(found).T
    figures = (
        interval.mean(), 100 * (interval > 12).mean(), gap.mean(), 100 * (gap >= 8).mean(), 100 * over.mean(),
        pitch.mean(), duration.mean(),
    )  # fmt: skip
    return f"{label:34}" + "".join(f"{f:10.2f}" for f in figures) + f"{interval.size:10}"


def heading(first: str, columns: Sequence[str]) -> str:
    return f"{first:34}" + "".join(f"{c:>10}" for c in columns)


def drift(melody: Melody, bars: int) -> list[float]:
    """Of 32 bars and those `bars` later: semitones between their mean pitches and between their ranges, same key."""
    found = []
    for first in range(1, melody.bars - bars - 30, 32):
        parts = [melody.slice(at, at + 31) for at in (first, first + bars)]
        if all(p.notes.pitch.size for p in parts):
            a, b = (p.notes.pitch for p in parts)
            keys = [estimate_key(p) for p in parts]
            found.append(
                [abs(a.mean() - b.mean()), abs(np.ptp(a) - np.ptp(b)), 100.0 * (keys[0].scale == keys[1].scale)]
            )
    return np.mean(found, axis=0).tolist() if found else [np.nan] * 3


def again(melody: Melody, low: int, high: int) -> float:
    """Share of phrases, in percent, that come again exactly from `low` to `high` phrases later, of those that could."""
    phrases = melody.phrases()
    words = np.array([p.tobytes() for p in phrases])
    found = [(words[i + low : i + high + 1] == words[i]).any() for i in range(len(words) - high)]
    return 100 * float(np.mean(found))


def chained(composer: Composer, seed: int, resample: int) -> Melody:
    parts: list[NDArray[np.float32]] = []
    for x_0 in islice(chain(composer.bound_sampler({"resample": resample}), seed), 1 + (BARS // 2 - 32) // 16):
        parts.append(x_0)
    return Melody.from_phrases(composer.decode(np.concatenate(parts)))


def long(corpus: Corpus, composer: Composer, number: int) -> None:
    """Windows against chaining."""
    rows = corpus.windows("train", phrases=BARS // 2, max_silent=16)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    rows = rows[np.unique(rows[:, 0], return_index=True)[1]]
    rows = rows[corpus.table["role"][rows[:, 0]] == ROLES.index("lead")][:number]
    real = [Melody.from_phrases(corpus.phrases(m)[p : p + BARS // 2]) for m, p in rows.tolist()]
    ways: dict[str, Callable[[int], Melody]] = {
        "windows": lambda s: composer.compose(s, bars=BARS, resample=1),
        "windows, resample 2": lambda s: composer.compose(s, bars=BARS, resample=2),
        "windows, resample 4": lambda s: composer.compose(s, bars=BARS, resample=4),
        "chain": lambda s: chained(composer, s, 1),
        "chain, resample 2": lambda s: chained(composer, s, 2),
        "chain, resample 4": lambda s: chained(composer, s, 4),
        "blocks of 64, no context": lambda s: Melody.from_phrases(
            composer.decode(composer.sample(range(4 * s, 4 * s + 4))).reshape(-1, COMMON.phrase_steps)
        ),
    }
    found, seconds = {f"real, {len(real)} of training songs": real}, {}
    for label, way in ways.items():
        began = time.process_time()
        found[label] = [way(seed) for seed in range(number)]
        seconds[label] = (time.process_time() - began) / number
    print(heading(f"\n{BARS} bars", HEAD))
    for label, melodies in found.items():
        at = range(64 if "64" in label else JOINT, BARS, 64 if "64" in label or "chain" in label else JOINT)
        at = range(64, BARS, JOINT) if "chain" in label else at
        for kind, bars in (("joints", at), ("elsewhere", [b for b in range(2, BARS, 2) if b not in at])):
            print(row(f"{label}: {kind}", [joints(m, bars) for m in melodies]))
    lags = (32, 64, 128, 192)
    columns = [f"{name} {lag}" for name in ("pitch", "range", "key, %") for lag in lags]
    print(heading("\ndrift after bars", columns))
    for label, melodies in found.items():
        table = np.nanmean([[drift(m, lag) for lag in lags] for m in melodies], axis=0)  # (lags, 3)
        print(f"{label:34}" + "".join(f"{f:10.1f}" for f in table.T.reshape(-1)))
    spans = ((1, 8), (9, 31), (32, 63), (64, 95))
    print(heading("\ncomes again after phrases, %", [f"{a}-{b}" for a, b in spans] + ["seconds"]))
    for label, melodies in found.items():
        shares = [np.mean([again(m, a, b) for m in melodies]) for a, b in spans]
        print(f"{label:34}" + "".join(f"{s:10.1f}" for s in shares) + f"{seconds.get(label, np.nan):10.2f}")


def short(composer: Composer, number: int) -> None:
    """Crops of 64 bars against their first bars."""
    whole = [Melody.from_phrases(t) for t in composer.decode(composer.sample(range(number)))]
    columns = ("note on 1", "end >= 1/2", "stable", "tonic", "similar")
    print(heading("\nshorter than 64 bars, %", columns))
    for bars in (2, 4, 8, 16, 32):
        for label, some in (
            ("best crop", [_crop(m, bars) for m in whole]),
            ("first bars", [m.slice(1, bars) for m in whole]),
        ):
            print(f"{f'{bars} bars, {label}':34}" + "".join(f"{100 * f:10.1f}" for f in _ends(some)))


def _crop(melody: Melody, bars: int) -> Melody:
    first = best_crop(melody, bars)
    return melody.slice(first, first + bars - 1)


def _ends(melodies: Sequence[Melody]) -> list[float]:
    found = []
    for m in melodies:
        start, _, pitch = m.notes
        if not start.size:
            found.append([0.0] * 5)
            continue
        key, left = estimate_key(m), m.events.size - start[-1]
        last = int(pitch[-1]) % 12
        alike = np.tril(similarity(m), -1).max(axis=1)[1:].mean()
        found.append([start[0] == 0, 8 <= left <= 32, last in key.stable, last == key.tonic, alike])
    return [float(f) for f in np.mean(found, axis=0)]


def loops(composer: Composer, number: int) -> None:
    """The joint of a loop, played three times, against its other bar lines between phrases and against a crop's."""
    print(heading("\nloops", (*HEAD, "similar")))
    whole = composer.sample(range(number))
    for bars in (4, 8, 16, 32, 64, 128):
        size, phrases = Length(bars, loop=True), bars // 2
        drawn = [list(composer.sample(range(number), **_ring(bars), resample=r)) for r in (1, RESAMPLE)]
        if bars < WHOLE:
            draw = composer.bound_sampler({"resample": RESAMPLE})
            drawn.append([lead_round(composer.model, draw, x, bars, seed=s) for s, x in enumerate(whole)])
        ways = ("a ring", f"a ring, resample {RESAMPLE}", "a crop led round")
        for label, found in zip(ways, drawn, strict=False):
            ring = [Melody.from_phrases(np.tile(composer.decode(x[:phrases]), (3, 1))) for x in found]
            closed = [finish(composer.model, x[:phrases], size) for x in found]
            alike = np.mean([np.tril(similarity(m), -1).max(axis=1)[1:].mean() for m in closed])
            inner = [b for b in range(bars + 2, 2 * bars, 2)]
            print(row(f"{bars} bars, {label}: joint", [joints(m, [bars, 2 * bars]) for m in ring]))
            print(row("  elsewhere", [joints(m, inner) for m in ring]))
            print(row("  joint of the loop", [joints(_thrice(m), [bars, 2 * bars]) for m in closed]) + f"{alike:10.2f}")
        cut = [finish(composer.model, x, Length(bars)) for x in composer.sample(range(number), **Length(bars).asked)]
        alike = np.mean([np.tril(similarity(m), -1).max(axis=1)[1:].mean() for m in cut])
        print(
            row(f"{bars} bars, no loop: joint", [joints(_thrice(m), [bars, 2 * bars]) for m in cut]) + f"{alike:10.2f}"
        )


def _ring(bars: int) -> dict[str, Any]:
    """Bars that go round, as often as it takes to fill 64."""
    phrases = bars // 2
    place = np.arange(-(-32 // phrases) * phrases) % phrases
    return {"phrases": place.size, "circular": True, "shared": SharedPhrases.of(place)}


def _thrice(melody: Melody) -> Melody:
    start, end, pitch = (np.asarray(a) for a in melody.notes)
    shift = melody.events.size * np.arange(3)[:, None]
    return Melody.from_notes(
        (start + shift).reshape(-1), (end + shift).reshape(-1), np.tile(pitch, 3), bars=3 * melody.bars
    )


def motifs(corpus: Corpus, composer: Composer, number: int) -> None:
    """Tunes of motifs."""
    rows = corpus.windows("validation", phrases=4)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    rows = rows[np.unique(rows[:, 0], return_index=True)[1]]
    rows = rows[np.random.default_rng(0).permutation(len(rows))[:number]]
    songs = [Melody.from_phrases(corpus.phrases(m)[p : p + 4]) for m, p in rows.tolist()]
    print(heading("\nmotifs, 8 bars, %", ("motif", "cadence", "likeness", "best", "range", "in key", "seconds")))
    given = [first_phrase(s) for s in songs]
    began = time.process_time()
    draw = partial(composer.sample, **FREE, resample=RESAMPLE)
    tunes = [develop(composer.model, draw, m, 8, seed=s, cadence=True) for s, m in enumerate(given)]
    seconds = (time.process_time() - began) / len(tunes)
    free = [composer.compose(s, bars=8, **FREE) for s in range(len(given))]
    for label, melodies, ours in (
        ("developed", tunes, given),
        ("the song itself", songs, given),
        ("8 composed bars, of their first two", free, [first_phrase(m) for m in free]),
        ("8 composed bars, of the motif", free, given),
    ):
        found = []
        for m, motif in zip(melodies, ours, strict=True):
            same = np.array_equal(m.slice(1, 2).events, motif.events)
            alike = [likeness(p, motif.events) for p in m.events.reshape(-1, COMMON.phrase_steps)[1:]]
            key = estimate_key(m)
            fits = np.isin(m.notes.pitch % 12, list(key.scale)).mean()
            found.append([same, has_cadence(m), np.mean(alike), np.max(alike), np.ptp(m.notes.pitch) / 100, fits])
        figures = 100 * np.mean(found, axis=0)
        print(f"{label:34}" + "".join(f"{f:10.1f}" for f in figures) + (f"{seconds:10.2f}" if m is tunes[-1] else ""))


def main(corpus_dir: str, name: str = RESEARCH_MODEL, number: str = "20", tunes: str = "50") -> None:
    corpus, composer = Corpus.open(corpus_dir), load(name)
    print(f"{composer.model.name} {composer.model.fingerprint}, songs of {corpus_dir}")
    long(corpus, composer, int(number))
    short(composer, int(number))
    loops(composer, int(number))
    motifs(corpus, composer, int(tunes))


if __name__ == "__main__":
    main(*sys.argv[1:])
