"""Whether composed tunes are worth keeping: `python benchmarks/tunes.py CORPUS [MODEL] [NUMBER] [BARS] [SVG]`.

NUMBER (200) default songs and as many plain draws of BARS (64) bars, beside real leads of test songs. Of each: median
below C3, one pitch more than 12 times running, repeated notes, steps of 1 or 2 semitones, direction changes, exact
repeats of 2, 4 and 8 bars, a hole of 4 bars or more, a long end on a stable degree, and a tune score above 0. Then the
time of a song on one core. SVG is a file for the first 48 bars of twelve songs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cantilena.composer import load
from cantilena.corpus.store import WINDOW_PHRASES, Corpus
from cantilena.edits.cadence import has_cadence
from cantilena.model import RESEARCH_MODEL
from cantilena.music.extract import ROLES
from cantilena.music.melody import REST, Melody
from cantilena.music.tune_score import longest_run, tune_score
from cantilena.requests import Compose

SEED = 2000  # the first: nothing was chosen by looking at these
HEADS = ("low", "running", "repeated", "steps", "turns", "2 bars", "4 bars", "8 bars", "hole", "ends", "tune")


def again(melody: Melody, bars: int) -> float:
    """The share of stretches of so many bars, with a note, that stood there before."""
    size = bars * melody.metre.bar_steps
    rows = melody.events[: melody.events.size // size * size].reshape(-1, size)
    rows = rows[(rows > REST).any(axis=1)]
    return 1 - len(np.unique(rows, axis=0)) / len(rows) if len(rows) else np.nan


def figures(melody: Melody) -> list[float]:
    start, end, pitch = melody.notes
    if pitch.size < 4:
        return [np.nan] * len(HEADS)
    interval = np.diff(pitch)
    moves = np.sign(interval[interval != 0])
    silent = np.append(start, melody.events.size) - np.append(0, end)
    return [
        float(np.median(pitch) < 48),
        float(longest_run(pitch) > 12),
        (interval == 0).mean(),
        ((interval != 0) & (np.abs(interval) <= 2)).mean(),
        (moves[1:] != moves[:-1]).mean() if moves.size > 2 else np.nan,
        *(again(melody, bars) for bars in (2, 4, 8)),
        float(silent.max() >= 4 * melody.metre.bar_steps),
        float(has_cadence(melody)),
        float(tune_score(melody) > 0),
    ]


def show(name: str, melodies: Iterable[Melody]) -> None:
    rows = np.array([figures(melody) for melody in melodies])
    print(f"{name:26}" + "".join(f"{value:9.3f}" for value in np.nanmean(rows, axis=0)), flush=True)


def main(
    corpus_dir: str, name: str = RESEARCH_MODEL, number: str = "200", bars: str = "64", svg: str | None = None
) -> None:
    corpus, composer, n, length = Corpus.open(corpus_dir), load(name), int(number), int(bars)
    print(f"{composer.model.name} {composer.model.fingerprint}\n{'':26}" + "".join(f"{head:>9}" for head in HEADS))
    windows = corpus.windows("test", max_silent=8, stride=8)
    lead = (corpus.table["role"][windows[:, 0]] == ROLES.index("lead")) & (corpus.purity(windows[:, 0]) == 0)
    pick = np.random.default_rng(0).permutation(windows[lead])[:400]
    show("real leads", (Melody.from_phrases(corpus.phrases(int(m))[f : f + WINDOW_PHRASES]) for m, f in pick))
    seeds = range(SEED, SEED + n)
    show("one draw (--plain)", (tune.melody for tune in composer.compose_many(seeds, Compose(bars=length, plain=True))))
    songs, seconds = [], []
    for seed in seeds:
        began = time.perf_counter()
        songs.append(composer.compose(seed=seed, bars=length).melody)
        seconds.append(time.perf_counter() - began)
    show("song", songs)
    print(f"a song takes {np.median(seconds):.2f} s in the median, {max(seconds):.2f} s at most, on one core")
    if svg is not None:
        sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
        from rolls import Roll, inks, picture

        parts = [song.slice(1, min(48, length)) for song in songs[:12]]
        rolls = [Roll(f"seed {seed}", part, inks(part, rest="kept")) for seed, part in zip(seeds, parts, strict=False)]
        Path(svg).write_text(picture("Twelve default songs", f"the first {parts[0].bars} bars", rolls, {}))


if __name__ == "__main__":
    main(*sys.argv[1:])
