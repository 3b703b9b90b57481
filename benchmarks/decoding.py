"""What a model's decoder makes of sampled latents: `python benchmarks/decoding.py CORPUS [MODEL] [NUMBER]`.

Beside real windows of 64 bars of test songs, NUMBER (200) melodies of the default, and of plain sampling (no label,
temperature 1, 100 steps): of all intervals the share of steps (1 or 2 semitones), of leaps (more than a fifth) and of
repeated notes, how often the line changes its direction, notes in one major scale, exact repeats of 2 bars; and how
many melodies lie low (median below C3) or are silent for 4 bars. Then how long 64 bars take to decode, on one core.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cantilena.composer import load
from cantilena.corpus.store import WINDOW_PHRASES, Corpus
from cantilena.metrics.features import repeated_phrases, scale_consistency
from cantilena.model import RESEARCH_MODEL
from cantilena.music.extract import ROLES
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON
from cantilena.sampling import Sampling
from cantilena.voices import voice_of

SEED = 1000


def figures(melody: Melody) -> list[float]:
    """One row of the table; NaN for a melody with hardly a note."""
    start, end, pitch = melody.notes
    if pitch.size < 4:
        return [np.nan] * 8
    interval = np.diff(pitch)
    size, moves = np.abs(interval), np.sign(interval[interval != 0])
    silent = np.append(start, melody.events.size) - np.append(0, end)
    return [
        ((size > 0) & (size <= 2)).mean(),
        (size > 7).mean(),
        (moves[1:] != moves[:-1]).mean() if moves.size > 2 else np.nan,
        (size == 0).mean(),
        scale_consistency(melody.events[None])[0],
        repeated_phrases(melody.events[None])[0],
        float(np.median(pitch) < 48),
        float(silent.max() >= 4 * COMMON.bar_steps),
    ]


def show(name: str, melodies: Iterable[NDArray[np.int8]]) -> None:
    rows = np.array([figures(Melody.from_phrases(phrases)) for phrases in melodies])
    print(f"{name:34}" + "".join(f"{value:9.3f}" for value in np.nanmean(rows, axis=0)))


def main(corpus_dir: str, name: str = RESEARCH_MODEL, number: str = "200") -> None:
    corpus, composer, n = Corpus.open(corpus_dir), load(name), int(number)
    windows = corpus.windows("test", max_silent=8, stride=8)
    lead = (corpus.table["role"][windows[:, 0]] == ROLES.index("lead")) & (corpus.purity(windows[:, 0]) == 0)
    heads = ("steps", "leaps", "turns", "repeated", "in scale", "2 bars", "low", "holes")
    print(f"{composer.model.name} {composer.model.fingerprint}\n{'':34}" + "".join(f"{head:>9}" for head in heads))
    for label, some in (("real leads", windows[lead]), ("real tracks of any kind", windows)):
        pick = np.random.default_rng(0).permutation(some)[:400]
        show(label, (corpus.phrases(int(m))[first : first + WINDOW_PHRASES] for m, first in pick))
    ways: dict[str, Sampling] = {
        "default": {"voice": "lead"},
        "plain": {"voice": "any", "temperature": 1.0, "steps": 100},
    }
    for label, sampling in ways.items():
        seeds = range(SEED, SEED + n)
        show(label, composer.decode(composer.sample(seeds, **sampling), seeds, voice=sampling["voice"]))
    x_0, model = composer.sample([SEED]), composer.model.told(voice_of("lead").labels, [SEED])
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        model.to_phrases(x_0)
        seconds.append(time.perf_counter() - began)
    print(f"64 bars are decoded in {1000 * min(seconds):.1f} ms at best, {1000 * np.median(seconds):.1f} in the median")


if __name__ == "__main__":
    main(*sys.argv[1:])
