"""Corpus -> training examples: unique phrases for the VAE, sequences of latents for the denoiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cantilena.corpus.store import Corpus
from cantilena.corpus.tunes import Split
from cantilena.training.phrase_decoder import LABEL_SIZES
from cantilena.training.tunes import Tunes
from cantilena.writing import CONTEXT, UNKNOWN, context, pitch_classes

__all__ = ["Examples", "Phrases", "drop_labels", "labels_of", "shift_pitches"]

SHIFTS = range(-5, 7)  # semitones of transposition, one of each pitch class


UNTOLD = 0.1  # share of examples that are told nothing of other phrases


class Examples(NamedTuple):
    """Phrases, and what a decoder is told of each."""

    tokens: Tensor  # (B, 32)
    labels: Tensor  # (B, n)
    before: Tensor  # (B, 4)
    around: Tensor  # (B, 12)

    def less_told(self, generator: torch.Generator, sizes: Sequence[int] = LABEL_SIZES) -> Examples:
        """Of some nothing is said but the phrase itself: of its melody (`drop_labels`), or of other phrases."""
        silent = torch.rand(len(self.tokens), 1, generator=generator) < UNTOLD
        return self._replace(
            labels=drop_labels(self.labels, generator, sizes),
            before=torch.where(silent, torch.tensor(UNKNOWN), self.before),
            around=torch.where(silent, 0, self.around),
        )


@dataclass(frozen=True, eq=False)
class Phrases:
    """The phrases of a split in their places: melodies one after another."""

    tokens: NDArray[np.int8]  # (n, 32)
    before: NDArray[np.int8]  # (n, 4) what came before each: `writing.context`
    around: NDArray[np.uint8]  # (n, 12) pitch classes near by: `writing.pitch_classes`
    labels: NDArray[np.int8]  # (n, k) of its melody: role, family, purity; whether it has rests is not said
    weight: NDArray[np.float32]  # (n,) count ** -0.5 of each: common phrases count, but not silence alone

    @classmethod
    def of(cls, corpus: Corpus, split: Split) -> Phrases:
        """Every phrase of a split."""
        tokens, melody = corpus.phrases_in_order(split)
        first = np.append(True, melody[1:] != melody[:-1])[: len(tokens)]
        around = np.minimum(pitch_classes(tokens, first), 255).astype(np.uint8)
        labels = labels_of(corpus, melody).astype(np.int8)
        return cls(tokens, context(tokens, first).astype(np.int8), around, labels, _rarity(tokens))

    @classmethod
    def of_tunes(cls, tunes: Tunes, split: int) -> Phrases:
        """Every phrase of a split of tunes, whatever their metre; tunes count six times, top parts twice."""
        melodies = tunes.split(split, least=1)
        counts = tunes.table["n"][melodies]
        rows = np.concatenate([np.arange(a, a + n) for a, n in zip(tunes.table["at"][melodies], counts, strict=True)])
        melody = np.repeat(np.arange(len(melodies)), counts)
        tokens, first = tunes.tokens[rows], np.append(True, melody[1:] != melody[:-1])
        row = tunes.table[melodies]
        length = (row["bar"] * row["per"])[melody]  # steps that a phrase plays, of its 32
        before, around = np.zeros((len(rows), CONTEXT), np.int8), np.zeros((len(rows), 12), np.uint8)
        for steps in np.unique(length):
            these = np.flatnonzero(length == steps)
            played = tokens[these][:, :steps]
            before[these] = context(played, first[these])
            around[these] = np.minimum(pitch_classes(played, first[these]), 255)
        labels = np.array([tunes.known(int(m)) for m in melodies], np.int8)[melody]
        liked = np.array([6.0, 2.0, 1.0, 1.0], np.float32)[labels[:, 0]]
        return cls(tokens, before, around, labels, _rarity(tokens) * liked)

    def take(self, rows: NDArray[np.int64], shift: NDArray[np.int64]) -> Examples:
        """Phrases `rows` (B,), each transposed by `shift` (B,) semitones with all that is told of others."""
        both = shift_pitches(np.concatenate([self.tokens[rows], self.before[rows]], axis=1), shift)
        classes = (np.arange(12) - shift[:, None]) % 12
        around = np.take_along_axis(self.around[rows], classes, axis=1).astype(np.float32)
        labels = self.labels[rows].astype(np.int64)
        return Examples(*(torch.from_numpy(a) for a in (both[:, :-CONTEXT], labels, both[:, -CONTEXT:], around)))

    def sampler(self) -> NDArray[np.float64]:
        """Cumulative probabilities of the phrases by weight."""
        return np.asarray(np.cumsum(self.weight, dtype=np.float64) / self.weight.sum(dtype=np.float64))


def _rarity(tokens: NDArray[np.int8]) -> NDArray[np.float32]:
    """count ** -0.5 of each phrase (n, 32) among them all: (n,)."""
    rows = np.ascontiguousarray(tokens, np.int8).view("V32").ravel()
    _, which, counts = np.unique(rows, return_inverse=True, return_counts=True)
    return np.asarray(counts[which] ** -0.5, np.float32)


def labels_of(corpus: Corpus, melodies: NDArray[np.int64]) -> NDArray[np.int64]:
    """Role, family and purity of melodies (n,), and that nothing is said of their rests: (n, 4)."""
    rows = corpus.table[melodies]
    rests = np.full(len(melodies), LABEL_SIZES[3])
    return np.stack([rows["role"], rows["family"], corpus.purity(melodies), rests], axis=1).astype(np.int64)


def drop_labels(labels: Tensor, generator: torch.Generator, sizes: Sequence[int] = LABEL_SIZES) -> Tensor:
    """Replace labels (B, n) by their nulls, `sizes`: all with p = .5, else each alone with p = .1.

    Where all are dropped, "has rests" stays in half of the cases: "no rests and nothing else" is the condition of the
    paper's table, and must be a sight that the network knows.
    """
    batch = len(labels)
    all_of_them = torch.rand(batch, 1, generator=generator) < 0.5
    alone = torch.rand(labels.shape, generator=generator) < 0.1
    drop = alone | all_of_them
    if tuple(sizes) == LABEL_SIZES:
        keeps_rests = torch.rand(batch, generator=generator) < 0.5
        drop[:, 3] &= ~(all_of_them[:, 0] & keeps_rests)
    return torch.where(drop, torch.tensor(sizes), labels)


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
