"""Writing phrases token after token: what is written is heard, and may be bound.

The decoder is in three parts. `plan` says for a latent and its uncertainty what each of the 32 steps could be, all at
once; `start` makes a state of what came before the phrase; `step` turns the plan of one step, the token written last
and the state into logits. `write` puts them together for many melodies at a time.

A line goes on over the seam of two phrases, so a phrase is written after the one before it. Yet they are not written
one by one: every second phrase first, after what the plan alone would have before it, and then the others, after what
stands there. Phrases with equal latents are one, and equal ones come out equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.music.melody import HOLD, REST, VOCABULARY, to_pitch, transpose
from cantilena.music.metre import COMMON, TOKENS, Metre

__all__ = [
    "CONTEXT",
    "FREE",
    "NEAR",
    "SIZES",
    "START",
    "UNKNOWN",
    "Bounds",
    "Decoder",
    "Manner",
    "context",
    "interval_kinds",
    "is_foreign",
    "pitch_classes",
    "write",
]

START = VOCABULARY  # the "token" before the first of a phrase
CONTEXT = 4  # numbers that tell of what came before a phrase
UNKNOWN = (VOCABULARY, VOCABULARY, VOCABULARY, 2)  # when nothing is said of it
FREE = -1  # in `Bounds.fixed`: a token that is to be written
_NOTES = np.arange(REST + 1, VOCABULARY)
_SIZES = (0, 2, 4, 7, 12)  # semitones: the largest interval of each size but the last
SIZES = len(_SIZES) + 1
_HARDLY = 0.02  # of all notes
NEAR = 4  # phrases on either side that tell of the key
_WRITING = 11  # tells a seed's numbers for writing from those for sampling
_TURNS = 2  # in which phrases are written: every second one first
_CHUNK = 64  # phrases at once: more are slower, their intermediate results leave the processor's cache

Float: TypeAlias = NDArray[np.float32]
Int: TypeAlias = NDArray[np.int64]


class Decoder(Protocol):
    """The three networks of a decoder."""

    def plan(self, z: Float, sigma: Float, labels: Int) -> tuple[Float, Float]:
        """z (n, Z), doubt (n,), labels (n, 4) -> plans (n, 32, W) and the logits of the plans alone (n, 32, 90)."""

    def start(self, before: Int, around: Float) -> Float:
        """Contexts (n, 4), pitch classes near by (n, 12) -> states (n, H)."""

    def step(self, plan: Float, plain: Float, token: Int, notes: Int, state: Float) -> tuple[Float, Float]:
        """Plans of a step (n, W), (n, 90), last token (n,), last notes (n, 2), states -> logits (n, 90), states."""


@dataclass(frozen=True, eq=False)
class Bounds:
    """What may be written in P phrases.

    `sounding` (P, 32, 90): the notes that may sound at each step, by their token, whether they begin there or ring
    through; under REST, whether silence may. `fixed` (P, 32): tokens that stand already, FREE elsewhere; whether fixed
    notes ring on into free steps say `rings`. `onsets` (P, 32): 1 where a note begins, 0 where none may, FREE where
    one may; so everywhere if none are given. Where nothing is possible there is silence.
    """

    sounding: NDArray[np.bool_]
    fixed: NDArray[np.int8]
    rings: bool = False
    onsets: NDArray[np.int8] | None = None

    @classmethod
    def none(cls, phrases: int) -> Bounds:
        """Everything may be written."""
        shape = (phrases, TOKENS)
        return cls(np.ones((*shape, VOCABULARY), np.bool_), np.full(shape, FREE, np.int8))

    @classmethod
    def fixing(cls, tokens: NDArray[np.int8], known: NDArray[np.bool_]) -> Bounds:
        """Tokens (P, 32) stand where `known` (P, 32)."""
        return cls(cls.none(len(tokens)).sounding, np.where(known, tokens, FREE).astype(np.int8))

    def transpose(self, semitones: int) -> Bounds:
        """The bounds of the same music `semitones` higher; no note leaves the vocabulary."""
        moved = self.sounding.copy()
        moved[..., REST + 1 :] = False
        notes, there = self.sounding[..., REST + 1 :], moved[..., REST + 1 :]
        size = notes.shape[-1]
        there[..., max(semitones, 0) : size + min(semitones, 0)] = notes[
            ..., max(-semitones, 0) : size - max(semitones, 0)
        ]
        return replace(self, sounding=moved, fixed=transpose(self.fixed, semitones))

    def first(self, steps: int) -> Bounds:
        """The bounds of the first `steps` of each phrase."""
        onsets = None if self.onsets is None else self.onsets[:, :steps]
        return Bounds(self.sounding[:, :steps], self.fixed[:, :steps], self.rings, onsets)


def context(phrases: NDArray[np.integer], first: NDArray[np.bool_]) -> Int:
    """What is known before each of consecutive phrases (n, 32), of which some are the `first` (n,) of a melody: (n, 4).

    The note-on tokens of the last three notes, the latest first, 0 where there are fewer; and whether (1) or not (0)
    the latest one still sounds.

    >>> context(np.array([[1, 0, 41, 0], [0, 0, 1, 0], [43, 1, 0, 0]]), np.array([True, False, False])).tolist()
    [[0, 0, 0, 0], [41, 0, 0, 1], [41, 0, 0, 0]]
    """
    flat = np.asarray(phrases).reshape(-1)
    begins = np.arange(len(phrases)) * phrases.shape[1]
    melody = np.maximum.accumulate(np.where(first, begins, 0))  # where each phrase's melody begins
    found = np.zeros((len(phrases), CONTEXT), np.int64)
    onsets, changes = np.flatnonzero(flat > REST), np.flatnonzero(flat != HOLD)
    if not onsets.size:
        return found
    count = np.searchsorted(onsets, begins)
    for k in range(CONTEXT - 1):
        at = onsets[np.maximum(count - 1 - k, 0)]
        found[:, k] = np.where((count > k) & (at >= melody), flat[at], 0)
    last = np.searchsorted(changes, begins) - 1
    at = changes[np.maximum(last, 0)]
    found[:, -1] = (last >= 0) & (at >= melody) & (flat[at] > REST)
    return found


def pitch_classes(phrases: NDArray[np.integer], first: NDArray[np.bool_]) -> Float:
    """How often each pitch class begins in the NEAR phrases on either side of each of (n, 32): (n, 12), C first.

    What lies beyond the `first` phrase (n,) of a melody is another's.

    >>> found = pitch_classes(np.array([[41, 0], [43, 41], [45, 0]]), np.array([True, False, True]))
    >>> found.nonzero()[1].tolist()  # D and C around the first, C around the second, nothing around the third
    [0, 2, 0]
    """
    own = np.zeros((len(phrases), 12), np.float32)
    row, step = np.nonzero(np.asarray(phrases) > REST)
    np.add.at(own, (row, to_pitch(np.asarray(phrases)[row, step]) % 12), 1)
    total = np.concatenate([np.zeros((1, 12)), np.cumsum(own, axis=0, dtype=np.float64)])
    begins = np.flatnonzero(first)
    melody = np.cumsum(first) - 1
    stops = np.append(begins[1:], len(phrases))
    here = np.arange(len(phrases))
    low, high = np.maximum(here - NEAR, begins[melody]), np.minimum(here + NEAR + 1, stops[melody])
    return np.asarray(total[high] - total[low] - own, np.float32)


@dataclass(frozen=True, eq=False)
class Manner:
    """How latents are read: as whose, how literally, and with how much chance.

    `sigma` is how far they are doubted, 0..1: the share of noise they came back from, as the decoder was trained. At
    `temperature` 0 each token is the likeliest. At 1 it is drawn as likely as it is, which is Gumbel's way the largest
    of logit + noise; tokens less likely than `floor` times the likeliest are left out. `seeds` draw the noise, one of
    each melody or one of all, the same for every phrase, so that phrases that are nearly alike stay so.
    """

    labels: tuple[int, ...]  # of the melody, as the decoder was told them in training
    sigma: float = 0.0
    temperature: float = 0.0
    floor: float = 0.0
    intervals: Float | None = None  # (2, SIZES) what is added to the logits of notes: see `interval_kinds`
    foreign: float = 0.0  # the same of notes that are foreign to the phrases near by: see `is_foreign`
    seeds: tuple[int, ...] = (0,)
    metre: Metre = COMMON  # of the music: a phrase that it does not fill ends in silence, which is not written

    def noise(self, melodies: int) -> Float | None:
        """What is added to the logits of each step, (melodies, 32, 90)."""
        if not self.temperature:
            return None
        drawn = np.stack([
            np.random.Generator(np.random.PCG64([seed, _WRITING])).gumbel(size=(TOKENS, VOCABULARY))
            for seed in self.seeds
        ])  # fmt: skip
        scaled = (self.temperature * drawn).astype(np.float32)
        return np.array(np.broadcast_to(scaled, (melodies, *drawn.shape[1:])), np.float32)


def interval_kinds(interval: NDArray[np.integer], before: NDArray[np.integer]) -> tuple[Int, Int]:
    """Of intervals, in semitones, after the ones before them: whether each turns, 0 or 1, and its size, 0..SIZES - 1.

    A line turns where an interval up follows one down, or the reverse; a repeated note, and what follows one, does not.
    Sizes are a repeated note, a step, a third, up to a fifth, up to an octave, and more.

    >>> turns, size = interval_kinds(np.array([2, -2, 0, 12, -13]), np.array([1, 2, -2, 0, 12]))
    >>> turns.tolist(), size.tolist()
    ([0, 1, 0, 0, 1], [1, 1, 0, 4, 5])
    """
    turns = np.sign(interval) * np.sign(before) < 0
    return turns.astype(np.int64), np.searchsorted(_SIZES, np.abs(interval), side="left")


def is_foreign(around: Float) -> NDArray[np.bool_]:
    """The note tokens whose pitch classes hardly begin near by, given `pitch_classes` (n, 12): (n, 90)."""
    share = around / np.maximum(around.sum(axis=1, keepdims=True), 1)
    token = np.arange(VOCABULARY)
    strange = share[:, to_pitch(token) % 12] < _HARDLY
    return np.asarray(strange & (token > REST) & (around.sum(axis=1, keepdims=True) > 0))


def _leanings(intervals: Float) -> Float:
    """What is added for each interval after each: (179, 179), both from -89 semitones up."""
    semitones = np.arange(1 - VOCABULARY, VOCABULARY)
    return np.asarray(intervals[interval_kinds(semitones[None], semitones[:, None])], np.float32)


def write(
    decoder: Decoder, z: Float, manner: Manner, bounds: Bounds | None = None, *, alone: bool = False
) -> NDArray[np.int8]:
    """Latents (N, P, Z) of N melodies -> tokens (N, P, 32), each after those written before it.

    `bounds` are those of every melody. Phrases that are `alone` know nothing of each other.
    """
    (N, P), steps = z.shape[:2], manner.metre.phrase_steps
    if bounds is not None:
        bounds = bounds.first(steps)
    which, rows = _distinct(z, np.zeros(P, np.int64) if bounds is None else _kinds(bounds))
    allowed = fixed = holds = onsets = None
    tokens, todo = np.empty((rows.size, steps), np.int8), np.arange(rows.size)
    if bounds is not None:
        allowed, fixed = bounds.sounding[rows % P], bounds.fixed[rows % P]
        holds = _holds(bounds)[rows % P]
        onsets = None if bounds.onsets is None else bounds.onsets[rows % P]
        tokens, todo = fixed.copy(), np.flatnonzero((fixed == FREE).any(axis=1))  # what stands whole needs no plan
    flat, noise, place = z.reshape(N * P, -1)[rows], manner.noise(N), np.zeros(rows.size, np.int64)
    place[todo] = np.arange(todo.size)  # of a phrase among the plans
    plan, plain = (of[:, :steps] for of in _planned(decoder, flat[todo], manner))
    tokens[todo] = plain.argmax(-1) if fixed is None else np.where(fixed[todo] == FREE, plain.argmax(-1), fixed[todo])
    first = np.ones(N * P, np.bool_) if alone else np.arange(N * P) % P == 0
    around = pitch_classes(tokens[which], first)[rows]
    leanings = None
    if manner.intervals is not None or manner.foreign:
        intervals = np.zeros((2, SIZES), np.float32) if manner.intervals is None else manner.intervals
        leanings = _leanings(intervals), np.float32(manner.foreign) * is_foreign(around)
    turns = 1 if alone else _TURNS
    for turn in range(turns):
        now = todo[rows[todo] % P % turns == turn]
        before = context(tokens[which], first)[rows[now]]
        if alone:
            before[:] = UNKNOWN
        for some, told in zip(_chunks(now), np.split(before, range(_CHUNK, now.size, _CHUNK)), strict=True):
            if some.size:
                tokens[some] = _written(
                    decoder, plan[place[some]], plain[place[some]], decoder.start(told, around[some]), told,
                    manner.floor,
                    None if leanings is None else (leanings[0], leanings[1][some]),
                    None if noise is None else noise[rows[some] // P, :steps],
                    None if allowed is None else allowed[some],
                    None if fixed is None else fixed[some],
                    None if holds is None else holds[some],
                    None if onsets is None else onsets[some],
                )  # fmt: skip
    written = tokens[which].reshape(N, P, -1)
    if bounds is not None:
        _silence(written, bounds)
    return _filled(written)


def _filled(written: NDArray[np.int8]) -> NDArray[np.int8]:
    """Phrases (N, P, steps) with the silence that fills them up to (N, P, 32)."""
    steps = written.shape[-1]
    if steps == TOKENS:
        return written
    filled = np.zeros((*written.shape[:2], TOKENS), np.int8)
    filled[..., :steps], filled[..., steps] = written, REST
    return filled


def _planned(decoder: Decoder, z: Float, manner: Manner) -> tuple[Float, Float]:
    """The plans of latents (n, Z), (n, 32, W), and their own logits (n, 32, 90)."""
    labels = np.tile(np.array(manner.labels, np.int64), (len(z), 1))
    sigma = np.full(len(z), manner.sigma, np.float32)
    parts = [decoder.plan(z[some], sigma[some], labels[some]) for some in _chunks(np.arange(len(z)))]
    plan, plain = (np.concatenate(part) for part in zip(*parts, strict=True))
    return plan, plain


def _kinds(bounds: Bounds) -> Int:
    """Numbers (P,) that are equal where bounds are."""
    told = [np.packbits(bounds.sounding.reshape(len(bounds.fixed), -1), axis=1)]
    told += [some.astype(np.int8).view(np.uint8) for some in (bounds.fixed, bounds.onsets) if some is not None]
    return np.unique(np.concatenate(told, axis=1), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _holds(bounds: Bounds) -> NDArray[np.bool_]:
    """Where no fixed step ends, unless it may ring on: (P, 32)."""
    free = np.asarray(bounds.rings | (bounds.fixed.reshape(-1)[:-1] == FREE))
    return np.append(True, free).reshape(bounds.fixed.shape)


def _silence(tokens: NDArray[np.int8], bounds: Bounds) -> None:
    """End notes that ring over a seam to where they may not, in (N, P, 32).

    Equal phrases are written once, and some after another context than turns out to be their own.
    """
    may = bounds.sounding & _holds(bounds)[..., None] | (bounds.fixed != FREE)[..., None]
    for melody in tokens:
        sounds = REST
        for phrase, sounding in zip(melody, may, strict=True):
            changes = np.flatnonzero(phrase != HOLD)
            lead = int(changes[0]) if changes.size else phrase.size
            wrong = np.flatnonzero(~sounding[:lead, sounds])
            if sounds > REST and wrong.size:
                phrase[wrong[0]] = sounds = REST
            sounds = int(phrase[changes[-1]]) if changes.size else sounds


def _chunks(rows: Int) -> list[Int]:
    return np.split(rows, range(_CHUNK, rows.size, _CHUNK))


def _distinct(z: Float, bounds: Int) -> tuple[Int, Int]:
    """Which of the distinct phrases of its melody each of (N, P, Z) is, (N * P,), and where those first stand (n,)."""
    N, P = z.shape[:2]
    numbers = np.empty((N * P, 2 + z.shape[-1]), np.float32)
    numbers[:, 0], numbers[:, 1] = np.repeat(np.arange(N), P), np.tile(bounds, N)
    numbers[:, 2:] = z.reshape(N * P, -1) + 0.0  # no -0
    words = np.ascontiguousarray(numbers).view(f"V{4 * numbers.shape[1]}").ravel()
    _, rows, which = np.unique(words, return_index=True, return_inverse=True)
    order = np.argsort(rows, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    return place[which.reshape(-1)], rows[order]


def _written(
    decoder: Decoder, plan: Float, plain: Float, state: Float, before: Int, floor: float,
    leanings: tuple[Float, Float] | None, noise: Float | None,
    allowed: NDArray[np.bool_] | None, fixed: NDArray[np.int8] | None, holds: NDArray[np.bool_] | None,
    onsets: NDArray[np.int8] | None,
) -> NDArray[np.int8]:  # fmt: skip
    """Phrases written once after their contexts `before` (n, 4): tokens (n, 32).

    Within bounds `allowed` (n, 32, 90), `fixed` (n, 32) and `onsets` (n, 32) are theirs, and `holds` (n, 32) is where
    no fixed step ends.
    """
    n, steps = plan.shape[:2]
    every = np.arange(n)
    notes, token = before[:, :2], np.full(n, START, np.int64)
    sounds = np.where(before[:, -1] == 1, notes[:, 0], REST)  # a note's token, or silence
    silent = before[:, -1] == 0
    lowest = math.log(floor) if floor else -np.inf
    tokens = np.empty((n, steps), np.int8)
    for k in range(steps):
        logits, state = decoder.step(plan[:, k], plain[:, k], token, notes, state)
        if leanings is not None:
            logits = _leaning(logits, *leanings, notes)
        if k == 0:
            logits[silent, HOLD] = -np.inf  # a phrase that begins in silence says so
        if allowed is not None and holds is not None:
            legal = allowed[:, k].copy()
            legal[:, HOLD] = allowed[every, k, sounds] & holds[:, k]
            if onsets is not None:
                legal[onsets[:, k] == 1, : REST + 1] = False
                legal[onsets[:, k] == 0, REST + 1 :] = False
            legal[~legal.any(axis=1), REST] = True
            logits = np.where(legal, logits, -np.inf)
        if noise is not None:
            likely = logits >= logits.max(axis=1, keepdims=True) + lowest
            logits = np.where(likely, logits + noise[:, k], -np.inf)
        token = logits.argmax(-1)
        if fixed is not None:
            token = np.where(fixed[:, k] == FREE, token, fixed[:, k]).astype(np.int64)
        on = token > REST
        notes = np.where(on[:, None], np.stack([token, notes[:, 0]], axis=1), notes)
        sounds = np.where(token == HOLD, sounds, token)
        tokens[:, k] = token
    return tokens


def _leaning(logits: Float, intervals: Float, always: Float, notes: Int) -> Float:
    """Logits (n, 90) that lean to some notes, and begin as many as before.

    `always` (n, 90) is added, and of `intervals`, see `_leanings`, what fits after the last two notes (n, 2).
    """
    last, older = notes.T
    heard = (last > REST) & (last < START)
    moved = np.where(heard & (older > REST) & (older < START), last - older, 0) + VOCABULARY - 1
    semitones = _NOTES - np.where(heard, last, REST + 1)[:, None] + VOCABULARY - 1
    lean = always[:, REST + 1 :] + np.where(heard[:, None], intervals[moved[:, None], semitones], np.float32(0))
    own = logits[:, REST + 1 :]
    chance = np.exp(own - own.max(axis=1, keepdims=True))
    change = np.log((chance * np.exp(lean)).sum(axis=1) / chance.sum(axis=1))
    leant = logits.copy()
    leant[:, REST + 1 :] += lean - change[:, None]
    return leant
