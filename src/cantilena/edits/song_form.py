"""A song: the best bars of several draws, laid out so that they come again, with endings composed for their place.

    draws --spans--> A, B, C: the spans most like a tune, unlike each other, in one key and a singable register
    8 bars: a a'    16: a a' b a'    32: a a' b a' (of 8)    64: a a' a a'' b b' a a'    more: c c' and a come again

A span is 4 bars, or 8 where the song has 32 or more. With a stroke it opens as it did and ends anew: its second half
is composed around all that stands there (RePaint: Lugmayr et al. 2022), and equal endings are tied. The last bar comes
to rest on the tonic. A single draw wanders: of twelve seeds a musician kept one, and six of such songs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.condition import Condition
from cantilena.diffusion.shared_phrases import SharedPhrases
from cantilena.edits.bound_sampler import WINDOW
from cantilena.edits.cadence import come_to_rest
from cantilena.edits.window import own_seed
from cantilena.model import Model
from cantilena.music.melody import REST, Melody, transpose
from cantilena.music.metre import COMMON, TOKENS, Metre
from cantilena.music.scales import MAJOR_SCALES, in_one_scale
from cantilena.music.tune_score import longest_run, tune_score
from cantilena.writing import Bounds

__all__ = ["DRAWS", "SAMPLES", "SHORTEST", "Part", "compose_song", "layout", "octaves_to", "span_quality"]

SHORTEST = 8  # bars
DRAWS = 4
ENDINGS = 2  # of which the better is taken
SAMPLES = 2  # of the draws, and of the endings; more where no draw is good enough
ROUNDS = 3  # of draws, until one has spans that are tunes; of endings, until none drones
MOST_RUNNING = 12  # notes of one pitch, one after another
_UNFIT = -50.0  # the quality of bars with hardly a note
_ENOUGH = 1.0  # the quality of a span that may open a song
_ALIKE = 0.3  # share of its bars that a second span may have of the first
_LOW, _HIGH, _CENTRE = 57, 81, 67  # MIDI pitches: a singable register, and its middle
_REACH = 3  # semitones

Tokens: TypeAlias = NDArray[np.int8]
SampleMany: TypeAlias = Callable[..., NDArray[np.float32]]  # seeds, and keywords of `Engine.sample` -> (seeds, P, D)
Told: TypeAlias = Callable[[int], Model]  # the model as it writes with the chance of a seed


class Part(NamedTuple):
    """A span's place in a song: which span, "a", "b" or "c", and its ending: 0 as it was drawn, 1 and 2 composed."""

    letter: str
    ending: int


def layout(parts: int) -> list[Part]:
    """The form of a song of so many spans.

    >>> " ".join(part.letter + "'" * part.ending for part in layout(8))
    "a a' a a'' b b' a a'"
    """
    a, a1, a2, b, b1 = Part("a", 0), Part("a", 1), Part("a", 2), Part("b", 0), Part("b", 1)
    short = {1: [a], 2: [a, a1], 3: [a, b, a1], 4: [a, a1, b, a1], 5: [a, a1, b, b1, a1], 6: [a, a1, b, b1, a, a1]}
    if parts in short:
        return short[parts]
    pairs = [(a, a1), (a, a2), (b, b1), (a, a1)]
    more = [(Part("c", 0), Part("c", 1)), (a, a2), (b, b1), (a, a1)]
    while len(pairs) < -(-parts // 2):
        pairs += more
    pairs = pairs[: -(-parts // 2)]
    found = [part for pair in pairs[:-1] for part in pair]
    return [*found, *([a1] if parts % 2 else [a, a1])]


@dataclass(frozen=True, eq=False)
class _Span:
    """Some bars of a draw, and how good they are as a tune."""

    quality: float
    draw: int
    first: int  # bar of the draw, from 0
    melody: Melody

    @property
    def events(self) -> Tokens:
        return self.melody.events

    def moved(self, semitones: int) -> _Span:
        return replace(self, melody=self.melody.like(transpose(self.events, semitones)))


def compose_song(sample: SampleMany, told: Told, seed: int, bars: int, metre: Metre = COMMON) -> Melody:
    """A song of `bars` bars, 8 or more, made of what `sample` draws and the model writes; all chance is the seed's."""
    span = 8 if bars >= 32 else 4
    phrases, size = metre.phrases_of(bars), span // metre.phrase_bars
    form = layout(-(-phrases // size))
    spans = _spans_of(sample, told, seed, span, sorted({part.letter for part in form}), metre)
    tokens, free, names = _laid_out(form, spans, size, phrases)
    place = np.arange(max(WINDOW, phrases)) % phrases  # a short song is heard again and again
    x_0 = told(seed).to_latents(tokens)[place]
    known = np.repeat(~free[:, None], TOKENS, axis=1)
    bounds = _within_reach(Bounds.fixing(tokens, known), tokens)
    condition = Condition(np.repeat(x_0[None], ENDINGS, 0), np.repeat(~free[place][None], ENDINGS, 0))
    song = Melody.from_phrases(tokens, metre=metre)
    for turn in range(ROUNDS):
        seeds = [own_seed(seed, 100 + turn * ENDINGS + k) for k in range(ENDINGS)]
        found = sample(seeds, phrases=place.size, condition=condition, shared=SharedPhrases.of(names[place]))[
            :, :phrases
        ]
        written = [told(s).to_phrases(z, bounds) for s, z in zip(seeds, found, strict=True)]
        best = max(range(ENDINGS), key=lambda k: _endings(written[k], free, size, metre))
        write = partial(told(seeds[best]).to_phrases, found[best])
        end = bars * metre.bar_steps
        song = song.like(metre.join(come_to_rest(write, written[best], 0, end, tonic=True, metre=metre))[:end])
        if longest_run(song.notes.pitch) <= MOST_RUNNING:
            break
    return song


def _within_reach(bounds: Bounds, tokens: Tokens) -> Bounds:
    """What is composed lies at most `_REACH` semitones above or below the spans."""
    notes = tokens[tokens > REST]
    reach = np.arange(bounds.sounding.shape[-1])
    beyond = (reach > REST) & ((reach < notes.min() - _REACH) | (reach > notes.max() + _REACH))
    return replace(bounds, sounding=bounds.sounding & ~beyond)


def span_quality(melody: Melody) -> float:
    """How good a few bars are as the theme of a song: what a tune is made of, less what spoils one.

    It counts steps, rhythms and bars that come again and the time to breathe at the end; against it count many
    repeated notes, leaps, zigzag, holes, a narrow or wide range, too few or too many notes, notes outside one scale.
    """
    start, end, pitch = melody.notes
    bars, bar, n = melody.bars, melody.metre.bar_steps, pitch.size
    if n < 1.5 * bars:
        return _UNFIT
    interval = np.diff(pitch)
    size, moves = np.abs(interval), np.sign(interval[interval != 0])
    turns = (moves[1:] != moves[:-1]).mean() if moves.size > 2 else 1.0
    hole = max(float((np.append(start[1:], melody.events.size) - end).max()), float(start[0])) / bar
    classes = np.bincount(pitch % 12, minlength=12) / n
    span, rate, lengths = int(pitch.max() - pitch.min()), n / bars, end - start
    figures = [tuple(row) for row in np.where(melody.events > REST, melody.events, 0).reshape(bars, bar)]
    rhythms = {tuple(v > 0 for v in row) for row in figures}
    space = melody.events.size - start[-1]
    bonus = (
        2.0 * min(float(((size > 0) & (size <= 2)).mean()), 0.42)
        + 0.12 * min(np.unique(np.diff(start)).size, 5)
        + 0.6 * (len(rhythms) < bars)
        + 0.3 * (len(set(figures)) < bars)
        + 0.5 * (start[0] <= 4)
        + 0.5 * min(space / 8, 1.0) * (space <= 2 * bar)
    )
    malus = (
        2.0 * max(0.0, float((size == 0).mean()) - 0.3)
        + 4.0 * max(0.0, float((size > 7).mean()) - 0.03)
        + 2.0 * max(0.0, float(turns) - 0.62)
        + 1.5 * max(0.0, hole - 0.75)
        + 0.2 * max(0, 8 - span) + 0.15 * max(0, span - 15)
        + 1.2 * max(0.0, 2.4 - rate) + 0.3 * max(0.0, rate - 5.5)
        + 0.8 * max(0.0, float(lengths.max()) / bar - 1.5)
        + 5.0 * max(0.0, float((lengths <= 1).mean()) - 0.1)
        + 0.15 * max(0, longest_run(pitch) - 4)
        + 5.0 * (1 - float(in_one_scale(classes)))
        + 1.5 * max(0.0, 0.5 - len(set(figures)) / bars)
    )  # fmt: skip
    return float(bonus - malus)


def _spans(draw: int, whole: Melody, bars: int) -> Iterator[_Span]:
    """All spans of a draw that begin with a phrase; one that cuts a note is worth less."""
    start, end, _ = whole.notes
    bar = whole.metre.bar_steps
    for first in range(0, whole.bars - bars + 1, whole.metre.phrase_bars):
        begin = first * bar
        part = whole.like(whole.events[begin : begin + bars * bar])
        cut = 0.5 * bool(((start < begin) & (end > begin)).any())
        if (quality := span_quality(part)) > _UNFIT:
            lifted = part.like(transpose(part.events, octaves_to(part, _CENTRE)))
            quality += 0.25 * float(np.clip(tune_score(lifted), -4, 4))
            yield _Span(quality - cut, draw, first, part)


def _spans_of(
    sample: SampleMany, told: Told, seed: int, bars: int, letters: Sequence[str], metre: Metre
) -> dict[str, _Span]:
    """A span for each letter, the first the best of all draws; the others unlike those before them."""
    every: list[_Span] = []
    for k in range(ROUNDS):
        seeds = [seed if not k and not j else own_seed(seed, 1 + k * DRAWS + j) for j in range(DRAWS)]
        for j, x_0 in enumerate(sample(seeds)):
            drawn = Melody.from_phrases(told(seeds[j]).to_phrases(x_0), metre=metre)
            every += _spans(k * DRAWS + j, drawn, bars)
        every.sort(key=lambda s: (-s.quality, s.draw, s.first))
        if every and every[0].quality >= _ENOUGH:
            break
    if not every:  # silence alone, three times over: nothing is better than a scale
        beat, size = metre.beat_steps, len(_RISE)
        on = range(0, min(size * beat, bars * metre.bar_steps), beat)
        rise = Melody.from_notes(on, [s + beat for s in on], _RISE[: len(on)], bars=bars, metre=metre)
        every = [_Span(_UNFIT, 0, 0, rise)]
    best = every[0]
    chosen = [best.moved(octaves_to(best.melody, _CENTRE))]
    for _ in letters[1:]:
        chosen.append(_another(every, best, chosen))
    shift = _into_register(np.concatenate([s.melody.notes.pitch for s in chosen]))
    return {letter: span.moved(shift) for letter, span in zip(letters, chosen, strict=True)}


_RISE = (60, 62, 64, 65, 67, 65, 64, 60)


def _another(every: Sequence[_Span], best: _Span, chosen: Sequence[_Span]) -> _Span:
    """The best span that is unlike those chosen, in the key of the first and near it in pitch, a little above."""

    def fits(span: _Span) -> bool:
        apart = all(span.draw != c.draw or abs(span.first - c.first) >= c.melody.bars for c in chosen)
        return apart and all(_alike(span.melody, c.melody, span.draw == c.draw) <= _ALIKE for c in chosen)

    def worth(span: _Span) -> float:
        return span.quality + 0.6 * (span.draw == best.draw)

    span = max(filter(fits, every), key=worth, default=best)
    home = chosen[0].melody.notes.pitch
    if span.draw != best.draw:
        classes = np.bincount(span.melody.notes.pitch % 12, minlength=12)
        scale = MAJOR_SCALES[int((MAJOR_SCALES @ np.bincount(home % 12, minlength=12)).argmax())]
        span = span.moved(max(range(-6, 6), key=lambda k: (float(scale @ np.roll(classes, k)), -abs(k))))
    else:
        span = span.moved(octaves_to(best.melody, _CENTRE))  # as the first was moved
    return span.moved(octaves_to(span.melody, float(np.median(home)) + 3))


def _alike(one: Melody, other: Melody, same_draw: bool) -> float:
    """The share of the bars of one span that the other has, too; of another draw at any pitch."""
    ours, theirs = (_figures(e, absolute=same_draw) for e in (one, other))
    return float(np.mean([bar in theirs for bar in ours]))


def _figures(melody: Melody, *, absolute: bool) -> list[bytes]:
    """The bars of a span, each against its first note, or `absolute`ly against the span's lowest."""
    found, events = [], melody.events
    for bar in events.reshape(melody.bars, -1):
        on = bar > REST
        base = events[events > REST].min() if absolute else bar[on][0] if on.any() else 0
        found.append(np.where(on, bar - base + 64, 0).astype(np.int8).tobytes())
    return found


def octaves_to(melody: Melody, centre: float) -> int:
    """The octaves, in semitones, that bring the median of a melody nearest to a pitch."""
    return 12 * round((centre - float(np.median(melody.notes.pitch))) / 12)


def _into_register(pitch: NDArray[np.int64]) -> int:
    """The least transposition that brings nearly all of some pitches into the singable register."""
    low, high = np.percentile(pitch, [2, 98])
    return min(range(-7, 8), key=lambda k: (max(0, _LOW - low - k) + max(0, high + k - _HIGH), abs(k)))


def _laid_out(
    form: Sequence[Part], spans: dict[str, _Span], size: int, phrases: int
) -> tuple[Tokens, NDArray[np.bool_], NDArray[np.int64]]:
    """The phrases of a song (P, 32), which are to be composed (P,), and numbers (P,) that are equal where they are."""
    of = {letter: span.melody.phrases() for letter, span in spans.items()}
    tokens = np.concatenate([of[part.letter] for part in form])[:phrases].copy()
    free, names = np.zeros(phrases, np.bool_), np.arange(phrases)
    seen: dict[Part, int] = {}
    for k, part in enumerate(form):
        begin, end = k * size, min((k + 1) * size, phrases)
        if part.ending:
            half = begin + size // 2 if end - begin == size else end - max(1, (end - begin) // 2)
            free[half:end] = True
            if end - begin == size:
                first = seen.setdefault(part, begin)
                names[half:end] = np.arange(half, end) - begin + first
    return tokens, free, names


def _endings(tokens: Tokens, free: NDArray[np.bool_], size: int, metre: Metre) -> float:
    """How good those spans are whose endings were composed."""
    found = []
    for begin in range(0, len(tokens) - size + 1, size):
        if free[begin : begin + size].any():
            found.append(max(span_quality(Melody.from_phrases(tokens[begin : begin + size], metre=metre)), -4.0))
    return float(np.mean(found)) if found else 0.0
