"""Composed melodies beside real ones: `python benchmarks/composed.py CORPUS [MODEL] [NUMBER] [TEMPERATURE]`.

NUMBER (1,000) melodies without a label but "no rests", as in the paper's table, against 10,000 training windows and
all test windows: notes, pitch range, empty bars, and framewise overlap with the paper's consistency and variance.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from cantilena.composer import load
from cantilena.corpus.store import Corpus
from cantilena.metrics.features import pitch_range
from cantilena.metrics.pieces import Pieces, corpus_pieces
from cantilena.metrics.scores import consistency, overlaps
from cantilena.model import RESEARCH_MODEL
from cantilena.music.metre import COMMON
from cantilena.requests import Compose
from cantilena.sampling import Voice


def figures(pieces: Pieces) -> dict[str, float]:
    """Plain figures of melodies of one length."""
    events = np.stack(pieces.events)
    sounding = np.maximum.accumulate(np.where(events != 0, np.arange(events.shape[1]), 0), axis=1)
    silent = (np.take_along_axis(events, sounding, axis=1) <= 1).reshape(len(events), -1, COMMON.bar_steps).all(-1)
    found = overlaps(pieces).moments
    return {
        "notes a melody": (events > 1).sum(1).mean(),
        "pitch range, semitones": pitch_range(events).mean(),
        "silent bars, %": 100 * silent.mean(),
        **{f"overlap, {kind}": m.mean for kind, m in found.items()},
        **{f"variance of pieces, {kind}": m.var_pieces for kind, m in found.items()},
        **{f"variance of windows, {kind}": m.var_pooled for kind, m in found.items()},
    }


def main(corpus_dir: str, name: str = RESEARCH_MODEL, number: str = "1000", temperature: str = "1") -> None:
    corpus, composer = Corpus.open(corpus_dir), load(name)
    began = time.perf_counter()
    melodies = composer.compose_many(range(int(number)), Compose(voice=Voice(rests=0), temperature=float(temperature)))
    seconds = time.perf_counter() - began
    melodies = [m for m in melodies if m.notes.pitch.size]
    columns = {
        f"composed ({len(melodies):,})": figures(Pieces.of([m.events for m in melodies])),
        "train (10,000)": figures(corpus_pieces(corpus, "train", 10_000)),
        "test": figures(corpus_pieces(corpus, "test")),
    }
    composed, train, _ = columns.values()
    model = f"{composer.model.name} {composer.model.fingerprint}"
    print(f"{model}: {number} melodies at temperature {temperature} in {seconds:.0f} s")
    print(f"{'':32}" + "".join(f"{head:>20}" for head in columns))
    for key in composed:
        print(f"{key:32}" + "".join(f"{column[key]:20.4f}" for column in columns.values()))
    for key in ("overlap, pitch", "overlap, duration", "variance of pieces, pitch", "variance of pieces, duration"):
        label = key.replace("overlap", "consistency").replace("variance of pieces", "Var")
        scores = (consistency(column[key], train[key]) for column in columns.values())  # Var has the same formula
        print(f"{label:32}" + "".join(f"{score:20.3f}" for score in scores))


if __name__ == "__main__":
    main(*sys.argv[1:])
