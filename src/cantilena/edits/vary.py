"""Variations of a melody: as near to it, or as far from it, as one likes.

Noise is put on the song and taken away again (SDEdit, Meng et al. 2022, algorithm 1): the more, the less is left of
it. How much noise leaves how many notes was measured (`_NOISE`), and songs differ in it: where it leaves too many or
too few of one, another level is tried. Two things are ours:

- The VAE rewrites some notes of any melody. So the song changes only where its own decoded notes and the new ones
  differ: elsewhere its notes stay as they are, with their own lengths. Both are read with the same chance, and with
  the doubt that the noise deserves: hardly any where little was put on.
- Phrases that are equal in the song go on together: each estimate of one moves to the mean of all. A variation repeats
  where the song repeats, and is free of that as the strength nears 1.

The other way, along the ODE to noise and back (DDIM inversion) with that noise turned towards another, was measured
beside it (benchmarks/variation.py). With as many notes kept it stays no better in key, and worse where few are; a
seventh of the song is left however far the noise is turned; more strength often keeps more; and it takes three times
as long. So there is one way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.samplers import SeededNoise
from cantilena.diffusion.schedule import NoiseSchedule
from cantilena.diffusion.shared_phrases import SharedPhrases
from cantilena.edits.bound_sampler import WINDOW, BoundSampler
from cantilena.edits.steer import Steering
from cantilena.edits.window import Window, edges_held, filled, own_seed
from cantilena.labels import rest_classes
from cantilena.model import Model
from cantilena.music.bars import Bars, bar_lines, find_stretch, stretches
from cantilena.music.extract import candidates, extract, to_steps
from cantilena.music.locks import Locks
from cantilena.music.melody import REST, VOCABULARY, Melody, to_token
from cantilena.music.metre import Metres
from cantilena.music.midi import Song
from cantilena.music.passage import Passage
from cantilena.rules.rule import sounding
from cantilena.rules.weighted import Rules

__all__ = ["by_stretch", "changed_steps", "level_of", "melody_bars", "noise_level", "varied_file", "vary"]

CONTEXT = 4  # phrases on either side of the bars that are varied, where the melody has them
# sqrt(1 - alpha_bar) at strength 0, .1 .. 1, at which 1 - strength of the notes stay (F1 of onset and pitch): the mean
# of 40 validation melodies, `python benchmarks/variation.py CORPUS`. What is held around bars tells what stood there.
_NOISE = (0.0, 0.08, 0.13, 0.18, 0.25, 0.33, 0.43, 0.56, 0.71, 0.89, 1.0)  # all 64 bars
# The same of whole tunes by a network of tunes, which is told key and form; of 16 of them, 32 bars long.
_NOISE_TUNES = (0.0, 0.14, 0.21, 0.26, 0.31, 0.38, 0.46, 0.55, 0.69, 0.86, 1.0)
_NOISE_HELD = (0.0, 0.11, 0.21, 0.34, 0.47, 0.64, 0.75, 0.85, 0.93, 0.97, 1.0)  # 16 of them
_HELD = 0.75  # share of phrases that were held then
_LOOKS = 5  # levels of noise that are tried at most
_APART = 0.01  # so far those levels lie from one another, and from none, as strengths
_NEAR = 0.05  # of its notes: a variation keeps 1 - strength, and not so many more or fewer


def vary(
    model: Model,
    locks: Locks,
    sample: BoundSampler,
    *,
    strength: float,
    seed: int,
    lead: int = 0,
    rules: Rules | None = None,
) -> tuple[Locks, NDArray[np.int8]]:
    """New tokens (steps,), and the locks to paste into them: what was locked, and whatever else stays.

    The song is what `locks.tokens` hold. Phrases begin at bar 0, or `lead` bars earlier. The same seed draws
    the same noise at every strength.
    Hard `rules` bind new notes; those of the song may stay. Raises ValueError for a strength outside 0..1.
    """
    metre, free = locks.metre, ~locks.locked
    song = Melody.from_tokens(locks.tokens, metre=metre)
    if level_of(model.schedule, strength) == 0 or not free.any():
        return Locks.around(song.notes, np.zeros_like(free), metre=metre), song.events
    front, size = lead * metre.bar_steps, metre.phrase_steps
    phrases = filled(model, song.events, sample, seed=seed, lead=front, least=model.least)
    shape = (len(phrases), size)
    pad = (front, len(phrases) * size - front - free.size)
    part = _seen(np.asarray(np.pad(free, pad).reshape(shape).any(1)))
    changing = np.pad(free, pad).reshape(shape)[part]
    known = edges_held(model, metre.cut(np.pad(locks.known, pad), True)[part], np.asarray(changing.any(1)))
    within = np.asarray(changing.all(1))
    held = float(known.all(1).mean())
    ends, at = part.stop >= len(phrases), part.start * size - front
    shared = _shared(phrases[part], within, 1 - strength**3)
    steps = slice(part.start * size, part.stop * size)

    def varied(how_far: float) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
        """What changes of the song's steps, and the new ones, with as much noise as mostly serves for a strength."""
        level = level_of(model.schedule, how_far, held, tunes=model.places_phrases)
        noise = float(np.sqrt(1 - model.schedule.alpha_bar_at(level)))
        doubting = model.doubting(min(noise, model.manner.sigma))
        window = Window(doubting, phrases[part], known, part.start, ends, rest_classes(phrases[part], size))
        x_0 = window.encode()[None]  # (1, P, D)
        x_t = model.schedule.q_sample(x_0, level, SeededNoise([own_seed(seed, 1)])(x_0.shape))
        asked = {"x_t": x_t.astype(np.float32), "start": level, "shared": shared, "at": at}
        new, was = np.zeros(len(phrases) * size, np.int8), np.zeros(len(phrases) * size, np.int8)
        was[steps] = window.decode(x_0[0])
        steering = (
            None if rules is None else _binding(window.model, rules, np.pad(free, pad), part.start, metre.join(phrases))
        )
        new[steps] = window.sample(sample, own_seed(seed, 2), steering=steering, **asked)
        new, was = (song.like(tokens).events[front : front + free.size] for tokens in (new, was))
        changes = changed_steps(song.like(was), song.like(new))
        if rules is not None:
            changes &= ~_breaking(rules, song.like(new), free)
        return changes & free, np.asarray(new, np.int8)

    def kept(changes: NDArray[np.bool_], new: NDArray[np.int8]) -> float:
        return _share_kept(song, Locks.around(song.notes, changes, metre=metre).paste(new), free)

    changes, new = _nearest(varied, kept, strength)
    return Locks.around(song.notes, changes, metre=metre), new


def _nearest(
    varied: Callable[[float], tuple[NDArray[np.bool_], NDArray[np.int8]]],
    kept: Callable[[NDArray[np.bool_], NDArray[np.int8]], float],
    strength: float,
) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """The variation that keeps about 1 - strength of the notes: songs differ in how soon noise changes them."""
    low, high, now = 0.0, 1.0, strength
    best: tuple[float, tuple[NDArray[np.bool_], NDArray[np.int8]]] | None = None
    for _ in range(_LOOKS if strength < 1 else 1):
        found = varied(now)
        more = kept(*found) - (1 - strength)  # than asked
        if best is None or abs(more) < best[0]:
            best = abs(more), found
        if abs(more) <= _NEAR:
            break
        low, high = (now, high) if more > 0 else (low, now)
        aimed = now + more
        now = aimed if low + _APART < aimed < high - _APART else (low + high) / 2
    assert best is not None
    return best[1]


def _share_kept(song: Melody, tokens: NDArray[np.int8], free: NDArray[np.bool_]) -> float:
    """The share of the song's notes on free steps that begin there in other tokens (steps,), too: onset and pitch."""
    on = free & (song.events > REST)
    return float((tokens[on] == song.events[on]).mean()) if on.any() else 1.0


def _binding(
    model: Model, rules: Rules, free: NDArray[np.integer | np.bool_], first: int, tokens: NDArray[np.int8]
) -> Steering:  # fmt: skip
    """Hard rules on the bars with free steps of a melody, in which what sounds there may stay."""
    metre = model.manner.metre
    judged = np.asarray(free.reshape(-1, metre.bar_steps).any(axis=1))
    spared = np.zeros((tokens.size, VOCABULARY), np.bool_)
    pitch = sounding(Melody.from_tokens(tokens, metre=metre)).reshape(-1)
    sounds = np.flatnonzero(pitch)
    spared[sounds, to_token(pitch[sounds])] = True
    return Steering(model, rules, judged, tokens, first, spared)


def _breaking(rules: Rules, new: Melody, free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a note sounds that breaks the hard rules on the bars with free steps: there the song stays. (steps,)."""
    judged = np.repeat(free.reshape(-1, new.metre.bar_steps).any(axis=1), new.metre.bar_steps)
    allowed = np.ones((free.size, VOCABULARY), np.bool_)
    allowed[judged] = rules.allowed(int(judged.sum()), new.metre)
    broken = np.zeros(free.size, np.bool_)
    for start, end, pitch in zip(*(a.tolist() for a in new.notes), strict=True):
        broken[start:end] = not allowed[start:end, to_token(pitch)].all()
    return broken


def varied_file(passage: Passage, locks: Locks, tokens: NDArray[np.int8]) -> tuple[bytes, Melody]:
    """What `vary` made of the passage, as its song's file and as the melody: notes that stay keep their own events."""
    after = passage.before.like(locks.paste(tokens))
    begins = np.array([note.start - passage.stretch.begin for note in passage.part.notes], np.int64)
    steps = np.minimum(to_steps(begins, passage.song.ticks_per_quarter, locks.metre), locks.locked.size - 1)
    goes = [not locks.locked[max(step, 0)] for step in steps.tolist()]
    gone = frozenset(n for n, away in zip(passage.part.notes, goes, strict=True) if away and n in passage.gone)
    if not gone and locks.locked.all():
        return b"".join(passage.part.chunks), after
    return replace(passage, gone=gone, locks=locks).write(after), after


def changed_steps(was: Melody, now: Melody) -> NDArray[np.bool_]:
    """Where a note sounds that only one of two equally long melodies has: (steps,).

    >>> was = Melody.from_notes([0, 4, 8], [4, 8, 16], [60, 62, 64])
    >>> now = Melody.from_notes([0, 4, 12], [4, 8, 16], [60, 63, 64])
    >>> np.flatnonzero(changed_steps(was, now)).tolist()
    [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    """
    one, other = (set(zip(*(a.tolist() for a in melody.notes), strict=True)) for melody in (was, now))
    changed = np.zeros(was.events.size, np.bool_)
    for start, end, _ in one ^ other:
        changed[start:end] = True
    return changed


def melody_bars(song: Song, track: int | None = None, metres: Metres = None) -> Bars:
    """The bars of a song in which its melody (that of `track`) sounds: of each stretch in one metre, first to last."""
    index = extract(song, track, metres).track
    where = {stretch.region: stretch for stretch in stretches(song, metres)}
    count = len(bar_lines(song))
    spans = []
    for found in candidates(song, metres):
        if found.track == index and found.melody is not None and found.region in where:
            first = where[found.region].first + found.first_bar
            spans.append((min(first, count), min(first + found.melody.bars - 1, count)))
    return tuple(spans)


def by_stretch(song: Song, spans: Bars, metres: Metres = None) -> list[Bars]:
    """The bars of each stretch in one metre among `spans`. Raises MidiError where a bar is in none."""
    found, left = [], sum(last + 1 - first for first, last in spans)
    for stretch in stretches(song, metres):
        cut = ((max(first, stretch.first), min(last, stretch.first + stretch.bars - 1)) for first, last in spans)
        if part := tuple((first, last) for first, last in cut if first <= last):
            found.append(part)
            left -= sum(last + 1 - first for first, last in part)
    if left:
        find_stretch(song, spans, metres)  # which says why
    return found


def level_of(schedule: NoiseSchedule, strength: float, held: float = 0, *, tunes: bool = False) -> float:
    """The level of noise, 0 to T, for a strength 0 to 1 where a share of the phrases is `held`; of a network of tunes.

    ValueError for any other strength.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"a strength is between 0 (the song as it is) and 1 (new), not {strength}")
    curves = _NOISE_TUNES if tunes else _NOISE, _NOISE_HELD
    alone, among = (np.interp(strength, np.linspace(0, 1, len(curve)), curve) for curve in curves)
    return noise_level(schedule, float(alone + (among - alone) * min(held / _HELD, 1)))


def noise_level(schedule: NoiseSchedule, share: float) -> float:
    """The level at which sqrt(1 - alpha_bar) is `share`."""
    return float(np.interp(share, np.sqrt(1 - schedule.alpha_bar), np.arange(schedule.T + 1)))


def _seen(free: NDArray[np.bool_]) -> slice:
    """The phrases around those that are free: a whole window, or as many as it takes."""
    todo = np.flatnonzero(free)
    first, stop = max(0, int(todo[0]) - CONTEXT), min(free.size, int(todo[-1]) + 1 + CONTEXT)
    more = max(0, WINDOW - (stop - first))
    first = max(0, min(first - more // 2, free.size - max(WINDOW, stop - first)))
    return slice(first, max(stop, first + WINDOW))


def _shared(phrases: NDArray[np.int8], free: NDArray[np.bool_], weight: float) -> SharedPhrases:
    """Each free phrase moves by `weight` to the mean of the free phrases equal to it."""
    _, which = np.unique(phrases, axis=0, return_inverse=True)
    return SharedPhrases.of(np.where(free, which.reshape(-1), -1 - np.arange(free.size)), weight=weight)
