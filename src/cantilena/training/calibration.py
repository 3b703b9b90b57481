"""What a decoder leans to in intervals, so that melodies that are composed have those of real ones.

A decoder that reads what a denoiser made of noise repeats notes and turns more often than the music it learned from:
what composed latents lack is not quite what latents of noised songs lack. How often each kind of interval
(`writing.interval_kinds`) occurs, and a note that is foreign to what is near, is counted in training songs and in
composed melodies, and the logarithm of the ratio is added to the logits of notes, as Menon et al. 2021 ("Long-tail
learning via logit adjustment", eq. 9) correct the frequencies of classes; again and again, since each interval
changes the next. Rhythm and rests are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.corpus.store import WINDOW_PHRASES, Corpus
from cantilena.engine import Engine
from cantilena.model import Model
from cantilena.music.extract import ROLES
from cantilena.music.melody import REST, Melody
from cantilena.training.latents import MAX_SILENT
from cantilena.voices import Voice
from cantilena.writing import SIZES, Manner, interval_kinds, is_foreign, pitch_classes

__all__ = ["SEED", "calibrate", "leanings", "measured"]

SEED = 1_000_000  # the first of the seeds that are listened to: nobody's else
_ROUNDS = 9
_STEP = 0.7  # of each round, towards what is wanted
_REAL = 2000  # windows of training songs


def calibrate(
    model: Model, corpus: Corpus, melodies: int = 128, told: Callable[[str], None] = lambda _: None
) -> dict[str, dict[str, Any]]:
    """What to lean to as each role, and as none, as model.json has it: {"0": {"intervals": ..., "foreign": ...}, ...}.

    `melodies` are composed for each; `told` gets a line for each.
    """
    windows = corpus.windows("train", max_silent=MAX_SILENT, stride=16)
    role, clean = corpus.table["role"][windows[:, 0]], corpus.purity(windows[:, 0]) == 0
    found = {}
    for k, name in enumerate([*ROLES, "any"]):
        voice = Voice(role=k, purity=0) if k < len(ROLES) else Voice()
        these = windows[(role == k) & clean] if k < len(ROLES) else windows
        these = np.random.default_rng(k).permutation(these)[:_REAL]
        wanted, strange = measured(corpus.phrases(int(m))[f : f + WINDOW_PHRASES] for m, f in these)
        seeds = tuple(range(SEED, SEED + melodies))
        engine = Engine(model)
        z = model.space.denormalize(engine.sample(seeds, voice=voice))
        manner, best = replace(model.manner, labels=engine.told({"voice": voice}, 0).manner.labels, seeds=seeds), np.inf
        decode = partial(_decoded, model, z, manner)
        for off, intervals, foreign in islice(leanings(decode, wanted, strange), _ROUNDS):
            if off < best:
                best, found[str(k)] = off, {"intervals": _rounded(intervals), "foreign": round(foreign, 3)}
        told(f"{name}: {best:.3f} of all intervals and pitch classes still of another kind")
    return found


def leanings(
    decode: Callable[[NDArray[np.float32], float], Iterable[NDArray[np.int8]]],
    wanted: NDArray[np.float64],
    strange: float,
) -> Iterator[tuple[float, NDArray[np.float32], float]]:
    """What to lean to, round after round, so that melodies have the intervals and foreign notes that are `measured`.

    `decode` writes them with leanings for intervals (2, SIZES) and for foreign notes; each round is how far off what
    those wrote is, and those.
    """
    intervals, foreign = np.zeros((2, SIZES), np.float32), 0.0
    while True:
        have, own = measured(decode(intervals, foreign))
        yield float(np.abs(wanted - have).sum() + abs(strange - own)), intervals, foreign
        intervals = intervals + (_STEP * np.log(wanted / have)).astype(np.float32)
        intervals[1, 0] = 0  # a repeated note never turns
        foreign += _STEP * float(np.log(strange / own))


def _decoded(
    model: Model, z: NDArray[np.float32], manner: Manner, intervals: NDArray[np.float32], foreign: float
) -> NDArray[np.int8]:
    return model.decode(z, replace(manner, intervals=intervals, foreign=foreign))


def measured(melodies: Iterable[NDArray[np.int8]]) -> tuple[NDArray[np.float64], float]:
    """Of melodies (phrases, 32): shares of all intervals, (2, SIZES), and of notes that are foreign to what is near."""
    counts, strange, notes = np.zeros((2, SIZES), np.int64), 0, 0
    for phrases in melodies:
        interval = np.diff(Melody.from_phrases(phrases).notes.pitch)
        np.add.at(counts, interval_kinds(interval, np.append(0, interval[:-1])[: interval.size]), 1)
        row, step = np.nonzero(phrases > REST)
        around = pitch_classes(phrases, np.arange(len(phrases)) == 0)
        strange, notes = strange + int(is_foreign(around)[row, phrases[row, step]].sum()), notes + row.size
    shares: NDArray[np.float64] = (counts + 1.0) / (counts + 1.0).sum()
    return shares, (strange + 1) / (notes + 1)


def _rounded(table: NDArray[np.float32]) -> list[list[float]]:
    return [[round(value, 3) for value in row] for row in table.tolist()]
