"""From one melody to another, or among several, step by step.

Each melody is carried along the ODE up to where little of it is left but which noise it came from (DDIM inversion);
there the melodies are mixed, phrase by phrase and on a sphere, and the mixture is carried down again. Mixing the
latents themselves is a blur of notes that no melody has (benchmarks/variation.py). What the way up and down does to a
melody alone is not to be heard: a phrase takes over only what differs from that, from the melody that weighs most in
it, and where one weighs 1 its own notes stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cantilena.edits.bound_sampler import BoundSampler
from cantilena.edits.vary import changed_steps, noise_level
from cantilena.edits.window import filled, own_seed
from cantilena.model import Model
from cantilena.music.locks import Locks
from cantilena.music.melody import Melody

__all__ = [
    "MAX_STEPS",
    "NOISE",
    "Invert",
    "blend",
    "check_weights",
    "in_a_row",
    "morph",
    "on_sphere",
]

MAX_STEPS = 64
NOISE = 0.89  # sqrt(1 - alpha_bar) of the level at which melodies are mixed
Weights: TypeAlias = NDArray[np.float64]


class Invert(Protocol):
    """x_0 (1, P, D) carried up to level `to`: `diffusion.ddim_invert` with the network bound."""

    def __call__(self, x_0: NDArray[np.float32], *, to: float) -> NDArray[np.float32]: ...  # noqa: D102


class _Lifted(NamedTuple):
    """A melody at the level where melodies are mixed."""

    song: Melody
    was: Melody  # what comes down again of it alone
    x_t: NDArray[np.float32]  # (1, P, D)


def morph(
    model: Model, a: Melody, b: Melody, sample: BoundSampler, invert: Invert, *, steps: int = 8, seed: int = 0
) -> list[Melody]:
    """`steps` melodies from `a` to `b`, which are the first and the last, note by note; the tempo goes along.

    All are as long as the shorter of the two, of which the longer gives its beginning. Raises ValueError for fewer
    than 2 steps or more than MAX_STEPS.
    """
    if isinstance(steps, bool) or not (isinstance(steps, Integral) and 2 <= steps <= MAX_STEPS):
        raise ValueError(f"a morph has 2 to {MAX_STEPS} steps, its ends among them, not {steps}")
    steps = int(steps)  # of NumPy's, some overflow
    lifted = _lift(model, _cut([a, b]), sample, invert, seed)
    shares = (k / (steps - 1) for k in range(1, steps - 1))
    inner = [_mixed(model, lifted, np.array([[1 - u, u]]), sample, seed) for u in shares]
    return [lifted[0].song, *inner, lifted[1].song]


def blend(
    model: Model, songs: Sequence[Melody], weights: ArrayLike, sample: BoundSampler, invert: Invert, *, seed: int = 0
) -> Melody:
    """One melody that is now more of one song and now of another.

    `weights` (places, songs) hold at places evenly spaced from the first phrase to the last, and linearly between; a
    phrase in which one song weighs all has that song's own notes. It is as long as the shortest of the songs. Raises
    ValueError for weights that do not fit.
    """
    checked = check_weights(weights, len(songs))
    return _mixed(model, _lift(model, _cut(songs), sample, invert, seed), checked, sample, seed)


def in_a_row(melodies: Sequence[Melody]) -> Melody:
    """Melodies one after another, at the tempo of the first; no note rings over a joint."""
    tokens = [np.append(melody.phrases()[0, :1], melody.events[1:]) for melody in melodies]
    return melodies[0].like(np.concatenate(tokens))


def check_weights(weights: ArrayLike, songs: int) -> Weights:
    """Weights (places, songs), each row scaled to sum to 1; ValueError where they are not such."""
    try:
        rows = np.asarray(weights, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("weights are rows of numbers, one a song, all of one length") from error
    if songs < 2:
        raise ValueError(f"two songs or more are needed, not {songs}")
    if rows.ndim != 2 or not len(rows) or rows.shape[1] != songs:
        raise ValueError(f"weights are rows of {songs} numbers, one a song, not of shape {rows.shape}")
    if not np.isfinite(rows).all() or (rows < 0).any() or not (rows.sum(axis=1) > 0).all():
        raise ValueError("weights are 0 or more, and in each row one is above 0")
    return np.asarray(rows / rows.sum(axis=1, keepdims=True), np.float64)


def _cut(songs: Sequence[Melody]) -> list[Melody]:
    """The beginnings of melodies, as long as the shortest; a note that rings past it ends there."""
    bars = min(song.bars for song in songs)
    return [song if song.bars == bars else song.slice(1, bars) for song in songs]


def _lift(model: Model, songs: Sequence[Melody], sample: BoundSampler, invert: Invert, seed: int) -> list[_Lifted]:
    level, found = noise_level(model.schedule, NOISE), []
    for k, song in enumerate(songs):
        phrases = filled(model, song.events, sample, seed=own_seed(seed, k))
        x_t = invert(model.to_latents(phrases)[None], to=level)
        found.append(_Lifted(song, _down(model, x_t, song, sample, seed), x_t))
    return found


def _mixed(model: Model, lifted: Sequence[_Lifted], weights: Weights, sample: BoundSampler, seed: int) -> Melody:
    """The melody of a mixture: weights (places, songs)."""
    first = lifted[0].song
    metre = first.metre
    phrases = metre.phrases_of(first.bars)
    places, at = np.linspace(0, 1, len(weights)), np.linspace(0, 1, phrases)
    along = np.stack([np.interp(at, places, column) for column in weights.T], axis=1)  # (phrases, songs)
    x_t = on_sphere([one.x_t for one in lifted], along)
    qpm = round(float(weights.mean(axis=0) @ [one.song.qpm for one in lifted]), 6)
    down = _down(model, x_t, first, sample, seed)
    heaviest = along.argmax(axis=1)
    tokens = down.events
    for exact in (False, True):
        for k, one in enumerate(lifted):
            notes = one.song.notes
            here = np.repeat(along[:, k] == 1 if exact else heaviest == k, metre.phrase_steps)[: tokens.size]
            if not exact:
                notes = _carried(one, down).notes
            if here.any():
                tokens = Locks.around(notes, ~here, metre=metre).paste(tokens)
    return Melody.from_tokens(tokens, qpm, metre)


def _carried(one: _Lifted, down: Melody) -> Melody:
    """The song with only what differs between `down` and what came down of it alone."""
    return down.like(Locks.around(one.song.notes, changed_steps(one.was, down), metre=down.metre).paste(down.events))


def _down(model: Model, x_t: NDArray[np.float32], like: Melody, sample: BoundSampler, seed: int) -> Melody:
    """The melody that a mixture becomes, as long as `like`."""
    level = noise_level(model.schedule, NOISE)
    x_0 = sample(seed, phrases=x_t.shape[1], x_t=x_t, start=level)
    return like.like(like.metre.join(model.to_phrases(x_0[0]))[: like.events.size])


def on_sphere(x_t: Sequence[NDArray[np.float32]], weights: Weights) -> NDArray[np.float32]:
    """Spherical mixture of latents (1, P, D) by weights (phrases, songs), the last of which hold to the end.

    Direction and length are mixed apart, so that the mixture has as much variance as what goes in. Of two songs at a
    right angle, as noises nearly are, it is the spherical interpolation (Shoemake 1985).
    """
    more = x_t[0].shape[1] - len(weights)
    share = np.pad(weights, ((0, more), (0, 0)), mode="edge").T[:, None, :, None]  # (songs, 1, P, 1)
    every = np.stack(x_t)
    length = np.linalg.norm(every, axis=-1, keepdims=True)
    direction = (np.sin(share * np.pi / 2) * every / np.maximum(length, 1e-6)).sum(axis=0)
    norm = np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 1e-6)
    return np.asarray(direction / norm * (share * length).sum(axis=0), np.float32)
