"""What is asked of a new melody, and how often it comes: `python benchmarks/asked.py [MODEL] [SEEDS]`.

SEEDS (100) melodies of 16 bars each: with a cadence in ten keys, the share that ends on the triad of the tonic, that
comes to it by a step or a fifth, and that does both on a long note; with a motif of another melody of the model, the
share in which it comes three times or more, as it is or as a sequence, and that of the notes in its key; and with a
straight and a syncopated rhythm, the share of seeds on which the two differ, and of bars that are as asked.
"""

from __future__ import annotations

import sys

import numpy as np

from cantilena.composer import Composer, load
from cantilena.edits.cadence import has_cadence
from cantilena.edits.motif import likeness
from cantilena.model import DEFAULT_MODEL
from cantilena.rules import Key, estimate_key

SEED = 30_000  # the first: nothing was chosen by looking at these
BARS = 16
KEYS = ("C", "G", "D", "F", "Bb", "A", "Am", "Em", "Dm", "Gm")
APPROACHES = (1, 2, 5, 7)  # semitones


def cadences(composer: Composer, seeds: range) -> tuple[float, float, float]:
    """The shares of melodies that end on the tonic triad, that come to it so, and that do both and rest."""
    found = []
    for seed in seeds:
        name = KEYS[seed % len(KEYS)]
        tune = composer.compose(seed, bars=BARS, cadence=True, rules={"key": name}).melody
        key = Key(name)
        before, last = tune.notes.pitch[-2:].tolist()
        triad, approached = last % 12 in key.stable, abs(last - before) in APPROACHES
        found.append((triad, approached, triad and approached and has_cadence(tune, key)))
    return tuple(np.mean(found, axis=0).tolist())


def motifs(composer: Composer, seeds: range) -> tuple[float, float, float]:
    """The share of tunes that have their motif three times or more, how often it comes, and the notes in its key."""
    found = []
    for seed in seeds:
        motif = composer.compose(seed + len(seeds), bars=4).melody.slice(1, 2)
        tune = composer.compose(seed, bars=BARS, motif=motif).melody
        phrases = tune.events.reshape(-1, motif.events.size)
        times = sum(likeness(phrase, motif.events) == 1 for phrase in phrases)
        in_key = np.isin(tune.notes.pitch % 12, list(estimate_key(motif).scale)).mean()
        found.append((times >= 3, times, in_key))
    return tuple(np.mean(found, axis=0).tolist())


def rhythms(composer: Composer, seeds: range) -> tuple[float, float, float]:
    """The share of seeds on which straight and syncopated rhythms differ, and the bars that are as asked, of each."""
    found = []
    for seed in seeds:
        both = [composer.compose(seed, bars=BARS, rules={"rhythm": rhythm}) for rhythm in ("straight", "syncopated")]
        kept = [np.mean([row.met for row in one.receipt.rows]) for one in both]
        found.append((both[0] != both[1], *kept))
    return tuple(np.mean(found, axis=0).tolist())


def main(name: str = DEFAULT_MODEL, number: str = "100") -> None:
    composer, seeds = load(name), range(SEED, SEED + int(number))
    print(f"{composer.model.name} {composer.model.fingerprint}, {number} seeds from {SEED}, {BARS} bars")
    row = "{:10}" + "{:.3f} {}, " * 2 + "{:.3f} {}"
    triad, approached, all_ = cadences(composer, seeds)
    print(row.format("cadence", triad, "on the tonic triad", approached, "by a step or a fifth", all_, "both, long"))
    thrice, times, in_key = motifs(composer, seeds)
    print(row.format("motif", thrice, "three times or more", times, "times", in_key, "of notes in its key"))
    differ, straight, syncopated = rhythms(composer, seeds)
    print(row.format("rhythm", differ, "differ", straight, "of bars straight", syncopated, "syncopated"))


if __name__ == "__main__":
    main(*sys.argv[1:])
