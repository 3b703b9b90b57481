"""Composing by rules: what a sample costs while it is drawn, and a decoder that cannot break the hard ones.

Soft rules (density, contour, form ...) steer the sampler (`diffusion.branching`). Hard rules (key, range, chords)
do not: a sample that is judged by its wrong notes learns to have few notes. They choose the transposition of a melody
that is composed from nothing, which costs no music at all, and then the decoder holds to them exactly: each note takes
its likeliest pitch among those that are allowed wherever it sounds. When notes begin and end is left to the music.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.guidance import Cost
from cantilena.diffusion.ties import Ties
from cantilena.model import Model
from cantilena.music.locks import Locks
from cantilena.music.melody import (
    BAR_STEPS,
    HOLD,
    MAX_PITCH,
    MIN_PITCH,
    PHRASE_STEPS,
    REST,
    VOCABULARY,
    Melody,
    pitch_name,
)
from cantilena.rules.form import Form
from cantilena.rules.rhythm import Density
from cantilena.rules.rule import HardRule
from cantilena.rules.weighted import Rules

__all__ = ["Steering", "check_held", "constrain", "hold_to"]

Paste: TypeAlias = Callable[[NDArray[np.int8]], NDArray[np.int8]]  # tokens (..., P, 32) -> with what is locked in them
SPARSE, FEW = 0.1, 2  # each note that a bar has less than 2 costs .1: silence breaks few rules, and is no answer
SHARED = 0.15  # of the noise of phrases that are drawn as one: CHANGELOG
TIED = 0.75  # similarity that is asked of two bars, from which on they are drawn as one
NEAR = 6  # semitones: a note moves no further if a pitch is allowed within


@dataclass(frozen=True, eq=False)
class Steering:
    """`rules` on some bars of a melody, which they see alone, as one melody, while phrases of it are composed."""

    model: Model
    rules: Rules
    bars: NDArray[np.bool_]  # (bars,) of the whole melody: which ones are judged
    tokens: NDArray[np.int8]  # (steps,) the whole melody, in which what is composed is judged
    first: int = 0  # phrase of it at which what is composed begins

    @classmethod
    def alone(cls, model: Model, rules: Rules, phrases: int, bars: int) -> Steering:
        """The first `bars` of a melody of `phrases` that is composed from nothing."""
        return cls(model, rules, np.arange(phrases * 2) < bars, np.zeros(phrases * PHRASE_STEPS, np.int8))

    def ties(self, phrases: int) -> Ties | None:
        """What comes again is drawn once: the phrases that a form wants the same, of `phrases` that are composed.

        Branches cannot agree on it: the best draw of one part is judged beside a draw of the other that is not taken.
        """
        form = next((rule for rule in self.rules.rules if isinstance(rule, Form)), None)
        if form is None:
            return None
        same = np.eye(self.bars.size, dtype=np.bool_)
        same[np.ix_(self.bars, self.bars)] |= np.nan_to_num(form.target(int(self.bars.sum()))) > TIED
        whole = same[::2, ::2] & same[1::2, 1::2]  # both bars of a phrase
        here = slice(self.first, self.first + phrases)
        return Ties(whole[here, here], SHARED)

    def cost(self, paste: Paste | None = None) -> Cost | None:
        """What phrases cost; None where no rule steers, but only holds. `paste` locks notes before they are judged."""
        soft = [k for k, rule in enumerate(self.rules.rules) if not isinstance(rule, HardRule)]
        if not soft:
            return None
        asked = self.rules
        rules = Rules([asked.rules[k] for k in soft], [asked.weights[k] for k in soft], [asked.names[k] for k in soft])
        sparse = 0.0 if any(isinstance(rule, Density) for rule in rules.rules) else SPARSE

        def cost(x0_hat: NDArray[np.float32]) -> NDArray[np.float32]:
            tokens = self.model.to_phrases(x0_hat)
            tokens = tokens if paste is None else paste(tokens)
            at = slice(self.first * PHRASE_STEPS, (self.first + tokens.shape[1]) * PHRASE_STEPS)
            costs = np.zeros((len(tokens), self.bars.size), np.float32)
            for row, part in zip(costs, tokens.reshape(len(tokens), -1), strict=True):
                whole = self.tokens.copy()
                whole[at] = part
                judged = self.judged(whole)
                few = np.maximum(FEW - (judged.events.reshape(-1, BAR_STEPS) > REST).sum(axis=1), 0)
                row[self.bars] = rules(judged) + sparse * few
            phrases: NDArray[np.float32] = costs.reshape(len(costs), -1, PHRASE_STEPS // BAR_STEPS).mean(axis=-1)
            return phrases[:, self.first : self.first + tokens.shape[1]]

        return cost

    def judged(self, tokens: NDArray[np.int8]) -> Melody:
        """The bars that the rules see, of the whole melody's tokens (steps,): what rings into them is left out."""
        return Melody.from_tokens(tokens.reshape(-1, BAR_STEPS)[self.bars].reshape(-1))

    def decode(self, x_0: NDArray[np.float32], *, transpose: bool = False) -> NDArray[np.int8]:
        """x_0 (P, D) as tokens (P, 32) that keep the hard rules in the judged bars.

        With `transpose` all of them first move to where the rules cost least.
        """
        logits = self.model.to_logits(x_0).reshape(-1, VOCABULARY)
        judged = np.repeat(self.bars, BAR_STEPS)
        allowed = np.ones((judged.size, logits.shape[-1]), np.bool_)
        allowed[judged] = self.rules.allowed(int(judged.sum()))
        if transpose:
            shift = _best_shift(self.rules, self.judged(np.asarray(logits.argmax(-1), np.int8)))
            logits = _transposed(logits, shift)
        begin = self.first * PHRASE_STEPS
        here = allowed[begin : begin + len(logits)]
        return constrain(logits, here).reshape(-1, PHRASE_STEPS)


def hold_to(rules: Rules, melody: Melody) -> Melody:
    """A melody that is there already, moved to where the rules cost least, and held to the hard ones.

    A note that they forbid takes the nearest pitch that is allowed.
    """
    melody = melody.transpose(_best_shift(rules, melody))
    pitch = np.abs(np.arange(VOCABULARY)[None] - melody.events[:, None]).astype(np.float32)
    logits = np.where(np.arange(VOCABULARY) == melody.events[:, None], np.float32(1e6), -pitch)
    return Melody.from_tokens(constrain(logits, rules.allowed(melody.events.size)), melody.qpm)


def _best_shift(rules: Rules, melody: Melody) -> int:
    """The semitones, of an octave up or down, by which a melody should move; the fewest of equals."""
    pitch = melody.notes.pitch
    lowest, highest = int(pitch.min(initial=MAX_PITCH)), int(pitch.max(initial=MIN_PITCH))
    shifts = [k for k in range(-12, 13) if lowest + k >= MIN_PITCH and highest + k <= MAX_PITCH]
    return min(shifts, key=lambda k: (round(rules.total(melody.transpose(k)), 6), abs(k)), default=0)


def _transposed(logits: NDArray[np.float32], semitones: int) -> NDArray[np.float32]:
    """Logits (steps, 90) of the music `semitones` higher."""
    moved = np.full_like(logits, np.float32(-1e9))
    moved[:, : REST + 1] = logits[:, : REST + 1]
    notes, there = logits[:, REST + 1 :], moved[:, REST + 1 :]
    if semitones >= 0:
        there[:, semitones:] = notes[:, : notes.shape[1] - semitones]
    else:
        there[:, :semitones] = notes[:, -semitones:]
    return moved


def constrain(logits: NDArray[np.float32], allowed: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The likeliest tokens (steps,) of which no note sounds where `allowed` (steps, 90) forbids it.

    Notes begin and end where they would without; a note takes the likeliest pitch that is allowed from its first to
    its last step, or, where there is none, from its first step on, and then ends before the step that forbids it; one
    within half an octave, if there is such. It is left out where its first step allows none.
    """
    tokens = np.asarray(logits.argmax(-1), np.int8)
    changes = np.append(np.flatnonzero(tokens != HOLD), tokens.size)
    for start, end in zip(changes[:-1].tolist(), changes[1:].tolist(), strict=True):
        if tokens[start] <= REST:
            continue
        whole = np.asarray(allowed[start:end].all(axis=0))
        if whole[tokens[start]]:
            continue
        choice = whole if whole[REST + 1 :].any() else allowed[start]
        choice = np.where(np.arange(choice.size) > REST, choice, False)
        if not choice.any():
            tokens[start] = REST
            continue
        near = choice & (np.abs(np.arange(choice.size) - tokens[start]) <= NEAR)
        best = int(np.where(near if near.any() else choice, logits[start], -np.inf).argmax())
        tokens[start] = best
        forbidden = np.flatnonzero(~allowed[start:end, best])
        if forbidden.size:
            tokens[start + forbidden[0]] = REST
    return tokens


def check_held(rules: Rules, locks: Locks, first: int) -> None:
    """ValueError where a note that is held in the bars to compose breaks a hard rule; bars are counted from `first`."""
    judged = np.repeat((~locks.locked).reshape(-1, BAR_STEPS).any(axis=1), BAR_STEPS)
    held = Melody.from_tokens(np.where(judged & locks.locked, locks.tokens, REST))
    for rule in (rule for rule in rules.rules if isinstance(rule, HardRule)):
        allowed = np.ones((judged.size, VOCABULARY), np.bool_)
        allowed[judged] = rule.allowed(int(judged.sum()))
        for start, end, pitch in zip(*(a.tolist() for a in held.notes), strict=True):
            if not allowed[start:end, pitch - MIN_PITCH + 2].all():
                where = f"{pitch_name(pitch)} in bar {first + start // BAR_STEPS}"
                raise ValueError(f"the note to keep, {where}, and {rule.name} {rule} contradict each other")
