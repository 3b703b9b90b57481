"""Choosing a few melodies of many: the ones that keep the rules, are tunes, sound like music, and differ.

How like data a melody is, the denoiser says itself: its notes are encoded, some noise is put on them, and the error of
x0_hat is measured, as in training (Ho et al. 2020, eq. 14, in terms of x_0). An error well above that of the other
draws means notes that the model does not understand; one below means silence or a single riff, which is easy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.samplers import Denoise, SeededNoise, estimate
from cantilena.diffusion.schedule import NoiseSchedule
from cantilena.music.melody import REST, Melody
from cantilena.music.tune_score import tune_score

__all__ = ["SAME", "choose", "denoising_error", "kinship", "unlike_a_tune"]

SAME = 0.5  # of their phrases: melodies that share more are one melody twice
_LEVELS = (0.3, 0.5, 0.7)  # in shares of T: notes, figures, form


def denoising_error(denoise: Denoise, x_0: NDArray[np.float32], schedule: NoiseSchedule) -> NDArray[np.float64]:
    """The mean squared error of x0_hat at three levels, of melodies x_0 (n, P, D), all with the same noise: (n,)."""
    eps = np.broadcast_to(SeededNoise([0])((1, *x_0.shape[1:])), x_0.shape)
    errors = []
    for t in (share * schedule.T for share in _LEVELS):
        x0_hat = estimate(denoise, schedule.q_sample(x_0, t, eps), t, schedule, np.zeros_like(x_0))
        errors.append(np.square(x0_hat - x_0, dtype=np.float64).mean(axis=(1, 2)))
    return np.asarray(np.mean(errors, axis=0))


def kinship(one: Melody, other: Melody) -> float:
    """Which share of the phrases of the shorter melody the longer one has, too, at any pitch: 0..1; silence is none.

    >>> tune = Melody.from_notes([0, 4], [4, 32], [60, 64])
    >>> kinship(tune, tune.transpose(5)), kinship(tune, Melody.from_notes([0, 4], [4, 32], [60, 65]))
    (1.0, 0.0)
    """
    few, many = sorted((_figures(one), _figures(other)), key=len)
    return len(few & many) / len(few) if few else 0.0


def unlike_a_tune(melody: Melody) -> float:
    """What a melody costs as a tune: a tenth of -log p(it is one), by its `tune_score`."""
    return 0.1 * float(np.logaddexp(0, -tune_score(melody)))


def choose(
    melodies: Sequence[Melody], k: int, costs: Sequence[float], errors: Sequence[float]
) -> list[int]:  # fmt: skip
    """Indices of `k` melodies, the best first; fewer where more would be the same melody twice (`SAME`).

    Each has its cost, of rules that it breaks and as a tune, plus how far its denoising error lies from the median of
    all, in median deviations, plus its `kinship` with those already chosen (maximal marginal relevance:
    Carbonell & Goldstein 1998). Raises ValueError for fewer than 1.
    """
    if k < 1:
        raise ValueError(f"at least 1 melody is picked, not {k}")
    away = np.abs(np.asarray(errors) - np.median(errors))
    worth = np.asarray(costs, np.float64) + 0.1 * away / max(float(np.median(away)), 1e-9)
    kin = np.zeros(len(melodies))
    chosen: list[int] = []
    while len(chosen) < min(k, len(melodies)):
        left = [i for i in range(len(melodies)) if i not in chosen and kin[i] <= SAME]
        if not left:
            break
        best = min(left, key=lambda i: (worth[i] + kin[i], i))
        chosen.append(best)
        kin = np.maximum(kin, [kinship(m, melodies[best]) for m in melodies])
    return chosen


def _figures(melody: Melody) -> set[bytes]:
    """The melody's phrases that have a note, at any pitch."""
    events = np.append(melody.events, np.zeros(-melody.events.size % melody.metre.phrase_steps, np.int8))
    found = set()
    for phrase in events.reshape(-1, melody.metre.phrase_steps):
        on = phrase > REST
        if on.any():
            found.add(np.where(on, phrase - phrase[on][0] + 64, phrase).astype(np.int8).tobytes())
    return found
