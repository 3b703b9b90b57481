"""Composing by rules: what a sample costs while it is drawn, and a decoder that cannot break the hard ones.

Soft rules (density, contour, form ...) steer the sampler (`diffusion.branching`). Hard rules (key, range, chords)
do not: a sample that is judged by its wrong notes learns to have few notes. They choose the transposition of a melody
that is composed from nothing, which costs no music at all, and then bind what is written: a note that they forbid
is never an option, and what comes after it goes on from what was written instead. The rhythm of a song does both:
the sample comes near to it, and what is written has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.guidance import Cost
from cantilena.diffusion.shared_phrases import SharedPhrases
from cantilena.model import Model
from cantilena.music.locks import Locks
from cantilena.music.melody import (
    MAX_PITCH,
    MIN_PITCH,
    REST,
    VOCABULARY,
    Melody,
    pitch_name,
    to_token,
    transpose,
)
from cantilena.music.metre import TOKENS, Metre
from cantilena.rules.form import Form
from cantilena.rules.rhythm import Density, Rhythm
from cantilena.rules.rule import HardRule
from cantilena.rules.weighted import Rules
from cantilena.writing import FREE, Bounds

__all__ = ["Steering", "best_shift", "check_held"]

Paste: TypeAlias = Callable[[NDArray[np.int8]], NDArray[np.int8]]  # tokens (..., P, 32) -> with what is locked in them
SPARSE, FEW = 0.1, 2  # each note that a bar has less than 2 costs .1: silence breaks few rules, and is no answer
SHARED = 0.15  # of the noise of phrases that are drawn as one: docs/findings.md


@dataclass(frozen=True, eq=False)
class Steering:
    """`rules` on some bars of a melody, which they see alone, as one melody, while phrases of it are composed."""

    model: Model
    rules: Rules
    bars: NDArray[np.bool_]  # (bars,) of the whole melody: which ones are judged
    tokens: NDArray[np.int8]  # (steps,) the whole melody, in which what is composed is judged
    first: int = 0  # phrase of it at which what is composed begins
    spared: NDArray[np.bool_] | None = None  # (steps, 90) of the whole melody: allowed whatever the rules say

    @classmethod
    def alone(cls, model: Model, rules: Rules, phrases: int, bars: int) -> Steering:
        """The first `bars` of a melody of `phrases` that is composed from nothing."""
        metre = model.manner.metre
        judged = np.arange(phrases * metre.phrase_bars) < bars
        return cls(model, rules, judged, np.zeros(phrases * metre.phrase_steps, np.int8))

    @property
    def metre(self) -> Metre:
        """The metre that is written."""
        return self.model.manner.metre

    @property
    def reader(self) -> Model:
        """What reads the latents. A sample that is chosen by its notes is read literally: with chance it has others."""
        return self.model.literal() if self._soft else self.model

    @property
    def _soft(self) -> list[int]:
        """The rules that steer, by number."""
        return [k for k, rule in enumerate(self.rules.rules) if not isinstance(rule, HardRule)]

    def shared(self, phrases: int) -> SharedPhrases | None:
        """What comes again is drawn once: the phrases that a form wants the same, of `phrases` that are composed.

        Branches cannot agree on it: the best draw of one part is judged beside a draw of the other that is not taken.
        """
        form = next((rule for rule in self.rules.rules if isinstance(rule, Form)), None)
        if form is None:
            return None
        same = np.eye(self.bars.size, dtype=np.bool_)
        same[np.ix_(self.bars, self.bars)] |= form.same(int(self.bars.sum()), self.metre)
        size = self.metre.phrase_bars
        whole = np.all([same[k::size, k::size] for k in range(size)], axis=0)  # all bars of a phrase
        here = slice(self.first, self.first + phrases)
        return SharedPhrases(whole[here, here], SHARED)

    def cost(self, paste: Paste | None = None) -> Cost | None:
        """What phrases cost; None where no rule steers, but only holds. `paste` locks notes before they are judged."""
        soft, asked, reader = self._soft, self.rules, self.reader
        if not soft:
            return None
        rules = Rules([asked.rules[k] for k in soft], [asked.weights[k] for k in soft], [asked.names[k] for k in soft])
        sparse = 0.0 if any(isinstance(rule, Density) for rule in rules.rules) else SPARSE

        def seen(phrases: int) -> slice:
            """The phrases of a sample from the first that is judged to the last: no other needs to be written."""
            judged = np.flatnonzero(self.bars.reshape(-1, self.metre.phrase_bars).any(axis=1)) - self.first
            inside = judged[(judged >= 0) & (judged < phrases)]
            return slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0)

        def cost(x0_hat: NDArray[np.float32]) -> NDArray[np.float32]:
            phrases = x0_hat.shape[1]
            tokens = np.zeros((*x0_hat.shape[:2], TOKENS), np.int8)
            part = seen(phrases)
            if part.stop > part.start:
                tokens[:, part] = reader.to_phrases(x0_hat[:, part])
            tokens = tokens if paste is None else paste(tokens)
            at = slice(self.first * self.metre.phrase_steps, (self.first + phrases) * self.metre.phrase_steps)
            costs = np.zeros((len(tokens), self.bars.size), np.float32)
            for row, written in zip(costs, self.metre.join(tokens), strict=True):
                whole = self.tokens.copy()
                whole[at] = written
                judged = self.judged(whole)
                few = np.maximum(FEW - (judged.events.reshape(judged.bars, -1) > REST).sum(axis=1), 0)
                row[self.bars] = rules(judged) + sparse * few
            each: NDArray[np.float32] = costs.reshape(len(costs), -1, self.metre.phrase_bars).mean(axis=-1)
            return each[:, self.first : self.first + phrases]

        return cost

    def judged(self, tokens: NDArray[np.int8]) -> Melody:
        """The bars that the rules see, of the whole melody's tokens (steps,): what rings into them is left out."""
        bars = tokens.reshape(-1, self.metre.bar_steps)[self.bars]
        return Melody.from_tokens(bars.reshape(-1), metre=self.metre)

    def shift(self, x_0: NDArray[np.float32]) -> int:
        """The semitones by which x_0 (P, D) should move to where the rules cost least."""
        return best_shift(self.rules, self.judged(self.metre.join(self.reader.to_phrases(x_0))))

    def decode(
        self, x_0: NDArray[np.float32], bounds: Bounds | None = None, *, shift: int = 0
    ) -> NDArray[np.int8]:  # fmt: skip
        """x_0 (P, D) as tokens (P, 32) that keep the hard rules in the judged bars, and `bounds`.

        All of them move by `shift` semitones: bounds and rules are of what is heard then.
        """
        bounds = Bounds.none(len(x_0)) if bounds is None else bounds
        judged, size = np.repeat(self.bars, self.metre.bar_steps), self.metre.phrase_steps
        allowed = np.ones((judged.size, VOCABULARY), np.bool_)
        allowed[judged] = self.rules.allowed(int(judged.sum()), self.metre)
        if self.spared is not None:
            allowed |= self.spared
        here = slice(self.first * size, (self.first + len(x_0)) * size)
        sounding = bounds.sounding.copy()
        sounding[:, :size] &= allowed[here].reshape(len(x_0), size, -1)
        onsets = self._onsets(here)
        if onsets is None:
            onsets = bounds.onsets
        elif bounds.onsets is not None:
            onsets = np.where(bounds.onsets == FREE, onsets, bounds.onsets)
        heard = replace(bounds, sounding=sounding, onsets=onsets)
        return transpose(self.reader.to_phrases(x_0, heard.transpose(-shift)), shift)

    def _onsets(self, here: slice) -> NDArray[np.int8] | None:
        """Where the rhythm of a song begins notes in some steps of the melody, as `Bounds.onsets`; None without one."""
        rhythm = next((rule for rule in self.rules.rules if isinstance(rule, Rhythm) and rule.song is not None), None)
        if rhythm is None:
            return None
        found = np.full((self.bars.size, self.metre.bar_steps), FREE, np.int8)
        found[self.bars] = rhythm.asked_onsets(int(self.bars.sum()), self.metre)
        return self.metre.cut(found.reshape(-1)[here], FREE)


def best_shift(rules: Rules, melody: Melody) -> int:
    """The semitones, of an octave up or down, by which a melody should move; the fewest of equals."""
    pitch = melody.notes.pitch
    lowest, highest = int(pitch.min(initial=MAX_PITCH)), int(pitch.max(initial=MIN_PITCH))
    shifts = [k for k in range(-12, 13) if lowest + k >= MIN_PITCH and highest + k <= MAX_PITCH]
    return min(shifts, key=lambda k: (round(rules.total(melody.transpose(k)), 6), abs(k)), default=0)


def check_held(rules: Rules, locks: Locks, first: int) -> None:
    """ValueError where a note that is held in the bars to compose breaks a hard rule; bars are counted from `first`."""
    metre = locks.metre
    judged = np.repeat((~locks.locked).reshape(-1, metre.bar_steps).any(axis=1), metre.bar_steps)
    held = Melody.from_tokens(np.where(judged & locks.locked, locks.tokens, REST), metre=metre)
    for rule in (rule for rule in rules.rules if isinstance(rule, HardRule)):
        allowed = np.ones((judged.size, VOCABULARY), np.bool_)
        allowed[judged] = rule.allowed(int(judged.sum()), metre)
        for start, end, pitch in zip(*(a.tolist() for a in held.notes), strict=True):
            if not allowed[start:end, to_token(pitch)].all():
                where = f"{pitch_name(pitch)} in bar {first + start // metre.bar_steps}"
                raise ValueError(f"the note to keep, {where}, and {rule.name} {rule} contradict each other")
