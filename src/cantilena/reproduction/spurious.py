"""Builds random notes that score high, to show what the paper's metric misses.

Every piece is one random phrase, repeated; some of its phrases are replaced by other random ones, for pitch and for
rhythm apart. The more are replaced, the less neighbouring windows overlap: so any mean overlap can be had. For each
piece a target is drawn from a normal with the mean and the variance (of pieces) that the metric wants, a dozen
candidates are thrown, and the nearest is kept. No key, no tune, no ear: Consistency and Variance near 1.00.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cantilena.metrics.overlap import framewise_overlap
from cantilena.metrics.scores import Moments
from cantilena.music.melody import HOLD
from cantilena.music.metre import TOKENS

__all__ = ["Spurious"]

_T = TypeVar("_T", bound=np.generic)
_PHRASES = 32
_CANDIDATES = 12  # shares of replaced phrases, from none to all
_LOWEST, _HIGHEST = 24, 72  # tokens between which phrases have their middle: pitches 43 to 91
_GRIDS = (1, 2, 4, 8)  # a phrase's notes start this many sixteenths apart


@dataclass(frozen=True)
class Spurious:
    """Makes random melodies of 64 bars with given overlaps: `moments` of "pitch" and "duration"."""

    moments: Mapping[str, Moments]

    def make(self, seeds: Sequence[int]) -> NDArray[np.int8]:
        """Make one melody for each seed: tokens (seeds, 32, 32)."""
        return np.stack([self._piece(np.random.default_rng(seed)) for seed in seeds])

    def _piece(self, random: np.random.Generator) -> NDArray[np.int8]:
        """(32, 32) tokens: the rhythm that comes nearest to its target, then the pitches, on that rhythm."""
        onsets = np.stack([_rhythm(random, share) for share in _SHARES])  # (candidates, 32, 32)
        dull = np.where(onsets, np.int8(_LOWEST), np.int8(HOLD))
        on = onsets[self._nearest("duration", dull, random)]
        pitched = np.stack([_pitches(random, share) for share in _SHARES])
        tokens = np.where(on, pitched, HOLD).astype(np.int8)
        return np.asarray(tokens[self._nearest("pitch", tokens, random)])

    def _nearest(self, kind: str, tokens: NDArray[np.int8], random: np.random.Generator) -> int:
        wanted = random.normal(self.moments[kind].mean, self.moments[kind].var_pieces ** 0.5)
        overlap = getattr(framewise_overlap(tokens.reshape(len(tokens), -1)), kind).mean(axis=1)
        return int(np.abs(overlap - wanted).argmin())


_SHARES = np.linspace(0, 1, _CANDIDATES)


def _rhythm(random: np.random.Generator, share: float) -> NDArray[np.bool_]:
    """Where notes start (32, 32), one phrase repeated but for a `share` of others; every phrase starts with a note."""
    return _repeated(np.stack([_one_rhythm(random) for _ in range(_PHRASES)]), share, random)


def _one_rhythm(random: np.random.Generator) -> NDArray[np.bool_]:
    step = np.arange(TOKENS)
    on = (step % random.choice(_GRIDS) == 0) & (random.random(TOKENS) < random.uniform(0.4, 1))
    on[0] = True
    return np.asarray(on)


def _pitches(random: np.random.Generator, share: float) -> NDArray[np.int64]:
    """A token for each step (32, 32), around a middle of each phrase's own."""
    middle = random.integers(_LOWEST, _HIGHEST, (_PHRASES, 1))
    width = random.uniform(1, 6, (_PHRASES, 1))
    tokens = np.rint(middle + width * random.standard_normal((_PHRASES, TOKENS))).astype(np.int64)
    return _repeated(tokens.clip(2, 89), share, random)


def _repeated(phrases: NDArray[_T], share: float, random: np.random.Generator) -> NDArray[_T]:
    """The first phrase in place of each but a `share` of them."""
    return np.where((random.random(len(phrases)) < share)[:, None], phrases, phrases[:1])
