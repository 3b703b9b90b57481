"""Composing some steps of a melody anew between others that are held, at any length and alignment.

A melody is seen through windows of 32 phrases (`edits.window`), from left to right: each holds what the one before it
composed. Notes that are held come back identical because they are put into the result; see `Locks`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cantilena.edits.bound_sampler import WINDOW, BoundSampler
from cantilena.edits.steer import Steering
from cantilena.edits.window import Window, edges_held, own_seed
from cantilena.model import Model
from cantilena.music.locks import Locks
from cantilena.music.melody import Melody
from cantilena.rules.weighted import Rules

__all__ = ["recompose", "windows"]

CONTEXT = 4  # phrases that are held on either side of what one window composes, where the melody has them


def recompose(
    model: Model, locks: Locks, sample: BoundSampler, *, seed: int, lead: int = 0, rules: Rules | None = None
) -> NDArray[np.int8]:
    """New tokens (steps,) with the locked ones among them. Phrases begin at bar 0, or `lead` bars earlier.

    `rules` see the bars that are composed, as one melody.

    What is not known of a window (what later windows compose, and for a model that sees 32 phrases, what would be
    before a shorter melody and after it) is sampled with the rest and thrown away: silence there would be other music.
    But for a model of tunes, at the melody's own edges: see `edges_held`.
    """
    metre, size = locks.metre, locks.metre.phrase_steps
    front = lead * metre.bar_steps
    back = -(front + locks.locked.size) % size
    back += max(0, model.least * size - (front + locks.locked.size + back))
    melody = slice(front, front + locks.locked.size)
    tokens, known = np.pad(locks.tokens, (front, back)), np.pad(locks.known, (front, back))
    inside = np.pad(np.ones_like(locks.locked), (front, back))
    phrases = (tokens.size // size, size)
    free = inside & ~np.pad(locks.locked, (front, back))
    todo = np.flatnonzero(free.reshape(phrases).any(1))
    judged = np.asarray(free.reshape(-1, metre.bar_steps).any(1))
    for k, (first, now) in enumerate(windows(todo, -(-melody.stop // size))):
        part = slice(first * size, (first + WINDOW) * size)
        held = Melody.from_tokens(tokens, metre=metre).phrases()[first : first + WINDOW]
        steering = Steering(model, rules, judged, tokens, first) if rules else None
        told = edges_held(model, metre.cut(known[part], True), np.asarray(free[part].reshape(-1, size).any(1)))
        window = Window(model, held, told, first, whole=first + len(held) == len(free) // size)
        new = window.sample(
            sample, own_seed(seed, k), steering=steering, at=part.start - front
        )  # each window its own noise
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
