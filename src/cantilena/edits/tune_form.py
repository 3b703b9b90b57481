"""A tune of a network that is told where each phrase stands: form, key and density are real tunes', notes one draw's.

The network is told how many phrases lie before each and after it, its form letter and that of its rhythm, where the
tune is at home, and how many notes it has. Phrases of one letter are drawn as one, so what the network means to come
again comes again note for note; phrases that come near the rhythm that they share may be written in it. Of a few draws
the one most like a tune is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.shared_phrases import SharedPhrases
from cantilena.edits.cadence import Write, come_to_rest, key_before
from cantilena.edits.song_form import MOST_RUNNING, SampleMany, Told, span_quality
from cantilena.edits.steer import Steering
from cantilena.edits.window import own_seed
from cantilena.labels import IN_TIME, PLACES, SINGS, Home, PhraseForm, form_letters, places, rhythm_letters
from cantilena.model import Model
from cantilena.music.melody import REST, VOCABULARY, Melody, to_token
from cantilena.music.metre import Metre
from cantilena.music.scales import in_one_scale
from cantilena.music.tune_score import longest_run, silences, tune_score
from cantilena.rules import Form, Key, Rules
from cantilena.rules.rule import sounding
from cantilena.writing import FREE, Bounds

__all__ = ["DRAWS", "compose_tune", "draw_density", "draw_form", "draw_home", "draw_style"]

DRAWS = (3, 3, 6, 6)  # in turn, until the best of all is a tune; after the first three also one that keeps its form
_STYLES, _FORMS, _HOMES, _DENSITIES = 17, 19, 23, 29  # tell a seed's numbers for each from those for sampling
_ENOUGH = 8  # forms of a style to choose from
_SQUARE = 4  # phrases: what is gone on with is a multiple of so many long
_IN_SCALE, _MOSTLY = 16.0, 0.96  # what notes outside one scale count, beyond so many, against a tune score of -4 to 4
_SEAM = 6.0  # and what leaps from phrase to phrase count
_PASSES = 4  # until no two bars are alike that should not be
_MISSED = 20.0  # and the share of bars that miss an asked form
_UNHEARD, _MANY = 2.0, 6  # and each pair of phrases that is wrongly alike, or wrongly not, up to so many
_NONE = -10.0  # what is no tune is worth
_AGAIN = 2  # draws of each turn that are written in rhythm, too
_IN_RHYTHM = 1.0  # and the share of phrases that have the rhythm of others, as they should
_PLAIN = 4.0  # what a bass is worth that keeps key and form
_NEARLY = 0.5  # of onsets in common, from which a phrase takes the rhythm that it was told
_HOLE = 4  # bars of silence that no tune has
_ZIGZAG, _TURNS = 10.0, 0.5  # what changes of direction beyond this share of them count


def _chance(seed: int, of: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, of]))


def draw_style(styles: Mapping[str, Mapping[str, int]], metre: str, seed: int) -> str | None:
    """One of the styles in which real tunes of a metre are, or else of all; None where none are known.

    The seed's chance.
    """
    known = [style for style, metres in styles.items() if metre in metres] or list(styles)
    random = _chance(seed, _STYLES)
    return known[int(random.integers(len(known)))] if known else None


def draw_form(
    forms: Mapping[str, Sequence[PhraseForm]], style: str | None, phrases: int, seed: int
) -> PhraseForm:  # fmt: skip
    """The form of a real tune of so many phrases; all chance is the seed's.

    Where few of a style are as long, it is that of one half as long or longer, else one of the longest: a longer one is
    cut short, and a shorter one goes on as it began and then otherwise, by `_again`, in the same rhythms.
    """
    known = list(forms.get(style, ())) if style is not None else [form for some in forms.values() for form in some]
    if not known:
        return PhraseForm(list(range(phrases)))
    random = _chance(seed, _FORMS)
    exact = [form for form in known if len(form.letters) == phrases]
    square = [form if len(form.letters) >= phrases else _squared(form) for form in known]
    near = [form for form in square if 2 * len(form.letters) >= phrases]
    longest = sorted(square, key=lambda form: len(form.letters))[-_ENOUGH:]
    some = next((pool for pool in (exact, near) if len(pool) >= _ENOUGH), longest)
    letters, rhythms = some[int(random.integers(len(some)))]
    found, turns = list(letters), 1
    while len(found) < phrases:
        found += _again(letters, max(found) + 1)
        turns += 1
    return PhraseForm(found, rhythms and rhythms * turns).cut(phrases)


def _squared(form: PhraseForm) -> PhraseForm:
    return form.cut(len(form.letters) // _SQUARE * _SQUARE or len(form.letters))


def _again(letters: list[int], new: int) -> list[int]:
    """The same once more, of which the first quarter comes again: then letters from `new` on, equal where they were.

    >>> _again([0, 1, 0, 2, 0, 1, 3, 3], 4)
    [0, 1, 4, 5, 4, 6, 7, 7]
    """
    kept = -(-len(letters) // 4)
    names = {letter: new + k for k, letter in enumerate(dict.fromkeys(letters[kept:]))}
    return letters[:kept] + [names[letter] for letter in letters[kept:]]


def draw_home(homes: Mapping[str, Sequence[tuple[int, int, int]]], style: str | None, seed: int) -> Home | None:
    """Scale and tonic of a real tune, as `Model.homes` counts them; None where none are known. The seed's chance."""
    known = list(homes.get(style, ())) if style is not None else [home for some in homes.values() for home in some]
    if not known:
        return None
    count = np.array([n for *_, n in known])
    random = _chance(seed, _HOMES)
    scale, tonic, _ = known[int(random.choice(len(known), p=count / count.sum()))]
    return scale, tonic


def draw_density(
    densities: Mapping[str, Mapping[str, Sequence[float]]], style: str | None, metre: str, seed: int
) -> float | None:
    """Notes a quarter of a real tune of a style in a metre; None where none are known. The seed's chance.

    It is one of the denser two thirds: what comes of a density has somewhat fewer notes.
    """
    some = densities.get(style, {}).get(metre, ()) if style is not None else ()
    some = some[len(some) // 3 :]
    random = _chance(seed, _DENSITIES)
    return float(some[int(random.integers(len(some)))]) if some else None


def compose_tune(
    sample: SampleMany, told: Told, seed: int, bars: int, metre: Metre, asked: PhraseForm, *,
    key: Key | None = None, home: Key | None = None, rules: Rules | None = None, form: Form | None = None,
    sung: bool = True,
) -> Melody:  # fmt: skip
    """A tune of `bars` bars that ends at home, in the `asked` form of its phrases; all chance is the seed's.

    It ends on the tonic of the `key` that is asked for; else of that which the network was told, `home`, where the
    notes do not say otherwise; else of what was written. `rules` bind all that is. By a `form` bars come again where
    it asks and not elsewhere, and of the draws those that keep it are better. What is not `sung`, a bass, is not judged
    by how like a tune it is.
    """
    phrases, letters = metre.phrases_of(bars), asked.letters
    where = places(phrases, letters, rests=[SINGS] * phrases, rhythms=asked.rhythms)
    shared = SharedPhrases.of(np.asarray(letters))
    tunes: list[tuple[float, Melody]] = []

    def judged(one: int, x_0: NDArray[np.float32], to: PhraseForm) -> tuple[float, Melody]:
        tune = _written(told(one), x_0, bars, key, home, rules, form, to)
        missed = 0.0 if form is None else 1 - float(form.met(tune).mean())
        return _worth(tune, asked, sung=sung) - _MISSED * missed, tune

    free = asked._replace(rhythms=None)
    for turn, draws in enumerate(DRAWS):
        begin = sum(DRAWS[:turn])
        seeds = [own_seed(seed, 1 + k) if k else seed for k in range(begin, begin + draws)]
        drawn = sample(seeds, phrases=phrases, places=where, shared=shared)
        found = [judged(one, x_0, free) for one, x_0 in zip(seeds, drawn, strict=True)]
        tunes += found
        if asked.rhythms is not None:  # the best of them once more, in the rhythms that they nearly have
            better = sorted(range(draws), key=lambda k: -found[k][0])[:_AGAIN]
            tunes += [judged(seeds[k], drawn[k], asked) for k in better]
        worth, best = max(tunes, key=lambda one: one[0])
        enough = 0 if phrases <= 2 * PLACES else _NONE  # of a long tune each part is worse somewhere than a short one
        if worth > enough and (turn or not _unheard(best, letters)):
            break
    return best


def _written(
    model: Model, x_0: NDArray[np.float32], bars: int, key: Key | None, home: Key | None, rules: Rules | None,
    form: Form | None, to: PhraseForm,
) -> Melody:  # fmt: skip
    """Latents (P, D) as a melody whose last bar comes to rest on the tonic: in its form, rhythms and hard rules."""
    metre = model.manner.metre
    write, end = partial(model.to_phrases, x_0), bars * metre.bar_steps
    if rules is not None:
        steering = Steering.alone(model, rules, len(x_0), bars)
        write = partial(steering.decode, x_0, shift=steering.shift(x_0))
    tokens = write()
    if to.rhythms is not None:
        tokens = _in_rhythm(write, tokens, to)
    if form is not None:
        tokens = _formed(write, tokens, form, end, rules, metre)
    heard = key_before(Melody.from_tokens(metre.join(tokens)[:end], metre=metre), end - metre.bar_steps)
    if home is not None and heard is not None and home.tonic not in heard.stable:
        home = None  # the notes say otherwise than the network was told
    tokens = come_to_rest(write, tokens, 0, end, key=key or home, tonic=True, metre=metre)
    return Melody.from_tokens(metre.join(tokens)[:end], metre=metre)


def _in_rhythm(write: Write, tokens: NDArray[np.int8], asked: PhraseForm) -> NDArray[np.int8]:
    """Phrases (P, 32) of which each that is nearly in the rhythm of the first of its letter, is in that rhythm.

    What they sing is written anew, of the same latents. Where that makes phrases alike that bear other letters, they
    stay as they are.
    """
    letters, rhythms = np.asarray(asked.letters), asked.rhythms or []
    on, first = tokens > REST, [rhythms.index(letter) for letter in rhythms]
    common, either = (on & on[first]).sum(axis=1), (on | on[first]).sum(axis=1)
    nearly = (common < IN_TIME * either) & (common >= _NEARLY * either)
    for _ in range(_PASSES):
        if not nearly.any():
            break
        onsets = np.where(nearly[:, None], on[first], FREE).astype(np.int8)
        found = write(replace(Bounds.none(len(tokens)), onsets=onsets))
        heard = form_letters(found)
        wrong = ((heard[:, None] == heard) & (letters[:, None] != letters)).any(axis=1)
        if not (wrong & nearly).any():
            return found
        nearly &= ~np.isin(letters, letters[wrong & nearly])  # all of a letter, which is one phrase
    return tokens


def _formed(
    write: Write, tokens: NDArray[np.int8], form: Form, end: int, rules: Rules | None, metre: Metre
) -> NDArray[np.int8]:  # fmt: skip
    """Phrases (P, 32) of which the first `end` steps come again as a `form` asks, and only there.

    A bar that should come again does, unless hard rules forbid a note of it there. One that is like another and should
    not be is written anew without the notes that both have.
    """
    bar = metre.bar_steps
    first = form.firsts(end // bar, metre)
    forbidden = np.zeros((len(tokens) * metre.phrase_steps, VOCABULARY), np.bool_)
    for _ in range(_PASSES):
        tokens = _come_again(tokens, form, end, rules, metre)
        tune = Melody.from_tokens(metre.join(tokens)[:end], metre=metre)
        alike = {tuple(sorted(first[pair].tolist())) for pair in np.argwhere(form.too_alike(tune))}
        on = np.where(tune.events > REST, tune.events, 0).reshape(-1, bar)
        free = np.zeros(len(forbidden), np.bool_)
        for other, later in alike:
            step = np.flatnonzero((on[later] > 0) & (on[later] == on[other]))
            forbidden[later * bar + step, on[later][step]] = True
            free[later * bar : (later + 1) * bar] = True
        if not free.any():
            return tokens
        bounds = Bounds.fixing(tokens, metre.cut(~free, True))
        bounds.sounding[:, : metre.phrase_steps] &= ~forbidden.reshape(len(tokens), -1, VOCABULARY)
        tokens = write(bounds)
    return _come_again(tokens, form, end, rules, metre)


def _come_again(
    tokens: NDArray[np.int8], form: Form, end: int, rules: Rules | None, metre: Metre
) -> NDArray[np.int8]:  # fmt: skip
    """The same with every bar that should come again as it was first, where hard rules allow it."""
    steps = metre.join(tokens).copy()
    tune = Melody.from_tokens(steps[:end], metre=metre)
    again, part = form.come_again(tune), steps[:end].reshape(tune.bars, -1)
    changed = (tune.events != again.events).reshape(part.shape).any(axis=1)
    if rules is not None:
        heard = np.maximum(to_token(sounding(again).reshape(-1)), REST)
        changed &= rules.allowed(end, metre)[np.arange(end), heard].reshape(part.shape).all(axis=1)
    part[changed] = again.events.reshape(part.shape)[changed]
    return Melody.from_tokens(steps, metre=metre).phrases()


def _worth(tune: Melody, asked: PhraseForm, *, sung: bool = True) -> float:
    """How good a tune is: how like one, how good its bars are, how well it keeps key and form; below 0 it is none.

    What is not `sung` is only held to the last two.
    """
    pitch, longest = tune.notes.pitch, int(silences(tune).max())
    if pitch.size < tune.bars or longest_run(pitch) > MOST_RUNNING or longest >= _HOLE * tune.metre.bar_steps:
        return _NONE
    classes = np.bincount(pitch % 12, minlength=12) / pitch.size
    in_scale = _IN_SCALE * (float(in_one_scale(classes)) - _MOSTLY)  # a draw may wander from key to key
    moves = np.sign(np.diff(pitch))
    moves = moves[moves != 0]
    zigzag = _ZIGZAG * max(0.0, float((moves[1:] != moves[:-1]).mean()) - _TURNS) if moves.size > 2 else 0.0
    unheard = _UNHEARD * min(_unheard(tune, asked.letters), _MANY)
    kept = in_scale - _SEAM * _torn(tune) - zigzag - unheard + _IN_RHYTHM * _in_time(tune, asked)
    if not sung:
        return _PLAIN + kept
    score = float(np.clip(tune_score(tune), -4, 4))
    worth = score + max(span_quality(tune), -4.0) + kept
    return worth if score > 0 else min(worth, score)


def _unheard(tune: Melody, letters: Sequence[int]) -> int:
    """Of how many pairs of phrases one hears otherwise than their letters say whether they are alike."""
    asked, heard = np.asarray(letters), form_letters(tune.phrases())
    asked, heard = (of[:, None] == of for of in (asked[: len(heard)], heard))
    return int((asked != heard).sum()) // 2


def _in_time(tune: Melody, asked: PhraseForm) -> float:
    """Of the pairs of phrases that are to have one rhythm, and other notes, the share that does; 0 where none are."""
    heard = rhythm_letters(tune.phrases())
    letters, rhythms = (np.asarray(of or range(len(heard)))[: len(heard)] for of in asked)
    pairs = np.triu((rhythms[:, None] == rhythms) & (letters[:, None] != letters))
    return float((heard[:, None] == heard)[pairs].mean()) if pairs.any() else 0.0


def _torn(tune: Melody) -> float:
    """The share of its phrases that begin with a leap beyond a fifth."""
    begins = np.diff(tune.notes.start // tune.metre.phrase_steps) > 0
    return float((np.abs(np.diff(tune.notes.pitch))[begins] > 7).mean()) if begins.any() else 0.0
