"""Melodies of any length: a crop of 64 bars, more than 64 through windows, loops, and streams without an end.

The network sees 32 phrases, 64 bars. A shorter melody is the crop of 64 bars that has a beginning and an ending; a
longer one is seen through overlapping windows, whose estimates are averaged (`diffusion.windowed`). In a loop of 64
bars or more the windows go round: its end leads into its start as any phrase into the next. A shorter loop drawn so,
over and over in 64 bars, would be a riff (benchmarks/length.py): it is a crop whose last quarter is composed anew, to
lead to its start. A stream is a chain: 16 phrases are held and the next 16 composed, for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.condition import Condition
from cantilena.diffusion.shared_phrases import SharedPhrases
from cantilena.edits.bound_sampler import WINDOW, BoundSampler
from cantilena.edits.cadence import key_before
from cantilena.edits.window import own_seed
from cantilena.model import Model
from cantilena.music.melody import HOLD, REST, Melody
from cantilena.music.metre import COMMON, TOKENS, Metre
from cantilena.rules import similarity
from cantilena.writing import Bounds

__all__ = ["LONGEST", "Length", "best_crop", "chain", "close", "lead_round", "opening", "stream"]

LONGEST = 1000  # bars


@dataclass(frozen=True)
class Length:
    """How many bars a melody has, and whether its end leads back to its start. ValueError for what cannot be.

    >>> Length(200).asked, Length(80, loop=True).asked
    ({'phrases': 100}, {'phrases': 40, 'circular': True})
    """

    bars: int
    loop: bool = False
    metre: Metre = COMMON
    least: int = WINDOW  # phrases of a sample

    def __post_init__(self) -> None:
        if isinstance(self.bars, bool) or not (isinstance(self.bars, Integral) and 2 <= self.bars <= LONGEST):
            raise ValueError(f"a melody has 2 to {LONGEST} bars, not {self.bars}")
        object.__setattr__(self, "bars", int(self.bars))  # of NumPy's, some overflow
        if self.loop and self.bars % self.metre.phrase_bars:
            few = {2: "two bars, so its bars are an even number", 4: "four bars, so its bars are a multiple of four"}
            raise ValueError(f"a loop is phrases of {few[self.metre.phrase_bars]}, not {self.bars}")

    @property
    def asked(self) -> dict[str, Any]:
        """What to ask of a `BoundSampler`; of a loop shorter than 64 bars, 64 that `lead_round` goes on from."""
        asked = {"phrases": max(WINDOW if self.loop else self.least, self.phrases)}
        return {**asked, "circular": True} if self.loop and self.phrases >= WINDOW else asked

    @property
    def phrases(self) -> int:
        """How many phrases it has."""
        return self.metre.phrases_of(self.bars)


def lead_round(
    model: Model, sample: BoundSampler, x_0: NDArray[np.float32], bars: int, *, seed: int
) -> NDArray[np.float32]:
    """A loop of `bars` bars, fewer than 32 phrases, out of x_0 (32, D): phrases that go round, (phrases, D).

    The `best_crop` is laid out over and over, and the last quarter of each copy, a phrase at least, is composed anew
    between the bars before it and the start of the next, the same in all of them.
    """
    metre = model.manner.metre
    phrases = metre.phrases_of(bars)
    whole = Melody.from_phrases(model.to_phrases(x_0), metre=metre)
    first = (best_crop(whole, bars) - 1) // metre.phrase_bars
    place = np.arange(-(-WINDOW // phrases) * phrases) % phrases  # in the loop, of each phrase of all copies
    condition = Condition(x_0[None, first + place], (place < phrases - max(1, phrases // 4))[None])
    x_0 = sample(
        own_seed(seed, 1), phrases=place.size, circular=True, shared=SharedPhrases.of(place), condition=condition
    )
    return x_0[0, :phrases]


def best_crop(melody: Melody, bars: int) -> int:
    """The first of the `bars` bars of a melody, one that begins a phrase, that stand best alone; the first of equals.

    Best begins with a note and ends with a long one, or one with a rest after it, on a stable degree of the key of
    the notes before it (best the tonic); no note is cut at either end; bars are heard again and few are silent.
    """
    alike = similarity(melody)
    firsts = range(1, melody.bars - bars + 2, melody.metre.phrase_bars)
    return max(firsts, key=lambda first: _worth(melody, first, bars, alike))


def opening(tokens: NDArray[np.integer]) -> int:
    """The phrase of a loop (phrases, steps) that it best begins with.

    A ring has no start of its own: here it is the phrase that begins with a note after the longest breath (a half
    note's is enough, and more than a phrase is none), so that nothing rings over the joint. Where no phrase begins
    with a note, one that begins in silence is taken.

    >>> opening(np.array([[0, 0, 41, 0], [43, 0, 0, 0]]))  # a ring, here with phrases of 4 steps
    1
    """
    ring = np.asarray(tokens, np.int8)
    size = ring.shape[1]
    flat = np.tile(ring.reshape(-1), 2)
    onset = np.maximum.accumulate(np.where(flat > REST, np.arange(flat.size), -1))[ring.size - 1 : -1 : size]
    since = np.arange(ring.size, flat.size, size) - onset
    breath = np.where(since > size, 0, np.minimum(since, size // 4))
    begins = ring[:, 0]
    kind = np.where(begins > REST, 2, np.where((begins == REST) | (_rung(ring) <= REST), 1, 0))
    return int(np.lexsort((np.arange(len(ring)), -breath, -kind))[0])


def close(tokens: NDArray[np.integer]) -> NDArray[np.int8]:
    """Phrases that go round, (phrases, steps), as those of a loop, from their first on.

    Where the first begins inside a note, that note is struck again, since whoever repeats the file ends it there.
    """
    ring = np.array(tokens, np.int8)
    if ring[0, 0] == HOLD:
        ring[0, 0] = max(_rung(ring)[0], REST)
    return ring


def _rung(ring: NDArray[np.int8]) -> NDArray[np.int8]:
    """The last change before each phrase of a ring: a note's token, REST, or HOLD where nothing ever changes."""
    flat = np.tile(ring.reshape(-1), 2)
    change = np.maximum.accumulate(np.where(flat != HOLD, np.arange(flat.size), -1))[ring.size - 1 : -1 : ring.shape[1]]
    rung: NDArray[np.int8] = np.where(change >= 0, flat[change], HOLD).astype(np.int8)
    return rung


def chain(sample: BoundSampler, seed: int) -> Iterator[NDArray[np.float32]]:
    """Latents without an end: 32 phrases (32, D), then 16 more (16, D) at a time, each after the 16 before it."""
    x_0 = sample(seed)
    yield x_0[0]
    known = np.arange(WINDOW)[None] < WINDOW // 2
    for k in count(1):
        held = np.roll(x_0, WINDOW // 2, axis=1)  # what was last comes first
        x_0 = sample(own_seed(seed, k), condition=Condition(held, known))
        yield x_0[0, WINDOW // 2 :]


def stream(model: Model, sample: BoundSampler, seed: int, qpm: float = 120.0) -> Iterator[Melody]:
    """A melody without an end, a phrase at a time, or more where a note rings over the bar line.

    Played one after another the pieces are the melody, and no note of it is cut, but one that rings for 64 bars.
    """
    pending: list[NDArray[np.int8]] = []
    before, said = np.zeros((0, model.space.D), np.float32), np.zeros((0, TOKENS), np.int8)
    for x_0 in chain(sample, seed):
        held = len(said)  # phrases that are heard by those that go on from them
        known = np.repeat(np.arange(held + len(x_0))[:, None] < held, TOKENS, axis=1)
        bounds = replace(Bounds.fixing(np.resize(said, known.shape), known), rings=True)
        before = np.concatenate([before, x_0])
        said = model.to_phrases(before, bounds)
        new, before, said = said[held:], before[-WINDOW // 2 :], said[-WINDOW // 2 :]
        for phrase in new:
            if pending and (phrase[0] != HOLD or not _rings(pending, model.manner.metre) or len(pending) == WINDOW):
                yield Melody.from_phrases(pending, qpm, model.manner.metre)
                pending = []
            pending.append(phrase)


def _rings(phrases: list[NDArray[np.int8]], metre: Metre) -> bool:
    """Whether a note sounds at their end."""
    events = Melody.from_phrases(phrases, metre=metre).events
    change = np.flatnonzero(events)
    return change.size > 0 and events[change[-1]] > REST


def _worth(melody: Melody, first: int, bars: int, alike: NDArray[np.float64]) -> float:
    """How well `bars` bars from the `first` on stand alone."""
    start, end, pitch = melody.notes
    bar = melody.metre.bar_steps
    begin, stop = (first - 1) * bar, (first - 1 + bars) * bar
    inside = (start >= begin) & (start < stop)
    if not inside.any():
        return -np.inf
    cuts = ((start < begin) & (end > begin)).any() + ((start < stop) & (end > stop)).any()
    wait, space = start[inside][0] - begin, stop - start[inside][-1]
    begins = max(0.0, 1 - wait / 8)
    ends = min(space / 8, 1.0) if space <= 2 * bar else 0.0  # a half note's time, in the last two bars
    key = key_before(melody.slice(first, first + bars - 1), int(start[inside][-1]) - begin)
    last = int(pitch[inside][-1]) % 12
    stable = 0.0 if key is None else 1.0 if last == key.tonic else 0.7 if last in key.stable else 0.0
    part = slice(first - 1, first - 1 + bars)
    notes = np.bincount(start[inside] // bar - (first - 1), minlength=bars)
    again = np.tril(alike[part, part], -1).max(axis=1)[notes > 0].mean()
    return float(begins + 2 * ends + stable + again - 2 * cuts - 2 * (notes == 0).mean())
