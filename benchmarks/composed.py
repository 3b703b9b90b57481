"""Composed melodies beside real ones: `python benchmarks/composed.py CORPUS [MODEL] [NUMBER] [TEMPERATURE]`.

NUMBER (1,000) melodies without a label but "no rests", as in the paper's table, against 10,000 training windows and
all test windows: notes, pitch range, empty bars, and framewise overlap with the paper's consistency and variance.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray

from cantilena.composer import Voice, load
from cantilena.corpus.store import Corpus
from cantilena.corpus.tunes import Split
from cantilena.evaluation.overlap import framewise_overlap
from cantilena.model import DEFAULT_MODEL
from cantilena.music.melody import BAR_STEPS, Melody


def windows(corpus: Corpus, split: Split, most: int) -> NDArray[np.int8]:
    """Events (n, 1024) of windows of 64 bars without a silent phrase; `most` of them, drawn with seed 0."""
    rows = corpus.windows(split)
    if len(rows) > most:
        rows = rows[np.sort(np.random.default_rng(0).choice(len(rows), most, replace=False))]
    return np.stack([Melody.from_phrases(corpus.phrases(m)[p : p + 32]).events for m, p in rows.tolist()])


def figures(events: NDArray[np.int8]) -> dict[str, float]:
    """Plain figures of melodies (n, steps)."""
    on = events > 1
    pitch = np.where(on, events + 19, np.nan)
    sounding = np.maximum.accumulate(np.where(events != 0, np.arange(events.shape[1]), -1), axis=1)
    token = np.take_along_axis(events, np.maximum(sounding, 0), axis=1)
    silent = ((token <= 1) | (sounding < 0)).reshape(len(events), -1, BAR_STEPS).all(-1)
    overlap = framewise_overlap(events)
    return {
        "notes a melody": on.sum(1).mean(),
        "pitch range, semitones": (np.nanmax(pitch, 1) - np.nanmin(pitch, 1)).mean(),
        "silent bars, %": 100 * silent.mean(),
        "overlap, pitch": overlap.pitch.mean(),
        "overlap, duration": overlap.duration.mean(),
        "variance of pieces, pitch": overlap.pitch.mean(1).var(),
        "variance of pieces, duration": overlap.duration.mean(1).var(),
        "variance of windows, pitch": overlap.pitch.var(),
        "variance of windows, duration": overlap.duration.var(),
    }


def main(corpus_dir: str, name: str = DEFAULT_MODEL, number: str = "1000", temperature: str = "1") -> None:
    corpus, composer = Corpus.open(corpus_dir), load(name)
    began = time.perf_counter()
    melodies = composer.compose_many(range(int(number)), voice=Voice(rests=0), temperature=float(temperature))
    seconds = time.perf_counter() - began
    melodies = [m for m in melodies if m.notes.pitch.size]
    columns = {
        f"composed ({len(melodies):,})": figures(np.stack([m.events for m in melodies])),
        "train (10,000)": figures(windows(corpus, "train", 10_000)),
        "test": figures(windows(corpus, "test", 10**9)),
    }
    composed, train, _ = columns.values()
    model = f"{composer.model.name} {composer.model.fingerprint}"
    print(f"{model}: {number} melodies at temperature {temperature} in {seconds:.0f} s")
    print(f"{'':32}" + "".join(f"{head:>20}" for head in columns))
    for key in composed:
        print(f"{key:32}" + "".join(f"{column[key]:20.4f}" for column in columns.values()))
    for key in ("overlap, pitch", "overlap, duration", "variance of pieces, pitch", "variance of pieces, duration"):
        label = key.replace("overlap", "consistency").replace("variance of pieces", "Var")
        scores = (max(0.0, 1 - abs(c[key] - train[key]) / train[key]) for c in columns.values())
        print(f"{label:32}" + "".join(f"{score:20.3f}" for score in scores))


if __name__ == "__main__":
    main(*sys.argv[1:])
