"""Models whose music is known, in place of trained ones; what they write within bounds is left to the real code."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from cantilena.model import LABEL_NULLS, Model
from cantilena.music.melody import HOLD, REST, VOCABULARY
from cantilena.writing import Manner, write

TOKENS = np.arange(VOCABULARY)
SURE = 1000.0


class Oracle:
    """In place of a model: a latent is the number of its phrase in a book, and the decoder is sure of its tokens.

    Where `writing.write` lets it not write a note of the book, it wants the nearest (of two the lower); where a note
    may not go on, silence; where there may be none, the note that is nearest to the last.
    """

    def __init__(self, book):
        self.book = np.asarray(book, np.int8)
        self.space, self.manner = SimpleNamespace(D=1), Manner(LABEL_NULLS)
        self.least, self.places_phrases = 32, False

    def plan(self, z, sigma, labels):
        tokens = self.book[z[:, 0].astype(int)]
        return tokens[..., None].astype(np.float32), np.eye(VOCABULARY, dtype=np.float32)[tokens]

    def start(self, before, around):
        return np.zeros((len(before), 1), np.float32)

    def step(self, plan, plain, token, notes, state):
        wanted = plan[:, 0].astype(int)
        centre = np.where(wanted > REST, wanted, notes[:, 0])
        logits = -np.abs(TOKENS - centre[:, None]) - 0.1 * (centre[:, None] < TOKENS)
        silence = np.where(wanted > REST, -SURE / 2, SURE / 2)  # rather another note than none; rather none than one
        logits[:, HOLD], logits[:, REST] = silence, silence + 1
        logits[np.arange(len(wanted)), wanted] = SURE
        return logits.astype(np.float32), state

    def to_phrases(self, x_0, bounds=None, *, alone=False):
        flat = x_0.reshape(-1, *x_0.shape[-2:])
        return write(self, flat, self.manner, bounds, alone=alone).reshape(*x_0.shape[:-1], -1)

    def literal(self):
        return self


class Whim(Oracle):
    """A decoder that wants nonsense: at each step other tokens, which depend on the last note and on its state."""

    def __init__(self, seed, holds):
        super().__init__(np.zeros((1, 32)))
        self.random, self.holds = np.random.default_rng(seed), holds
        self.table = self.random.normal(size=(64, VOCABULARY)).astype(np.float32)

    def plan(self, z, sigma, labels):
        steps = (z[:, :1].astype(int) * 7 + np.arange(32)) % 64
        return steps[..., None].astype(np.float32), self.table[steps]

    def step(self, plan, plain, token, notes, state):
        shift = (TOKENS + notes[:, :1] * 3 + notes[:, 1:]) % VOCABULARY
        logits = np.take_along_axis(plain, shift, axis=1) + 0.1 * state
        logits[:, HOLD] += self.holds
        return logits, np.float32(0.5) * state + token[:, None] % 5


class Deaf(Model):
    """A model whose decoder does not hear what it writes: a phrase is the same whatever stands before it."""

    def step(self, plan, plain, token, notes, state):
        return plain.copy(), state


def latents(*numbers):
    """Of phrases by their number in a book: (..., P, 1)."""
    return np.array(numbers, np.float32)[..., None]
