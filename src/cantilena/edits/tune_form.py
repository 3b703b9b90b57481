"""A tune of a network that is told where each phrase stands: its form comes from real tunes, its notes from one draw.

The network is told how many phrases lie before each and after it, and its form letter. Phrases of one letter are drawn
as one, so what the network means to come again comes again note for note. Of a few draws the one most like a tune is
taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.ties import Ties
from cantilena.edits.cadence import come_to_rest
from cantilena.edits.song_form import span_quality
from cantilena.edits.window import own_seed
from cantilena.labels import places
from cantilena.model import Model
from cantilena.music.melody import Melody
from cantilena.music.metre import Metre
from cantilena.music.scales import in_one_scale
from cantilena.music.tune_score import longest_run, tune_score

__all__ = ["DRAWS", "ROUNDS", "SHORTEST", "compose_tune", "draw_form", "letters_of"]

SHORTEST = 4  # phrases
DRAWS = 4  # of which the best is taken
ROUNDS = 3  # of draws, until one is a tune
_FORMS = 19  # tells a seed's numbers for the form from those for sampling
_MOST_RUNNING = 12  # notes of one pitch, one after another
_IN_SCALE = 8.0  # what notes outside one scale count, against a tune score of -4 to 4

SampleMany: TypeAlias = Callable[..., NDArray[np.float32]]  # seeds, and keywords of `Engine.sample` -> (seeds, P, D)
Told: TypeAlias = Callable[[int], Model]  # the model as it writes with the chance of a seed


def letters_of(form: str) -> list[int]:
    """The letters of a form by number, as a model's forms are written: "A" to "Z", then "a" and on.

    >>> letters_of("ABAC")
    [0, 1, 0, 2]
    """
    return [ord(letter) - 65 if letter <= "Z" else ord(letter) - 71 for letter in form]


def draw_form(forms: Mapping[str, Sequence[str]], style: str | None, phrases: int, seed: int) -> list[int]:
    """The form of a real tune of so many phrases, or more, cut short; all chance is the seed's.

    Of a style that has none as long, the longest are played again from the start, as tunes are.
    """
    known = list(forms.get(style, ())) if style is not None else [form for some in forms.values() for form in some]
    if not known:
        return list(range(phrases))
    random = np.random.Generator(np.random.PCG64([seed, _FORMS]))
    exact = [form for form in known if len(form) == phrases]
    whole = [form for form in known if phrases % len(form) == 0 and 2 * len(form) == phrases]
    longer = [form for form in known if len(form) > phrases]
    some = exact or whole or longer or [form for form in known if len(form) == max(map(len, known))]
    form = some[int(random.integers(len(some)))]
    letters = letters_of(form)
    return (letters * -(-phrases // len(letters)))[:phrases]


def compose_tune(
    sample: SampleMany, told: Told, seed: int, bars: int, metre: Metre, letters: Sequence[int], *,
    cadence: bool = False, draws: int = DRAWS,
) -> Melody:  # fmt: skip
    """A tune of `bars` bars in the form of `letters`, one a phrase; all chance is the seed's.

    With `cadence` it comes to rest on the tonic, whatever the network means to end with.
    """
    phrases = metre.phrases_of(bars)
    where, ties = places(phrases, letters), Ties.of(np.asarray(letters))
    best: tuple[float, Melody] | None = None
    for turn in range(ROUNDS):
        seeds = [seed if not turn and not k else own_seed(seed, 1 + turn * draws + k) for k in range(draws)]
        drawn = sample(seeds, phrases=phrases, places=where, ties=ties)
        for one, x_0 in zip(seeds, drawn, strict=True):
            tune = _written(told(one), x_0, bars, metre, cadence)
            worth = _worth(tune)
            if best is None or worth > best[0]:
                best = worth, tune
        assert best is not None
        if best[0] > 0:
            break
    assert best is not None
    return best[1]


def _written(model: Model, x_0: NDArray[np.float32], bars: int, metre: Metre, cadence: bool) -> Melody:
    """Latents (P, D) as a melody; where its bars do not fill the last phrase, which had the ending, with another."""
    tokens, end = model.to_phrases(x_0), bars * metre.bar_steps
    if cadence or bars % metre.phrase_bars:
        tokens = come_to_rest(lambda bounds: model.to_phrases(x_0, bounds), tokens, 0, end, tonic=True, metre=metre)
    return Melody.from_tokens(metre.join(tokens)[:end], metre=metre)


def _worth(tune: Melody) -> float:
    """How good a tune is: how like one it is, and how good its bars are; below 0 is none."""
    if tune.notes.pitch.size < tune.bars or longest_run(tune.notes.pitch) > _MOST_RUNNING:
        return -10.0
    classes = np.bincount(tune.notes.pitch % 12, minlength=12) / tune.notes.pitch.size
    in_scale = _IN_SCALE * (float(in_one_scale(classes)) - 1)  # a draw may wander from key to key
    return float(np.clip(tune_score(tune), -4, 4)) + max(span_quality(tune), -4.0) + in_scale
