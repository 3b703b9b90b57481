"""Corpus -> training examples: unique phrases for the VAE, sequences of latents for the denoiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cantilena.corpus.store import Corpus
from cantilena.corpus.tunes import Split
from cantilena.music.melody import REST
from cantilena.training.phrase_decoder import LABEL_SIZES
from cantilena.training.tunes import Tunes
from cantilena.writing import CONTEXT, UNKNOWN, context, pitch_classes

SHIFTS = range(-5, 7)  # semitones of transposition, one of each pitch class
UNTOLD = 0.1  # share of examples that are told nothing of other phrases
LOWEST, HIGHEST = REST + 1, 89  # tokens of notes

__all__ = ["Examples", "Phrases", "drop_labels", "labels_of", "shift_pitches", "shifted"]


class Examples(NamedTuple):
    """Phrases, and what a decoder is told of each."""

    tokens: Tensor  # (B, 32)
    labels: Tensor  # (B, n)
    before: Tensor  # (B, 4)
    around: Tensor  # (B, 12)

    def less_told(self, generator: torch.Generator, sizes: Sequence[int] = LABEL_SIZES) -> Examples:
        """Of some nothing is said but the phrase itself: of its melody (`drop_labels`), or of other phrases."""
        device = self.tokens.device
        silent = torch.rand(len(self.tokens), 1, generator=generator, device=device) < UNTOLD
        return self._replace(
            labels=drop_labels(self.labels, generator, sizes),
            before=torch.where(silent, torch.tensor(UNKNOWN, device=device), self.before),
            around=torch.where(silent, 0, self.around),
        )


@dataclass(frozen=True, eq=False)
class Phrases:
    """The phrases of a split in their places: melodies one after another; tensors on one device."""

    tokens: Tensor  # (n, 32) int8
    before: Tensor  # (n, 4) int8: what came before each, `writing.context`
    around: Tensor  # (n, 12) uint8: pitch classes near by, `writing.pitch_classes`
    labels: Tensor  # (n, k) int8, of its melody: role, family, purity; whether it has rests is not said
    weight: Tensor  # (n,) float64: count ** -0.5 of each, so that common phrases count, but not silence alone

    @classmethod
    def of(cls, corpus: Corpus, split: Split) -> Phrases:
        """Every phrase of a split."""
        tokens, melody = corpus.phrases_in_order(split)
        first = np.append(True, melody[1:] != melody[:-1])[: len(tokens)]
        return cls._made(tokens, context(tokens, first), pitch_classes(tokens, first), labels_of(corpus, melody))

    @classmethod
    def of_tunes(cls, tunes: Tunes, split: int) -> Phrases:
        """Every phrase of a split of tunes, whatever their metre; tunes count six times, top parts twice.

        Rare metres count more than they are many: the phrases of one that has a tenth of the phrases of another weigh,
        all together, a third of the other's.
        """
        melodies = tunes.split(split, least=1)
        counts = tunes.table["n"][melodies]
        rows = np.concatenate([np.arange(a, a + n) for a, n in zip(tunes.table["at"][melodies], counts, strict=True)])
        melody = np.repeat(np.arange(len(melodies)), counts)
        tokens, first = tunes.tokens[rows], np.append(True, melody[1:] != melody[:-1])
        row = tunes.table[melodies]
        length = (row["bar"] * row["per"])[melody]  # steps that a phrase plays, of its 32
        before, around = np.zeros((len(rows), CONTEXT), np.int64), np.zeros((len(rows), 12), np.int64)
        for steps in np.unique(length):
            these = np.flatnonzero(length == steps)
            played = tokens[these][:, :steps]
            before[these] = context(played, first[these])
            around[these] = pitch_classes(played, first[these])
        labels = np.array([tunes.known(int(m)) for m in melodies])[melody]
        liked = np.array([6.0, 2.0, 1.0, 1.0])[labels[:, 0]]
        common = np.maximum(np.bincount(labels[:, 2]), 1) ** -0.5
        return cls._made(tokens, before, around, labels, liked * common[labels[:, 2]])

    @classmethod
    def _made(
        cls,
        tokens: NDArray[np.integer],
        before: NDArray[np.integer],
        around: NDArray[Any],
        labels: NDArray[np.integer],
        weight: NDArray[np.floating] | float = 1.0,
    ) -> Phrases:
        small = [np.ascontiguousarray(a, np.int8) for a in (tokens, before)]
        near, said = np.minimum(around, 255).astype(np.uint8), labels.astype(np.int8)
        return cls(*(torch.from_numpy(a) for a in (*small, near, said, _rarity(small[0]) * weight)))

    def to(self, device: torch.device | str) -> Phrases:
        """The same on a device."""
        return Phrases(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    def take(self, rows: Tensor, shift: Tensor) -> Examples:
        """Phrases `rows` (B,), each transposed by `shift` (B,) semitones with all that is told of others."""
        both = shift_pitches(torch.cat([self.tokens[rows], self.before[rows]], dim=1), shift)
        classes = (torch.arange(12, device=rows.device) - shift[:, None]) % 12
        around = torch.gather(self.around[rows], 1, classes).float()
        return Examples(both[:, :-CONTEXT], self.labels[rows].long(), both[:, -CONTEXT:], around)

    def draw(self, count: int, generator: torch.Generator) -> Examples:
        """So many phrases (B,) by weight, each in a transposition of SHIFTS."""
        device = self.tokens.device
        u = torch.rand(count, generator=generator, device=device, dtype=torch.float64)
        rows = torch.searchsorted(self._cumulative, u).clamp(max=len(self.tokens) - 1)
        shift = torch.randint(SHIFTS[0], SHIFTS[-1] + 1, (count,), generator=generator, device=device)
        return self.take(rows, shift)

    @cached_property
    def _cumulative(self) -> Tensor:
        return self.weight.cumsum(0) / self.weight.sum()


def _rarity(tokens: NDArray[np.int8]) -> NDArray[np.float64]:
    """count ** -0.5 of each phrase (n, 32) among them all: (n,)."""
    _, which, counts = np.unique(tokens.view("V32").ravel(), return_inverse=True, return_counts=True)
    return np.asarray(counts[which] ** -0.5)


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
    batch, device = len(labels), labels.device
    all_of_them = torch.rand(batch, 1, generator=generator, device=device) < 0.5
    alone = torch.rand(labels.shape, generator=generator, device=device) < 0.1
    drop = alone | all_of_them
    if tuple(sizes) == LABEL_SIZES:
        keeps_rests = torch.rand(batch, generator=generator, device=device) < 0.5
        drop[:, 3] &= ~(all_of_them[:, 0] & keeps_rests)
    return torch.where(drop, torch.tensor(sizes, device=device), labels)


def shift_pitches(tokens: Tensor, semitones: Tensor) -> Tensor:
    """Transpose each row of tokens (B, ...), int8, by its number of semitones (B,): int64.

    By an octave less where a note would leave the range.
    """
    tokens = tokens.long()
    on, axes = tokens > REST, tuple(range(1, tokens.ndim))
    high = torch.where(on, tokens, LOWEST).amax(axes) + semitones
    low = torch.where(on, tokens, HIGHEST).amin(axes) + semitones
    semitones = semitones - 12 * (high > HIGHEST) + 12 * (low < LOWEST)
    moved = tokens + semitones.view(-1, *(1 for _ in axes))
    return torch.where(on, moved.clamp(LOWEST, HIGHEST), tokens)


def shifted(tokens: NDArray[np.integer], semitones: NDArray[np.integer]) -> NDArray[np.int8]:
    """`shift_pitches` of arrays."""
    return np.asarray(shift_pitches(torch.from_numpy(tokens), torch.from_numpy(semitones)).numpy(), np.int8)
