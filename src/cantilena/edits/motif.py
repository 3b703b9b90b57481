"""A tune from two bars: they open it as they are, come back in it, and it comes to rest.

The two bars are a phrase, held fixed where the tune begins. The network sees 64 bars, so a shorter tune is drawn as
often as it fits in them, each time with the motif before it, and every draw gives several tunes to choose from. In
every second draw the motif is held in the middle of the tune as well, so that some have it come back as it was. A
tune is the better the nearer its phrases keep to the motif as phrases of songs do, without being it all the time.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.condition import Condition
from cantilena.edits.bound_sampler import WINDOW, SampleMany
from cantilena.edits.cadence import come_to_rest, has_cadence
from cantilena.edits.window import own_seed
from cantilena.errors import MidiError
from cantilena.labels import places_among
from cantilena.model import Model
from cantilena.music.extract import candidates, extract, line, regions
from cantilena.music.melody import HOLD, MAX_PITCH, MIN_PITCH, REST, VOCABULARY, Melody, to_pitch
from cantilena.music.metre import TOKENS, Metres, grids, names_of
from cantilena.music.midi import Song, read_song
from cantilena.rules import Key, estimate_key
from cantilena.writing import Bounds

__all__ = ["SHORTEST", "develop", "first_phrase", "likeness", "read_motif", "returns", "sequence"]

SHORTEST = 4  # bars: the motif and as many
_DRAWS = 4  # of 64 bars; of longer tunes fewer, 2 at least
_MOST = 16  # draws of a short tune
_SEQUENCES = (1, -1, 2, -2)  # degrees of the scale, of one draw after another
_KEEPS = 0.55  # likeness of a tune's phrases to its motif: that of songs' next six bars to their first two is .54
_SPAN = 19  # semitones that a tune may have without being called wide


def read_motif(source: str | Path | bytes, *, name: str | None = None, metres: Metres = None) -> Melody:
    """The `first_phrase` of a MIDI file's melody. Raises MidiError (one line) for one without notes in a known metre.

    A file too short for what `cantilena inspect` calls a melody counts, too: of its tracks the highest.
    """
    song = read_song(source, name=name)
    if any(c.melody is not None for c in candidates(song, metres)):
        found = extract(song, metres=metres).melody
        assert found is not None
        return first_phrase(found)
    parts = [m for t in range(len(song.tracks)) for m in _parts(song, t, metres)]
    if not parts:
        raise MidiError(f"{song.name}: no motif there: no notes (but of drums) in {names_of(metres)}")
    return max((first_phrase(m) for m in parts), key=lambda m: float(m.notes.pitch.mean()))


def first_phrase(melody: Melody) -> Melody:
    """The first phrase of a melody: two bars of 4/4, from the first one with a note on, and no note rings out of it.

    Rests and pickups count: what is silent in the first bar stays so. ValueError for a melody without notes.
    """
    if not melody.notes.start.size:
        raise ValueError("a motif has notes, and this one has none")
    bar = melody.metre.bar_steps
    first = int(melody.notes.start[0]) // bar
    events = melody.events[first * bar :][: melody.metre.phrase_steps]
    if missing := melody.metre.phrase_steps - events.size:
        events = np.append(events, [REST, *([HOLD] * (missing - 1))])
    return melody.like(events)


def develop(
    model: Model, sample: SampleMany, motif: Melody, bars: int, *, seed: int = 0, cadence: bool = False
) -> Melody:
    """A tune of `bars` bars that begins with the `motif` (2 bars), note for note, and takes it up again and again.

    It comes back as it is and as a sequence, moved within the key (`returns`); what is new lies in the motif's key.

    With `cadence` its last note is long, stable and fills the bar: `has_cadence`. Of the tunes drawn, one that has it
    so is taken; where none has, the best `come_to_rest`. Raises ValueError for bars that are too few.
    """
    if bars < SHORTEST:
        raise ValueError(f"a tune of a motif has {SHORTEST} bars or more, not {bars}")
    metre, key = motif.metre, estimate_key(motif)
    phrases = metre.phrases_of(bars)
    whole = max(model.least, phrases)
    begins = np.arange(0, whole - phrases + 1, phrases)
    draws = range(min(max(2, _DRAWS * WINDOW // whole), _MOST))
    themes, known = np.tile(motif.phrases(), (len(draws), whole, 1)), np.zeros((len(draws), whole), np.bool_)
    for k, begin in product(draws, begins.tolist()):
        for at, steps in returns(phrases, _SEQUENCES[k % len(_SEQUENCES)]).items():
            themes[k, begin + at], known[k, begin + at] = sequence(motif, key, steps).phrases()[0], True
    tunes: list[tuple[Melody, NDArray[np.float32], Bounds, int]] = []
    for k, x_0 in enumerate(_drawn(model, sample, themes, known, [own_seed(seed, k) for k in draws])):
        bounds = _in_key(Bounds.fixing(themes[k], np.tile(known[k][:, None], TOKENS)), motif, key)
        written = metre.join(model.to_phrases(x_0, bounds))
        for b in (metre.phrase_steps * begins).tolist():
            tunes.append((motif.like(written[b : b + bars * metre.bar_steps]), x_0, bounds, b))
    best, x_0, bounds, begin = max(tunes, key=lambda t: (cadence and has_cadence(t[0], key), _worth(t[0], motif)))
    if not cadence:
        return best
    stop = begin + bars * metre.bar_steps
    write = partial(model.to_phrases, x_0)
    tokens = come_to_rest(write, model.to_phrases(x_0, bounds), begin, stop, key=key, metre=metre)
    return motif.like(metre.join(tokens)[begin:stop])


def _drawn(
    model: Model, sample: SampleMany, themes: NDArray[np.int8], known: NDArray[np.bool_], seeds: list[int]
) -> NDArray[np.float32]:
    """A sample of each seed, (n, P, D), with these phrases (n, P, 32) held; what is told the same is one batch."""
    held, phrases = model.to_latents(themes), themes.shape[1]
    if not model.places_phrases:
        return sample(seeds, phrases=phrases, condition=Condition(held, known))
    steps = model.manner.metre.phrase_steps
    places = np.stack([places_among(*one, 0, whole=True, steps=steps) for one in zip(themes, known, strict=True)])
    kinds, kind = np.unique(places, axis=0, return_inverse=True)
    found = np.empty_like(held)
    for k, told in enumerate(kinds):
        of = np.flatnonzero(kind.reshape(-1) == k)
        condition = Condition(held[of], known[of])
        found[of] = sample([seeds[i] for i in of], phrases=phrases, condition=condition, places=told)
    return found


def returns(phrases: int, steps: int) -> dict[int, int]:
    """Where in a tune of so many phrases a motif stands, and by how many degrees of the scale it is moved there.

    In every eight phrases it opens, is heard as a sequence, and comes back as it was; the last phrase is free.

    >>> returns(8, 1), returns(4, -2), returns(2, 1)
    ({0: 0, 2: 1, 4: 0}, {0: 0, 2: -2}, {0: 0})
    """
    places = {at: steps if at % 8 == 2 else 0 for at in range(0, phrases - 1, 2) if at % 8 != 6}
    return {0: 0, **places}


def sequence(motif: Melody, key: Key, steps: int) -> Melody:
    """A motif moved by so many degrees of its key's scale; a note outside the scale moves with the next lower one.

    It stays where it is if it would leave the piano.

    >>> sequence(Melody.from_notes([0, 8], [8, 16], [60, 64]), Key("C major"), 1).notes.pitch.tolist()
    [62, 65]
    """
    scale = np.flatnonzero(np.isin(np.arange(128) % 12, list(key.scale)))  # MIDI pitches, ascending
    pitch = motif.notes.pitch
    degree = np.searchsorted(scale, pitch, side="right") - 1
    to = degree + steps
    if degree.min() < 0 or to.min() < 0 or to.max() >= scale.size:
        return motif
    moved = pitch + scale[to] - scale[degree]
    if moved.min() < MIN_PITCH or moved.max() > MAX_PITCH:
        return motif
    start, end, _ = motif.notes
    return Melody.from_notes(start, end, moved, bars=motif.bars, qpm=motif.qpm, metre=motif.metre)


def _in_key(bounds: Bounds, motif: Melody, key: Key) -> Bounds:
    """Bounds within which new notes are of the key, or of the motif."""
    token = np.arange(VOCABULARY)
    classes = [*key.scale, *(motif.notes.pitch % 12).tolist()]
    foreign = (token > REST) & ~np.isin(to_pitch(token) % 12, classes)
    return replace(bounds, sounding=bounds.sounding & ~foreign)


def likeness(phrase: NDArray[np.integer], motif: NDArray[np.integer]) -> float:
    """How alike two phrases (32,) are, 0..1, at any pitch: the mean of two of Dice's coefficients.

    One is that of the sixteenths where notes start. The other counts those whose pitches agree, too, to a semitone,
    after the transposition that serves best: a sequence a step higher in the key is still the motif.

    >>> low, high = (Melody.from_notes([0, 4, 8], [4, 8, 32], p).events for p in ([60, 62, 64], [62, 64, 65]))
    >>> likeness(high, low), likeness(np.roll(high, 2), low)
    (1.0, 0.0)
    """
    on = int((phrase > REST).sum() + (motif > REST).sum())
    both = (phrase > REST) & (motif > REST)
    shift = phrase[both].astype(np.int64) - motif[both]
    fits = max((int((np.abs(shift - s) <= 1).sum()) for s in set(shift.tolist())), default=0)
    return float((both.sum() + fits) / on) if on else 1.0


def _parts(song: Song, track: int, metres: Metres) -> list[Melody]:
    """What a track plays in each stretch in one metre, however short."""
    found = []
    for begin, end, numerator, denominator in regions(song, metres):
        metre = grids(numerator, denominator, metres)[0]
        notes = line(song.tracks[track], begin, end, song.ticks_per_quarter, metre)
        if notes is not None:
            found.append(Melody.from_notes(*notes, qpm=song.qpm, metre=metre))
    return found


def _worth(tune: Melody, motif: Melody) -> float:
    """How well a tune develops its motif: likeness, a return; a sane range, in key, no silent bars."""
    size = motif.events.size
    steps = tune.events[: tune.events.size // size * size]
    alike = np.array([likeness(p, motif.events) for p in steps.reshape(-1, size)[1:]])
    pitch = tune.notes.pitch
    in_key = np.isin(pitch % 12, list(estimate_key(tune).scale)).mean()
    silent = ((tune.events > REST).reshape(tune.bars, -1).sum(axis=1) == 0).mean()
    own = int(np.ptp(motif.notes.pitch))
    wide = max(0, int(np.ptp(pitch)) - max(_SPAN, own + 7)) / 12
    returns = alike.max(initial=0)
    return float(returns - abs(alike.mean() - _KEEPS) + in_key - silent - wide)
