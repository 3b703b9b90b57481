"""What networks are told of a melody: labels of the whole, and places of its phrases.

A model's labels are of one of two kinds. `VoiceLabels` are those of the paper's corpus: what the extractor says of a
track. `TuneLabels` are those of openly licensed tunes: role, style, metre, register and density of a melody, the scale
and the tonic where it is at home, and of each phrase how many lie before it and after it, its form letter, how much of
it is silent, and a letter for its rhythm. Each label may be its null, "not said".
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cantilena.errors import ModelError
from cantilena.music.melody import HOLD, REST
from cantilena.music.metre import TOKENS, Metre
from cantilena.voices import Voice

__all__ = [
    "AFTER",
    "BEFORE",
    "DENSITIES",
    "FAR",
    "IN_TIME",
    "LETTER",
    "PLACES",
    "PLACES_ONCE",
    "PLACE_NULLS",
    "REGISTERS",
    "RESTING",
    "RESTS",
    "RHYTHM",
    "SINGS",
    "Home",
    "Known",
    "LabelKind",
    "PhraseForm",
    "TuneLabels",
    "VoiceLabels",
    "density_class",
    "form_letters",
    "kind_of_labels",
    "metre_class",
    "no_places",
    "places",
    "places_among",
    "register_class",
    "renumbered",
    "rest_classes",
    "rhythm_letters",
    "silent_shares",
]

FAR = 32  # phrases from the opening, or to the ending: so many or more
PLACES = 32  # of a sequence that a network of tunes sees
RESTS = (0.25, 0.6)  # silent shares of a phrase between those that sing, that pause, and that rest
PLACE_NULLS = (FAR + 1, FAR + 1, PLACES, len(RESTS) + 1, PLACES)  # "not said", of each of
BEFORE, AFTER, LETTER, RESTING, RHYTHM = range(5)  # what a phrase is told, by its index
SINGS = 0  # a phrase of which so much or less is silent as the first of RESTS
PLACES_ONCE = 3  # kinds of places: of a network that learned before rests and rhythms were told
REGISTERS = (60, 66, 70, 74)  # median MIDI pitches between the five registers
DENSITIES = (0.75, 1.1, 1.6)  # notes a quarter between the four densities
Home: TypeAlias = tuple[int, int]  # a major scale by its tonic, and a tonic: pitch classes, see `music.scales.home_of`
PITCH_CLASSES = 12
_TUNE, _BASS = 0, 3  # roles
_LOWEST = 0  # register


class Known(NamedTuple):
    """What is known of a melody beside voice, style and metre; None is not said."""

    home: Home | None = None
    density: float | None = None  # notes a quarter
    register: float | None = None  # median MIDI pitch


_LETTERS = string.ascii_uppercase + string.ascii_lowercase
_ALIKE = 0.7  # share of equal onsets from which two phrases bear one letter
IN_TIME = 0.8  # share of common onsets from which their rhythms do


@dataclass(frozen=True)
class VoiceLabels:
    """Role, family, purity and whether there are rests: the labels of the paper's corpus."""

    nulls: tuple[int, ...] = (3, 17, 3, 2)
    written: int = 4  # how many of them the decoder is told
    styles: tuple[str, ...] = ()
    homes: bool = False  # whether it is said where a melody is at home
    places: int = 0  # how many labels each phrase has

    def of(self, voice: Voice, metre: Metre, style: str | None, known: Known | None = None) -> NDArray[np.int64]:
        """The labels of a melody (4,). ModelError for a style: this kind knows none."""
        if style is not None:
            raise ModelError(f"a style is for models that know some: this one knows none, so not {style!r}")
        given = (voice.role, voice.family, voice.purity, voice.rests)
        return np.array([null if v is None else v for v, null in zip(given, self.nulls, strict=True)], np.int64)


@dataclass(frozen=True)
class TuneLabels:
    """Role, style, metre, register, density, scale and tonic, each by its number in a list of names."""

    styles: tuple[str, ...]
    metres: tuple[str, ...]
    registers: int
    densities: int
    roles: int = 4
    homes: bool = True  # whether scale and tonic are told
    written: int = 3
    places: int = PLACES_ONCE

    @property
    def nulls(self) -> tuple[int, ...]:
        """The index of each that means "not said"."""
        homes = (PITCH_CLASSES, PITCH_CLASSES) if self.homes else ()
        return self.roles, len(self.styles), len(self.metres), self.registers, self.densities, *homes

    def of(self, voice: Voice, metre: Metre, style: str | None, known: Known | None = None) -> NDArray[np.int64]:
        """The labels of a melody (7,): a tune, a low bass, or of a voice that says nothing, nothing.

        ModelError for a style that is not known.
        """
        role, kind, _, register, density, *homes = self.nulls
        if style is not None:
            if style not in self.styles:
                raise ModelError(f"a style is one of {', '.join(self.styles)}, not {style!r}")
            kind = self.styles.index(style)
        if voice.role is not None or voice.family is not None:
            role, register = (_BASS, _LOWEST) if voice.role == 1 else (_TUNE, register)
        known = known or Known()
        if homes and known.home is not None:
            homes = list(known.home)
        if known.density is not None:
            density = density_class(known.density)
        if known.register is not None:
            register = register_class(known.register)
        return np.array([role, kind, metre_class(metre, self.metres), register, density, *homes], np.int64)


LabelKind = VoiceLabels | TuneLabels


def metre_class(metre: Metre, names: Sequence[str]) -> int:
    """Which of these names of metres is a metre's: its signature, "triplets" for their grid, or "other"."""
    name = "triplets" if metre.quarter_steps == 3 else str(metre)
    return names.index(name if name in names else "other")


def register_class(pitch: float) -> int:
    """Which of the five registers a median pitch lies in."""
    return int(np.searchsorted(REGISTERS, pitch, side="right"))


def density_class(notes: float) -> int:
    """Which of the four densities so many notes a quarter are."""
    return int(np.searchsorted(DENSITIES, notes, side="right"))


def silent_shares(phrases: NDArray[np.integer], steps: int = TOKENS) -> NDArray[np.float64]:
    """The share of the first `steps` of phrases (n, 32) in which nothing sounds, (n,); a held note sounds.

    >>> silent_shares(np.array([[41, 0, 1, 0], [0, 0, 0, 1]]), 4).tolist()
    [0.5, 0.25]
    """
    at = np.maximum.accumulate(np.where(phrases[:, :steps] != HOLD, np.arange(steps), -1), axis=1)
    begun = np.take_along_axis(phrases, np.maximum(at, 0), axis=1)  # what sounds at each step began here
    return np.asarray(((begun == REST) & (at >= 0)).mean(axis=1))


def rest_classes(phrases: NDArray[np.integer], steps: int = TOKENS) -> NDArray[np.int64]:
    """Which of phrases (n, 32) that play so many steps sing (0), pause (1) and rest (2): (n,), by RESTS."""
    return np.searchsorted(RESTS, silent_shares(phrases, steps))


class PhraseForm(NamedTuple):
    """The form of a tune by phrases: a letter for each, and one for its rhythm where that is known."""

    letters: list[int]
    rhythms: list[int] | None = None

    @classmethod
    def of(cls, phrases: NDArray[np.integer]) -> PhraseForm:
        """That of phrases (P, 32)."""
        return cls(form_letters(phrases).tolist(), rhythm_letters(phrases).tolist())

    @classmethod
    def parse(cls, text: str) -> PhraseForm:
        """As a model keeps it, the inverse of `text`: letters, then after a space those of rhythms.

        "A" to "Z" are the first letters, then "a" and on. ValueError for what is none.

        >>> PhraseForm.parse("ABAC AABA"), PhraseForm([0, 1, 0, 26]).text
        (PhraseForm(letters=[0, 1, 0, 2], rhythms=[0, 0, 1, 0]), 'ABAa')
        """
        letters, *more = ([_LETTERS.index(letter) for letter in part] for part in text.split(" "))
        if len(more) > 1 or any(len(rhythms) != len(letters) for rhythms in more):
            raise ValueError(f"no form: {text!r}")
        return cls(letters, *more)

    @property
    def text(self) -> str:
        """As a model keeps it."""
        return " ".join("".join(_LETTERS[k] for k in part) for part in self if part is not None)

    def cut(self, phrases: int) -> PhraseForm:
        """Its first phrases."""
        return PhraseForm(self.letters[:phrases], self.rhythms and self.rhythms[:phrases])


def kind_of_labels(about: Mapping[str, Any]) -> LabelKind:
    """The kind of labels of a model, from its model.json; KeyError or TypeError where that is malformed."""
    told = about.get("labels")
    if told is None:
        return VoiceLabels()
    styles, metres = (tuple(map(str, told[name])) for name in ("style", "metre"))
    registers, densities, roles = (len(told[name]) for name in ("register", "density", "role"))
    places = len(about["denoiser"].get("config", {}).get("places", ())) or PLACES_ONCE
    return TuneLabels(styles, metres, registers, densities, roles, homes="tonic" in told, places=places)


def rhythm_letters(tokens: NDArray[np.integer]) -> NDArray[np.int64]:
    """A letter (n,) for the rhythm of each of phrases (n, 32): those with nearly all onsets in common share one.

    As `form_letters`, of onsets alone and stricter: in IN_TIME of the steps at which either begins a note, both do.

    >>> rhythm_letters(np.array([[41, 0, 43, 0], [45, 0, 41, 1], [41, 43, 41, 0]])).tolist()
    [0, 0, 1]
    """
    return form_letters(np.where(tokens > REST, REST + 1, tokens), IN_TIME)


def form_letters(tokens: NDArray[np.integer], least: float = _ALIKE) -> NDArray[np.int64]:
    """A letter (n,) for each of phrases (n, 32), in order of appearance: phrases that are nearly alike share one.

    Alike is where of all steps at which a note begins in either, in `least` of them the same one begins in both.

    >>> form_letters(np.array([[41, 0, 43, 0], [45, 0, 41, 1], [41, 0, 43, 1]])).tolist()
    [0, 1, 0]
    """
    on, heads = tokens > REST, list[int]()  # of each letter the first phrase
    found = np.empty(len(tokens), np.int64)
    for k, phrase in enumerate(tokens):
        either = on[k] | on[heads]
        same = (phrase == tokens[heads]) & either
        alike = np.count_nonzero(same, axis=1) >= least * np.count_nonzero(either, axis=1)
        if alike.any():
            found[k] = alike.argmax()
        else:
            found[k] = len(heads)
            heads.append(k)
    return found


def no_places(*shape: int) -> NDArray[np.int64]:
    """That nothing is said of where phrases stand, (*shape, 5); not to be written to."""
    return np.broadcast_to(np.array(PLACE_NULLS, np.int64), (*shape, len(PLACE_NULLS)))


def places(
    phrases: int, letters: Sequence[int] | None = None, *, first: int | None = 0, whole: bool = True,
    rests: Sequence[int] | None = None, rhythms: Sequence[int] | None = None,
) -> NDArray[np.int64]:  # fmt: skip
    """Where each of consecutive phrases stands: (phrases, 5).

    That is how many lie before it and after it, its form letter, how it rests, and the letter of its rhythm. `first` is
    how many lie before them all, None if that is not said; `whole`, whether the last one is the ending. Without
    `letters` none is said, and so with `rhythms`; letters from PLACES on stand one number higher, as that one is "not
    said": a network gets them `renumbered`. `rests` are `rest_classes`.

    >>> places(3, [0, 1, 0], rests=[0, 0, 1], rhythms=[0, 0, 0]).tolist()
    [[0, 2, 0, 0, 0], [1, 1, 1, 0, 0], [2, 0, 0, 1, 0]]
    """
    found = no_places(phrases).copy()
    at = np.arange(phrases)
    if first is not None:
        found[:, BEFORE] = np.minimum(first + at, FAR)
    if whole:
        found[:, AFTER] = np.minimum(phrases - 1 - at, FAR)
    for k, named in ((LETTER, letters), (RHYTHM, rhythms)):
        if named is not None:
            found[:, k] = named
            found[:, k] += found[:, k] >= PLACES
    if rests is not None:
        found[:, RESTING] = rests
    return found


def renumbered(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places (B, P, k) of at most PLACES phrases, as networks learn them: letters in order of appearance in each row.

    >>> some = places(70, range(70))[None, 40:44]
    >>> some[..., LETTER].tolist(), renumbered(some)[..., LETTER].tolist()
    ([[41, 42, 43, 44]], [[0, 1, 2, 3]])
    """
    found = places.copy()
    for k in (LETTER, RHYTHM):
        letters = places[..., k]
        said = letters != PLACES
        first = (letters[:, :, None] == letters[:, None]).argmax(-1)  # where each stands for the first time
        number = np.cumsum(said & (first == np.arange(letters.shape[1])), axis=1) - 1
        found[..., k] = np.where(said, np.take_along_axis(number, first, axis=1), PLACES)
    return found


def places_among(
    phrases: NDArray[np.integer], known: NDArray[np.bool_], first: int | None, *, whole: bool, steps: int = TOKENS
) -> NDArray[np.int64]:
    """Where phrases (P, 32) that play so many steps stand, of which some are `known` (P,); else as `places`.

    The letters of those are said, also of their rhythms, and how they rest. The others are to sing or pause as most of
    those do that do not rest: who asks for bars wants notes there.
    """
    found = places(len(phrases), first=first, whole=whole)
    found[known, LETTER], found[known, RHYTHM] = form_letters(phrases[known]), rhythm_letters(phrases[known])
    if known.any():
        found[known, RESTING] = classes = rest_classes(phrases[known], steps)
        if (singing := classes[classes < len(RESTS)]).size:
            found[~known, RESTING] = int(np.median(singing))
    return found
