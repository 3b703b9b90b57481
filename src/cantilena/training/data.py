"""Corpus -> training examples: unique phrases for the VAE, sequences of latents for the denoiser."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Phrases", "shift_pitches"]

SHIFTS = range(-5, 7)  # semitones of transposition, one of each pitch class


@dataclass(frozen=True, eq=False)
class Phrases:
    """The distinct phrases of a split and how often each occurs."""

    tokens: NDArray[np.int8]  # (n, 32)
    counts: NDArray[np.int64]  # (n,)

    @classmethod
    def distinct(cls, phrases: NDArray[np.int8]) -> Phrases:
        """Count equal rows of (n, 32)."""
        rows = np.ascontiguousarray(phrases, np.int8).view("V32").ravel()
        values, counts = np.unique(rows, return_counts=True)
        return cls(values.view(np.int8).reshape(-1, phrases.shape[1]), counts)

    def sampler(self, power: float = 0.5) -> NDArray[np.float64]:
        """Cumulative probabilities proportional to counts ** power: common phrases, but not silence alone."""
        weight = self.counts.astype(np.float64) ** power
        return np.asarray(np.cumsum(weight) / weight.sum())


def shift_pitches(tokens: NDArray[np.int8], semitones: NDArray[np.int64]) -> NDArray[np.int64]:
    """Transpose each row (B, ...) by its number of semitones; by an octave less where a note would leave the range."""
    shape = (-1,) + (1,) * (tokens.ndim - 1)
    tokens = tokens.astype(np.int64)
    on = tokens > 1
    axes = tuple(range(1, tokens.ndim))
    high = np.where(on, tokens, 2).max(axis=axes) + semitones
    low = np.where(on, tokens, 89).min(axis=axes) + semitones
    semitones = semitones - 12 * (high > 89) + 12 * (low < 2)
    moved = tokens + semitones.reshape(shape)
    return np.where(on, np.clip(moved, 2, 89), tokens)
