"""Composing some steps of a melody anew between others that are held, at any length and alignment.

A melody is seen through windows of 32 phrases. A phrase that is held whole is a `Condition`, as in the paper. One
that is held in part cannot be: its latent is not known. So each estimate of it is decoded, the held notes are put in,
and the latent moves by what that changed:

    x0_hat <- x0_hat + encode(pasted) - encode(decoded),  decoded = decode(x0_hat), pasted = locks.paste(decoded)

The difference keeps what an estimate at a high noise level says about the free steps beyond its likeliest notes.
Notes that are held come back identical because they are put into the result; see `Locks`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.condition import Condition
from cantilena.edits.draw import WINDOW, Draw
from cantilena.edits.steer import Steering
from cantilena.model import Model
from cantilena.music.locks import Locks
from cantilena.music.melody import BAR_STEPS, HOLD, PHRASE_STEPS, REST, Melody, canonical
from cantilena.rules.weighted import Rules

__all__ = ["recompose", "windows"]

CONTEXT = 4  # phrases that are held on either side of what one window composes, where the melody has them


def recompose(
    model: Model, locks: Locks, draw: Draw, *, seed: int, lead: int = 0, rules: Rules | None = None
) -> NDArray[np.int8]:
    """New tokens (steps,) with the locked ones among them. Phrases begin at bar 0, or with `lead` 1 a bar earlier.

    `rules` see the bars that are composed, as one melody.

    What is not known of a window (before the melody, after it, and what later windows compose) is sampled with the
    rest and thrown away: silence there would be other music.
    """
    front = lead * BAR_STEPS
    back = -(front + locks.locked.size) % PHRASE_STEPS
    back += max(0, WINDOW * PHRASE_STEPS - (front + locks.locked.size + back))
    melody = slice(front, front + locks.locked.size)
    tokens, known = np.pad(locks.tokens, (front, back)), np.pad(locks.known, (front, back))
    inside = np.pad(np.ones_like(locks.locked), (front, back))
    phrases = (tokens.size // PHRASE_STEPS, PHRASE_STEPS)
    free = inside & ~np.pad(locks.locked, (front, back))
    todo = np.flatnonzero(free.reshape(phrases).any(1))
    judged = np.asarray(free.reshape(-1, BAR_STEPS).any(1))
    for k, (first, now) in enumerate(windows(todo, -(-melody.stop // PHRASE_STEPS))):
        part = slice(first * PHRASE_STEPS, (first + WINDOW) * PHRASE_STEPS)
        held = Melody.from_tokens(tokens).phrases()[first : first + WINDOW]
        own = int(np.random.SeedSequence((seed, k)).generate_state(1)[0])  # each window its own noise
        steering = Steering(model, rules, judged, tokens, first) if rules else None
        new = _window(model, held, known[part].reshape(held.shape), draw, own, steering)
        composed = np.zeros(phrases, np.bool_)
        composed[now] = True
        written = composed.reshape(-1) & inside
        tokens[part] = np.where(written[part] & ~known[part], new, tokens[part])
        tokens[melody] = locks.paste(tokens[melody])
        known |= written
    return tokens[melody]


def windows(todo: NDArray[np.int64], phrases: int) -> list[tuple[int, NDArray[np.int64]]]:
    """Windows as (first phrase, phrases of `todo` that it composes), from left to right, for a melody of `phrases`.

    >>> [(first, list(map(int, now))) for first, now in windows(np.array([3, 4, 60]), 100)]
    [(0, [3, 4]), (44, [60])]
    """
    found = []
    while todo.size:
        most = WINDOW if phrases <= WINDOW else WINDOW - 2 * CONTEXT
        now = todo[todo < todo[0] + most]
        middle = (int(now[0]) + int(now[-1]) + 1) // 2
        first = max(0, min(middle - WINDOW // 2, phrases - WINDOW))
        found.append((first, now))
        todo = todo[now.size :]
    return found


def _window(
    model: Model, held: NDArray[np.int8], known: NDArray[np.bool_], draw: Draw, seed: int, steering: Steering | None
) -> NDArray[np.int8]:
    """32 phrases sampled around the `known` steps of `held`, both (32, 32): tokens (1024,), the known among them."""
    whole = np.asarray(known.all(1))
    partial = np.flatnonzero(known.any(1) & ~whole)
    after_known = np.append(False, known.reshape(-1)[:-1]).reshape(known.shape)

    def encode(phrases: NDArray[np.int8]) -> NDArray[np.float32]:
        return model.space.normalize(model.encode(phrases)[0])

    def decode(x_0: NDArray[np.float32]) -> NDArray[np.int8]:
        return np.asarray(model.decode(model.space.denormalize(x_0)).argmax(-1), np.int8)

    def paste(phrases: NDArray[np.int8], rows: NDArray[np.int64]) -> NDArray[np.int8]:
        free = np.where(after_known[rows] & (phrases == HOLD), REST, phrases)
        return _phrase_form(np.where(known[rows], held[rows], free))

    def correct(x0_hat: NDArray[np.float32]) -> NDArray[np.float32]:
        x0_hat = x0_hat.copy()
        decoded = _phrase_form(decode(x0_hat[:, partial]))
        pasted, as_decoded = encode(np.stack([paste(decoded, partial), decoded]))
        x0_hat[:, partial] += pasted - as_decoded
        return model.space.clip(x0_hat)

    every = np.arange(WINDOW)
    x_0 = np.zeros((1, WINDOW, model.space.D), np.float32)
    if whole.any():
        x_0[0, whole] = encode(held[whole])
    condition, corrected = Condition(x_0, whole[None]), correct if partial.size else None
    if steering is None:
        return paste(decode(draw(seed, condition=condition, correct=corrected)[0]), every).reshape(-1)
    cost = steering.cost(lambda phrases: paste(phrases, every))
    x_0 = draw(seed, condition=condition, correct=corrected, cost=cost)
    return paste(steering.decode(x_0[0]), every).reshape(-1)


def _phrase_form(phrases: NDArray[np.integer]) -> NDArray[np.int8]:
    """Phrases without a REST that ends nothing; one at a phrase's start says that it begins in silence."""
    sounding = np.full((*phrases.shape[:-1], 1), 2)  # whether a phrase begins inside a note, it says itself
    return canonical(np.concatenate([sounding, phrases], axis=-1))[..., 1:]
